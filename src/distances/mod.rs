//! True distances, as results hold them, computed from the points as they were given.
//!
//! Every kind of rows has [`TrueDistances`]: by a kernel in f32 (`direct.rs`), or by the metric's definition in f64, in
//! sums over sixteen columns at a time where nothing cancels (`by_definition.rs`). Working rows that hold true
//! distances anyway implement the trait themselves.

pub(crate) mod by_definition;
pub(crate) mod code_error;
pub(crate) mod direct;
mod sums;

use self::direct::DirectDistances;
use crate::graph::order::nearest_first;
use crate::rows::ReducedDistances;
use crate::rows::bits::BitRows;

/// True distances, as results hold them.
pub(crate) trait TrueDistances: Send + Sync {
    /// True distances of point `i` to `others`, in place of what `out` held.
    fn distances(&self, i: usize, others: &[u32], out: &mut Vec<f32>);
    /// The true distance of a point to itself.
    fn to_self(&self, i: usize) -> f32;
    /// The points as they are searched, in their own order, if this holds them anyway.
    fn space(&self) -> Option<&dyn ReducedDistances> {
        None
    }

    /// Points `ids` by their true distances from point `i`, ascending, in place of what `found` held.
    fn rank(&self, i: usize, ids: &[u32], distances: &mut Vec<f32>, found: &mut Vec<(f32, u32)>) {
        self.distances(i, ids, distances);
        found.clear();
        found.extend(distances.iter().copied().zip(ids.iter().copied()));
        found.sort_unstable_by(nearest_first);
    }
}

/// Reduced distances that are true ones, and 0 from a row to itself.
pub(crate) struct ReducedIsTrue<'a>(pub &'a dyn ReducedDistances);

impl TrueDistances for ReducedIsTrue<'_> {
    fn distances(&self, i: usize, others: &[u32], out: &mut Vec<f32>) {
        out.resize(others.len(), 0.0);
        self.0.one_to_many(i as u32, others, out);
    }

    fn to_self(&self, _: usize) -> f32 {
        0.0
    }

    fn space(&self) -> Option<&dyn ReducedDistances> {
        Some(self.0)
    }
}

/// Distances of sets are made of counts, so that reduced distances are true ones.
impl TrueDistances for BitRows {
    fn distances(&self, i: usize, others: &[u32], out: &mut Vec<f32>) {
        ReducedIsTrue(self).distances(i, others, out);
    }

    fn to_self(&self, i: usize) -> f32 {
        ReducedIsTrue(self).to_self(i)
    }

    fn space(&self) -> Option<&dyn ReducedDistances> {
        Some(self)
    }
}

impl TrueDistances for DirectDistances<'_> {
    fn distances(&self, i: usize, others: &[u32], out: &mut Vec<f32>) {
        DirectDistances::distances(self, i, others, out);
    }

    fn to_self(&self, i: usize) -> f32 {
        DirectDistances::to_self(self, i)
    }
}
