//! Arrays of an index file, with their lengths checked.

use crate::persist::{IndexFileError, Kind, Opened};
use crate::storage::Storage;

pub(crate) fn any_length<T: bytemuck::Pod + Send + Sync>(
    file: &Opened,
    kind: Kind,
) -> Result<Storage<T>, IndexFileError> {
    file.section(kind)?.ok_or_else(|| file.inconsistent(format!("{} are missing", kind.1)))
}

pub(crate) fn of_length<T: bytemuck::Pod + Send + Sync>(
    file: &Opened,
    kind: Kind,
    length: usize,
) -> Result<Storage<T>, IndexFileError> {
    let section = any_length::<T>(file, kind)?;
    if section.len() == length {
        return Ok(section);
    }
    Err(file.inconsistent(format!("{}: {} instead of {length}", kind.1, section.len())))
}
