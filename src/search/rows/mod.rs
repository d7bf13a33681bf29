//! The rows of an index: what a search compares queries with.

mod bits;
mod dense;
pub(super) mod element_type;
pub(super) mod file;
mod items;
mod query;
pub(super) mod sections;
mod sparse;

use std::borrow::Cow;
use std::fmt::Display;

use crate::dataset::{Dataset, Rows};
use crate::distances::direct::Query;
use crate::metric::Metric;
use crate::persist::Kind;
use crate::points::{Points, PointsKind};
use crate::search::error::IndexError;

use super::quantization::Quantization;
use bits::SetRows;
use dense::DenseRows;
use element_type::ElementType;
use items::ItemStore;
use sparse::SparseStore;

pub(crate) use query::{QueryRow, SearchQuery};

/// Writes a line of a file's metadata: key and value.
type PutMeta<'a> = &'a mut dyn FnMut(&str, &dyn Display);

/// What every kind of rows of an index does.
///
/// Searches traverse by reduced distances, which have the order of true ones, in a unit that depends on the rows.
pub(crate) trait IndexRows: Sized {
    /// A copy that can be changed without changing these.
    fn copy(&self) -> Self;
    /// Makes `query` ready for a row as points are given; false if it is of another kind. `by_values`: to traverse by
    /// the values although there is a compressed copy.
    fn set_query(&self, row: QueryRow, by_values: bool, query: &mut SearchQuery) -> bool;
    /// Makes `query` ready for a row of the index.
    fn set_own_query(&self, row: u32, by_values: bool, query: &mut SearchQuery);
    /// Whether what a search finds has to be reranked.
    fn is_lossy(&self, _query: &SearchQuery) -> bool {
        false
    }
    /// Whether the order of reduced distances only approximates the metric's.
    fn is_proxied(&self) -> bool {
        false
    }
    /// A true distance as a reduced one, with room for rounding.
    fn in_traversal(&self, radius: f32, _query: &SearchQuery) -> f32 {
        radius
    }
    /// A reduced distance between rows in the unit that `query` is compared in.
    fn in_unit_of(&self, distance: f32, _query: &SearchQuery) -> f32 {
        distance
    }
    /// True distances of the query to `others`.
    fn distances(&self, query: &mut SearchQuery, others: &[u32], out: &mut Vec<f32>);
    /// Reduced distances of the query to `others`.
    fn to_many(&self, query: &SearchQuery, others: &[u32], out: &mut Vec<f32>);
    /// Reduced distances between rows.
    fn between(&self, row: u32, others: &[u32], room: &mut Query, out: &mut Vec<f32>);
    /// Number of rows.
    fn n(&self) -> usize;
    /// What reduced distances of values are multiplied with in traversals: it changes where codes are chosen anew.
    fn unit(&self) -> f32 {
        1.0
    }
    /// Adds rows of the same type.
    fn push(&mut self, points: &Points) -> Result<(), IndexError>;
    /// Keeps the rows `order`, in that order.
    fn select(&mut self, order: &[u32]);
    /// The values of a row as they were given, where they are kept.
    fn values(&self, _row: u32) -> Option<Vec<f32>> {
        None
    }
    /// Bytes that a search reads of a row, on average.
    fn bytes_of_row(&self, by_values: bool) -> usize;
    /// What searches traverse by, in a word or two.
    fn describe(&self) -> &'static str;
    /// Brings into memory what searches read.
    fn prefault(&self) {}
    /// Calls `add` with the bytes of every array, and whether it lies in a file.
    fn add_memory(&self, add: &mut dyn FnMut(usize, bool));
    /// Writes what a file says of the rows.
    fn put_meta(&self, by_values: bool, put: PutMeta);
    /// What a file holds of the rows.
    fn sections(&self) -> Vec<(Kind, Cow<'_, [u8]>)>;
}

/// The rows of an index.
pub(crate) struct SearchRows {
    pub metric: Metric,
    /// Columns of the points as they are given.
    pub dim: usize,
    pub given: ElementType,
    kind: RowKind,
}

/// The rows by kind.
enum RowKind {
    Dense(Box<DenseRows>),
    Sparse(Box<SparseStore>),
    Sets(Box<SetRows>),
    Items(ItemStore),
}

/// Runs `$body` with `$rows` bound to rows of whatever kind.
macro_rules! with_rows {
    ($kind:expr, $rows:ident => $body:expr) => {
        match $kind {
            RowKind::Dense($rows) => $body,
            RowKind::Sparse($rows) => $body,
            RowKind::Sets($rows) => $body,
            RowKind::Items($rows) => $body,
        }
    };
}

/// Methods that call those of the rows, of whatever kind.
macro_rules! delegate {
    ($(fn $name:ident(&self $(, $argument:ident: $type:ty)*) $(-> $result:ty)?;)*) => {
        $(#[inline]
        fn $name(&self $(, $argument: $type)*) $(-> $result)? {
            with_rows!(&self.kind, rows => rows.$name($($argument),*))
        })*
    };
}

impl SearchRows {
    /// The rows `order` of `points`. Codes are tried on `groups` of points with their neighbours.
    pub(crate) fn new<'g>(
        points: &Points,
        metric: &Metric,
        quantization: Quantization,
        order: &[u32],
        groups: impl Iterator<Item = &'g [u32]>,
    ) -> Result<Self, IndexError> {
        let dataset = Dataset::new(points, metric)?;
        let problem = dataset.problem();
        let points = &problem.points;
        let kind = match problem.rows {
            Rows::Dense(dense, _) => {
                let transform = dataset.transform().expect("dense rows have a transform");
                let rows = DenseRows::new(points, metric, (&dense, transform), quantization, order, groups);
                RowKind::Dense(Box::new(rows))
            }
            Rows::Sparse(rows) => RowKind::Sparse(Box::new(SparseStore::of_points(rows, order))),
            Rows::Sets(sets) => RowKind::Sets(Box::new(SetRows::of_sets(sets, metric, order))),
            Rows::Items(items) => {
                let kept = items.kept().ok_or(IndexError::NoIndex { rows: points.type_name() })?;
                RowKind::Items(ItemStore::new(kept, order))
            }
        };
        Ok(Self { metric: metric.clone(), dim: points.dim(), given: ElementType::of(points), kind })
    }

