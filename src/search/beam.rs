//! The search of one query: best first over the graph, until nothing nearer is left to look at.
//!
//! As PyNNDescent's `search`: a row is expanded while it is nearer than d + epsilon · (d - d₀), where d is the reduced
//! distance of the k-th best so far and d₀ the smallest between neighbours in the graph.

use crate::graph::order::{Neighbor, distance, fresh, id, is_new, joined};
use crate::metric::simd::prefetch;

use super::adjacency::Adjacency;
use super::rows::{SearchQuery, SearchRows};
use super::visited::Visited;

/// What a search of one query cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct QueryStats {
    /// Distances evaluated.
    pub distances: u64,
    /// Rows whose neighbours were looked at.
    pub hops: u64,
}

/// Room for one search after another.
#[derive(Default)]
pub(crate) struct Scratch {
    pub query: SearchQuery,
    visited: Visited,
    ids: Vec<u32>,
    distances: Vec<f32>,
    /// Rows found, ascending; flagged until they are expanded.
    pool: Vec<Neighbor>,
    /// The nearest allowed ones, where not all are.
    allowed: Vec<Neighbor>,
    pub stats: QueryStats,
}

/// The graph, its rows, and where to begin.
pub(crate) struct Field<'a> {
    pub rows: &'a SearchRows,
    pub graph: &'a Adjacency,
    pub entries: &'a [u32],
    /// d₀.
    pub nearest: f32,
}

/// How far to look.
#[derive(Clone, Copy)]
pub(crate) struct Reach<'a> {
    /// Neighbours wanted.
    pub k: usize,
    /// Neighbours kept at least, to rank anew.
    pub width: usize,
    pub epsilon: f32,
    /// Everything within this distance is wanted, too: in the traversal's unit, less than all for none.
    pub radius: f32,
    /// Rows that may be found; all rows lead on.
    pub allowed: Option<&'a (dyn Fn(u32) -> bool + Sync)>,
    /// A row that the search must not pass through.
    pub blocked: Option<u32>,
}

impl Default for Reach<'_> {
    fn default() -> Self {
        Self { k: 1, width: 1, epsilon: 0.0, radius: f32::NEG_INFINITY, allowed: None, blocked: None }
    }
}

impl Field<'_> {
    /// Rows found for the query in `scratch`, ascending by the traversal's distance: at least `reach.width` if there are as many.
    pub(crate) fn search<'s>(&self, reach: Reach, scratch: &'s mut Scratch) -> &'s [Neighbor] {
        let Scratch { query, visited, ids, distances, pool, allowed, stats } = scratch;
        visited.reset(self.graph.n());
        pool.clear();
        allowed.clear();
        ids.clear();
        reach.blocked.iter().for_each(|&row| _ = visited.first_time(row));
        ids.extend(self.entries.iter().copied().filter(|&row| visited.first_time(row)));
        let mut bound = f32::INFINITY;
        let mut cursor = 0;
        loop {
            self.rows.to_many(query, ids, distances);
            stats.distances += ids.len() as u64;
            for (&row, &d) in ids.iter().zip(distances.iter()) {
                let found = fresh(d, row);
                // The nearest few are kept whatever the bound: codes may have put them in the wrong order.
                if d >= bound && pool.get(reach.width - 1).is_some_and(|&last| found > last) {
                    continue;
                }
                cursor = cursor.min(put(pool, found));
                let best = match reach.allowed {
                    None => &mut *pool,
                    Some(is_allowed) => {
                        if is_allowed(row) {
                            put(allowed, found);
                            let beyond = |&last: &Neighbor| distance(last) > reach.radius;
                            while allowed.len() > reach.width && allowed.last().is_some_and(beyond) {
                                allowed.pop();
                            }
                        }
                        &mut *allowed
                    }
                };
                if let Some(&last) = best.get(reach.k - 1) {
                    let d = distance(last).max(reach.radius);
                    bound = d + reach.epsilon * (d - self.nearest);
                }
            }
            // What lies beyond the bound is neither expanded nor a result.
            while pool.len() > reach.width && pool.last().is_some_and(|&last| distance(last) > bound) {
                pool.pop();
            }
            while pool.get(cursor).is_some_and(|&next| !is_new(next)) {
                cursor += 1;
            }
            let Some(next) = pool.get_mut(cursor).filter(|next| distance(**next) <= bound) else { break };
            *next = joined(*next);
            let row = id(*next);
            if let Some(&ahead) = pool.get(cursor + 1) {
                self.graph.neighbors(id(ahead)).iter().step_by(16).for_each(prefetch);
            }
            stats.hops += 1;
            ids.clear();
            ids.extend(self.graph.neighbors(row).iter().copied().filter(|&row| visited.first_time(row)));
        }
        if reach.allowed.is_some() { allowed } else { pool }
    }
}

/// Puts a neighbour in its place among ascending ones; the place.
#[inline]
fn put(sorted: &mut Vec<Neighbor>, neighbor: Neighbor) -> usize {
    let place = sorted.partition_point(|&other| other < neighbor);
    sorted.insert(place, neighbor);
    place
}
