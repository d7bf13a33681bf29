//! Lists of ids.

use std::path::Path;

use super::error::IoError;
use super::kind::Kind;
use super::npy::read_header;
use super::source::Source;
use super::values::read_vec;

/// Reads ids from a one-dimensional `.npy` of any integer type.
///
/// # Errors
/// [`IoError`] if the file cannot be read, is not one-dimensional, or holds an id that is negative or beyond 32 bits.
pub fn read_ids(path: impl AsRef<Path>) -> Result<Vec<u32>, IoError> {
    let path = path.as_ref();
    let shape = |what: String| IoError::Shape { path: path.into(), what };
    let mut source = Source::open(path)?;
    let header = read_header(&mut source)?;
    let [n] = header.shape[..] else {
        return Err(shape(format!("ids of shape {:?}; one dimension is needed", header.shape)));
    };
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
