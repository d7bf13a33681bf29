//! Distances between sparse rows in f64, by walking along both: what everything else is tested against, and what final
//! distances are computed by.

use super::sparse_rows::SparseKernel;
use crate::metric::body::ts_ss;
use crate::points::SparseRow;

/// The reduced distance of two rows of `dim` columns, as [`SparseKernel`] has it. The same to the bit whichever comes first.
pub(crate) fn distance(kernel: SparseKernel, x: SparseRow, y: SparseRow, dim: usize) -> f64 {
    let pairs = || Union::of(x, y);
    let sum = |f: &dyn Fn(f64, f64) -> f64| pairs().map(|(a, b)| f(a, b)).sum::<f64>();
    let apart = || sum(&|a, b| (a - b).abs());
    match kernel {
        SparseKernel::L2 => sum(&|a, b| (a - b) * (a - b)),
        SparseKernel::Angular { centered: false } => {
            let (xx, yy) = (squares(x), squares(y));
            match (xx > 0.0, yy > 0.0) {
                (false, false) => 0.0,
                // The root of a square is exact: equal rows are at 0.
                (true, true) => (1.0 - sum(&|a, b| a * b) / (xx * yy).sqrt()).clamp(0.0, 2.0),
                _ => 1.0,
            }
        }
        SparseKernel::Angular { centered: true } => correlation(x, y, dim),
        SparseKernel::Inner => -sum(&|a, b| a * b),
        SparseKernel::Manhattan => apart(),
        SparseKernel::Chebyshev => pairs().map(|(a, b)| (a - b).abs()).fold(0.0, f64::max),
        SparseKernel::Minkowski(p) => sum(&|a, b| (a - b).abs().powf(p.into())),
        SparseKernel::Hamming => sum(&|a, b| f64::from(u8::from(a != b))),
        SparseKernel::Canberra => sum(&|a, b| (a - b).abs() / (a.abs() + b.abs())),
        SparseKernel::BrayCurtis => {
            let apart = apart();
            if apart == 0.0 { 0.0 } else { apart / sum(&|a, b| (a + b).abs()) }
        }
        SparseKernel::TsSs => ts_ss(sum(&|a, b| (a - b) * (a - b)), sum(&|a, _| a * a), sum(&|_, b| b * b)),
        SparseKernel::Boolean(boolean) => {
            let count = |f: fn(f64, f64) -> bool| pairs().filter(|&(a, b)| f(a, b)).count() as u32;
            let both = count(|a, b| a != 0.0 && b != 0.0);
            boolean.distance(both, count(|a, _| a != 0.0), count(|_, b| b != 0.0), dim as u32).into()
        }
    }
}

/// The values of two rows in every column that either has.
struct Union<'a> {
    x: SparseRow<'a>,
    y: SparseRow<'a>,
    /// Entries that were passed.
    in_x: usize,
    in_y: usize,
}

impl<'a> Union<'a> {
    fn of(x: SparseRow<'a>, y: SparseRow<'a>) -> impl Iterator<Item = (f64, f64)> {
        Self { x, y, in_x: 0, in_y: 0 }.filter(|&(a, b)| a != 0.0 || b != 0.0)
    }
}

impl Iterator for Union<'_> {
    type Item = (f64, f64);

    #[inline]
    fn next(&mut self) -> Option<(f64, f64)> {
        // No column has the number u32::MAX.
        let at = |row: &SparseRow, i: usize| row.indices.get(i).copied().unwrap_or(u32::MAX);
        let (a, b) = (at(&self.x, self.in_x), at(&self.y, self.in_y));
        if a.min(b) == u32::MAX {
            return None;
        }
        // Without branches: which row comes next cannot be foretold.
        let (from_x, from_y) = (usize::from(a <= b), usize::from(b <= a));
        let value = |row: &SparseRow, i: usize, take: usize| {
            f64::from(row.values.get(i).copied().unwrap_or_default()) * take as f64
        };
        let pair = (value(&self.x, self.in_x, from_x), value(&self.y, self.in_y, from_y));
        self.in_x += from_x;
        self.in_y += from_y;
        Some(pair)
    }
}

/// The values of two rows in every column that either has, ascending.
pub(crate) fn pairs<'a>(x: SparseRow<'a>, y: SparseRow<'a>) -> impl Iterator<Item = (f64, f64)> + 'a {
    Union::of(x, y)
}

fn squares(row: SparseRow) -> f64 {
    row.values.iter().map(|&v| f64::from(v) * f64::from(v)).sum()
}

/// What brings a row to length 1: (v - mean) · scale; a scale of 0 for rows without length.
#[derive(Clone, Copy)]
struct Direction {
    mean: f64,
    scale: f64,
}

impl Direction {
    fn of(row: SparseRow, dim: usize) -> Self {
        let values = || row.entries().map(|e| f64::from(e.1));
        let none = Self { mean: 0.0, scale: 0.0 };
        let (count, first) = (values().count(), values().next().unwrap_or(0.0));
        if count == 0 || count == dim && values().all(|v| v == first) {
            return none;
        }
        let mean = values().sum::<f64>() / dim as f64;
        let rest = (dim - count) as f64 * mean * mean;
        Self { mean, scale: 1.0 / (values().map(|v| (v - mean).powi(2)).sum::<f64>() + rest).sqrt() }
    }

    fn apply(self, value: f64) -> f64 {
        (value - self.mean) * self.scale
    }
}

/// 1 - cos of rows less their means, as half the squared distance of directions, which is exact near zero; 0 between two rows
/// without length, 1 between one and another row.
fn correlation(x: SparseRow, y: SparseRow, dim: usize) -> f64 {
    let (to_x, to_y) = (Direction::of(x, dim), Direction::of(y, dim));
    match (to_x.scale > 0.0, to_y.scale > 0.0) {
        (false, false) => return 0.0,
        (true, true) => {}
        _ => return 1.0,
    }
    let squared = |a: f64, b: f64| (to_x.apply(a) - to_y.apply(b)).powi(2);
    let (mut sum, mut count) = (0.0, 0);
    for (a, b) in Union::of(x, y) {
        sum += squared(a, b);
        count += 1;
    }
    let absent = dim - count;
    (sum + absent as f64 * squared(0.0, 0.0)) / 2.0
}
