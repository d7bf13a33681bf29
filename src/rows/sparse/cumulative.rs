//! Sparse rows under distances of their cumulative sums, which stay the same from one entry to the next: two rows are
//! compared by walking along the entries of both.

use super::definition::walk;
use crate::metric::Form;
use crate::points::{Csr, CsrMatrix, SparseRow};
use crate::rows::error_bound::ErrorBound;
use crate::rows::{ReducedDistances, WorkingRows};

/// Bytes that [`CumulativeRows`] hold for as many entries and rows.
pub(crate) fn bytes(rows: Csr) -> usize {
    rows.nnz() * (size_of::<u32>() + size_of::<f32>()) + rows.n() * (size_of::<usize>() + size_of::<Curve>())
}

/// The distance: Σ |F-G|^p, which is reduced.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cumulative {
    pub p: f32,
    /// Whether F and G are the sums less their mean.
    pub centered: bool,
}

/// What a row's cumulative sums need beside its entries.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Curve {
    /// What brings the row to sum 1; 0 without mass.
    scale: f64,
    /// Where the sums begin: 0, or what makes their mean 0.
    start: f64,
}

/// Sparse rows as they were given, and the beginning of each one's curve.
pub(crate) struct CumulativeRows {
    kernel: Cumulative,
    rows: CsrMatrix,
    curves: Vec<Curve>,
}

impl Cumulative {
    /// The curve of a row of `dim` columns.
    fn curve(self, row: SparseRow, dim: usize) -> Curve {
        let (mut total, mut area) = (0.0, 0.0);
        for (column, v) in row.entries() {
            total += f64::from(v);
            area += f64::from(v) * (dim - column as usize) as f64;
        }
        let scale = if total > 0.0 { 1.0 / total } else { 0.0 };
        Curve { scale, start: if self.centered { -area * scale / dim as f64 } else { 0.0 } }
    }

    fn distance(self, x: (SparseRow, Curve), y: (SparseRow, Curve), dim: usize) -> f32 {
        match self.p {
            1.0 => sum(x, y, dim, f64::abs),
            2.0 => sum(x, y, dim, |apart| apart * apart),
            p => sum(x, y, dim, |apart| apart.abs().powf(p.into())),
        }
    }
}

/// The sum of `power` over all columns.
#[inline(always)]
fn sum((x, of_x): (SparseRow, Curve), (y, of_y): (SparseRow, Curve), dim: usize, power: impl Fn(f64) -> f64) -> f32 {
    let start = (0.0, of_x.start - of_y.start, 0);
    let (sum, apart, from) = walk(x, y, start, |(sum, apart, from), column, a, b| {
        (sum + f64::from(column - from) * power(apart), apart + (a * of_x.scale - b * of_y.scale), column)
    });
    (sum + (dim as f64 - f64::from(from)) * power(apart)) as f32
}

impl CumulativeRows {
    pub(crate) fn new(rows: Csr, kernel: Cumulative) -> Self {
        let mut space = Self { kernel, rows: CsrMatrix::empty(rows.dim()), curves: Vec::with_capacity(rows.n()) };
        space.push(rows);
        space
    }

    /// Appends rows.
    pub(crate) fn push(&mut self, rows: Csr) {
        for i in 0..rows.n() {
            self.curves.push(self.curve(rows.row(i)));
        }
        self.rows.push_rows(rows);
    }

    /// Keeps the rows `order`, row `order[i]` in place `i`.
    pub(crate) fn select(&mut self, order: &[u32]) {
        self.rows = self.rows.select(order);
        self.curves = order.iter().map(|&i| self.curves[i as usize]).collect();
    }

    /// The rows as they were given.
    pub(crate) fn matrix(&self) -> &CsrMatrix {
        &self.rows
    }

    /// The entries of a row, as they were given.
    pub(crate) fn row(&self, row: u32) -> SparseRow<'_> {
        self.rows.view().row(row as usize)
    }

    /// The curve of a row of as many columns as there are.
    pub(crate) fn curve(&self, row: SparseRow) -> Curve {
        self.kernel.curve(row, self.rows.view().dim())
    }

    /// Reduced distances of a row to each of `others`.
    pub(crate) fn to_many(&self, row: SparseRow, curve: Curve, others: &[u32], out: &mut [f32]) {
        let dim = self.rows.view().dim();
        for (&other, out) in others.iter().zip(out) {
            *out = self.kernel.distance((row, curve), (self.row(other), self.curves[other as usize]), dim);
        }
    }

    /// Bytes held.
    pub(crate) fn memory(&self) -> usize {
        bytes(self.rows.view())
    }
}

impl WorkingRows for CumulativeRows {
    fn n(&self) -> usize {
        self.curves.len()
    }

    fn renumber(&mut self, order: &[u32]) {
        self.select(order);
    }

    fn describe(&self) -> String {
        "sparse rows, cumulative sums".into()
    }

    fn splits_by_direction(&self) -> bool {
        false
    }
}

impl ReducedDistances for CumulativeRows {
    /// Sums are f64, and rounded to f32 at the end.
    fn error_bound(&self, _row: u32) -> Option<ErrorBound> {
        let rounding = 1e-15 * self.rows.view().dim() as f64;
        ErrorBound::new(Form::Minkowski(self.kernel.p), 0, rounding)
    }

    fn one_to_many(&self, row: u32, others: &[u32], out: &mut [f32]) {
        self.to_many(self.row(row), self.curves[row as usize], others, out);
    }
}
