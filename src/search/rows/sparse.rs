//! Sparse rows of an index.

use std::borrow::Cow;

use crate::dataset::check::{check_sparse_rows, check_sparse_sums};
use crate::dataset::{SparseComparison, SparsePoints, SparseTransform};
use crate::distances::direct::Query;
use crate::metric::Metric;
use crate::persist::{IndexFileError, Kind, Opened};
use crate::points::{Csr, CsrMatrix, Points, PointsKind, SparseRow};
use crate::rows::sparse::cumulative::{CumulativeRows, Curve};
use crate::rows::sparse::{SparseKernel, SparseQuery, SparseRows};
use crate::rows::{ReducedDistances, WorkingRows};
use crate::search::error::IndexError;
use crate::simd::Level;
use crate::storage::Storage;

use super::sections::{any_length, of_length};
use super::{IndexRows, PutMeta, QueryRow, SearchQuery};

/// Rows as they are searched: transformed where the metric asks for it.
pub(crate) struct SparseStore {
    rows: Rows,
    /// The rows as they were given, where they cannot be had from transformed ones.
    given: Option<CsrMatrix>,
    transform: SparseTransform,
}

/// Rows by how they are compared.
enum Rows {
    Columns(SparseRows),
    CumulativeSums(CumulativeRows),
}

/// The entries of a row.
#[derive(Default)]
struct Entries {
    columns: Vec<u32>,
    values: Vec<f32>,
}

impl Entries {
    fn set(&mut self, row: SparseRow) {
        self.columns.clear();
        self.columns.extend_from_slice(row.indices);
        self.values.clear();
        self.values.extend_from_slice(row.values);
    }

    fn row(&self) -> SparseRow<'_> {
        SparseRow { indices: &self.columns, values: &self.values }
    }
}

impl From<(Vec<u32>, Vec<f32>)> for Entries {
    fn from((columns, values): (Vec<u32>, Vec<f32>)) -> Self {
        Self { columns, values }
    }
}

/// A sparse row to search for.
#[derive(Default)]
pub(crate) struct SparseStoreQuery {
    query: SparseQuery,
    /// Its curve, where cumulative sums are compared.
    curve: Curve,
    /// The row as it was given, up to a factor, where true distances need it.
    given: Entries,
}

impl SparseStore {
    /// The rows `order` of these points.
    pub(super) fn of_points(points: &SparsePoints, order: &[u32]) -> Self {
        let (given, transformed, transform) = points.parts();
        let mut rows = Self::new(given, transformed, transform.clone());
        rows.select(order);
        rows
    }

    /// Rows as they are given, and transformed if the metric asks for it.
    fn new(given: Csr, transformed: Option<Csr>, transform: SparseTransform) -> Self {
        let searched = transformed.unwrap_or(given);
        let rows = match transform.kernel {
            SparseComparison::Columns(kernel) => {
                let mut rows = SparseRows::new(searched, kernel, Level::detect());
                rows.choose_precision();
                Rows::Columns(rows)
            }
            SparseComparison::CumulativeSums(kernel) => Rows::CumulativeSums(CumulativeRows::new(searched, kernel)),
        };
        Self { rows, given: transform.needs_given().then(|| copy_of(given)), transform }
    }

    /// Rows as [`SparseStore::matrix`] gives them.
    fn of_saved(rows: Csr, transform: SparseTransform) -> Self {
        let transformed = if transform.needs_given() { transform.all_transformed(&rows) } else { None };
        Self::new(rows, transformed.as_ref().map(CsrMatrix::view), transform)
    }

    /// A row as it was given, up to a factor.
    fn given(&self, row: u32) -> Entries {
        let kept = |row: SparseRow| Entries { columns: row.indices.to_vec(), values: row.values.to_vec() };
        match (&self.given, &self.rows) {
            (Some(given), _) => kept(given.view().row(row as usize)),
            (None, Rows::CumulativeSums(rows)) => kept(rows.row(row)),
            (None, Rows::Columns(rows)) => Entries::from(rows.decode(row)),
        }
    }

