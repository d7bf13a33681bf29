//! Lists of ids.

use std::path::Path;

use super::error::IoError;
use super::kind::Kind;
use super::npy::{Header, read_header};
use super::source::Source;
use super::values::read_vec;

/// Reads ids from a one-dimensional `.npy` of any integer type.
///
/// # Errors
/// [`IoError`] if the file cannot be read, is not one-dimensional, is a mask of bool, or holds an id that is negative
/// or beyond 32 bits.
pub fn read_ids(path: impl AsRef<Path>) -> Result<Vec<u32>, IoError> {
    let path = path.as_ref();
    let (source, header, n) = open(path)?;
    of_integers(path, source, &header, n)
}

/// Reads which of the ids below `bound` are selected: a one-dimensional `.npy` of ids, as [`read_ids`] takes them, or a
/// mask of bool with an entry for each of them.
///
/// # Errors
/// Same as [`read_ids`]; a mask of another length than `bound`.
pub fn read_selection(path: impl AsRef<Path>, bound: usize) -> Result<Vec<u32>, IoError> {
    let path = path.as_ref();
    let (mut source, header, n) = open(path)?;
    if header.kind(path)? != Kind::Bool {
        return of_integers(path, source, &header, n);
    }
    if n != bound {
        let what = format!("a mask of {n} entries; one for each of the {bound} ids is needed");
        return Err(IoError::Shape { path: path.into(), what });
    }
    let what = || format!("a mask of {n} entries");
    source.expect_array(n, 1, Kind::Bool, what)?;
    let mask: Vec<u8> = read_vec(&mut source, n, header.endian, what)?;
    Ok((0..).zip(mask).filter(|(_, selected)| *selected != 0).map(|(id, _)| id).collect())
}

/// Opens an array that must be one-dimensional; its header and length.
fn open(path: &Path) -> Result<(Source<'static>, Header, usize), IoError> {
    let mut source = Source::open(path)?;
    let header = read_header(&mut source)?;
    match header.shape[..] {
        [n] => Ok((source, header, n)),
        _ => {
            let what = format!("ids of shape {:?}; one dimension is needed", header.shape);
            Err(IoError::Shape { path: path.into(), what })
        }
    }
}

fn of_integers(path: &Path, mut source: Source, header: &Header, n: usize) -> Result<Vec<u32>, IoError> {
    let shape = |what: String| IoError::Shape { path: path.into(), what };
    let (kind, endian) = (header.kind(path)?, header.endian);
    let what = || format!("{n} ids of {}", kind.name());
    let count = source.expect_array(n, 1, kind, what)?;
    macro_rules! ids {
        ($t:ty) => {
            to_ids(path, read_vec::<$t>(&mut source, count, endian, what)?)
        };
    }
    match kind {
        Kind::U8 => ids!(u8),
        Kind::I8 => ids!(i8),
        Kind::U16 => ids!(u16),
        Kind::I16 => ids!(i16),
        Kind::U32 => ids!(u32),
        Kind::I32 => ids!(i32),
        Kind::U64 => ids!(u64),
        Kind::I64 => ids!(i64),
        Kind::Bool => Err(shape(format!("a mask of {n} entries; ids are needed"))),
        Kind::F16 | Kind::F32 | Kind::F64 => Err(shape(format!("ids of {}; integers are needed", kind.name()))),
    }
}

fn to_ids<T: Copy + std::fmt::Display + TryInto<u32>>(path: &Path, ids: Vec<T>) -> Result<Vec<u32>, IoError> {
    let id = |(at, id): (usize, T)| {
        let wrong = || IoError::Shape { path: path.into(), what: format!("entry {at} is {id}, which is not an id") };
        id.try_into().map_err(|_| wrong())
    };
    ids.into_iter().enumerate().map(id).collect()
}
