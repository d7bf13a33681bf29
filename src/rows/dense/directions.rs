//! All rows brought to length 1, and these moved so that their mean lies near the origin: where they lie close
//! together, f32 then holds their differences.

use super::direction::direction_scale;
use super::origin::origin;
use crate::parallel::{for_rows, map};
use crate::points::Dense;
use crate::rows::error_bound::UNIT_ROUNDOFF;
use crate::simd::LANES;

/// What brings rows to directions: see [`Directions::write`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Directions {
    centered: bool,
    /// Subtracted from rows of length 1.
    origin: Vec<f64>,
}

impl Directions {
    /// Moved by the mean of a sample of `points`.
    pub(crate) fn of_points(points: &Dense, centered: bool) -> Self {
        let dim = points.dim();
        let unmoved = Self { centered, origin: vec![0.0; dim] };
        let origin = origin(points, dim, |row| unmoved.unit(row));
        Self { origin, ..unmoved }
    }

    /// Values of a written row, as there is an extra column and padding to whole vectors.
    pub(crate) fn stride(dim: usize) -> usize {
        (dim + 1).next_multiple_of(LANES)
    }

    /// A row at length 1; zero vectors have none.
    fn unit(&self, row: &[f32]) -> Option<Vec<f64>> {
        let (mean, scale) = direction_scale(row, self.centered);
        (scale > 0.0).then(|| row.iter().map(|&v| (f64::from(v) - mean) * scale).collect())
    }

    /// Writes the direction of a row. The column behind its last is 1 for zero vectors, which so are at distance 0 from
    /// each other and at half a squared distance of 1 from the rest; what is behind that stays as it is.
    pub(crate) fn write(&self, row: &[f32], out: &mut [f32]) {
        let (out, extra) = out.split_at_mut(row.len());
        let unit = self.unit(row);
        extra[0] = f32::from(u8::from(unit.is_none()));
        let unit = unit.unwrap_or_else(|| vec![0.0; row.len()]);
        for ((to, v), origin) in out.iter_mut().zip(unit).zip(&self.origin) {
            *to = (v - origin) as f32;
        }
    }

    /// The directions of all rows, [`Directions::stride`] values each, padded with zeros.
    pub(crate) fn all(&self, points: &Dense) -> Vec<f32> {
        let (dim, stride) = (points.dim(), Self::stride(points.dim()));
        let mut values = vec![0.0; points.n() * stride];
        for_rows(&mut values, stride, 64, |i, to| {
            let mut row = vec![0.0; dim];
            points.widen_row(i, &mut row);
            self.write(&row, to);
        });
        values
    }
}

/// The most that a row of f32 values differs from the values that it was rounded from.
pub(crate) fn rounding(values: &[f32], stride: usize) -> f64 {
    let squared = |row: &[f32]| row.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>();
    let rows = values.chunks(stride * 256);
    let largest = map(
        rows.len(),
        1,
        || (),
        |(), i| values[i * stride * 256..].chunks(stride).take(256).map(squared).fold(0.0, f64::max),
    );
    let largest = largest.into_iter().fold(0.0, f64::max).sqrt();
    // Sums in f64, too, are rounded.
    largest * UNIT_ROUNDOFF + 1e-15
}
