//! Custom items of an index.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::distances::direct::Query;
use crate::first_non_finite::FirstNonFinite;
use crate::persist::Kind;
use crate::points::{Kept, Points, PointsKind};
use crate::search::error::IndexError;

use super::{IndexRows, PutMeta, QueryRow, SearchQuery};

/// Items, and the least pair of them whose distance was not finite, if there was one.
pub(crate) struct ItemStore {
    /// As they were added.
    collections: Vec<Kept>,
    /// The collection that each row is in, and its place there.
    places: Vec<(u32, u32)>,
    wrong: FirstNonFinite,
}

/// No row, or no place.
const NONE: u32 = u32::MAX;

/// [`Kept::distance`] or [`Kept::reduced`].
type Distance = fn(&Kept, usize, &Kept, usize) -> f32;

/// An item to search for.
pub(crate) struct ItemQuery {
    item: Option<(Kept, usize)>,
    /// The row that it is, if it is one.
    row: Option<u32>,
    /// The least row whose distance to it was not finite.
    wrong: AtomicU32,
}

impl Default for ItemQuery {
    fn default() -> Self {
        Self { item: None, row: None, wrong: AtomicU32::new(NONE) }
    }
}

impl ItemQuery {
    /// Makes it an item as it is given.
    pub(crate) fn set(&mut self, kept: Option<Kept>, at: usize) {
        *self = Self { item: kept.map(|kept| (kept, at)), ..Self::default() };
    }

    /// The least row whose distance to it was not finite, if there was one.
    pub(crate) fn wrong_row(&self) -> Option<u32> {
        Some(self.wrong.load(Ordering::Relaxed)).filter(|&row| row != NONE)
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

    fn item(&self, row: u32) -> (&Kept, usize) {
        let (collection, at) = self.places[row as usize];
        (&self.collections[collection as usize], at as usize)
    }

    /// Distances of the query to `others`. Non-finite ones count as largest, and are remembered.
    fn compare(&self, distance: Distance, query: &ItemQuery, others: &[u32], out: &mut Vec<f32>) {
        out.clear();
        let remember = |other: u32| {
            query.wrong.fetch_min(other, Ordering::Relaxed);
            query.row.iter().for_each(|&row| self.wrong.note(row, other));
        };
        out.extend(others.iter().map(|&other| self.finite(distance, query.item.as_ref(), other, &remember)));
    }

    /// The distance of an item and a row; the largest where it is not finite, and the row is remembered.
    fn finite(&self, distance: Distance, item: Option<&(Kept, usize)>, row: u32, remember: &dyn Fn(u32)) -> f32 {
        let (other, place) = self.item(row);
        let distance = item.map_or(f32::NAN, |(kept, at)| distance(kept, *at, other, place));
        if distance.is_finite() {
            return distance;
        }
        remember(row);
        f32::MAX
    }

    /// Why a distance failed, if the items say.
    pub(super) fn failure(&self) -> Option<String> {
        self.collections.iter().find_map(Kept::failure)
    }

    /// The least two rows whose distance was not finite, since the last call.
    pub(super) fn take_wrong_pair(&self) -> Option<(u32, u32)> {
        self.wrong.take()
    }
}

impl IndexRows for ItemStore {
    fn copy(&self) -> Self {
        let wrong = FirstNonFinite::default();
        Self { collections: self.collections.clone(), places: self.places.clone(), wrong }
    }

    fn set_query(&self, row: QueryRow, _: bool, query: &mut SearchQuery) -> bool {
        let QueryRow::Item(kept, at) = row else { return false };
        query.item.set(kept, at);
        true
    }

    fn set_own_query(&self, row: u32, _: bool, query: &mut SearchQuery) {
        let (kept, at) = self.item(row);
        query.item.set(Some(kept.clone()), at);
        query.item.row = Some(row);
    }

    fn in_traversal(&self, radius: f32, query: &SearchQuery) -> f32 {
        let reduced = query.item.item.as_ref().map_or(radius, |(kept, _)| kept.to_reduced(radius));
        if reduced == radius { reduced } else { reduced + 1e-4 * reduced.abs() }
    }

    fn distances(&self, query: &mut SearchQuery, others: &[u32], out: &mut Vec<f32>) {
        self.compare(Kept::distance, &query.item, others, out);
    }

    fn to_many(&self, query: &SearchQuery, others: &[u32], out: &mut Vec<f32>) {
        self.compare(Kept::reduced, &query.item, others, out);
    }

    fn between(&self, row: u32, others: &[u32], _: &mut Query, out: &mut Vec<f32>) {
        out.clear();
        let remember = |other: u32| self.wrong.note(row, other);
        let (collection, at) = self.item(row);
        let item = (collection.clone(), at);
        out.extend(others.iter().map(|&other| self.finite(Kept::reduced, Some(&item), other, &remember)));
    }

    fn n(&self) -> usize {
        self.places.len()
    }

    fn push(&mut self, points: &Points) -> Result<(), IndexError> {
        let items = match points.kind() {
            PointsKind::Items(items) => items.0.keep(),
            PointsKind::Dense(_) | PointsKind::Sparse(_) | PointsKind::Bits(_) => None,
        };
        let items = items.ok_or(IndexError::NoIndex { rows: points.type_name() })?;
        let collection = self.collections.len() as u32;
        self.places.extend((0..items.n() as u32).map(|at| (collection, at)));
        self.collections.push(items);
        Ok(())
    }

    /// Collections without rows are dropped, but for one to tell what can be added.
    fn select(&mut self, order: &[u32]) {
        let kept: Vec<(u32, u32)> = order.iter().map(|&row| self.places[row as usize]).collect();
        let mut places = vec![NONE; self.collections.len()];
        if kept.is_empty() {
            places[0] = 0;
        }
        kept.iter().for_each(|&(collection, _)| places[collection as usize] = 0);
        for (next, place) in places.iter_mut().filter(|place| **place == 0).enumerate() {
            *place = next as u32;
        }
        let mut at = places.iter();
        self.collections.retain(|_| at.next().is_some_and(|&place| place != NONE));
        self.places = kept.into_iter().map(|(collection, at)| (places[collection as usize], at)).collect();
    }

    fn bytes_of_row(&self, _: bool) -> usize {
        // Unknown, but the same for all.
        1
    }

    fn describe(&self) -> &'static str {
        "items"
    }

    fn add_memory(&self, add: &mut dyn FnMut(usize, bool)) {
        add(size_of_val(&self.places[..]), false);
    }

    fn put_meta(&self, _: bool, _: PutMeta) {}

    fn sections(&self) -> Vec<(Kind, Cow<'_, [u8]>)> {
        Vec::new()
    }
}
