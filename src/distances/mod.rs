//! True distances, as results hold them, computed from the points as they were given.
//!
//! Every kind of rows has [`TrueDistances`]. Those of dense rows are computed by the metric's definition in f64, in
//! sums over sixteen columns at a time where nothing cancels (`by_definition`). Working rows that hold true distances
//! anyway implement the trait themselves. Indexes rerank by `direct.rs`, in f32.

pub(crate) mod by_definition;
pub(crate) mod code_error;
pub(crate) mod direct;
mod sums;

use crate::graph::order::nearest_first;
use crate::rows::ReducedDistances;
use crate::rows::bits::BitRows;

/// True distances, as results hold them.
pub(crate) trait TrueDistances: Send + Sync {
    /// True distances of point `i` to `others`, in place of what `out` held.
    fn distances(&self, i: usize, others: &[u32], out: &mut Vec<f64>);
    /// The true distance of a point to itself.
    fn to_self(&self, i: usize) -> f32;
    /// The reduced distance, as searches compare it, that belongs to a true one.
    fn to_reduced(&self, distance: f64) -> f64 {
        distance
    }
    /// The points as they are searched, in their own order, if this holds them anyway.
    fn space(&self) -> Option<&dyn ReducedDistances> {
        None
    }

    /// Of the points `ids` the `k` nearest to point `i`, ascending by (true distance, id), in place of what `found`
    /// held.
    fn nearest(&self, i: usize, ids: &[u32], k: usize, distances: &mut Vec<f64>, found: &mut Vec<(f64, u32)>) {
        self.distances(i, ids, distances);
        found.clear();
        found.extend(distances.iter().copied().zip(ids.iter().copied()));
        keep_nearest(found, k);
    }

    /// The same in a vector of its own.
    fn ranked(&self, i: usize, ids: &[u32], k: usize) -> Vec<(f64, u32)> {
        let mut found = Vec::with_capacity(ids.len());
        self.nearest(i, ids, k, &mut Vec::new(), &mut found);
        found
    }
}

/// Keeps the `k` nearest of some points, ascending by (distance, id).
pub(crate) fn keep_nearest(found: &mut Vec<(f64, u32)>, k: usize) {
    let order = |a: &(f64, u32), b: &(f64, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
    if k < found.len() {
        found.select_nth_unstable_by(k, order);
        found.truncate(k);
    }
    found.sort_unstable_by(order);
}

/// A row of true distances as results hold it: distances that are the same in f32 are ties, ascending by id.
pub(crate) fn narrowed(row: &[(f64, u32)]) -> Vec<(f32, u32)> {
    let mut row: Vec<(f32, u32)> = row.iter().map(|&(d, id)| (d as f32, id)).collect();
    row.sort_unstable_by(nearest_first);
    row
}

/// Reduced distances that are true ones, and 0 from a row to itself.
pub(crate) struct ReducedIsTrue<'a>(pub &'a dyn ReducedDistances);

impl TrueDistances for ReducedIsTrue<'_> {
    fn distances(&self, i: usize, others: &[u32], out: &mut Vec<f64>) {
        let mut found = vec![0.0; others.len()];
        self.0.one_to_many(i as u32, others, &mut found);
        out.clear();
        out.extend(found.into_iter().map(f64::from));
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
    fn distances(&self, i: usize, others: &[u32], out: &mut Vec<f64>) {
        ReducedIsTrue(self).distances(i, others, out);
    }

    fn to_self(&self, i: usize) -> f32 {
        ReducedIsTrue(self).to_self(i)
    }

    fn space(&self) -> Option<&dyn ReducedDistances> {
        Some(self)
    }
}
