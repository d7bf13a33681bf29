//! Neighbourhood lists at the start of a round: neighbours and reverse neighbours of every row, new ones first.

use crate::graph::order::{EMPTY, Neighbor, id, is_new, joined};
use crate::graph::reverse::sort_by_group;
use crate::graph::rows::RowTable;
use crate::parallel::{for_each, for_rows};
use crate::simd::prefetch;

/// Neighbourhoods of at most `forward + reverse` points each.
pub(crate) struct Neighborhoods {
    stride: usize,
    /// For every row the number of points and how many of them, from the front, are new (16 bits each), then the
    /// points: adjacent, because they are read together.
    table: Vec<u32>,
}

/// The most neighbours and reverse neighbours in a neighbourhood.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caps {
    pub forward: usize,
    pub reverse: usize,
}

impl Caps {
    pub(crate) fn halved(self) -> Self {
        Self { forward: self.forward.div_ceil(2), reverse: self.reverse.div_ceil(2) }
    }
}

/// The share of all rows whose reverse edges are held at once: these take more memory than neighbourhoods.
pub(super) const SHARE: usize = 5;

impl Neighborhoods {
    /// Takes the nearest `caps.forward` neighbours of every row and its `caps.reverse` nearest reverse neighbours, and
    /// marks the neighbours taken as joined.
    pub(crate) fn take(rows: &mut RowTable, caps: Caps) -> Self {
        let forward = caps.forward.min(rows.width);
        let stride = 1 + forward + caps.reverse;
        let mut this = Self { stride, table: vec![0; rows.n() * stride] };
        let mut rest = &mut this.table[..];
        sort_by_group(rows, forward, SHARE, |parts| {
            let mut groups = Vec::new();
            for group in parts.groups() {
                let (places, later) = std::mem::take(&mut rest).split_at_mut(parts.rows(group).len() * stride);
                groups.push((group, places));
                rest = later;
            }
            for_each(groups, |(group, places)| {
                let (reverse, mut back) = (parts.group(group), Vec::new());
                for (at, (i, place)) in parts.rows(group).zip(places.chunks_exact_mut(stride)).enumerate() {
                    take_row(&rows.row(i)[..forward], reverse.of(at), caps, &mut back, place);
                }
            });
        });
        for_rows(&mut rows.slots, rows.width, 64, |_, row| {
            row[..forward].iter_mut().filter(|s| **s != EMPTY).for_each(|s| *s = joined(*s));
        });
        this
    }

    /// All points of the neighbourhood of `i`, new ones first.
    #[inline(always)]
    pub(crate) fn all(&self, i: u32) -> &[u32] {
        let row = self.row(i);
        &row[1..1 + (row[0] & 0xffff) as usize]
    }

    /// The new points of the neighbourhood of `i`.
    #[inline(always)]
    pub(crate) fn fresh(&self, i: u32) -> &[u32] {
        let row = self.row(i);
        &row[1..1 + (row[0] >> 16) as usize]
    }

    /// The points of the neighbourhood of `i` that are not new.
    #[inline(always)]
    pub(crate) fn joined(&self, i: u32) -> &[u32] {
        &self.all(i)[self.fresh(i).len()..]
    }

    pub(crate) fn n(&self) -> usize {
        self.table.len() / self.stride
    }

    /// Prefetches a neighbourhood.
    #[inline(always)]
    pub(crate) fn prefetch(&self, i: u32) {
        self.row(i).iter().step_by(16).for_each(prefetch);
    }

    #[inline(always)]
    fn row(&self, i: u32) -> &[u32] {
        &self.table[i as usize * self.stride..][..self.stride]
    }
}

/// Writes the neighbourhood of a row to `place`: its neighbours `near` and the nearest of those that have it as theirs.
/// `back` is working memory.
fn take_row(
    near: &[Neighbor],
    reverse: impl Iterator<Item = Neighbor>,
    caps: Caps,
    back: &mut Vec<Neighbor>,
    place: &mut [u32],
) {
    // Empty slots are last.
    let near = &near[..near.iter().take_while(|s| **s != EMPTY).count()];
    // A bit for the hash of every neighbour: most that are none are told by it.
    let bit = |s: Neighbor| 1u64 << (id(s).wrapping_mul(0x9e37_79b1) >> 26);
    let held = near.iter().fold(0, |bits, &s| bits | bit(s));
    back.clear();
    back.extend(reverse.filter(|&r| held & bit(r) == 0 || !near.iter().any(|&s| id(s) == id(r))));
    if back.len() > caps.reverse {
        back.select_nth_unstable(caps.reverse);
        back.truncate(caps.reverse);
    }
    let mut count = 0;
    let mut put = |neighbors: &[Neighbor], new: bool| {
        for &s in neighbors.iter().filter(|s| is_new(**s) == new) {
            place[1 + count] = id(s);
            count += 1;
        }
        count
    };
    put(near, true);
    let fresh = put(back, true);
    put(near, false);
    let all = put(back, false);
    place[0] = all as u32 | (fresh as u32) << 16;
}
