//! TEXMEX vectors (`.fvecs`: every row after its own length) and big-ann-benchmarks matrices (`.fbin`: one header).

use std::path::Path;

use super::source::Source;
use super::values::{Endian, Kind, Values, read_rows, read_vec};
use super::{ArrayInfo, IoError, Matrix};

/// Rows and columns of a vecs file, from its length and the length of its first row.
fn vecs_shape(path: &Path, kind: Kind) -> Result<(Source<'static>, usize, usize), IoError> {
    let mut source = Source::open(path)?;
    let length = std::fs::metadata(path).map_err(|source| IoError::Os { path: path.into(), source })?.len();
    let dim = i32::from_le_bytes(source.take("the length of row 0")?);
    if dim <= 0 {
        let found = format!("row 0 begins with a length of {dim}");
        return Err(IoError::Mislabelled { path: path.into(), expected: "a file of vectors", found });
    }
    let row = 4 + dim as u64 * kind.size() as u64;
    if length % row != 0 {
        let n = length / row;
        let what = format!("row {n} of {dim} columns of {} (rows take {row} bytes)", kind.name());
        return Err(IoError::Truncated { path: path.into(), what, needed: row.into(), available: length - n * row });
    }
    Ok((Source::open(path)?, (length / row) as usize, dim as usize))
}

pub(crate) fn describe_vecs(path: &Path, kind: Kind) -> Result<ArrayInfo, IoError> {
    let (_, n, dim) = vecs_shape(path, kind)?;
    Ok(ArrayInfo { name: String::new(), shape: vec![n, dim], dtype: kind.name().into() })
}

pub(crate) fn read_vecs(path: &Path, kind: Kind) -> Result<Matrix, IoError> {
    let (mut source, n, dim) = vecs_shape(path, kind)?;
    let mut values = match kind {
        Kind::U8 => Values::U8(Vec::with_capacity(n * dim)),
        _ => Values::F32(Vec::with_capacity(n * dim)),
    };
    for i in 0..n {
        check_length(&mut source, i, dim)?;
        let what = || format!("row {i}");
        match &mut values {
            Values::U8(all) => all.extend(read_vec::<u8>(&mut source, dim, Endian::Little, what)?),
            Values::F32(all) if kind == Kind::I32 => {
                all.extend(read_vec::<i32>(&mut source, dim, Endian::Little, what)?.into_iter().map(|v| v as f32));
            }
            Values::F32(all) => all.extend(read_vec::<f32>(&mut source, dim, Endian::Little, what)?),
            Values::F16(_) | Values::I8(_) => unreachable!("no such vecs"),
        }
    }
    Ok(Matrix { n, dim, values, narrowed_from: (kind == Kind::I32).then(|| kind.name()) })
}

/// Reads the length before row `i`, which must be that of row 0.
fn check_length(source: &mut Source, i: usize, dim: usize) -> Result<(), IoError> {
    let length = i32::from_le_bytes(source.take("the length of a row")?);
    if length as usize == dim {
        return Ok(());
    }
    let what = format!("row {i} has {length} columns, row 0 has {dim}");
    Err(IoError::Shape { path: source.path.clone(), what })
}

/// The ids of an `.ivecs` file.
pub(crate) fn read_ivecs(path: &Path) -> Result<(usize, usize, Vec<i64>), IoError> {
    let (mut source, n, dim) = vecs_shape(path, Kind::I32)?;
    let mut ids = Vec::with_capacity(n * dim);
    for i in 0..n {
        check_length(&mut source, i, dim)?;
        ids.extend(read_vec::<i32>(&mut source, dim, Endian::Little, || "a row".into())?.into_iter().map(i64::from));
    }
    Ok((n, dim, ids))
}

fn bin_shape(path: &Path, kind: Kind) -> Result<(Source<'static>, usize, usize), IoError> {
    let mut source = Source::open(path)?;
    let [n, dim] = [source.take("the number of rows")?, source.take("the number of columns")?].map(u32::from_le_bytes);
    let needed = u128::from(n) * u128::from(dim) * kind.size() as u128;
    source.expect(needed, || format!("{n} x {dim} of {}", kind.name()))?;
    Ok((source, n as usize, dim as usize))
}

pub(crate) fn describe_bin(path: &Path, kind: Kind) -> Result<ArrayInfo, IoError> {
    let (_, n, dim) = bin_shape(path, kind)?;
    Ok(ArrayInfo { name: String::new(), shape: vec![n, dim], dtype: kind.name().into() })
}

pub(crate) fn read_bin(path: &Path, kind: Kind) -> Result<Matrix, IoError> {
    let (mut source, n, dim) = bin_shape(path, kind)?;
    read_rows(&mut source, kind, Endian::Little, n, dim)
}
