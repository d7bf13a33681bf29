//! IDX, the format of MNIST and its relatives, plain or gzipped.

use std::io::BufReader;
use std::path::Path;

use flate2::read::GzDecoder;

use super::error::IoError;
use super::kind::{Endian, Kind};
use super::matrix::ArrayInfo;
use super::source::{Source, open_file};
use super::values::read_rows;
use super::wide::WideMatrix;

fn open(path: &Path) -> Result<Source<'static>, IoError> {
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gz")) {
        let (file, length) = open_file(path)?;
        return Ok(Source::inflated(path, GzDecoder::new(BufReader::new(file)), length));
    }
    Source::open(path)
}

pub(super) fn header(source: &mut Source) -> Result<(Kind, Vec<usize>), IoError> {
    let wrong = |path: &Path, found: String| IoError::Mislabelled { path: path.into(), expected: "an IDX file", found };
    let [zero, zero_too, code, dims] = source.take("the IDX magic")?;
    let kind = match (zero, zero_too, code) {
        (0, 0, 0x08) => Kind::U8,
        (0, 0, 0x09) => Kind::I8,
        (0, 0, 0x0b) => Kind::I16,
        (0, 0, 0x0c) => Kind::I32,
        (0, 0, 0x0d) => Kind::F32,
        (0, 0, 0x0e) => Kind::F64,
        _ => return Err(wrong(&source.path, format!("it begins with {:02x?}", [zero, zero_too, code, dims]))),
    };
    if dims == 0 {
        return Err(wrong(&source.path, "no dimensions".into()));
    }
    let shape: Result<Vec<usize>, IoError> =
        (0..dims).map(|_| Ok(u32::from_be_bytes(source.take("the shape")?) as usize)).collect();
    Ok((kind, shape?))
}

pub(crate) fn describe_idx(path: &Path) -> Result<ArrayInfo, IoError> {
    let (kind, shape) = header(&mut open(path)?)?;
    Ok(ArrayInfo { name: String::new(), shape, dtype: kind.name().into() })
}

pub(crate) fn read_idx(path: &Path) -> Result<WideMatrix, IoError> {
    let mut source = open(path)?;
    let (kind, shape) = header(&mut source)?;
    let dim = columns(path, &shape)?;
    read_rows(&mut source, kind, Endian::Big, shape[0], dim)
}

/// Numbers in a row of an array of this shape.
pub(super) fn columns(path: &Path, shape: &[usize]) -> Result<usize, IoError> {
    let dim = shape[1..].iter().try_fold(1usize, |d, &s| d.checked_mul(s));
    dim.ok_or_else(|| IoError::Shape { path: path.into(), what: format!("an array of shape {shape:?}") })
}
