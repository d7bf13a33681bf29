//! Real sets of points, which are too large for the repository.

use std::path::{Path, PathBuf};

/// A file of the folder that `NNDESCENT_DATA` names, if it is there.
pub fn file(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("NNDESCENT_DATA").map(|folder| Path::new(&folder).join(name));
    let path = path.filter(|path| path.exists());
    if path.is_none() {
        eprintln!("skipped: NNDESCENT_DATA names no folder with {name}");
    }
    path
}
