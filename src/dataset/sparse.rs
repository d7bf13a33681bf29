//! Sparse points ready to be searched under a metric.

use super::check::{check_sparse_rows, check_sparse_sums};
use super::sparse_transform::{SparseComparison, SparseTransform};
use crate::distances::TrueDistances;
use crate::metric::{Form, Metric, MetricError};
use crate::points::{Csr, CsrMatrix};
use crate::rows::ReducedDistances;
use crate::rows::sparse::cumulative::{self, CumulativeRows};
use crate::rows::sparse::{self, SparseKernel, SparseRows};
use crate::simd::Level;

/// Sparse points ready to be searched.
pub(crate) struct SparsePoints<'a> {
    given: Csr<'a>,
    /// None if rows are searched as given.
    transformed: Option<CsrMatrix>,
    pub transform: SparseTransform,
}

impl<'a> SparsePoints<'a> {
    pub(crate) fn new(rows: &Csr<'a>, metric: &Metric) -> Result<Self, MetricError> {
        let transform = SparseTransform::new(metric, rows.dim())?;
        check_sparse_rows(metric, rows)?;
        let points = Self { given: *rows, transformed: transform.all_transformed(rows), transform };
        if let SparseComparison::Columns(SparseKernel::Values(form)) = points.transform.kernel {
            check_sparse_sums(metric, &points.searched(), form)?;
        }
        Ok(points)
    }

    fn searched(&self) -> Csr<'_> {
        self.transformed.as_ref().map_or(self.given, CsrMatrix::view)
    }
}

impl<'a> SparsePoints<'a> {
    /// The rows as given, the same transformed (none if searched as given), and how they are compared.
    pub(crate) fn parts(&self) -> (Csr<'a>, Option<Csr<'_>>, &SparseTransform) {
        (self.given, self.transformed.as_ref().map(CsrMatrix::view), &self.transform)
    }

    pub(super) fn working_copy(&self) -> Box<dyn ReducedDistances + '_> {
        let rows = self.searched();
        match self.transform.kernel {
            SparseComparison::Columns(kernel) => {
                let mut rows = SparseRows::new(rows, kernel, Level::detect());
                rows.choose_precision();
                Box::new(rows)
            }
            SparseComparison::CumulativeSums(kernel) => Box::new(CumulativeRows::new(rows, kernel)),
        }
    }

    /// Bytes of the working copy, and of one more for final distances where these need it.
    pub(crate) fn bytes(&self) -> u64 {
        let bytes = match self.transform.kernel {
            SparseComparison::Columns(kernel) => 2 * sparse::bytes(self.searched(), kernel),
            SparseComparison::CumulativeSums(_) => cumulative::bytes(self.searched()),
        };
        bytes as u64
    }

    /// Bytes of the transformed rows.
    pub(super) fn transformed_bytes(&self) -> u64 {
        let bytes = |rows: Csr| 8 * rows.nnz() + 8 * rows.n();
        self.transformed.as_ref().map_or(0, |rows| bytes(rows.view()) as u64)
    }

    /// Nanoseconds of a distance, roughly.
    pub(crate) fn cost(&self) -> f64 {
        let searched = self.searched();
        let entries = searched.nnz() as f64 / searched.n() as f64;
        match self.transform.kernel {
            SparseComparison::Columns(_) => 10.0 + 0.5 * entries,
            // Both rows are walked along.
            SparseComparison::CumulativeSums(_) => 10.0 + 8.0 * entries,
        }
    }

    pub(super) fn true_distances(&self) -> Box<dyn TrueDistances + '_> {
        match self.transform.kernel {
            SparseComparison::Columns(kernel) if self.transform.is_by_kernel() => {
                let rows = SparseRows::new(self.searched(), kernel, Level::detect());
                Box::new(ByKernel { transform: &self.transform, rows })
            }
            _ => Box::new(ByEntries { transform: &self.transform, given: self.given }),
        }
    }
}

/// True distances by the kernel, in f64.
struct ByKernel<'a> {
    transform: &'a SparseTransform,
    rows: SparseRows,
}

impl TrueDistances for ByKernel<'_> {
    fn distances(&self, i: usize, others: &[u32], out: &mut Vec<f64>) {
        let mut reduced = vec![0.0; others.len()];
        self.rows.one_to_many_exactly(i as u32, others, &mut reduced);
        out.clear();
        out.extend(reduced.into_iter().map(|d| self.transform.to_true(d)));
    }

    fn to_reduced(&self, distance: f64) -> f64 {
        self.transform.to_reduced(distance)
    }

    fn space(&self) -> Option<&dyn ReducedDistances> {
        Some(&self.rows)
    }

    fn to_self(&self, i: usize) -> f32 {
        if self.transform.kernel != SparseComparison::Columns(SparseKernel::Values(Form::Inner)) {
            return 0.0;
        }
        let mut out = Vec::new();
        self.distances(i, &[i as u32], &mut out);
        out[0] as f32
    }
}

/// True distances by definition, from the entries of rows as they were given.
struct ByEntries<'a> {
    transform: &'a SparseTransform,
    given: Csr<'a>,
}

impl TrueDistances for ByEntries<'_> {
    fn distances(&self, i: usize, others: &[u32], out: &mut Vec<f64>) {
        let row = |i: usize| self.given.row(i);
        out.clear();
        out.extend(others.iter().map(|&other| self.transform.by_definition([row(i), row(other as usize)])));
    }

    fn to_reduced(&self, distance: f64) -> f64 {
        self.transform.to_reduced(distance)
    }

    fn to_self(&self, i: usize) -> f32 {
        if self.transform.metric.is_zero_to_self() {
            return 0.0;
        }
        self.transform.by_definition([self.given.row(i); 2]) as f32
    }
}
