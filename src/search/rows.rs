//! The rows of an index, of whatever kind: what a search compares queries with.

use crate::dataset::check::check_sparse_rows;
use crate::dataset::{self, Dataset, Rows};
use crate::distances::direct::Query;
use crate::metric::route::Route;
use crate::metric::transform::{Transform, Transformer};
use crate::metric::{KernelMetric, Metric};
use crate::points::{Kept, Points, PointsKind, SparseRow};
use crate::rows::bits::{BitQuery, BitRows};
use crate::rows::{ReducedDistances, WorkingRows};
use crate::search::IndexError;

use super::Quantization;
use super::dense_rows::{DenseQuery, DenseRows};
use super::item_store::{ItemQuery, ItemStore};
use super::sparse_store::{SparseStore, SparseStoreQuery};
use super::stored::Stored;

/// The rows of an index.
pub(crate) struct SearchRows {
    pub metric: Metric,
    /// Columns of the points as they are given.
    pub dim: usize,
    /// The type of the points as they are given.
    pub given: &'static str,
    pub kind: RowKind,
}

/// The rows by kind.
pub(crate) enum RowKind {
    Dense(Box<DenseRows>, Way),
    Sparse(Box<SparseStore>),
    Bits(BitRows),
    Items(ItemStore),
}

/// From dense points as they are given to rows as they are searched, and back to distances.
pub(crate) struct Way {
    pub transformer: Transformer,
    /// The points as they were given, where distances between transformed rows are only near the metric's.
    pub originals: Option<Stored>,
}

