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
        SparseKernel::Angular { centered } => angular(x, y, centered.then_some(dim)),
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
}

impl<'a> Union<'a> {
    fn of(x: SparseRow<'a>, y: SparseRow<'a>) -> impl Iterator<Item = (f64, f64)> {
        Self { x, y }.filter(|&(a, b)| a != 0.0 || b != 0.0)
    }
}

impl Iterator for Union<'_> {
    type Item = (f64, f64);

    fn next(&mut self) -> Option<(f64, f64)> {
        // No column has the number u32::MAX.
        let at = |row: &SparseRow| row.indices.first().copied().unwrap_or(u32::MAX);
        let next = at(&self.x).min(at(&self.y));
        let take = |row: &mut SparseRow| {
            if at(row) != next {
                return 0.0;
            }
            let value = row.values[0];
            *row = SparseRow { indices: &row.indices[1..], values: &row.values[1..] };
            f64::from(value)
        };
        (next != u32::MAX).then(|| (take(&mut self.x), take(&mut self.y)))
    }
}

/// The values of two rows in every column that either has, ascending.
pub(crate) fn pairs<'a>(x: SparseRow<'a>, y: SparseRow<'a>) -> impl Iterator<Item = (f64, f64)> + 'a {
    Union::of(x, y)
}

/// What brings a row to length 1: (v - mean) · scale; a scale of 0 for rows without length.
#[derive(Clone, Copy)]
struct Direction {
    mean: f64,
    scale: f64,
}

impl Direction {
    fn of(row: SparseRow, centered: Option<usize>) -> Self {
        let values = || row.entries().map(|e| f64::from(e.1));
        let none = Self { mean: 0.0, scale: 0.0 };
        let Some(dim) = centered else {
            let length = values().map(|v| v * v).sum::<f64>().sqrt();
            return if length > 0.0 { Self { mean: 0.0, scale: 1.0 / length } } else { none };
        };
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

/// 1 - cos as half the squared distance of directions, which is exact near zero; 0 between two rows without length, 1 between
/// one and another row.
fn angular(x: SparseRow, y: SparseRow, centered: Option<usize>) -> f64 {
    let (to_x, to_y) = (Direction::of(x, centered), Direction::of(y, centered));
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
    let absent = centered.map_or(0, |dim| dim - count);
    (sum + absent as f64 * squared(0.0, 0.0)) / 2.0
}
