//! The local join, row by row: the neighbours of a row's neighbours are offered to it.
//!
//! Dong, Charikar and Li (WWW 2011), algorithm 2, turned round: instead of every point introducing its neighbours to each
//! other, every row collects whom it would be introduced to, each once, and owns what follows. A pair is looked at if one of
//! the two steps that lead to it is new. No buffers of proposals, no order of arrival.

use rayon::prelude::*;

use super::leaf_join::offer;
use super::neighborhoods::Neighborhoods;
use super::scratch::{Scratch, ScratchPool};
use crate::graph::order::{EMPTY, id};
use crate::graph::rows::RowTable;
use crate::space::Space;

/// Joins every row. Returns (updates, distances).
pub(crate) fn local_join(
    space: &dyn Space,
    near: &Neighborhoods,
    rows: &mut RowTable,
    pool: &ScratchPool,
) -> (u64, u64) {
    let width = rows.width;
    let join_row = |(i, row): (usize, &mut [u64])| {
        pool.with(|scratch| {
            collect(i as u32, row, near, space.n(), scratch);
            let m = scratch.ids.len();
            scratch.distances.resize(m.max(scratch.distances.len()), 0.0);
            let distances = &mut scratch.distances[..m];
            space.one_to_many(i as u32, &scratch.ids, distances);
            (offer(row, &scratch.ids, distances, usize::MAX), m as u64)
        })
    };
    let sum = |a: (u64, u64), b: (u64, u64)| (a.0 + b.0, a.1 + b.1);
    rows.slots.par_chunks_mut(width).enumerate().with_min_len(64).map(join_row).reduce(|| (0, 0), sum)
}

/// Into `scratch.ids`: the candidates of row `i`, each once, without itself and those it has.
fn collect(i: u32, row: &[u64], near: &Neighborhoods, n: usize, scratch: &mut Scratch) {
    let Scratch { ids, seen, .. } = scratch;
    seen.resize(n.div_ceil(64), 0);
    ids.clear();
    near.all(i).iter().for_each(|&middle| near.prefetch(middle));
    let mut visit = |p: u32, seen: &mut [u64]| {
        let (word, bit) = (&mut seen[p as usize / 64], 1u64 << (p % 64));
        if *word & bit == 0 {
            *word |= bit;
            ids.push(p);
        }
    };
    visit(i, seen);
    row.iter().filter(|s| **s != EMPTY).for_each(|s| visit(id(*s), seen));
    let own = row.iter().filter(|s| **s != EMPTY).count() + 1;
    let fresh = near.fresh(i).len();
    for (at, &middle) in near.all(i).iter().enumerate() {
        let through = if at < fresh { near.all(middle) } else { near.fresh(middle) };
        through.iter().for_each(|&p| visit(p, seen));
    }
    // A reverse neighbour is a candidate itself.
    near.fresh(i).iter().for_each(|&p| visit(p, seen));
    ids.iter().for_each(|&p| seen[p as usize / 64] = 0);
    ids.drain(..own);
}
