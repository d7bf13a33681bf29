//! Leaf all-pairs: every point of a leaf is offered to every other. The leaves of one tree share no point, so each leaf
//! owns its rows.

use rayon::prelude::*;

use super::owned_rows::OwnedRows;
use super::scratch::ScratchPool;
use crate::graph::order::{EMPTY, distance, fresh};
use crate::graph::rows::{RowTable, insert};
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
        let m = leaf.len();
        pool.with(|scratch| {
            scratch.distances.resize(m * m, 0.0);
            space.all_pairs(leaf, &mut scratch.distances);
            for (i, to_others) in scratch.distances.chunks_exact(m).enumerate() {
                // SAFETY: leaves of one tree are disjoint, so no other leaf touches this row.
                let row = unsafe { owned.row(leaf[i]) };
                offer(row, leaf, to_others, i);
            }
        });
    });
    bounds.windows(2).map(|w| u64::from(w[1] - w[0])).map(|m| m * (m - 1) / 2).sum()
}

/// Distances looked at together.
const BLOCK: usize = 16;

/// Puts all better ones of `others` into `row`, leaving out the one at `own`.
pub(crate) fn offer(row: &mut [u64], others: &[u32], distances: &[f32], own: usize) -> u64 {
    let last = row.len() - 1;
    let bound = |row: &[u64]| if row[last] == EMPTY { f32::INFINITY } else { distance(row[last]) };
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
