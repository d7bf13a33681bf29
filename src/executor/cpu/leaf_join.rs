//! Leaf all-pairs: every point of a leaf is offered to every other. The leaves of one tree share no point, so each leaf
//! owns its rows.

use super::scratch::ScratchPool;
use crate::executor::steps::Steps;
use crate::graph::owned_rows::OwnedRows;
use crate::graph::rows::RowTable;
use crate::parallel::for_indices;
use crate::rows::ReducedDistances;
use crate::rows::leaf_rows::LeafRows;

/// Joins every leaf, unless `steps` ends before; leaf `l` is `ids[bounds[l]..bounds[l + 1]]`. Returns the number of
/// distances evaluated.
pub(crate) fn leaf_join(
    space: &dyn ReducedDistances,
    ids: &[u32],
    bounds: &[u32],
    rows: &mut RowTable,
    pool: &ScratchPool,
    steps: &Steps,
) -> u64 {
    let owned = OwnedRows::new(&mut rows.slots, rows.width);
    for_indices(
        bounds.len() - 1,
        4,
        || (),
        |(), leaf| {
            if !steps.begin(1) {
                return;
            }
            let leaf = &ids[bounds[leaf] as usize..bounds[leaf + 1] as usize];
            // SAFETY: leaves of one tree are disjoint, so no other task touches these rows.
            let mut rows = unsafe { LeafRows::new(leaf, &owned) };
            pool.with(|scratch| space.join_leaf(&mut rows, &mut scratch.distances));
        },
    );
    bounds.windows(2).map(|w| u64::from(w[1] - w[0])).map(|m| m * (m - 1) / 2).sum()
}
