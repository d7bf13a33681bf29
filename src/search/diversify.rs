//! Which neighbours of a row a search needs: those that no nearer one leads to.
//!
//! Relative-neighbourhood pruning as in PyNNDescent's `diversify` (and HNSW's heuristic, NSG, DiskANN): a neighbour is dropped
//! if one that was kept is nearer to it than the row is. What is kept knocks out the rest one by one, so that few distances are
//! computed.

use crate::distances::direct::Query;
use crate::graph::order::{Neighbor, distance, id};
use crate::rng::hash;

use super::rows::SearchRows;

/// How much is dropped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Diversify<'a> {
    /// Probability that a neighbour another one leads to is dropped, per such other one.
    pub probability: f32,
    /// A neighbour is dropped if `slack` times its reduced distance from a kept one is less than its distance from the row.
    pub slack: f32,
    pub seed: u64,
    /// What the distance to every row is multiplied with before it is compared, if not 1: edges to hubs are dropped more readily.
    pub factors: &'a [f32],
}

/// How much more readily edges to every row are dropped, as PyNNDescent's `diversify_degree_aware`: 4 % times `aggressiveness` for
/// each time that its neighbours and reverse neighbours are `max_degree` beyond the first, up to two, and at most 20 %.
pub(crate) fn hub_factors(degrees: &[u32], max_degree: usize, aggressiveness: f32) -> Vec<f32> {
    let factor = |&degree: &u32| {
        let excess = (degree as f32 / max_degree as f32 - 1.0).clamp(0.0, 2.0);
        (1.0 + 0.04 * aggressiveness * excess).min(1.2)
    };
    degrees.iter().map(factor).collect()
}

/// Room for the distances of one row, used again for the next.
#[derive(Default)]
pub(crate) struct Room {
    query: Query,
    ids: Vec<u32>,
    apart: Vec<f32>,
}

impl Diversify<'_> {
    /// Of `candidates` (ascending, distinct, without `row`), those kept, at most `most`, in place.
    pub(crate) fn prune(
        &self,
        rows: &SearchRows,
        row: u32,
        candidates: &mut Vec<Neighbor>,
        most: usize,
        room: &mut Room,
    ) {
        let mut kept = 0;
        while kept < candidates.len() && kept < most {
            let keeper = candidates[kept];
            kept += 1;
            self.knock_out(rows, row, keeper, kept, candidates, room);
        }
        candidates.truncate(kept);
    }

    /// Drops from `candidates[from..]` those that `keeper` leads to.
    fn knock_out(
        &self,
        rows: &SearchRows,
        row: u32,
        keeper: Neighbor,
        from: usize,
        candidates: &mut Vec<Neighbor>,
        room: &mut Room,
    ) {
        if self.probability <= 0.0 || from == candidates.len() {
            return;
        }
        room.ids.clear();
        room.ids.extend(candidates[from..].iter().map(|&c| id(c)));
        rows.between(id(keeper), &room.ids, &mut room.query, &mut room.apart);
        let mut left = from;
        for (at, &apart) in room.apart.iter().enumerate() {
            let candidate = candidates[from + at];
            let factor = self.factors.get(id(candidate) as usize).copied().unwrap_or(1.0);
            let led_to = self.slack * apart < factor * distance(candidate) && self.drops(row, candidate, keeper);
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
