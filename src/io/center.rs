//! What is subtracted from wide values before they are narrowed.

use super::number::Number;
use crate::parallel;

/// What is subtracted from a [`WideMatrix`](super::WideMatrix) before it is narrowed, so that f32 holds what is left
/// more exactly. [`WideMatrix::center`](super::WideMatrix::center) chooses it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Center {
    /// Nothing.
    None,
    /// A number for every column; 0 where f32 holds the column well. Queries and points added later need the same:
    /// [`Index::set_center`](crate::Index::set_center) keeps it.
    Columns(Vec<f64>),
    /// From every row its own median, about: for `correlation`, which does not notice.
    Rows,
}

impl Center {
    /// What is subtracted from the values of a row, if it is one number.
    pub(super) fn of_row<T: Number>(&self, row: &[T]) -> f64 {
        match self {
            Self::Rows => middle(row.iter().map(|v| v.wide()).collect()),
            Self::None | Self::Columns(_) => 0.0,
        }
    }

    /// What is subtracted from column `j` of a row whose own number is `row`.
    #[inline]
    pub(super) fn of_column(&self, j: usize, row: f64) -> f64 {
        match self {
            Self::Columns(values) => values[j],
            Self::None | Self::Rows => row,
        }
    }

    /// What is subtracted from every column, if it is the same for all rows and not nothing.
    #[must_use]
    pub fn columns(&self) -> Option<&[f64]> {
        match self {
            Self::Columns(values) => Some(values),
            Self::None | Self::Rows => None,
        }
    }
}

/// A centre is subtracted only where it makes the mean error of narrowing smaller by this factor.
const GAIN: f64 = 8.0;
/// Rows in a task.
const GRAIN: usize = 1 << 14;
/// Rows that the middle of columns is found from.
const SAMPLE: usize = 4096;

/// The median, which outliers do not move, with few digits: what is left of values on a grid of halves, wholes or
/// dozens stays on it.
fn middle(mut values: Vec<f64>) -> f64 {
    values.retain(|value| value.is_finite());
    values.sort_unstable_by(f64::total_cmp);
    let at = |share: usize| values.get(values.len() * share / 10).copied().unwrap_or_default();
    let (half, middle) = (at(9) / 2.0 - at(1) / 2.0, at(5));
    let step = (half.log2().floor() - 10.0).exp2();
    let rounded = (middle / step).round() * step;
    if half > 0.0 && rounded.is_finite() { rounded } else { middle }
}

/// How far f32 is from a finite value.
fn error_of(value: f64) -> f64 {
    if !value.is_finite() {
        return 0.0;
    }
    let narrowed = value as f32;
    if narrowed.is_finite() { (value - f64::from(narrowed)).abs() } else { f64::INFINITY }
}

/// The sum of what `of` makes of the values in every column. The order of sums does not depend on the threads.
fn sums<T: Number>(x: &[T], dim: usize, of: impl Fn(usize, T) -> f64 + Sync) -> Vec<f64> {
    let parts = parallel::map_ranges(x.len() / dim, GRAIN, |rows| {
        let mut sums = vec![0.0; dim];
        for row in x[rows.start * dim..rows.end * dim].chunks_exact(dim) {
            sums.iter_mut().zip(row).enumerate().for_each(|(j, (sum, &value))| *sum += of(j, value));
        }
        sums
    });
    parts.into_iter().fold(vec![0.0; dim], |all, part| all.iter().zip(part).map(|(a, b)| a + b).collect())
}

/// A number for every column that becomes more exact by it, or nothing.
pub(super) fn columns_of<T: Number>(x: &[T], dim: usize) -> Center {
    let n = x.len() / dim;
    let column = |j: usize| (0..n).step_by(n.div_ceil(SAMPLE)).map(|i| x[i * dim + j].wide()).collect();
    let middles: Vec<f64> = (0..dim).map(|j| middle(column(j))).collect();
    let plain = sums(x, dim, |_, value| error_of(value.wide()));
    let centered = sums(x, dim, |j, value| error_of(value.minus(middles[j])));
    let better = |j: usize| plain[j] > GAIN * centered[j];
    if (0..dim).any(better) {
        return Center::Columns((0..dim).map(|j| if better(j) { middles[j] } else { 0.0 }).collect());
    }
    Center::None
}

/// From every row its own, if values become more exact by it; else nothing.
pub(super) fn rows_of<T: Number>(x: &[T], dim: usize) -> Center {
    let parts = parallel::map_ranges(x.len() / dim, GRAIN, |rows| {
        x[rows.start * dim..rows.end * dim].chunks_exact(dim).fold((0.0, 0.0), |(plain, centered), row| {
            let middle = Center::Rows.of_row(row);
            let of = |center| row.iter().map(|v| error_of(v.minus(center))).sum::<f64>();
            (plain + of(0.0), centered + of(middle))
        })
    });
    let (plain, centered) = parts.into_iter().fold((0.0, 0.0), |(a, b), (c, d)| (a + c, b + d));
    if plain > GAIN * centered { Center::Rows } else { Center::None }
}
