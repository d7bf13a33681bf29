//! Files that are written whole or not at all, and locks on them.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Begins the names of unfinished files; a process and a number follow.
const UNFINISHED: &str = ".nndescent-";
/// Links that lead to a file at most.
const LINKS: usize = 40;

/// Writes a file: to a temporary one beside it, then renamed, so that `path` holds a whole file or what it held before.
/// A link is followed, and the mode of a file that is replaced is kept. What is no file (a pipe, a device) is written
/// to.
pub(crate) fn replace(path: &Path, write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>) -> io::Result<()> {
    let target = resolved(path);
    let there = match fs::metadata(&target) {
        Ok(there) => Some(there),
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(e) => return Err(e),
    };
    if there.as_ref().is_some_and(fs::Metadata::is_dir) {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let is_stream = there.as_ref().is_some_and(|there| !there.is_file());
    let folder = if is_stream { std::env::temp_dir() } else { folder_of(&target).into() };
    let unfinished = Unfinished::create(&folder)?;
    if let Some(there) = there.filter(|_| !is_stream) {
        unfinished.file.set_permissions(there.permissions())?;
    }
    let mut out = BufWriter::with_capacity(1 << 20, &unfinished.file);
    write(&mut out)?;
    out.flush()?;
    drop(out);
    if is_stream {
        return unfinished.copy_to(&mut File::options().write(true).open(&target)?);
    }
    unfinished.file.sync_all()?;
    // What `drop` then does not find is already in its place.
    fs::rename(&unfinished.path, &target)
}

/// Writes to a stream what `write` writes to a file, once that is whole.
#[cfg(feature = "io")]
pub(crate) fn stream(
    out: &mut impl Write,
    write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>,
) -> io::Result<()> {
    let unfinished = Unfinished::create(&std::env::temp_dir())?;
    let mut file = BufWriter::with_capacity(1 << 20, &unfinished.file);
    write(&mut file)?;
    file.flush()?;
    drop(file);
    unfinished.copy_to(out)
}

/// The file that a path leads to through links, whether or not it exists.
pub(crate) fn resolved(path: &Path) -> PathBuf {
    let mut at = path.to_path_buf();
    for _ in 0..LINKS {
        let Ok(to) = fs::read_link(&at) else { break };
        at = folder_of(&at).join(to);
    }
    at
}

/// The folder that a file is written to by [`replace`].
#[cfg(feature = "io")]
pub(crate) fn folder_of_output(path: &Path) -> PathBuf {
    folder_of(&resolved(path)).into()
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A file under a temporary name, which is removed when this is dropped. It is locked, so that others can tell it from
/// what a process that was killed left behind.
struct Unfinished {
    path: PathBuf,
    file: File,
}

impl Unfinished {
    fn create(folder: &Path) -> io::Result<Self> {
        static CREATED: AtomicU32 = AtomicU32::new(0);
        remove_leftovers(folder);
        loop {
            let number = CREATED.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("{UNFINISHED}{}-{number}", std::process::id()));
            let file = match File::options().read(true).write(true).create_new(true).open(&path) {
                Ok(file) => file,
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(e) => return Err(e),
            };
            let is_locked = !matches!(file.try_lock(), Err(TryLockError::WouldBlock));
            // Another process may have taken it for a leftover before it was locked.
            if is_locked && path.exists() {
                return Ok(Self { path, file });
            }
        }
    }

    fn copy_to(&self, out: &mut impl Write) -> io::Result<()> {
        let mut file = &self.file;
        file.rewind()?;
        io::copy(&mut file, out)?;
        out.flush()
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes the unfinished files of a folder that nobody has locked.
fn remove_leftovers(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if is_unfinished(&entry.file_name().to_string_lossy()) {
            let path = entry.path();
            if File::open(&path).is_ok_and(|file| file.try_lock().is_ok()) {
                let _ = fs::remove_file(&path);
            }
        }
    }
}

fn is_unfinished(name: &str) -> bool {
    let parts = name.strip_prefix(UNFINISHED).and_then(|rest| rest.split_once('-'));
    parts.is_some_and(|(process, number)| process.parse::<u32>().is_ok() && number.parse::<u32>().is_ok())
}

/// A lock on a file that exists, which other processes and other locks of this one respect.
#[derive(Debug)]
pub(crate) struct FileLock {
    pub path: PathBuf,
    _file: File,
}

impl FileLock {
    /// Locks a file; none if somebody else holds its lock. Where the file system has no locks, none is held.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub(crate) fn try_new(path: &Path) -> io::Result<Option<Self>> {
        let target = resolved(path);
        loop {
            let file = File::open(&target)?;
            if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
                return Ok(None);
            }
            // It may have been replaced between being opened and locked.
            if is_at(&file, &target)? {
                return Ok(Some(Self { path: path.into(), _file: file }));
            }
        }
    }
}

/// Whether an open file is the one at `path`.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let (open, there) = (file.metadata()?, fs::metadata(path)?);
        Ok((open.dev(), open.ino()) == (there.dev(), there.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = (file, path);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into()).collect();
        names.sort();
        names
    }

    #[test]
    fn leftovers_are_removed_but_not_what_is_being_written() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".nndescent-1-0", ".nndescent-4000000000-7", ".nndescent-x-1", ".nndescent-5", "other"] {
            fs::write(folder.path().join(name), "left").unwrap();
        }
        let path = folder.path().join("file");
        let inner = |out: &mut BufWriter<&File>| {
            replace(&folder.path().join("inner"), |out| out.write_all(b"inner"))?;
            out.write_all(b"outer")
        };
        replace(&path, inner).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"outer");
        assert_eq!(names(folder.path()), [".nndescent-5", ".nndescent-x-1", "file", "inner", "other"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_modes_kept() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("inner")).unwrap();
        symlink("inner/file", at("link")).unwrap();
        symlink("link", at("again")).unwrap();
        let write = |text: &'static str| replace(&at("again"), |out| out.write_all(text.as_bytes()));
        write("one").unwrap();
        assert_eq!(fs::read(at("inner/file")).unwrap(), b"one");
        fs::set_permissions(at("inner/file"), fs::Permissions::from_mode(0o640)).unwrap();
        write("two").unwrap();
        assert_eq!(fs::read(at("inner/file")).unwrap(), b"two");
        assert_eq!(fs::metadata(at("inner/file")).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(at("link")).unwrap().is_symlink());
        assert!(
            replace(Path::new("/dev/full"), |out| out.write_all(&[0; 100])).is_err()
                || !Path::new("/dev/full").exists()
        );
    }

    #[test]
    fn a_lock_is_held_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        assert!(FileLock::try_new(&path).is_err());
        fs::write(&path, "1").unwrap();
        let lock = FileLock::try_new(&path).unwrap().unwrap();
        assert!(FileLock::try_new(&path).unwrap().is_none());
        drop(lock);
        assert!(FileLock::try_new(&path).unwrap().is_some());
    }
}
