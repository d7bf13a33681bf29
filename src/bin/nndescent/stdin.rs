//! Standard input as a file, for readers that must know its kind and length.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::Failure;
use crate::interrupt;

/// The name that stands for standard input, and for standard output.
pub const STREAM: &str = "-";

/// An input: a file, or a copy of what standard input held, which is removed when this is dropped.
pub struct Input {
    pub path: PathBuf,
    is_copy: bool,
}

impl Input {
    /// The file of this name; of `-`, what is on standard input.
    pub fn of(name: &Path) -> Result<Self, Failure> {
        if name != Path::new(STREAM) {
            return Ok(Self { path: name.into(), is_copy: false });
        }
        static TAKEN: AtomicBool = AtomicBool::new(false);
        if TAKEN.swap(true, Ordering::Relaxed) {
            return Err(Failure::Argument("only one input can be `-`".into()));
        }
        copy().map_err(|e| Failure::Input(format!("standard input: {e}")))
    }

    /// A message about this input, by the name that the user knows.
    pub fn named(&self, failure: Failure) -> Failure {
        if !self.is_copy {
            return failure;
        }
        failure.map(|message| message.replace(&self.path.display().to_string(), "standard input"))
    }

    /// The name that the user knows.
    pub fn name(&self) -> String {
        if self.is_copy { "standard input".into() } else { self.path.display().to_string() }
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        if self.is_copy {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn copy() -> std::io::Result<Input> {
    let mut from = std::io::stdin().lock();
    let mut start = Vec::new();
    from.by_ref().take(1 << 12).read_to_end(&mut start)?;
    let folder = std::env::temp_dir();
    let path = folder.join(format!(".nndescent-{}-stdin.{}", std::process::id(), ending(&start)));
    interrupt::clean(folder);
    let mut file = File::create_new(&path)?;
    let input = Input { path, is_copy: true };
    file.write_all(&start)?;
    std::io::copy(&mut from, &mut file)?;
    Ok(input)
}

/// What the name of a file that begins so would end with.
fn ending(start: &[u8]) -> &'static str {
    match start {
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => "npy",
        [b'P', b'K', ..] => "npz",
        [0x89, b'H', b'D', b'F', ..] => "hdf5",
        [b'P', b'A', b'R', b'1', ..] => "parquet",
        [b'A', b'R', b'R', b'O', b'W', b'1', ..] => "arrow",
        [0x1f, 0x8b, ..] => "idx.gz",
        [0, 0, 8..=14, 1..=255, ..] => "idx",
        _ => "csv",
    }
}
