//! The search graph: for every row the rows to look at next.

use crate::graph::UNKNOWN;
use crate::section::Section;

/// `n` rows of `stride` ids each, ends filled with [`UNKNOWN`]: where a row lies is known without looking anything up.
pub(crate) struct Adjacency {
    pub stride: usize,
    pub slots: Section<u32>,
}

impl Adjacency {
    pub(crate) fn n(&self) -> usize {
        self.slots.len() / self.stride
    }

    /// The slots of a row, unknown ones at the end.
    #[inline(always)]
    pub(crate) fn slots_of(&self, row: u32) -> &[u32] {
        &self.slots[row as usize * self.stride..][..self.stride]
    }

    /// The rows to look at from `row`.
    #[inline(always)]
    pub(crate) fn neighbors(&self, row: u32) -> impl Iterator<Item = u32> {
        self.slots_of(row).iter().copied().take_while(|&id| id != UNKNOWN)
    }

    pub(crate) fn degree(&self, row: u32) -> usize {
        self.neighbors(row).count()
    }

    /// Edges in all.
    pub(crate) fn edges(&self) -> usize {
        self.slots.iter().filter(|&&id| id != UNKNOWN).count()
    }
}

/// Writes `ids` into the slots of a row.
pub(crate) fn set_slots(slots: &mut [u32], ids: impl Iterator<Item = u32>) {
    let mut ids = ids.fuse();
    slots.iter_mut().for_each(|slot| *slot = ids.next().unwrap_or(UNKNOWN));
    debug_assert!(ids.next().is_none(), "more edges than slots");
}