    /// The rows to save: as they were given if these are kept, else as they are searched.
    fn matrix(&self) -> CsrMatrix {
        match (&self.given, &self.rows) {
            (Some(given), _) => given.clone(),
            (None, Rows::CumulativeSums(rows)) => rows.matrix().clone(),
            (None, Rows::Columns(rows)) => {
                let mut matrix = CsrMatrix::empty(rows.dim());
                for row in 0..rows.n() as u32 {
                    let (columns, values) = rows.decode(row);
                    matrix.push_row(columns.into_iter().zip(values));
                }
                matrix
            }
        }
    }

    fn searched_bytes(&self) -> usize {
        match &self.rows {
            Rows::Columns(rows) => rows.memory(),
            Rows::CumulativeSums(rows) => rows.memory(),
        }
    }
}

impl IndexRows for SparseStore {
    fn copy(&self) -> Self {
        Self::of_saved(self.matrix().view(), self.transform.clone())
    }

    fn set_query(&self, row: QueryRow, _: bool, query: &mut SearchQuery) -> bool {
        let QueryRow::Sparse(row) = row else { return false };
        let query = &mut query.sparse;
        query.given.set(row);
        match &self.rows {
            Rows::Columns(rows) => match self.transform.transformed(row).map(Entries::from) {
                Some(entries) => rows.set_query(entries.row(), &mut query.query),
                None => rows.set_query(row, &mut query.query),
            },
            Rows::CumulativeSums(rows) => query.curve = rows.curve(row),
        }
        true
    }

    fn set_own_query(&self, row: u32, _: bool, query: &mut SearchQuery) {
        let query = &mut query.sparse;
        query.given = self.given(row);
        match &self.rows {
            Rows::Columns(rows) => rows.set_query(Entries::from(rows.decode(row)).row(), &mut query.query),
            Rows::CumulativeSums(rows) => query.curve = rows.curve(query.given.row()),
        }
    }

    fn is_lossy(&self, _: &SearchQuery) -> bool {
        // Distances near zero are differences of larger numbers.
        true
    }

    fn is_proxied(&self) -> bool {
        self.transform.is_proxy
    }

    fn in_traversal(&self, radius: f32, _: &SearchQuery) -> f32 {
        let reduced = self.transform.to_reduced(radius.into()) as f32;
        reduced + 1e-4 * reduced.abs()
    }

    fn distances(&self, query: &mut SearchQuery, others: &[u32], out: &mut Vec<f32>) {
        let (transform, query) = (&self.transform, &query.sparse);
        out.clear();
        match &self.rows {
            Rows::Columns(rows) if transform.is_by_kernel() => {
                let mut reduced = vec![0.0; others.len()];
                rows.query_to_many_exactly(&query.query, others, &mut reduced);
                out.extend(reduced.into_iter().map(|d| transform.to_true(d) as f32));
            }
            _ => {
                let x = query.given.row();
                out.extend(others.iter().map(|&other| transform.by_definition([x, self.given(other).row()]) as f32));
            }
        }
    }

    fn to_many(&self, query: &SearchQuery, others: &[u32], out: &mut Vec<f32>) {
        let query = &query.sparse;
        out.resize(others.len(), 0.0);
        match &self.rows {
            Rows::Columns(rows) => rows.query_to_many(&query.query, others, out),
            Rows::CumulativeSums(rows) => rows.to_many(query.given.row(), query.curve, others, out),
        }
    }

    fn between(&self, row: u32, others: &[u32], _: &mut Query, out: &mut Vec<f32>) {
        out.resize(others.len(), 0.0);
        match &self.rows {
            Rows::Columns(rows) => rows.one_to_many(row, others, out),
            Rows::CumulativeSums(rows) => rows.one_to_many(row, others, out),
        }
    }

