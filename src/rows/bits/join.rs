//! Working rows of bits whose leaves are joined by sketches: a row folded to fewer bits, and the number of bits it
//! lost, bound what two rows have in common, so that most pairs are ruled out.

use std::sync::OnceLock;

use super::near_pairs::NearPairs;
use super::sketch::Sketch;
use super::sketch_blocks::BitBlocks;
use super::{BitRows, NARROWEST};
use crate::rows::leaf_rows::LeafRows;
use crate::rows::{DistanceCost, ReducedDistances, WorkingRows};
use crate::simd::dispatch_counting;

/// Words of sketches in leaves, at least. There many pairs are near, so that a sketch has to tell more than where most
/// are far.
const NARROWEST_IN_LEAVES: usize = 16;

/// Rows of bits under a metric that bounds what near rows have in common:
/// [`SetMetric::has_least`](crate::metric::SetMetric).
pub(crate) struct SketchedRows {
    rows: BitRows,
    /// Of the rows in their present order, for leaves.
    sketch: OnceLock<Sketch>,
    /// Of the rows in their present order, for all pairs.
    narrow_sketch: OnceLock<Sketch>,
}

impl SketchedRows {
    pub(crate) fn new(rows: BitRows) -> Self {
        Self { rows, sketch: OnceLock::new(), narrow_sketch: OnceLock::new() }
    }

    /// Rows to be compared with many others.
    pub(crate) fn blocks(&self, ids: &[u32]) -> BitBlocks {
        let sketch = self.narrow_sketch.get_or_init(|| Sketch::new(&self.rows, NARROWEST));
        BitBlocks::new(&self.rows, sketch, ids)
    }

    /// Offers the rows of some blocks to each other.
    pub(crate) fn join_blocks(&self, blocks: &BitBlocks, split: Option<usize>, rows: &mut LeafRows) {
        dispatch_counting(self.rows.level(), NearPairs::new(&self.rows, blocks, rows, split));
    }
}

impl WorkingRows for SketchedRows {
    fn n(&self) -> usize {
        self.rows.n()
    }

    fn distance_cost(&self) -> DistanceCost {
        DistanceCost::Little
    }

    fn renumber(&mut self, order: &[u32]) {
        self.sketch.take();
        self.narrow_sketch.take();
        self.rows.renumber(order);
    }

    fn describe(&self) -> String {
        self.rows.describe()
    }

    fn splits_by_direction(&self) -> bool {
        self.rows.splits_by_direction()
    }

    fn sort_keys(&self, tree: u64, seed: u64) -> Option<Vec<u64>> {
        self.rows.sort_keys(tree, seed)
    }

    fn is_exact(&self) -> bool {
        self.rows.is_exact()
    }
}

impl ReducedDistances for SketchedRows {
    fn one_to_many(&self, row: u32, others: &[u32], out: &mut [f32]) {
        self.rows.one_to_many(row, others, out);
    }

    fn join_leaf(&self, rows: &mut LeafRows, _: &mut Vec<f32>) {
        let sketch = self.sketch.get_or_init(|| Sketch::new(&self.rows, NARROWEST_IN_LEAVES));
        let blocks = BitBlocks::new(&self.rows, sketch, rows.leaf);
        self.join_blocks(&blocks, None, rows);
    }
}
