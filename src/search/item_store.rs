//! A user's items as an index keeps them.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::first_non_finite::FirstNonFinite;
use crate::graph::KnnGraph;
use crate::points::Kept;

/// Items, and a pair of them whose distance is no number, if one was met.
pub(crate) struct ItemStore {
    /// As they were added.
    collections: Vec<Kept>,
    /// The collection that each row is in, and its place there.
    places: Vec<(u32, u32)>,
    wrong: FirstNonFinite,
}

/// [`Kept::distance`] or [`Kept::reduced`].
type Distance = fn(&Kept, usize, &Kept, usize) -> f32;

/// An item to search for.
pub(crate) struct ItemQuery {
    item: Option<(Kept, usize)>,
    /// The row that it is, if it is one.
    row: Option<u32>,
    /// The least row whose distance to it is no number.
    wrong: AtomicU32,
}

impl Default for ItemQuery {
    fn default() -> Self {
        Self { item: None, row: None, wrong: AtomicU32::new(KnnGraph::NO_NEIGHBOR) }
    }
}

impl ItemQuery {
    /// Makes it an item as it is given.
    pub(crate) fn set(&mut self, kept: Option<Kept>, at: usize) {
        *self = Self { item: kept.map(|kept| (kept, at)), ..Self::default() };
    }

    /// A row whose distance to it is no number, if one was met.
    pub(crate) fn wrong_row(&self) -> Option<u32> {
        Some(self.wrong.load(Ordering::Relaxed)).filter(|&row| row != KnnGraph::NO_NEIGHBOR)
    }
}

impl ItemStore {
    /// The items `order`, in that order.
    pub(crate) fn new(items: Kept, order: &[u32]) -> Self {
        let places = order.iter().map(|&at| (0, at)).collect();
        Self { collections: vec![items], places, wrong: FirstNonFinite::default() }
    }

    /// Whether they can be compared with these.
    pub(crate) fn is_comparable(&self, items: &Kept) -> bool {
        self.collections.iter().all(|kept| items.is_comparable(kept))
    }

    /// Adds items.
    pub(crate) fn push(&mut self, items: Kept) {
        let collection = self.collections.len() as u32;
        self.places.extend((0..items.n() as u32).map(|at| (collection, at)));
        self.collections.push(items);
    }

    /// Keeps the rows `order`, in that order, and the collections that they are in.
    pub(crate) fn select(&mut self, order: &[u32]) {
        let kept: Vec<(u32, u32)> = order.iter().map(|&row| self.places[row as usize]).collect();
        let mut places = vec![KnnGraph::NO_NEIGHBOR; self.collections.len()];
        kept.iter().for_each(|&(collection, _)| places[collection as usize] = 0);
        for (next, place) in places.iter_mut().filter(|place| **place == 0).enumerate() {
            *place = next as u32;
        }
        let mut at = places.iter();
        self.collections.retain(|_| at.next().is_some_and(|&place| place != KnnGraph::NO_NEIGHBOR));
        self.places = kept.into_iter().map(|(collection, at)| (places[collection as usize], at)).collect();
    }

    fn item(&self, row: u32) -> (&Kept, usize) {
        let (collection, at) = self.places[row as usize];
        (&self.collections[collection as usize], at as usize)
    }

    /// Makes `query` one of these rows.
    pub(crate) fn set_own_query(&self, row: u32, query: &mut ItemQuery) {
        let (kept, at) = self.item(row);
        query.set(Some(kept.clone()), at);
        query.row = Some(row);
    }

    /// Reduced distances of the query to `others`. Those that are no numbers count as largest, and are remembered.
    pub(crate) fn to_many(&self, query: &ItemQuery, others: &[u32], out: &mut Vec<f32>) {
        self.compare(Kept::reduced, query, others, out);
    }

    /// True distances of the query to `others`, else as [`ItemStore::to_many`].
    pub(crate) fn distances(&self, query: &ItemQuery, others: &[u32], out: &mut Vec<f32>) {
        self.compare(Kept::distance, query, others, out);
    }

    fn compare(&self, distance: Distance, query: &ItemQuery, others: &[u32], out: &mut Vec<f32>) {
        out.clear();
        let remember = |other: u32| {
            query.wrong.fetch_min(other, Ordering::Relaxed);
            query.row.iter().for_each(|&row| self.wrong.note(row, other));
        };
        out.extend(others.iter().map(|&other| self.finite(distance, query.item.as_ref(), other, &remember)));
    }

    /// The reduced distance of a true one, with room for the rounding of either.
    pub(crate) fn to_reduced(&self, query: &ItemQuery, distance: f32) -> f32 {
        let reduced = query.item.as_ref().map_or(distance, |(kept, _)| kept.to_reduced(distance));
        if reduced == distance { reduced } else { reduced + 1e-4 * reduced.abs() }
    }

    /// Reduced distances between rows, as [`ItemStore::to_many`] gives them.
    pub(crate) fn between(&self, row: u32, others: &[u32], out: &mut Vec<f32>) {
        out.clear();
        let remember = |other: u32| self.wrong.note(row, other);
        let (collection, at) = self.item(row);
        let item = (collection.clone(), at);
        out.extend(others.iter().map(|&other| self.finite(Kept::reduced, Some(&item), other, &remember)));
    }

    /// The distance of an item and a row, if it is finite; else the largest, and the row is remembered.
    fn finite(&self, distance: Distance, item: Option<&(Kept, usize)>, row: u32, remember: &dyn Fn(u32)) -> f32 {
        let (other, place) = self.item(row);
        let distance = item.map_or(f32::NAN, |(kept, at)| distance(kept, *at, other, place));
        if distance.is_finite() {
            return distance;
        }
        remember(row);
        f32::MAX
    }

    /// Two rows whose distance turned out, since the last call, to be no number.
    pub(crate) fn take_wrong_pair(&mut self) -> Option<(u32, u32)> {
        self.wrong.take()
    }

    /// Bytes held, the items not counted.
    pub(crate) fn memory(&self) -> usize {
        size_of_val(&self.places[..])
    }
}
