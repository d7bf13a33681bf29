//! The folder of working files while a build goes on: made, locked, and removed with what was made for it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::OutOfCoreError;
use super::plan::plan_path;
use crate::atomic_file::{FileLock, folder_of_output};

pub(super) struct Folder<'a> {
    pub path: PathBuf,
    lock: FileLock,
    /// The folder that it is in, if that was made for it.
    made: Option<&'a Path>,
}

impl<'a> Folder<'a> {
    /// Makes a folder, in `scratch` if there is one, which is made, too, and locks it.
    ///
    /// # Errors
    /// It cannot be made; another process has it.
    pub(super) fn open(path: PathBuf, scratch: Option<&'a Path>) -> Result<Self, OutOfCoreError> {
        let made = match scratch {
            Some(scratch) => make(scratch)?.then_some(scratch),
            None => None,
        };
        make(&path)?;
        let lock_path = lock_path(&path);
        fs::File::create(&lock_path).map_err(|e| OutOfCoreError::os(&lock_path, e))?;
        match FileLock::try_new(&lock_path).map_err(|e| OutOfCoreError::os(&lock_path, e))? {
            Some(lock) => Ok(Self { path, lock, made }),
            None => Err(OutOfCoreError::Locked { path }),
        }
    }

    /// Removes the working files, and the folders that were made.
    pub(super) fn remove(self) -> Result<(), OutOfCoreError> {
        drop(self.lock);
        let lock_path = lock_path(&self.path);
        remove_files(&self.path)?;
        fs::remove_file(&lock_path).map_err(|e| OutOfCoreError::os(&lock_path, e))?;
        for folder in [self.path.as_path()].into_iter().chain(self.made) {
            match fs::remove_dir(folder) {
                // Somebody else has put something there.
                Err(e) if e.kind() != io::ErrorKind::DirectoryNotEmpty => return Err(OutOfCoreError::os(folder, e)),
                _ => {}
            }
        }
        Ok(())
    }
}

fn lock_path(folder: &Path) -> PathBuf {
    folder.join("lock")
}

/// Makes a folder in one that exists; false if it was there.
fn make(folder: &Path) -> Result<bool, OutOfCoreError> {
    match fs::create_dir(folder) {
        Ok(()) => Ok(true),
        Err(_) if folder.is_dir() => Ok(false),
        Err(_) if folder.exists() => Err(OutOfCoreError::os(folder, io::ErrorKind::NotADirectory.into())),
        Err(e) => Err(OutOfCoreError::os(folder, e)),
    }
}

/// Removes the files of a plan and of its pieces, the plan first; nothing else.
pub(super) fn remove_files(folder: &Path) -> Result<(), OutOfCoreError> {
    remove_file(&plan_path(folder))?;
    for entry in fs::read_dir(folder).map_err(|e| OutOfCoreError::os(folder, e))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let of_part = name.starts_with("part-") && (name.ends_with(".rows") || name.ends_with(".graph"));
        let of_round = (name.starts_with("merged-") || name.starts_with("refined-")) && name.ends_with(".graph");
        if of_part || of_round || name == "membership" {
            remove_file(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes a file that may not be there.
pub(super) fn remove_file(path: &Path) -> Result<(), OutOfCoreError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(OutOfCoreError::os(path, e)),
        _ => Ok(()),
    }
}

/// Checks that there is a folder that a file can be written to.
pub(super) fn check_output(output: &Path) -> Result<(), OutOfCoreError> {
    let folder = folder_of_output(output);
    match fs::metadata(&folder) {
        Ok(there) if there.is_dir() => Ok(()),
        Ok(_) => Err(OutOfCoreError::os(&folder, io::ErrorKind::NotADirectory.into())),
        Err(e) => Err(OutOfCoreError::os(&folder, e)),
    }
}
