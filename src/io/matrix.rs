//! Matrices read from files.

use half::f16;

use crate::points::{Points, PointsError};

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
