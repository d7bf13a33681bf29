//! TEXMEX vectors (`.fvecs`: every row after its own length) and big-ann-benchmarks matrices (`.fbin`: one header).

use std::ops::Range;
use std::path::Path;

use bytemuck::Pod;

use super::error::IoError;
use super::kind::{Endian, Kind};
use super::matrix::ArrayInfo;
use super::matrix::Values;
use super::source::Source;
use super::values::{read_rows, read_vec, room};
use super::wide::{WideMatrix, WideValues};

/// Rows and columns of a vecs file, from its length and that of its first row.
pub(super) fn vecs_shape(path: &Path, kind: Kind) -> Result<(Source<'static>, usize, usize), IoError> {
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

pub(crate) fn read_vecs(path: &Path, kind: Kind) -> Result<WideMatrix, IoError> {
    let (mut source, n, dim) = vecs_shape(path, kind)?;
    read_vec_rows(&mut source, kind, 0..n, dim)
}

/// Reads these rows, each after its length; `source` is at the first.
pub(super) fn read_vec_rows(
    source: &mut Source,
    kind: Kind,
    rows: Range<usize>,
    dim: usize,
) -> Result<WideMatrix, IoError> {
    let n = rows.len();
    let values = match kind {
        Kind::U8 => WideValues::Narrow(Values::U8(read_all(source, rows, dim)?)),
        Kind::I32 => WideValues::F64(read_all::<i32>(source, rows, dim)?.into_iter().map(f64::from).collect()),
        _ => WideValues::Narrow(Values::F32(read_all(source, rows, dim)?)),
    };
    Ok(WideMatrix::of(values, n, dim, kind.name()))
}

/// The values of rows, without their lengths.
fn read_all<T: Pod>(source: &mut Source, rows: Range<usize>, dim: usize) -> Result<Vec<T>, IoError> {
    let mut all = room(source, rows.len() * dim)?;
    for i in rows {
        check_length(source, i, dim)?;
        all.extend(read_vec::<T>(source, dim, Endian::Little, || format!("row {i}"))?);
    }
    Ok(all)
}

/// Reads the length before row `i`, which must equal that of row 0.
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
    let ids = read_all::<i32>(&mut source, 0..n, dim)?;
    Ok((n, dim, ids.into_iter().map(i64::from).collect()))
}

pub(super) fn bin_shape(path: &Path, kind: Kind) -> Result<(Source<'static>, usize, usize), IoError> {
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

pub(crate) fn read_bin(path: &Path, kind: Kind) -> Result<WideMatrix, IoError> {
    let (mut source, n, dim) = bin_shape(path, kind)?;
    read_rows(&mut source, kind, Endian::Little, n, dim)
}
