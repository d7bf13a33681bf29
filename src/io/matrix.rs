//! Matrices read from files.

use std::ops::Range;

use half::f16;

use crate::points::{Element, Points, PointsError};

/// A matrix read from a file, row-major.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Matrix {
    /// Number of rows.
    pub n: usize,
    /// Number of columns.
    pub dim: usize,
    /// `n x dim` values, row-major.
    pub values: Values,
    /// numpy's name of the type in the file, if its values were converted to f32.
    pub narrowed_from: Option<&'static str>,
    /// The largest error of converting values that f32 may not hold.
    pub narrowing: Option<Narrowing>,
}

/// The value that lost most when a matrix was converted to f32.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Narrowing {
    /// How far it is from what became of it; 0 if all values were held exactly.
    pub error: f64,
    /// Its row.
    pub row: usize,
    /// Its column.
    pub column: usize,
    /// The value in the file, as f64.
    pub value: f64,
}

impl Matrix {
    /// The matrix as points.
    ///
    /// # Errors
    /// Same as [`Points::dense`]; [`PointsError::NoRows`].
    pub fn points(&self) -> Result<Points<'_>, PointsError> {
        let points = match &self.values {
            Values::F32(x) => Points::dense(x, self.n, self.dim),
            Values::F16(x) => Points::dense(x, self.n, self.dim),
            Values::U8(x) => Points::dense(x, self.n, self.dim),
            Values::I8(x) => Points::dense(x, self.n, self.dim),
        }?;
        points.check_not_empty().map(|()| points)
    }

    /// numpy's name of the type of the values.
    #[must_use]
    pub fn dtype(&self) -> &'static str {
        match self.values {
            Values::F32(_) => f32::NAME,
            Values::F16(_) => f16::NAME,
            Values::U8(_) => u8::NAME,
            Values::I8(_) => i8::NAME,
        }
    }

    /// Some rows as f32.
    pub(super) fn rows(&self, rows: &[u32]) -> Vec<f32> {
        fn of<T: Element>(x: &[T], dim: usize, rows: &[u32]) -> Vec<f32> {
            rows.iter().flat_map(|&row| x[row as usize * dim..][..dim].iter().map(|v| v.to_f32())).collect()
        }
        match &self.values {
            Values::F32(x) => of(x, self.dim, rows),
            Values::F16(x) => of(x, self.dim, rows),
            Values::U8(x) => of(x, self.dim, rows),
            Values::I8(x) => of(x, self.dim, rows),
        }
    }
}

/// An array in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArrayInfo {
    /// Its name; empty in formats without names.
    pub name: String,
    /// Its length along every dimension.
    pub shape: Vec<usize>,
    /// numpy's name of the type of its values.
    pub dtype: String,
}

/// Runs `$body` with `$x` bound to the vector of values, of whatever type.
macro_rules! with_values {
    ($values:expr, $x:ident => $body:expr) => {
        match $values {
            $crate::io::Values::F32($x) => $body,
            $crate::io::Values::F16($x) => $body,
            $crate::io::Values::U8($x) => $body,
            $crate::io::Values::I8($x) => $body,
        }
    };
}
pub(crate) use with_values;

/// The values of a [`Matrix`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Values {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// 16-bit floats.
    F16(Vec<f16>),
    /// Unsigned bytes.
    U8(Vec<u8>),
    /// Signed bytes.
    I8(Vec<i8>),
}

impl Values {
    pub(crate) fn len(&self) -> usize {
        with_values!(self, x => x.len())
    }

    /// Adds some of the values of others of the same type.
    pub(crate) fn append(&mut self, from: &Self, range: Range<usize>) {
        match (self, from) {
            (Self::F32(to), Self::F32(from)) => to.extend_from_slice(&from[range]),
            (Self::F16(to), Self::F16(from)) => to.extend_from_slice(&from[range]),
            (Self::U8(to), Self::U8(from)) => to.extend_from_slice(&from[range]),
            (Self::I8(to), Self::I8(from)) => to.extend_from_slice(&from[range]),
            _ => unreachable!("a file has values of one type"),
        }
    }
}
