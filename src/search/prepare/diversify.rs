//! Prunes the neighbours of a row to those that a search needs.
//!
//! Relative-neighbourhood pruning as in PyNNDescent's `diversify` (and HNSW's heuristic, NSG, DiskANN): a neighbour is
//! dropped if a kept one is nearer to it than the row is. Kept neighbours eliminate others one after the other, so few
//! distances are computed.

use crate::distances::direct::Query;
use crate::graph::order::{Neighbor, distance, id};
use crate::rng::hash;
use crate::search::rows::{IndexRows, SearchRows};

/// How edges are chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Diversify<'a> {
    /// Probability that a neighbour is dropped, for each kept one that leads to it.
    pub probability: f32,
    /// A neighbour is dropped if `slack` times its reduced distance from a kept one is less than its distance from the
    /// row.
    pub slack: f32,
    pub seed: u64,
    /// Factors on the distance to every row, 1 if empty: edges to hubs are dropped more readily.
    pub factors: &'a [f32],
}

/// How much more readily edges to each row are dropped, as in PyNNDescent's `diversify_degree_aware`: by 4 % times
/// `aggressiveness` for every `max_degree` neighbours and reverse neighbours beyond the first `max_degree` (counting at
/// most two), at most 20 %.
pub(crate) fn hub_factors(degrees: &[u32], max_degree: usize, aggressiveness: f32) -> Vec<f32> {
    let factor = |&degree: &u32| {
        let excess = (degree as f32 / max_degree as f32 - 1.0).clamp(0.0, 2.0);
        (1.0 + 0.04 * aggressiveness * excess).min(1.2)
    };
    degrees.iter().map(factor).collect()
}

/// Memory for the distances of one row after another.
#[derive(Default)]
pub(crate) struct DiversifyScratch {
    query: Query,
    ids: Vec<u32>,
    apart: Vec<f32>,
}

impl Diversify<'_> {
    /// Prunes `candidates` (ascending, distinct, without `row`) to those kept, at most `most`, in place.
    pub(crate) fn prune(
        &self,
        rows: &SearchRows,
        row: u32,
        candidates: &mut Vec<Neighbor>,
        most: usize,
        scratch: &mut DiversifyScratch,
    ) {
        let mut kept = 0;
        while kept < candidates.len() && kept < most {
            let keeper = candidates[kept];
            kept += 1;
            self.knock_out(rows, row, keeper, kept, candidates, scratch);
        }
        candidates.truncate(kept);
    }

    /// Drops the candidates from `from` on that `keeper` leads to.
    fn knock_out(
        &self,
        rows: &SearchRows,
        row: u32,
        keeper: Neighbor,
        from: usize,
        candidates: &mut Vec<Neighbor>,
        scratch: &mut DiversifyScratch,
    ) {
        if self.probability <= 0.0 || from == candidates.len() {
            return;
        }
        scratch.ids.clear();
        scratch.ids.extend(candidates[from..].iter().map(|&c| id(c)));
        rows.between(id(keeper), &scratch.ids, &mut scratch.query, &mut scratch.apart);
        let mut left = from;
        for (at, &apart) in scratch.apart.iter().enumerate() {
            let candidate = candidates[from + at];
            let factor = self.factors.get(id(candidate) as usize).copied().unwrap_or(1.0);
            // Inner products are negative: further is towards zero.
            let room = (self.slack - 1.0) * apart.abs();
            let led_to = apart + room < factor * distance(candidate) && self.drops(row, candidate, keeper);
            if !led_to {
                candidates[left] = candidate;
                left += 1;
            }
        }
        candidates.truncate(left);
    }

    fn drops(&self, row: u32, candidate: Neighbor, keeper: Neighbor) -> bool {
        let pair = u64::from(id(candidate)) << 32 | u64::from(id(keeper));
        let draw = (hash(self.seed, 0xd1f, u64::from(row), pair) >> 40) as f32 / (1u64 << 24) as f32;
        self.probability >= 1.0 || draw < self.probability
    }
}
