//! Sparse rows of an index.

use crate::metric::simd::Level;
use crate::metric::transform::Transform;
use crate::points::{Csr, CsrMatrix, SparseRow};
use crate::prepared::sparse::{SparseWay, transformed};
use crate::space::sparse_rows::{SparseQuery, SparseRows};
use crate::space::{Space, WorkingRows};

/// Rows as they are searched: transformed, where the metric asks for it.
pub(crate) struct SparseStore {
    rows: SparseRows,
    pub way: SparseWay,
}

/// A sparse row to search for.
#[derive(Default)]
pub(crate) struct SparseStoreQuery {
    query: SparseQuery,
    columns: Vec<u32>,
    /// Transformed.
    values: Vec<f32>,
}

impl SparseStore {
    /// Rows that are transformed already.
    pub(crate) fn new(rows: Csr, way: SparseWay) -> Self {
        Self { rows: SparseRows::new(rows, way.kernel, Level::detect()), way }
    }

    /// Keeps the rows `order`, in that order.
    pub(crate) fn select(&mut self, order: &[u32]) {
        self.rows.select(order);
    }

    /// Adds rows as they are given.
    pub(crate) fn push(&mut self, rows: &Csr) {
        let transformed = transformed(&self.way, rows);
        self.rows.push(transformed.as_ref().map_or(*rows, CsrMatrix::view));
    }

    /// Makes `query` a row as it is given.
    pub(crate) fn set_query(&self, row: SparseRow, query: &mut SparseStoreQuery) {
        let values = self.way.transformed(row, self.rows.dim());
        query.columns.clear();
        query.columns.extend_from_slice(row.indices);
        query.values.clear();
        query.values.extend_from_slice(values.as_deref().unwrap_or(row.values));
        self.set(query);
    }

    /// Makes `query` one of these rows.
    pub(crate) fn set_own_query(&self, row: u32, query: &mut SparseStoreQuery) {
        (query.columns, query.values) = self.rows.decode(row);
        self.set(query);
    }

    fn set(&self, query: &mut SparseStoreQuery) {
        let row = SparseRow { indices: &query.columns, values: &query.values };
        self.rows.set_query(row, &mut query.query);
    }

    /// Reduced distances of the query to `others`.
    pub(crate) fn to_many(&self, query: &SparseStoreQuery, others: &[u32], out: &mut Vec<f32>) {
        out.resize(others.len(), 0.0);
        self.rows.query_to_many(&query.query, others, out);
    }

    /// Reduced distances between rows.
    pub(crate) fn between(&self, row: u32, others: &[u32], out: &mut Vec<f32>) {
        out.resize(others.len(), 0.0);
        self.rows.one_to_many(row, others, out);
    }

    /// True distances of the query to `others`.
    pub(crate) fn distances(&self, query: &SparseStoreQuery, others: &[u32], out: &mut Vec<f32>) {
        let (way, dim) = (&self.way, self.rows.dim());
        out.clear();
        if way.is_by_kernel() {
            let mut reduced = vec![0.0; others.len()];
            self.rows.query_to_many_exactly(&query.query, others, &mut reduced);
            out.extend(reduced.into_iter().map(|d| way.to_true(d, dim)));
            return;
        }
        let given = self.given(&query.values);
        out.extend(others.iter().map(|&other| {
            let (columns, values) = self.rows.decode(other);
            let other_given = self.given(&values);
            let row = |indices, values| SparseRow { indices, values };
            way.by_definition([row(&query.columns, &given), row(&columns, &other_given)], dim)
        }));
    }

    /// Values as they were given, up to a factor, where true distances are computed from these.
    fn given<'a>(&self, values: &'a [f32]) -> std::borrow::Cow<'a, [f32]> {
        match self.way.transform {
            Transform::SquareRoots => values.iter().map(|v| v * v).collect(),
            _ => values.into(),
        }
    }

    /// The rows, to be saved.
    pub(crate) fn matrix(&self) -> CsrMatrix {
        let mut matrix = CsrMatrix::empty(self.rows.dim());
        for row in 0..self.rows.n() as u32 {
            let (columns, values) = self.rows.decode(row);
            matrix.push_row(columns.into_iter().zip(values));
        }
        matrix
    }

    /// Bytes that a search reads of a row, on average.
    pub(crate) fn bytes_of_row(&self) -> usize {
        self.memory() / self.rows.n().max(1)
    }

    /// Bytes held.
    pub(crate) fn memory(&self) -> usize {
        self.rows.memory()
    }
}
