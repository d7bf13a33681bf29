//! Matrices with values of another type.

use half::f16;

use super::matrix::{Matrix, Narrowing, Values};
use crate::points::{Element, PointsError};

impl Matrix {
    /// The matrix with values of another type: `float32`, `float16`, `uint8` or `int8`. f16 takes the nearest value,
    /// and [`Matrix::narrowing`] says by how much that may be wrong; other types take only what they hold exactly.
    ///
    /// # Errors
    /// [`PointsError::DoesNotFit`], for the first value that the type does not hold, or if points have no such type.
    pub fn converted(self, dtype: &'static str) -> Result<Self, PointsError> {
        if self.dtype() == dtype {
            return Ok(self);
        }
        let (n, dim) = (self.n, self.dim);
        let x = match self.values {
            Values::F32(x) => x,
            Values::F16(x) => x.iter().map(|v| v.to_f32()).collect(),
            Values::U8(x) => x.iter().map(|v| v.to_f32()).collect(),
            Values::I8(x) => x.iter().map(|v| v.to_f32()).collect(),
        };
        let mut narrowing = self.narrowing;
        let values = match dtype {
            "float32" => Values::F32(x),
            "float16" => {
                let (values, worst) = each(&x, dim, f16::from_f32, f64::INFINITY)?;
                narrowing = Some(worst);
                Values::F16(values)
            }
            "uint8" => Values::U8(each(&x, dim, |v| v as u8, 0.0)?.0),
            "int8" => Values::I8(each(&x, dim, |v| v as i8, 0.0)?.0),
            _ => {
                let value = x.first().map_or(0.0, |&v| v.into());
                return Err(PointsError::DoesNotFit { row: 0, column: 0, value, dtype });
            }
        };
        Ok(Self { n, dim, values, narrowed_from: self.narrowed_from, narrowing })
    }
}

/// Converts values by `to`; fails at the first whose error is above `most` or not finite.
fn each<T: Element>(
    x: &[f32],
    dim: usize,
    to: impl Fn(f32) -> T,
    most: f64,
) -> Result<(Vec<T>, Narrowing), PointsError> {
    let mut worst = Narrowing { error: 0.0, row: 0, column: 0, value: 0.0 };
    let mut out = Vec::with_capacity(x.len());
    for (at, &value) in x.iter().enumerate() {
        let converted = to(value);
        let error = (f64::from(value) - f64::from(converted.to_f32())).abs();
        let (row, column, value) = (at / dim, at % dim, f64::from(value));
        if !error.is_finite() || error > most {
            return Err(PointsError::DoesNotFit { row, column, value, dtype: T::NAME });
        }
        if error > worst.error {
            worst = Narrowing { error, row, column, value };
        }
        out.push(converted);
    }
    Ok((out, worst))
}
