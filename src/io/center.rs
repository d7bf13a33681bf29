//! What is subtracted from wide values before they are narrowed.

use super::wide::{Number, WideMatrix, WideValues, with_numbers};
use crate::metric::{Metric, Shift};
use crate::parallel;

/// What is subtracted from a [`WideMatrix`] before it is narrowed, so that f32 holds what is left more exactly.
/// [`WideMatrix::center`] chooses it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Center {
    /// Nothing.
    None,
    /// A number for every column; 0 where f32 holds the column well. Queries and points added later need the same:
    /// [`Index::set_center`](crate::Index::set_center) keeps it.
    Columns(Vec<f64>),
    /// From every row the middle of its own range: for `correlation`, which does not notice.
    Rows,
}

impl Center {
    /// What is subtracted from the values of a row, if it is one number.
    pub(super) fn of_row<T: Number>(&self, row: &[T]) -> f64 {
        match self {
            Self::Rows => Range::of(row.iter().map(|v| v.wide())).middle(),
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

/// A centre is subtracted only where it makes the largest error of narrowing smaller by this factor.
const GAIN: f64 = 8.0;

/// Rows in a task.
const GRAIN: usize = 1 << 14;

/// The finite values from least to largest.
#[derive(Clone, Copy)]
struct Range {
    least: f64,
    largest: f64,
}

impl Range {
    const EMPTY: Self = Self { least: f64::INFINITY, largest: f64::NEG_INFINITY };

    fn of(values: impl Iterator<Item = f64>) -> Self {
        values.fold(Self::EMPTY, Self::with)
    }

    fn with(self, value: f64) -> Self {
        if !value.is_finite() {
            return self;
        }
        Self { least: self.least.min(value), largest: self.largest.max(value) }
    }

    /// The middle, with few digits: what is left of values on a grid of halves, wholes or dozens stays on it.
    fn middle(self) -> f64 {
        if self.least > self.largest {
            return 0.0;
        }
        let (half, middle) = (self.largest / 2.0 - self.least / 2.0, self.least / 2.0 + self.largest / 2.0);
        if half == 0.0 {
            return self.least;
        }
        let step = (half.log2().floor() - 10.0).exp2();
        let rounded = (middle / step).round() * step;
        if rounded.is_finite() { rounded } else { middle }
    }
}

/// How far f32 is from a finite value.
fn error_of(value: f64) -> f64 {
    if !value.is_finite() {
        return 0.0;
    }
    let narrowed = value as f32;
    if narrowed.is_finite() { (value - f64::from(narrowed)).abs() } else { f64::INFINITY }
}

impl WideMatrix {
    /// What to subtract before narrowing: a number for every column, from the middle of its range, if `metric` does not
    /// notice (`euclidean`, `sqeuclidean`, `manhattan`, `chebyshev`, `minkowski`, `seuclidean`, `wminkowski`,
    /// `mahalanobis`), or from every row for `correlation`; nothing for other metrics, and where f32 loses at most
    /// eight times as much without.
    ///
    /// # Complexity
    /// Two parallel passes over the values, if they are of a wider type than f32.
    #[must_use]
    pub fn center(&self, metric: &Metric) -> Center {
        if matches!(self.values, WideValues::Narrow(_)) || self.dim() == 0 || self.n() == 0 {
            return Center::None;
        }
        with_numbers!(&self.values, x => match metric.shift() {
            Shift::Nothing => Center::None,
            Shift::Columns => columns_of(x, self.dim()),
            Shift::Rows => rows_of(x, self.dim()),
        })
    }
}

/// What `merge` makes of every column, over all rows.
fn by_column<T: Number, S: Copy + Send + Sync>(
    x: &[T],
    dim: usize,
    start: S,
    add: impl Fn(S, usize, T) -> S + Sync,
    merge: impl Fn(S, S) -> S,
) -> Vec<S> {
    let parts = parallel::map_ranges(x.len() / dim, GRAIN, |rows| {
        let mut all = vec![start; dim];
        for row in x[rows.start * dim..rows.end * dim].chunks_exact(dim) {
            all.iter_mut().zip(row).enumerate().for_each(|(j, (to, &value))| *to = add(*to, j, value));
        }
        all
    });
    let mut parts = parts.into_iter();
    let mut all = parts.next().unwrap_or_default();
    for part in parts {
        all.iter_mut().zip(part).for_each(|(to, more)| *to = merge(*to, more));
    }
    all
}

fn columns_of<T: Number>(x: &[T], dim: usize) -> Center {
    let note = |(range, error): (Range, f64), _, v: T| (range.with(v.wide()), error_of(v.wide()).max(error));
    let join = |(a, e): (Range, f64), (b, f): (Range, f64)| (a.with(b.least).with(b.largest), e.max(f));
    let plain = by_column(x, dim, (Range::EMPTY, 0.0), note, join);
    let middles: Vec<f64> = plain.iter().map(|(range, _)| range.middle()).collect();
    let centered = by_column(x, dim, 0.0, |error: f64, j, v| error_of(v.minus(middles[j])).max(error), f64::max);
    let better = |j: usize| plain[j].1 > GAIN * centered[j];
    if (0..dim).any(better) {
        return Center::Columns((0..dim).map(|j| if better(j) { middles[j] } else { 0.0 }).collect());
    }
    Center::None
}

fn rows_of<T: Number>(x: &[T], dim: usize) -> Center {
    let errors = parallel::map_ranges(x.len() / dim, GRAIN, |rows| {
        x[rows.start * dim..rows.end * dim].chunks_exact(dim).fold((0.0f64, 0.0f64), |(plain, centered), row| {
            let middle = Center::Rows.of_row(row);
            let of = |center| row.iter().map(|v| error_of(v.minus(center))).fold(0.0, f64::max);
            (plain.max(of(0.0)), centered.max(of(middle)))
        })
    });
    let (plain, centered) = errors.into_iter().fold((0.0f64, 0.0f64), |(a, b), (c, d)| (a.max(c), b.max(d)));
    if plain > GAIN * centered { Center::Rows } else { Center::None }
}
