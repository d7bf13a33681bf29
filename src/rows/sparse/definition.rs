//! Distances between sparse rows in f64, by merging their entries: the reference for tests, and the source of true
//! distances.

use super::kernels::SparseKernel;
use crate::metric::Form;
use crate::metric::kernels::{Kernel, with_kernel};
use crate::points::SparseRow;

/// The reduced distance of two rows of `dim` columns, as [`SparseKernel`] has it. The same to the bit whichever comes
/// first.
pub(crate) fn distance(kernel: SparseKernel, x: SparseRow, y: SparseRow, dim: usize) -> f64 {
    let direction = |row| Direction::of(kernel, row, dim);
    distance_of_known(kernel, (x, direction(x)), (y, direction(y)), dim)
}

/// [`distance`] of rows whose directions are known: for rows that are compared more than once.
pub(crate) fn distance_of_known(
    kernel: SparseKernel,
    (x, to_x): (SparseRow, Direction),
    (y, to_y): (SparseRow, Direction),
    dim: usize,
) -> f64 {
    match kernel {
        SparseKernel::Values(Form::Angular { centered }) => angular((x, to_x), (y, to_y), centered.then_some(dim)),
        SparseKernel::Values(form) => with_kernel!(form, kernel => {
            kernel.defined(walk(x, y, [0.0; 3], |sums, _, a, b| kernel.add(sums, a, b)))
        }),
        SparseKernel::Sets(metric) => {
            let count = |both: bool| f64::from(u8::from(both));
            let in_both = |a: f64, b: f64| [count(a != 0.0 && b != 0.0), count(a != 0.0), count(b != 0.0)];
            let [both, in_x, in_y] = sums(x, y, in_both).map(|c| c as u32);
            metric.distance(both, in_x, in_y, dim as u32).into()
        }
    }
}

/// The values of two rows in every column that either has, ascending.
pub(crate) fn pairs(x: SparseRow, y: SparseRow) -> Vec<(f64, f64)> {
    walk(x, y, Vec::new(), |mut pairs, _, a, b| {
        pairs.push((a, b));
        pairs
    })
}

/// The columns that either of two rows has, ascending.
pub(crate) fn columns(x: SparseRow, y: SparseRow) -> Vec<u32> {
    walk(x, y, Vec::new(), |mut columns, column, _, _| {
        columns.push(column);
        columns
    })
}

fn sum(x: SparseRow, y: SparseRow, f: impl Fn(f64, f64) -> f64) -> f64 {
    walk(x, y, 0.0, |sum, _, a, b| sum + f(a, b))
}

fn sums<const N: usize>(x: SparseRow, y: SparseRow, f: impl Fn(f64, f64) -> [f64; N]) -> [f64; N] {
    walk(x, y, [0.0; N], |mut sums, _, a, b| {
        sums.iter_mut().zip(f(a, b)).for_each(|(sum, v)| *sum += v);
        sums
    })
}

/// Folds every column that either of two rows has, ascending, and the values of both there.
#[inline(always)]
pub(super) fn walk<T>(x: SparseRow, y: SparseRow, start: T, f: impl Fn(T, u32, f64, f64) -> T) -> T {
    let (mut i, mut j, mut found) = (0, 0, start);
    while i < x.indices.len() && j < y.indices.len() {
        let columns = (x.indices[i], y.indices[j]);
        let (in_x, in_y) = (columns.0 <= columns.1, columns.1 <= columns.0);
        let (a, b) = (kept_if(in_x, x.values[i]), kept_if(in_y, y.values[j]));
        found = f(found, columns.0.min(columns.1), a.into(), b.into());
        i += usize::from(in_x);
        j += usize::from(in_y);
    }
    found = entries(x, i).fold(found, |found, (column, a)| f(found, column, a.into(), 0.0));
    entries(y, j).fold(found, |found, (column, b)| f(found, column, 0.0, b.into()))
}

/// The entries of a row from one on.
#[inline(always)]
fn entries(row: SparseRow, first: usize) -> impl Iterator<Item = (u32, f32)> {
    row.indices[first..].iter().copied().zip(row.values[first..].iter().copied())
}

/// The value or 0, without a branch, because which of the two rows is next cannot be predicted.
#[inline(always)]
fn kept_if(here: bool, value: f32) -> f32 {
    f32::from_bits(value.to_bits() & u32::from(here).wrapping_neg())
}

/// What brings a row to length 1: (v - mean) · scale; a scale of 0 for zero vectors, and under kernels without angles.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Direction {
    mean: f64,
    scale: f64,
}

impl Direction {
    pub(crate) fn of(kernel: SparseKernel, row: SparseRow, dim: usize) -> Self {
        let SparseKernel::Values(Form::Angular { centered }) = kernel else { return Self::default() };
        let values = || row.entries().map(|e| f64::from(e.1));
        if !centered {
            let length = values().map(|v| v * v).sum::<f64>().sqrt();
            return Self { mean: 0.0, scale: if length > 0.0 { 1.0 / length } else { 0.0 } };
        }
        let (count, first) = (values().count(), values().next().unwrap_or(0.0));
        if count == 0 || count == dim && values().all(|v| v == first) {
            return Self::default();
        }
        let mean = values().sum::<f64>() / dim as f64;
        let rest = (dim - count) as f64 * mean * mean;
        Self { mean, scale: 1.0 / (values().map(|v| (v - mean).powi(2)).sum::<f64>() + rest).sqrt() }
    }

    #[inline(always)]
    fn apply(self, value: f64) -> f64 {
        (value - self.mean) * self.scale
    }
}

/// 1 - cos as half the squared distance of directions, which is exact near zero; 0 between two zero vectors, 1 between
/// a zero vector and another row.
fn angular((x, to_x): (SparseRow, Direction), (y, to_y): (SparseRow, Direction), centered: Option<usize>) -> f64 {
    match (to_x.scale > 0.0, to_y.scale > 0.0) {
        (false, false) => return 0.0,
        (true, true) => {}
        _ => return 1.0,
    }
    let squared = |a: f64, b: f64| (to_x.apply(a) - to_y.apply(b)).powi(2);
    let Some(dim) = centered else { return sum(x, y, squared) / 2.0 };
    let [sum, count] = sums(x, y, |a, b| [squared(a, b), 1.0]);
    // Stored zeros were counted with their columns: what is left is stored nowhere.
    (sum + (dim as f64 - count) * squared(0.0, 0.0)) / 2.0
}
