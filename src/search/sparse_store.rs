//! Sparse rows of an index.

use crate::dataset::{SparseComparison, SparsePoints, SparseTransform};
use crate::metric::transform::Transformer;
use crate::points::{Csr, CsrMatrix, SparseRow};
use crate::rows::sparse::cumulative::{CumulativeRows, Curve};
use crate::rows::sparse::{SparseQuery, SparseRows};
use crate::rows::{ReducedDistances, WorkingRows};
use crate::simd::Level;

/// Rows as they are searched: transformed, where the metric asks for it.
pub(crate) struct SparseStore {
    rows: Rows,
    /// The rows as they were given, where transformed ones do not tell.
    given: Option<CsrMatrix>,
    pub way: SparseTransform,
}

/// Rows by what they are compared by.
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
    /// As it was given, up to a factor, where true distances are computed from that.
    given: Entries,
}

impl SparseStore {
    /// A copy of these points.
    pub(crate) fn of_points(points: &SparsePoints) -> Self {
        let (given, transformed, way) = points.parts();
        Self::new(given, transformed, way.clone())
    }

    /// Rows as they are given, and transformed if the metric asks for it.
    pub(crate) fn new(given: Csr, transformed: Option<Csr>, way: SparseTransform) -> Self {
        let searched = transformed.unwrap_or(given);
        let rows = match way.kernel {
            SparseComparison::Columns(kernel) => Rows::Columns(SparseRows::new(searched, kernel, Level::detect())),
            SparseComparison::CumulativeSums(kernel) => Rows::CumulativeSums(CumulativeRows::new(searched, kernel)),
        };
        Self { rows, given: way.needs_given().then(|| copy_of(given)), way }
    }

    /// Rows as [`SparseStore::matrix`] gives them.
    pub(crate) fn of_saved(rows: Csr, way: SparseTransform) -> Self {
        let transformed = if way.needs_given() { way.all_transformed(&rows) } else { None };
        Self::new(rows, transformed.as_ref().map(CsrMatrix::view), way)
    }

    /// Keeps the rows `order`, in that order.
    pub(crate) fn select(&mut self, order: &[u32]) {
        self.given = self.given.as_ref().map(|given| given.select(order));
        match &mut self.rows {
            Rows::Columns(rows) => rows.select(order),
            Rows::CumulativeSums(rows) => rows.select(order),
        }
    }

    /// Adds rows as they are given.
    pub(crate) fn push(&mut self, rows: &Csr) {
        if let Some(given) = &mut self.given {
            given.push_rows(*rows);
        }
        let transformed = self.way.all_transformed(rows);
        let searched = transformed.as_ref().map_or(*rows, CsrMatrix::view);
        match &mut self.rows {
            Rows::Columns(rows) => rows.push(searched),
            Rows::CumulativeSums(rows) => rows.push(searched),
        }
    }

    /// Makes `query` a row as it is given.
    pub(crate) fn set_query(&self, row: SparseRow, query: &mut SparseStoreQuery) {
        query.given.set(row);
        match &self.rows {
            Rows::Columns(rows) => match self.way.transformed(row).map(Entries::from) {
                Some(entries) => rows.set_query(entries.row(), &mut query.query),
                None => rows.set_query(row, &mut query.query),
            },
            Rows::CumulativeSums(rows) => query.curve = rows.curve(row),
        }
    }

    /// Makes `query` one of these rows.
    pub(crate) fn set_own_query(&self, row: u32, query: &mut SparseStoreQuery) {
        query.given = self.given(row);
        match &self.rows {
            Rows::Columns(rows) => rows.set_query(Entries::from(rows.decode(row)).row(), &mut query.query),
            Rows::CumulativeSums(rows) => query.curve = rows.curve(query.given.row()),
        }
    }

    /// Reduced distances of the query to `others`.
    pub(crate) fn to_many(&self, query: &SparseStoreQuery, others: &[u32], out: &mut Vec<f32>) {
        out.resize(others.len(), 0.0);
        match &self.rows {
            Rows::Columns(rows) => rows.query_to_many(&query.query, others, out),
            Rows::CumulativeSums(rows) => rows.to_many(query.given.row(), query.curve, others, out),
        }
    }

    /// Reduced distances between rows.
    pub(crate) fn between(&self, row: u32, others: &[u32], out: &mut Vec<f32>) {
        out.resize(others.len(), 0.0);
        match &self.rows {
            Rows::Columns(rows) => rows.one_to_many(row, others, out),
            Rows::CumulativeSums(rows) => rows.one_to_many(row, others, out),
        }
    }

    /// True distances of the query to `others`.
    pub(crate) fn distances(&self, query: &SparseStoreQuery, others: &[u32], out: &mut Vec<f32>) {
        let way = &self.way;
        out.clear();
        match &self.rows {
            Rows::Columns(rows) if way.is_by_kernel() => {
                let mut reduced = vec![0.0; others.len()];
                rows.query_to_many_exactly(&query.query, others, &mut reduced);
                out.extend(reduced.into_iter().map(|d| way.to_true(d)));
            }
            _ => {
                let x = query.given.row();
                out.extend(others.iter().map(|&other| way.by_definition([x, self.given(other).row()])));
            }
        }
    }

    /// A row as it was given, up to a factor.
    fn given(&self, row: u32) -> Entries {
        let kept = |row: SparseRow| Entries { columns: row.indices.to_vec(), values: row.values.to_vec() };
        match (&self.given, &self.rows) {
            (Some(given), _) => kept(given.view().row(row as usize)),
            (None, Rows::CumulativeSums(rows)) => kept(rows.row(row)),
            (None, Rows::Columns(rows)) => {
                let mut entries = Entries::from(rows.decode(row));
                if matches!(*self.way.transformer, Transformer::SquareRoots) {
                    entries.values.iter_mut().for_each(|v| *v *= *v);
                }
                entries
            }
        }
    }

    /// The rows, to be saved: as they were given if these are kept, else as they are searched.
    pub(crate) fn matrix(&self) -> CsrMatrix {
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

    fn n(&self) -> usize {
        match &self.rows {
            Rows::Columns(rows) => rows.n(),
            Rows::CumulativeSums(rows) => rows.n(),
        }
    }

    /// Bytes that a search reads of a row, on average.
    pub(crate) fn bytes_of_row(&self) -> usize {
        self.searched_bytes() / self.n().max(1)
    }

    fn searched_bytes(&self) -> usize {
        match &self.rows {
            Rows::Columns(rows) => rows.memory(),
            Rows::CumulativeSums(rows) => rows.memory(),
        }
    }

    /// Bytes held.
    pub(crate) fn memory(&self) -> usize {
        let given = self.given.as_ref().map_or(0, |given| 8 * given.view().nnz() + 8 * given.view().n());
        self.searched_bytes() + given
    }
}

fn copy_of(rows: Csr) -> CsrMatrix {
    let mut copy = CsrMatrix::empty(rows.dim());
    copy.push_rows(rows);
    copy
}
