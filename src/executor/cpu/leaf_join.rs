//! Leaf all-pairs: every point of a leaf is offered to every other. The leaves of one tree share no point, so each leaf
//! owns its rows.

use rayon::prelude::*;

use super::scratch::ScratchPool;
use crate::graph::order::fresh;
use crate::graph::owned_rows::OwnedRows;
use crate::graph::rows::{RowTable, bound};
use crate::rows::ReducedDistances;
use crate::rows::leaf_rows::LeafRows;
use crate::simd::{LANES, Level, Op, Simd, dispatch};

/// Joins every leaf; leaf `l` is `ids[bounds[l]..bounds[l + 1]]`. Returns the number of distances evaluated.
pub(crate) fn leaf_join(
    space: &dyn ReducedDistances,
    ids: &[u32],
    bounds: &[u32],
    rows: &mut RowTable,
    pool: &ScratchPool,
) -> u64 {
    let owned = OwnedRows::new(&mut rows.slots, rows.width);
    bounds.par_windows(2).with_min_len(4).for_each(|leaf| {
        let leaf = &ids[leaf[0] as usize..leaf[1] as usize];
        // SAFETY: leaves of one tree are disjoint, so no other task touches these rows.
        let mut rows = unsafe { LeafRows::new(leaf, &owned) };
        match space.sketched() {
            Some(bits) => bits.join_leaf(&mut rows),
            None => pool.with(|scratch| join_all(space, &mut rows, &mut scratch.distances)),
        }
    });
    bounds.windows(2).map(|w| u64::from(w[1] - w[0])).map(|m| m * (m - 1) / 2).sum()
}

fn join_all(space: &dyn ReducedDistances, rows: &mut LeafRows, distances: &mut Vec<f32>) {
    let (leaf, m) = (rows.leaf, rows.leaf.len());
    distances.resize(m * m, 0.0);
    space.all_pairs(leaf, distances);
    for (i, to_others) in distances.chunks_exact(m).enumerate() {
        offer(rows.row(i), leaf, to_others, i);
    }
}

/// Puts all better ones of `others` into `row`, leaving out the one at `own`. Returns how many went in.
pub(crate) fn offer(row: &mut [u64], others: &[u32], distances: &[f32], own: usize) -> u64 {
    dispatch(Level::detect(), Offer { row, others, distances, own })
}

struct Offer<'a> {
    row: &'a mut [u64],
    others: &'a [u32],
    distances: &'a [f32],
    own: usize,
}

impl Op for Offer<'_> {
    type Output = u64;

    #[inline(always)]
    fn run<S: Simd>(self) -> u64 {
        let Self { row, others, distances, own } = self;
        let mut worst = bound(row);
        let mut inserted = 0;
        for (block, few) in distances.chunks(LANES).enumerate() {
            let first = block * LANES;
            let mut near = at_most::<S>(few, worst);
            if near == 0 {
                continue;
            }
            if own.wrapping_sub(first) < LANES {
                near &= !(1 << (own - first));
            }
            while near != 0 {
                let j = first + near.trailing_zeros() as usize;
                inserted += u64::from(S::insert(row, fresh(distances[j], others[j])));
                near &= near - 1;
            }
            worst = bound(row);
        }
        inserted
    }
}

/// A bit for each of at most [`LANES`] distances that is no more than `worst`.
#[inline(always)]
fn at_most<S: Simd>(distances: &[f32], worst: f32) -> u32 {
    match distances.first_chunk::<LANES>() {
        Some(all) => S::at_most(S::load(all), S::splat(worst)),
        None => distances.iter().rev().fold(0, |bits, &d| bits << 1 | u32::from(d <= worst)),
    }
}
