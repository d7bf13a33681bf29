//! Leaf all-pairs: every point of a leaf is offered to every other. The leaves of one tree share no point, so each leaf
//! owns its rows.

use rayon::prelude::*;

use super::scratch::ScratchPool;
use crate::graph::leaf_rows::LeafRows;
use crate::graph::order::fresh;
use crate::graph::owned_rows::OwnedRows;
use crate::graph::rows::{RowTable, bound, insert};
use crate::space::Space;

/// Joins every leaf; leaf `l` is `ids[bounds[l]..bounds[l + 1]]`. Returns the number of distances evaluated.
pub(crate) fn leaf_join(
    space: &dyn Space,
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
        if !space.near_pairs(&mut rows) {
            pool.with(|scratch| join_all(space, &mut rows, &mut scratch.distances));
        }
    });
    bounds.windows(2).map(|w| u64::from(w[1] - w[0])).map(|m| m * (m - 1) / 2).sum()
}

fn join_all(space: &dyn Space, rows: &mut LeafRows, distances: &mut Vec<f32>) {
    let (leaf, m) = (rows.leaf, rows.leaf.len());
    distances.resize(m * m, 0.0);
    space.all_pairs(leaf, distances);
    for (i, to_others) in distances.chunks_exact(m).enumerate() {
        offer(rows.row(i), leaf, to_others, i);
    }
}

/// Distances looked at together.
const BLOCK: usize = 16;

/// Puts all better ones of `others` into `row`, leaving out the one at `own`.
pub(crate) fn offer(row: &mut [u64], others: &[u32], distances: &[f32], own: usize) -> u64 {
    let mut worst = bound(row);
    let mut inserted = 0;
    for (block, few) in distances.chunks(BLOCK).enumerate() {
        // Most blocks hold nothing near enough, and this test vectorises.
        if !few.iter().fold(false, |any, &d| any | (d <= worst)) {
            continue;
        }
        for (j, &d) in (block * BLOCK..).zip(few) {
            if d <= worst && j != own && insert(row, fresh(d, others[j])) {
                inserted += 1;
                worst = bound(row);
            }
        }
    }
    inserted
}