    /// What searches traverse by.
    pub(crate) fn quantization(&self) -> Quantization {
        match &self.kind {
            RowKind::Dense(rows) => rows.quantization(),
            RowKind::Sparse(_) | RowKind::Sets(_) | RowKind::Items(_) => Quantization::None,
        }
    }

    /// Whether searches can traverse by the values or by a compressed copy.
    pub(crate) fn has_copy(&self) -> bool {
        matches!(&self.kind, RowKind::Dense(rows) if rows.has_copy())
    }

    /// Whether these are items, which no file can hold.
    pub(crate) fn are_items(&self) -> bool {
        matches!(self.kind, RowKind::Items(_))
    }

    /// After rows were added: makes the compressed copy anew, or drops it, where it no longer serves. `old` and `all`
    /// are rows with their neighbours, before and now. True if a copy that did not serve was used to find these.
    pub(crate) fn review_copy(&mut self, old: &[Vec<u32>], all: &[Vec<u32>]) -> bool {
        match &mut self.kind {
            RowKind::Dense(rows) => rows.review_copy(old, all),
            RowKind::Sparse(_) | RowKind::Sets(_) | RowKind::Items(_) => false,
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

    /// The least two rows whose distance by a custom metric was not finite, since the last call.
    pub(crate) fn take_wrong_pair(&self) -> Option<(u32, u32)> {
        match &self.kind {
            RowKind::Items(items) => items.take_wrong_pair(),
            RowKind::Dense(_) | RowKind::Sparse(_) | RowKind::Sets(_) => None,
        }
    }
}

impl SearchRows {
    /// Why a custom distance between rows failed, if the items say.
    pub(crate) fn failure(&self) -> Option<String> {
        match &self.kind {
            RowKind::Items(items) => items.failure(),
            RowKind::Dense(_) | RowKind::Sparse(_) | RowKind::Sets(_) => None,
        }
    }
}

impl Clone for SearchRows {
    fn clone(&self) -> Self {
        self.copy()
    }
}

impl IndexRows for SearchRows {
    fn copy(&self) -> Self {
        let kind = match &self.kind {
            RowKind::Dense(rows) => RowKind::Dense(Box::new(rows.copy())),
            RowKind::Sparse(rows) => RowKind::Sparse(Box::new(rows.copy())),
            RowKind::Sets(rows) => RowKind::Sets(Box::new(rows.copy())),
            RowKind::Items(rows) => RowKind::Items(rows.copy()),
        };
        Self { metric: self.metric.clone(), dim: self.dim, given: self.given, kind }
    }

    delegate! {
        fn set_query(&self, row: QueryRow, by_values: bool, query: &mut SearchQuery) -> bool;
        fn set_own_query(&self, row: u32, by_values: bool, query: &mut SearchQuery);
        fn is_lossy(&self, query: &SearchQuery) -> bool;
        fn is_proxied(&self) -> bool;
        fn in_traversal(&self, radius: f32, query: &SearchQuery) -> f32;
        fn in_unit_of(&self, distance: f32, query: &SearchQuery) -> f32;
        fn distances(&self, query: &mut SearchQuery, others: &[u32], out: &mut Vec<f32>);
        fn to_many(&self, query: &SearchQuery, others: &[u32], out: &mut Vec<f32>);
        fn between(&self, row: u32, others: &[u32], room: &mut Query, out: &mut Vec<f32>);
        fn values(&self, row: u32) -> Option<Vec<f32>>;
        fn n(&self) -> usize;
        fn unit(&self) -> f32;
        fn bytes_of_row(&self, by_values: bool) -> usize;
        fn describe(&self) -> &'static str;
        fn prefault(&self);
        fn add_memory(&self, add: &mut dyn FnMut(usize, bool));
    }

    fn push(&mut self, points: &Points) -> Result<(), IndexError> {
        with_rows!(&mut self.kind, rows => rows.push(points))
    }

    fn select(&mut self, order: &[u32]) {
        with_rows!(&mut self.kind, rows => rows.select(order));
    }

    fn put_meta(&self, by_values: bool, put: PutMeta) {
        file::put_metric(&self.metric, put);
        put("dim", &self.dim);
        put("given", &self.given.name());
        with_rows!(&self.kind, rows => rows.put_meta(by_values, put));
    }

    fn sections(&self) -> Vec<(Kind, Cow<'_, [u8]>)> {
        let mut sections = with_rows!(&self.kind, rows => rows.sections());
        sections.extend(file::metric_section(&self.metric));
        sections
    }
}
