//! Ctrl-C: the command ends at once, with its own exit code, and leaves nothing half-written. Builds beyond memory end
//! themselves, as they have more to remove; a second Ctrl-C ends them at once, too.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::failure::CANCELLED;

/// Folders that unfinished files may be in.
static FOLDERS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Whether the command ends itself when it is asked to.
static ENDS_ITSELF: AtomicBool = AtomicBool::new(false);
/// Whether it was asked to.
static IS_TO_END: AtomicBool = AtomicBool::new(false);

/// From here on the command ends itself, as soon as [`go_on`] tells it to.
pub fn end_by_itself() {
    ENDS_ITSELF.store(true, Ordering::Relaxed);
}

/// Whether to go on.
pub fn go_on() -> ControlFlow<()> {
    if IS_TO_END.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// Ends the process when it is interrupted, terminated or hung up.
pub fn watch() {
    let watched = ctrlc::set_handler(|| {
        if ENDS_ITSELF.load(Ordering::Relaxed) && !IS_TO_END.swap(true, Ordering::Relaxed) {
            return;
        }
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