/// A row to search for, as it is given.
#[derive(Clone)]
pub(crate) enum QueryRow<'a> {
    Values(&'a [f32]),
    Sparse(SparseRow<'a>),
    Bits(&'a [u8]),
    /// An item of these, if they can be kept.
    Item(Option<Kept>, usize),
}

impl Points<'_> {
    /// Row `i`; `room` holds what has to be widened.
    pub(crate) fn query_row<'a>(&'a self, i: usize, room: &'a mut Vec<f32>) -> QueryRow<'a> {
        match self.kind() {
            PointsKind::Dense(dense) => {
                room.resize(dense.dim(), 0.0);
                dense.widen_row(i, room);
                QueryRow::Values(room)
            }
            PointsKind::Sparse(rows) => QueryRow::Sparse(rows.row(i)),
            PointsKind::Bits(bits) => QueryRow::Bits(bits.row(i)),
            PointsKind::Items(items) => QueryRow::Item(items.0.keep(), i),
        }
    }
}

/// A query, in every form that it is compared in.
#[derive(Default)]
pub(crate) struct SearchQuery {
    dense: DenseQuery,
    sparse: SparseStoreQuery,
    bits: BitQuery,
    item: ItemQuery,
    /// As it was given, and transformed.
    given: Vec<f32>,
    transformed: Vec<f32>,
}

impl SearchQuery {
    /// A row whose distance from the query turned out to be no number.
    pub(crate) fn wrong_row(&self) -> Option<u32> {
        self.item.wrong_row()
    }
}

impl Way {
    /// The way that rows of `dim` columns go under a metric, and the kernel that they are then compared by.
    pub(crate) fn new(metric: &Metric, dim: usize) -> Result<(Self, KernelMetric), IndexError> {
        let (transform, direct) = match metric.route() {
            Route::Direct(direct) => (Transform::None, direct),
            Route::Same(transform, direct) | Route::Proxy(transform, direct) => (transform, direct),
            Route::Sets(_) | Route::Bits(_) | Route::Custom => unreachable!("none of dense rows under a kernel"),
        };
        let transformer = dataset::transformer(metric, &transform, dim)?;
        Ok((Self { transformer, originals: None }, direct))
    }
}

impl SearchRows {
    /// The rows `order` of `points`; `groups` are points with their neighbours, to try codes on.
    pub(crate) fn new<'g>(
        points: &Points,
        metric: &Metric,
        quantization: Quantization,
        order: &[u32],
        groups: impl Iterator<Item = &'g [u32]>,
    ) -> Result<Self, IndexError> {
        let prepared = Dataset::new(points, metric)?;
        let problem = prepared.problem();
        let points = &problem.points;
        let kind = match problem.rows {
            Rows::Dense(dense, direct) => {
                let (mut way, _) = Way::new(metric, points.dim())?;
                let given = points.as_dense().filter(|_| problem.is_proxy);
                way.originals = given.map(|given| Stored::of_points(given, KernelMetric::Euclidean, order));
                RowKind::Dense(Box::new(DenseRows::new(&dense, direct, quantization, order, groups)), way)
            }
            Rows::Sparse(rows) => {
                let mut rows = SparseStore::of_points(rows);
                rows.select(order);
                RowKind::Sparse(Box::new(rows))
            }
            Rows::Sets(sets) => {
                let mut rows = sets.bit_rows();
                rows.renumber(order);
                RowKind::Bits(rows)
            }
            Rows::Items(items) => {
                let kept = items.kept().ok_or(IndexError::NoIndex { rows: points.type_name() })?;
                RowKind::Items(ItemStore::new(kept, order))
            }
        };
        Ok(Self { metric: metric.clone(), dim: points.dim(), given: points.type_name(), kind })
    }

    /// Makes `query` ready for a row as points are given.
    pub(crate) fn set_query(&self, row: QueryRow, query: &mut SearchQuery) {
        let SearchQuery { dense, sparse, bits, item, given, transformed } = query;
        match (&self.kind, row) {
            (RowKind::Sparse(rows), QueryRow::Sparse(row)) => rows.set_query(row, sparse),
            (RowKind::Dense(rows, Way { transformer: Transformer::None, .. }), QueryRow::Values(values)) => {
                given.clear();
                rows.set_query(values, dense);
            }
            (RowKind::Dense(rows, way), QueryRow::Values(values)) => {
                given.clear();
                given.extend_from_slice(values);
                transformed.resize(rows.dim, 0.0);
                way.transformer.apply(values, transformed);
                rows.set_query(transformed, dense);
            }
            (RowKind::Bits(rows), QueryRow::Bits(row)) => rows.set_query(row, bits),
            (RowKind::Bits(rows), QueryRow::Values(values)) => rows.set_query_of_columns(values, bits),
            (RowKind::Items(_), QueryRow::Item(kept, at)) => item.set(kept, at),
            _ => unreachable!("queries are checked to be of the points' kind"),
        }
    }

    /// Makes `query` ready for a row of the index.
    pub(crate) fn set_own_query(&self, row: u32, query: &mut SearchQuery) {
        let SearchQuery { dense, sparse, bits, item, given, transformed } = query;
        match &self.kind {
            RowKind::Sparse(rows) => rows.set_own_query(row, sparse),
            RowKind::Dense(rows, way) => {
                transformed.resize(rows.dim, 0.0);
                rows.values(row, transformed);
                rows.set_query(transformed, dense);
                if let Some(originals) = &way.originals {
                    given.resize(originals.dim, 0.0);
                    originals.dense().widen_row(row as usize, given);
                }
            }
            RowKind::Bits(rows) => rows.set_own_query(row, bits),
            RowKind::Items(items) => items.set_own_query(row, item),
        }
    }

    /// Whether what a search finds has to be ranked anew.
    pub(crate) fn is_lossy(&self, query: &SearchQuery) -> bool {
        match &self.kind {
            RowKind::Dense(rows, way) => way.originals.is_some() || rows.is_lossy(&query.dense),
            // Distances near zero are differences of larger numbers.
            RowKind::Sparse(_) => true,
            RowKind::Bits(_) | RowKind::Items(_) => false,
        }
    }

    /// Whether the order of the search is only near the metric's.
    pub(crate) fn is_proxied(&self) -> bool {
        match &self.kind {
            RowKind::Dense(_, way) => way.originals.is_some(),
            RowKind::Sparse(rows) => rows.way.is_proxy,
            RowKind::Bits(_) | RowKind::Items(_) => false,
        }
    }

    /// A true distance in the unit of the traversal, with room for its rounding.
    pub(crate) fn in_traversal(&self, radius: f32, query: &SearchQuery) -> f32 {
        match &self.kind {
            RowKind::Dense(rows, _) => {
                rows.in_traversal(rows.metric.to_reduced(self.metric.to_direct(radius), rows.dim), &query.dense)
            }
            RowKind::Sparse(rows) => {
                let reduced = rows.way.to_reduced(radius);
                reduced + 1e-4 * reduced.abs()
            }
            RowKind::Items(items) => items.to_reduced(&query.item, radius),
            RowKind::Bits(_) => radius,
        }
    }

    /// True distances of the query to `others`.
    pub(crate) fn distances(&self, query: &mut SearchQuery, others: &[u32], out: &mut Vec<f32>) {
        match &self.kind {
            RowKind::Dense(_, Way { originals: Some(originals), .. }) => {
                let mut row = vec![0.0; self.dim];
                out.clear();
                out.extend(others.iter().map(|&other| {
                    originals.dense().widen_row(other as usize, &mut row);
                    self.metric.distance(&query.given, &row) as f32
                }));
            }
            RowKind::Dense(rows, _) => {
                rows.set_exact(&mut query.dense);
                rows.exact(&query.dense, others, out);
                out.iter_mut().for_each(|d| *d = self.metric.of_direct(rows.metric.to_true(*d, rows.dim)));
            }
            RowKind::Sparse(rows) => rows.distances(&query.sparse, others, out),
            RowKind::Bits(rows) => rows.query_to_many(&query.bits, others, out),
            RowKind::Items(items) => items.distances(&query.item, others, out),
        }
    }

    /// Distances to find the way by, reduced, in a unit of the traversal's own.
    #[inline]
    pub(crate) fn to_many(&self, query: &SearchQuery, others: &[u32], out: &mut Vec<f32>) {
        match &self.kind {
            RowKind::Dense(rows, _) => rows.to_many(&query.dense, others, out),
            RowKind::Sparse(rows) => rows.to_many(&query.sparse, others, out),
            RowKind::Bits(rows) => rows.query_to_many(&query.bits, others, out),
            RowKind::Items(items) => items.to_many(&query.item, others, out),
        }
    }

    /// Distances between rows, as [`SearchRows::to_many`] gives them.
    pub(crate) fn between(&self, row: u32, others: &[u32], room: &mut Query, out: &mut Vec<f32>) {
        match &self.kind {
            RowKind::Dense(rows, _) => rows.between(row, others, room, out),
            RowKind::Sparse(rows) => rows.between(row, others, out),
            RowKind::Bits(rows) => {
                out.resize(others.len(), 0.0);
                rows.one_to_many(row, others, out);
            }
            RowKind::Items(items) => items.between(row, others, out),
        }
    }

    /// Whether items can be compared with these; other rows have columns to tell.
    pub(crate) fn is_comparable(&self, points: &Points) -> bool {
        match (&self.kind, points.kind()) {
            (RowKind::Items(rows), PointsKind::Items(items)) => {
                items.0.keep().is_some_and(|kept| kept.n() == items.0.n() && rows.is_comparable(&kept))
            }
            _ => true,
        }
    }

    /// Two rows whose distance by the user's own metric turned out, since the last call, to be no number.
    pub(crate) fn take_wrong_pair(&mut self) -> Option<(u32, u32)> {
        match &mut self.kind {
            RowKind::Items(items) => items.take_wrong_pair(),
            _ => None,
        }
    }

    /// Adds rows of the kind of these; what distances are multiplied with from now on, where codes had to be chosen anew.
    pub(crate) fn push(&mut self, points: &Points) -> Result<f32, IndexError> {
        if let (RowKind::Sparse(rows), PointsKind::Sparse(more)) = (&mut self.kind, points.kind()) {
            check_sparse_rows(&self.metric, &more)?;
            rows.push(&more);
            return Ok(1.0);
        }
        if let (RowKind::Items(rows), PointsKind::Items(more)) = (&mut self.kind, points.kind()) {
            rows.push(more.0.keep().ok_or(IndexError::NoIndex { rows: points.type_name() })?);
            return Ok(1.0);
        }
        let prepared = Dataset::new(points, &self.metric)?;
        Ok(match (&mut self.kind, prepared.problem().rows) {
            (RowKind::Dense(rows, way), Rows::Dense(dense, _)) => {
                if let (Some(originals), Some(given)) = (&mut way.originals, points.as_dense()) {
                    originals.push(given, KernelMetric::Euclidean);
                }
                rows.push(&dense)
            }
            (RowKind::Bits(rows), Rows::Sets(more)) => {
                rows.push(&more.bit_rows());
                1.0
            }
            _ => unreachable!("points are checked to be of the index's kind"),
        })
    }

    /// A distance of the traversal in the unit that `query` is compared in.
    pub(crate) fn in_unit_of(&self, distance: f32, query: &SearchQuery) -> f32 {
        match &self.kind {
            RowKind::Dense(rows, _) => rows.in_unit_of(distance, &query.dense),
            RowKind::Sparse(_) | RowKind::Bits(_) | RowKind::Items(_) => distance,
        }
    }

    /// Bytes that a search reads of a row.
    pub(crate) fn bytes_of_row(&self) -> usize {
        match &self.kind {
            RowKind::Dense(rows, _) => rows.bytes_of_row(),
            RowKind::Sparse(rows) => rows.bytes_of_row(),
            RowKind::Bits(rows) => rows.bytes_of_row(),
            // Unknown, and alike.
            RowKind::Items(_) => 1,
        }
    }

    /// Whether searches could find their way by the values or by a copy.
    pub(crate) fn has_a_choice(&self) -> bool {
        matches!(&self.kind, RowKind::Dense(rows, _) if rows.has_a_choice())
    }

    /// Whether searches find their way by the values although there is a compressed copy.
    pub(crate) fn by_values(&self) -> bool {
        matches!(&self.kind, RowKind::Dense(rows, _) if rows.by_values)
    }

    /// Says whether searches find their way by the values: what tuning may find cheaper.
    pub(crate) fn go_by_values(&mut self, by_values: bool) {
        if let RowKind::Dense(rows, _) = &mut self.kind {
            rows.by_values = by_values;
        }
    }

    /// Keeps the rows `order`, in that order.
    pub(crate) fn select(&mut self, order: &[u32]) {
        match &mut self.kind {
            RowKind::Dense(rows, way) => {
                if let Some(originals) = &mut way.originals {
                    *originals = Stored::of_points(&originals.dense(), KernelMetric::Euclidean, order);
                }
                rows.select(order);
            }
            RowKind::Sparse(rows) => rows.select(order),
            RowKind::Bits(rows) => rows.select(order),
            RowKind::Items(items) => items.select(order),
        }
    }
}
