//! Rows of the graph being built: the best distinct neighbours so far, ascending.

use super::order::{EMPTY, Neighbor, distance, id};

/// `n` rows of `width` slots, each ascending, unused slots [`EMPTY`] at the end.
#[derive(Debug, Clone)]
pub(crate) struct RowTable {
    pub width: usize,
    pub slots: Vec<Neighbor>,
}

impl RowTable {
    pub(crate) fn new(n: usize, width: usize) -> Self {
        Self { width, slots: vec![EMPTY; n * width] }
    }

    pub(crate) fn n(&self) -> usize {
        self.slots.len() / self.width
    }

    #[inline]
    pub(crate) fn row(&self, i: usize) -> &[Neighbor] {
        &self.slots[i * self.width..(i + 1) * self.width]
    }
}

/// The distance at and beyond which no candidate enters a row.
#[inline(always)]
pub(crate) fn bound(row: &[Neighbor]) -> f32 {
    match row[row.len() - 1] {
        EMPTY => f32::INFINITY,
        last => distance(last),
    }
}

/// Puts `neighbor` into its place unless the row is full of better ones or holds its id. True if the row changed.
///
/// An id always comes with the same distance, so an equal id lies next to the place of insertion.
#[inline]
pub(crate) fn insert(row: &mut [Neighbor], neighbor: Neighbor) -> bool {
    let last = row.len() - 1;
    if neighbor >= row[last] {
        return false;
    }
    let mut at = last;
    while at > 0 && row[at - 1] > neighbor {
        at -= 1;
    }
    // Equal ids differ in the flag alone: the old one sorts just before, or just after, the place.
    let same = |other: Neighbor| other != EMPTY && other >> 32 == neighbor >> 32 && id(other) == id(neighbor);
    if same(row[at]) || at > 0 && same(row[at - 1]) {
        return false;
    }
    row.copy_within(at..last, at + 1);
    row[at] = neighbor;
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::order::{fresh, joined};
    use crate::simd::{Level, Op, Simd, dispatch};
    use proptest::prelude::*;

    /// [`insert`] as implemented at a SIMD level.
    struct Insert<'a>(&'a mut [Neighbor], Neighbor);

    impl Op for Insert<'_> {
        type Output = bool;

        #[inline(always)]
        fn run<S: Simd>(self) -> bool {
            S::insert(self.0, self.1)
        }
    }

    proptest! {
        /// Whatever the order of arrival, a row holds the best distinct ids; at every level.
        #[test]
        fn insert_is_a_set_function(ids in prop::collection::vec(0u32..40, 0..120), width in 1usize..40) {
            let distance = |i: u32| (i * 7919 % 13) as f32;
            let mut row = vec![EMPTY; width];
            for (step, &i) in ids.iter().enumerate() {
                let neighbor = fresh(distance(i), i);
                let before = row.clone();
                let changed = insert(&mut row, neighbor);
                prop_assert_eq!(changed, row != before);
                for level in Level::available() {
                    let mut by_level = before.clone();
                    prop_assert_eq!(dispatch(level, Insert(&mut by_level, neighbor)), changed, "{:?}", level);
                    prop_assert_eq!(&by_level, &row, "{:?}", level);
                }
                if step % 5 == 0 {
                    for slot in row.iter_mut().filter(|s| **s != EMPTY) {
                        *slot = joined(*slot);
                    }
                }
            }
            let mut best: Vec<u64> = ids.iter().map(|&i| joined(fresh(distance(i), i))).collect();
            best.sort_unstable();
            best.dedup();
            best.resize(best.len().max(width), EMPTY);
            let row: Vec<u64> = row.into_iter().map(|s| if s == EMPTY { s } else { joined(s) }).collect();
            prop_assert_eq!(&row[..], &best[..width]);
        }
    }
}
