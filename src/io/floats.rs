//! Arrays that are arguments of metrics.

use std::path::Path;

use super::center::Center;
use super::error::IoError;
use super::matrix::{Matrix, Values};
use super::npy::read_header;
use super::source::Source;
use super::values::{read_rows, transpose};
use crate::points::Element;

/// Reads the values of a one- or two-dimensional `.npy` as f32, row by row.
///
/// # Errors
/// [`IoError`] if the file cannot be read or holds no such array.
pub fn read_floats(path: impl AsRef<Path>) -> Result<Vec<f32>, IoError> {
    let path = path.as_ref();
    let mut source = Source::open(path)?;
    let header = read_header(&mut source)?;
    let (n, dim) = match header.shape[..] {
        [n] => (n, 1),
        [n, dim] => (n, dim),
        _ => {
            let what = format!("an array of shape {:?}; a vector or a matrix is needed", header.shape);
            return Err(IoError::Shape { path: path.into(), what });
        }
    };
    let matrix = read_rows(&mut source, header.kind(path)?, header.endian, n, dim)?;
    let matrix = if header.fortran { transpose(&matrix) } else { matrix };
    let narrowed = matrix.into_narrowed(&Center::None);
    narrowed.map(floats).map_err(|source| IoError::Points { path: path.into(), source })
}

fn floats(matrix: Matrix) -> Vec<f32> {
    match matrix.values {
        Values::F32(values) => values,
        Values::F16(values) => values.iter().map(|v| v.to_f32()).collect(),
        Values::U8(values) => values.iter().map(|v| v.to_f32()).collect(),
        Values::I8(values) => values.iter().map(|v| v.to_f32()).collect(),
    }
}