    fn n(&self) -> usize {
        match &self.rows {
            Rows::Columns(rows) => rows.n(),
            Rows::CumulativeSums(rows) => rows.n(),
        }
    }

    fn push(&mut self, points: &Points) -> Result<(), IndexError> {
        let PointsKind::Sparse(rows) = &points.kind() else {
            return Err(IndexError::Type { found: points.type_name(), expected: "sparse" });
        };
        check_sparse_rows(&self.transform.metric, rows)?;
        let transformed = self.transform.all_transformed(rows);
        let searched = transformed.as_ref().map_or(*rows, CsrMatrix::view);
        if let SparseComparison::Columns(SparseKernel::Values(form)) = self.transform.kernel {
            check_sparse_sums(&self.transform.metric, &searched, form)?;
        }
        if let Some(given) = &mut self.given {
            given.push_rows(*rows);
        }
        match &mut self.rows {
            Rows::Columns(rows) => rows.push(searched),
            Rows::CumulativeSums(rows) => rows.push(searched),
        }
        Ok(())
    }

    fn select(&mut self, order: &[u32]) {
        self.given = self.given.as_ref().map(|given| given.select(order));
        match &mut self.rows {
            Rows::Columns(rows) => rows.select(order),
            Rows::CumulativeSums(rows) => rows.select(order),
        }
    }

    fn bytes_of_row(&self, _: bool) -> usize {
        self.searched_bytes() / self.n().max(1)
    }

    fn describe(&self) -> &'static str {
        "sparse"
    }

    fn add_memory(&self, add: &mut dyn FnMut(usize, bool)) {
        let given = self.given.as_ref().map_or(0, |given| 8 * given.view().nnz() + 8 * given.view().n());
        add(self.searched_bytes() + given, false);
    }

    fn put_meta(&self, _: bool, _: PutMeta) {}

    fn sections(&self) -> Vec<(Kind, Cow<'_, [u8]>)> {
        let matrix = self.matrix();
        let view = matrix.view();
        let starts: Vec<u64> = view.indptr().iter().map(|&start| start as u64).collect();
        let bytes = |kind, bytes: &[u8]| (kind, Cow::Owned(bytes.to_vec()));
        vec![
            bytes(INDPTR, bytemuck::cast_slice(&starts)),
            bytes(COLUMNS, bytemuck::cast_slice(view.indices())),
            bytes(ENTRIES, bytemuck::cast_slice(view.values())),
        ]
    }
}

const INDPTR: Kind = Kind(17, "where the points' entries begin");
const COLUMNS: Kind = Kind(18, "the columns of the points' entries");
const ENTRIES: Kind = Kind(19, "the values of the points' entries");
pub(super) const SECTIONS: [Kind; 3] = [INDPTR, COLUMNS, ENTRIES];

impl SparseStore {
    /// The `n` rows of a file. They are read, not mapped: their columns are numbered anew.
    pub(super) fn of_file(file: &Opened, metric: &Metric, (n, dim): (usize, usize)) -> Result<Self, IndexFileError> {
        let transform = SparseTransform::new(metric, dim).map_err(|e| file.inconsistent(e.to_string()))?;
        let indptr: Storage<u64> = of_length(file, INDPTR, n.saturating_add(1))?;
        let indptr: Vec<usize> = indptr.iter().map(|&start| usize::try_from(start).unwrap_or(usize::MAX)).collect();
        let (columns, values) = (any_length::<u32>(file, COLUMNS)?, any_length::<f32>(file, ENTRIES)?);
        let rows = Csr::new(dim, &indptr, &columns, &values).map_err(|e| file.inconsistent(e.to_string()))?;
        Ok(Self::of_saved(rows, transform))
    }
}

fn copy_of(rows: Csr) -> CsrMatrix {
    let mut copy = CsrMatrix::empty(rows.dim());
    copy.push_rows(rows);
    copy
}
