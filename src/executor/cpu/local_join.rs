//! The local join, row by row: the neighbours of a row's neighbours are offered to it.
//!
//! Dong, Charikar and Li (WWW 2011), algorithm 2, from the other end: instead of every point introducing its neighbours
//! to each other, every row collects the candidates that it would be introduced to, each once, and updates only itself.
//! A pair is evaluated if one of the two steps that lead to it is new. There are no buffers of proposals, and no order
//! of arrival.

use std::ops::Range;

use super::leaf_mates::LeafMates;
use super::neighborhoods::Neighborhoods;
use super::scratch::{Scratch, ScratchPool};
use crate::executor::steps::Steps;
use crate::graph::order::{EMPTY, id};
use crate::graph::rows::{RowTable, bound};
use crate::parallel::fold_rows;
use crate::rows::offer::offer;
use crate::rows::{DistanceCost, ReducedDistances};

/// Rows between two looks at whether the loop is to go on.
const STEP: usize = 64;

/// Joins every row, unless `steps` ends before. `mates` knows pairs that were compared in leaves; where distances cost
/// much, pairs that were compared in earlier rounds are left out, too. Returns (updates, distances).
pub(crate) fn local_join(
    space: &dyn ReducedDistances,
    near: &Neighborhoods,
    rows: &mut RowTable,
    pool: &ScratchPool,
    mates: Option<&LeafMates>,
    steps: &Steps,
) -> (u64, u64) {
    let width = rows.width;
    let unmet = mates.is_some() && space.distance_cost() == DistanceCost::Much;
    let join_row = |counts: &mut (u64, u64), i: usize, row: &mut [u64]| {
        if steps.is_over() || (i.is_multiple_of(STEP) && !steps.begin(STEP)) {
            return;
        }
        pool.with(|scratch| {
            let candidates = collect(i as u32, row, near, unmet, scratch);
            let ids = &mut scratch.ids[candidates];
            let m = mates.map_or(ids.len(), |mates| mates.retain_strangers(i as u32, ids));
            let ids = &ids[..m];
            scratch.distances.resize(m.max(scratch.distances.len()), 0.0);
            let distances = &mut scratch.distances[..m];
            space.one_to_near(i as u32, ids, bound(row), distances);
            counts.0 += offer(row, ids, distances, usize::MAX);
            counts.1 += m as u64;
        });
    };
    let counts = fold_rows(&mut rows.slots, width, STEP, || (0, 0), join_row);
    counts.into_iter().fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
}

/// Collects the candidates of row `i`, each once, without itself and its neighbours. Returns their range in
/// `scratch.ids`. With `unmet`, those are left out that two joined steps lead to, for which they were candidates
/// before.
fn collect(i: u32, row: &[u64], near: &Neighborhoods, unmet: bool, scratch: &mut Scratch) -> Range<usize> {
    let Scratch { ids, seen, .. } = scratch;
    seen.resize(near.n().div_ceil(64), 0);
    near.all(i).iter().for_each(|&middle| near.prefetch(middle));
    let mut once = Once { ids, seen, count: 0 };
    once.visit([i].into_iter());
    once.visit(row.iter().filter(|s| **s != EMPTY).map(|s| id(*s)));
    let (fresh, joined) = (near.fresh(i), near.joined(i));
    if unmet {
        joined.iter().for_each(|&middle| once.visit(near.joined(middle).iter().copied()));
    }
    let own = once.count;
    fresh.iter().for_each(|&middle| once.visit(near.all(middle).iter().copied()));
    joined.iter().for_each(|&middle| once.visit(near.fresh(middle).iter().copied()));
    // A reverse neighbour is a candidate itself.
    once.visit(fresh.iter().copied());
    let all = own..once.count;
    once.forget();
    all
}

/// Points, each once.
struct Once<'a> {
    /// The first `count` were visited.
    ids: &'a mut Vec<u32>,
    seen: &'a mut [u64],
    count: usize,
}

impl Once<'_> {
    /// Without branches, because whether a point was seen before cannot be predicted.
    #[inline(always)]
    fn visit(&mut self, points: impl Iterator<Item = u32>) {
        let most = self.count + points.size_hint().1.expect("points of a slice");
        if self.ids.len() < most {
            self.ids.resize(2 * most, 0);
        }
        let (ids, mut count) = (&mut self.ids[..most], self.count);
        for p in points {
            let (word, bit) = (&mut self.seen[p as usize / 64], p % 64);
            ids[count] = p;
            count += usize::from(*word >> bit & 1 == 0);
            *word |= 1 << bit;
        }
        self.count = count;
    }

    fn forget(self) {
        self.ids[..self.count].iter().for_each(|&p| self.seen[p as usize / 64] = 0);
    }
}
