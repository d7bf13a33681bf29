//! What commands write.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use nndescent::{CsrGraph, Index, KnnGraph, io};

use crate::failure::Failure;
use crate::interrupt;
use crate::stdin::STREAM;

/// Prints a line. What cannot be printed makes the command fail at its end: see [`finish`].
macro_rules! say {
    () => {
        $crate::output::print(format_args!(""))
    };
    ($($words:tt)+) => {
        $crate::output::print(format_args!($($words)+))
    };
}

/// Prints a line to standard error, if it can be written to.
macro_rules! tell {
    ($($words:tt)+) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($words)+);
    }};
}

/// Links that lead to a file at most.
const LINKS: usize = 40;

static UNPRINTED: AtomicBool = AtomicBool::new(false);

/// Whether standard output is for the output itself: lines go to standard error.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// See [`say!`].
pub fn print(line: std::fmt::Arguments) {
    if IS_TAKEN.load(Ordering::Relaxed) {
        tell!("{line}");
    } else if writeln!(std::io::stdout(), "{line}").is_err() {
        UNPRINTED.store(true, Ordering::Relaxed);
    }
}

/// Keeps standard output for the output itself.
pub fn take() {
    IS_TAKEN.store(true, Ordering::Relaxed);
}

/// Prints the output itself, as one line.
#[cfg(feature = "gpu")]
pub fn print_taken(output: &impl std::fmt::Display) {
    if writeln!(std::io::stdout(), "{output}").is_err() {
        UNPRINTED.store(true, Ordering::Relaxed);
    }
}

/// Fails if something was not printed.
pub fn finish() -> Result<(), Failure> {
    let flushed = std::io::stdout().flush();
    if UNPRINTED.load(Ordering::Relaxed) || flushed.is_err() {
        return Err(Failure::Output("standard output cannot be written to".into()));
    }
    Ok(())
}

/// Checks before a long build that the output can be written, and is none of the inputs.
pub fn check<'a>(output: &Path, ending: &str, inputs: impl IntoIterator<Item = &'a Path>) -> Result<(), Failure> {
    let wrong = |what: String| Err(Failure::Output(format!("{}: {what}", output.display())));
    if is_stream(output) {
        take();
        return Ok(());
    }
    if output.extension().is_none_or(|e| !e.eq_ignore_ascii_case(ending)) {
        return wrong(format!("the name of the output must end in .{ending}"));
    }
    if let Some(input) = inputs.into_iter().find(|input| are_same(input, output)) {
        return wrong(format!("this is the input {}: write to another file", input.display()));
    }
    interrupt::clean(folder(output));
    match fs::metadata(output) {
        Ok(there) if there.is_dir() => wrong("this is a folder".into()),
        Ok(there) if there.is_file() => try_folder(output),
        Ok(_) => File::options().write(true).open(output).map(|_| ()).or_else(|e| wrong(e.to_string())),
        Err(_) => try_folder(output),
    }
}

/// [`check`] of several outputs with their endings, no two of which may be one file.
pub fn check_all(outputs: &[(&Path, &str)], inputs: &[PathBuf]) -> Result<(), Failure> {
    for (at, (output, ending)) in outputs.iter().enumerate() {
        check(output, ending, inputs.iter().map(PathBuf::as_path))?;
        let place = |path: &Path| (fs::canonicalize(folder(path)).ok(), path.file_name().map(ToOwned::to_owned));
        if outputs[..at].iter().any(|(other, _)| place(other) == place(output) || are_same(other, output)) {
            return Err(Failure::Output(format!("{}: two outputs cannot be one file", output.display())));
        }
    }
    Ok(())
}

/// The name of a choice, as it is given on the command line.
pub fn name_of(choice: &impl clap::ValueEnum) -> String {
    choice.to_possible_value().map_or_else(String::new, |value| value.get_name().into())
}

/// Whether this stands for standard output.
pub fn is_stream(output: &Path) -> bool {
    output == Path::new(STREAM)
}

/// Writes a graph to a file, or to standard output.
pub fn write_graph(output: &Path, graph: &KnnGraph) -> Result<(), Failure> {
    if is_stream(output) {
        return io::write_graph_to(std::io::stdout(), graph).map_err(unwritable);
    }
    io::write_graph(output, graph).map_err(Failure::output)
}

/// Writes values to a file, or to standard output.
pub fn write_values<T: io::NpyElement>(output: &Path, values: &[T]) -> Result<(), Failure> {
    if is_stream(output) {
        return io::write_values_to(std::io::stdout(), values).map_err(unwritable);
    }
    io::write_values(output, values).map_err(Failure::output)
}

/// Writes a sparse matrix to a file, or to standard output.
pub fn write_matrix(output: &Path, matrix: &CsrGraph, format: io::MatrixFormat) -> Result<(), Failure> {
    if is_stream(output) {
        return io::write_matrix_to(std::io::stdout(), matrix, format).map_err(unwritable);
    }
    io::write_matrix(output, matrix, format).map_err(Failure::output)
}

/// Saves an index to a file, or writes it to standard output.
pub fn save(output: &Path, index: &Index) -> Result<(), Failure> {
    let saved = if is_stream(output) { index.write_to(std::io::stdout()) } else { index.save(output) };
    saved.map_err(|e| Failure::saving(&e))
}

fn unwritable(error: std::io::Error) -> Failure {
    Failure::Output(format!("standard output: {error}"))
}

/// Whether two names are of one file, by whatever links.
fn are_same(a: &Path, b: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        if let (Ok(a), Ok(b)) = (fs::metadata(a), fs::metadata(b)) {
            return (a.dev(), a.ino()) == (b.dev(), b.ino());
        }
    }
    matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}

fn try_folder(output: &Path) -> Result<(), Failure> {
    let trial = folder(output).join(format!(".nndescent-{}-{}", std::process::id(), u32::MAX));
    let tried = File::create(&trial).and_then(|_| fs::remove_file(&trial));
    tried.map_err(|e| Failure::Output(format!("{}: cannot write there: {e}", output.display())))
}

/// The folder that a file is in, at the end of all links.
pub fn folder(output: &Path) -> PathBuf {
    let beside = |path: &Path| match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let mut at = output.to_path_buf();
    for _ in 0..LINKS {
        let Ok(to) = fs::read_link(&at) else { break };
        at = beside(&at).join(to);
    }
    beside(&at)
}
