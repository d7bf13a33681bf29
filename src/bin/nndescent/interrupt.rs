//! Ctrl-C: the command ends at once, with its own exit code, and leaves nothing half-written.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::failure::CANCELLED;

/// Folders that unfinished files may be in.
static FOLDERS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Ends the process when it is interrupted, terminated or hung up.
pub fn watch() {
    let watched = ctrlc::set_handler(|| {
        remove_unfinished();
        tell!("nndescent: cancelled");
        std::process::exit(CANCELLED.into());
    });
    if let Err(error) = watched {
        tracing::warn!(%error, "Ctrl-C ends the command without cleaning up");
    }
}

/// Removes the unfinished files of this process.
pub fn remove_unfinished() {
    let folders = FOLDERS.lock().unwrap_or_else(PoisonError::into_inner);
    folders.iter().for_each(|folder| remove_own(folder));
}

/// Remembers a folder that unfinished files may be in.
pub fn clean(folder: PathBuf) {
    FOLDERS.lock().unwrap_or_else(PoisonError::into_inner).push(folder);
}

/// What this process may have left in a folder.
fn remove_own(folder: &Path) {
    let own = format!(".nndescent-{}-", std::process::id());
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(&own) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
