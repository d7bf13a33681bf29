//! Queries in the forms that rows are compared with.

use crate::points::{Kept, Points, PointsKind, SparseRow};
use crate::rows::bits::BitQuery;

use super::dense::DenseQuery;
use super::items::ItemQuery;
use super::sparse::SparseStoreQuery;

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

/// A query, with room for every form that it may be compared in.
#[derive(Default)]
pub(crate) struct SearchQuery {
    pub(super) dense: DenseQuery,
    pub(super) sparse: SparseStoreQuery,
    pub(super) bits: BitQuery,
    pub(super) item: ItemQuery,
    /// As it was given, and transformed.
    pub(super) given: Vec<f32>,
    pub(super) transformed: Vec<f32>,
}

impl SearchQuery {
    /// The least row whose distance from the query was not finite, if there was one.
    pub(crate) fn wrong_row(&self) -> Option<u32> {
        self.item.wrong_row()
    }
}
