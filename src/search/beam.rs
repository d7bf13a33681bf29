//! The search of one query: best first over the graph, until nothing nearer is left to look at.
//!
//! As PyNNDescent's `search`: a row is expanded while it is nearer than d + epsilon · (d - d₀), where d is the reduced
//! distance of the k-th best so far and d₀ the smallest between neighbours in the graph.

use crate::graph::order::{EMPTY, Neighbor, distance, fresh, id, is_new, joined};
use crate::simd::prefetch;

use super::adjacency::Adjacency;
use super::entries::Entries;
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

/// Entries that a search begins with.
const STARTS: usize = 8;

/// Groups of entries that are looked at: all, if there are few.
const GROUPS: usize = 6;
const ALL_GROUPS: usize = 16;
/// A search for more begins with all entries: what is wanted may lie in many parts of the data.
const MUCH: usize = 64;

/// The entries nearest to a query.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Starts {
    /// Ascending; [`EMPTY`] where there are fewer.
    pub rows: [Neighbor; STARTS],
    /// Distances that were evaluated to find them.
    pub evaluated: u32,
}

/// Room for one search after another.
#[derive(Default)]
pub(crate) struct Scratch {
    pub query: SearchQuery,
    visited: Visited,
    ids: Vec<u32>,
    distances: Vec<f32>,
    /// Those of the rows looked at last that may enter the pool.
    near: Vec<Neighbor>,
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
    pub entries: &'a Entries,
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
    /// Whether what is wanted may lie anywhere, rather than where the query is: then the search begins with all entries.
    pub everywhere: bool,
    /// A row that the search must not pass through.
    pub blocked: Option<u32>,
}

impl Default for Reach<'_> {
    fn default() -> Self {
        Self {
            k: 1,
            width: 1,
            epsilon: 0.0,
            radius: f32::NEG_INFINITY,
            allowed: None,
            everywhere: false,
            blocked: None,
        }
    }
}

impl Field<'_> {
    /// The entries nearest to the query in `scratch`, ascending, among the nearest groups: where to begin.
    pub(crate) fn starts(&self, scratch: &mut Scratch) -> Starts {
        let Scratch { query, ids, distances, pool, near, stats, .. } = scratch;
        ids.clear();
        ids.extend((0..self.entries.n_groups()).map(|g| self.entries.group(g).first().copied().unwrap_or_default()));
        self.rows.to_many(query, ids, distances);
        let mut evaluated = ids.len();
        // Groups by their centers' distances.
        near.clear();
        near.extend(distances.iter().zip(0..).map(|(&d, g)| fresh(d, g)));
        pool.clear();
        pool.extend(ids.iter().zip(distances.iter()).map(|(&row, &d)| fresh(d, row)));
        let few = if near.len() <= ALL_GROUPS { near.len() } else { GROUPS };
        near.select_nth_unstable(few - 1);
        for &group in &near[..few] {
            let others = self.entries.group(id(group) as usize).get(1..).unwrap_or_default();
            self.rows.to_many(query, others, distances);
            evaluated += others.len();
            pool.extend(others.iter().zip(distances.iter()).map(|(&row, &d)| fresh(d, row)));
        }
        let mut rows = [EMPTY; STARTS];
        let few = STARTS.min(pool.len());
        pool.select_nth_unstable(few - 1);
        rows[..few].copy_from_slice(&pool[..few]);
        rows.sort_unstable();
        stats.distances += evaluated as u64;
        Starts { rows, evaluated: evaluated as u32 }
    }

    /// The rows that a search begins with, marked: the starts, or all entries where much is wanted.
    fn begin(&self, starts: &Starts, reach: &Reach, scratch: &mut Scratch) {
        let Scratch { query, visited, ids, distances, near, stats, .. } = scratch;
        visited.mark(reach.blocked.as_slice(), ids);
        near.clear();
        if reach.k <= MUCH && !reach.everywhere {
            visited.mark(&starts.rows.map(id), ids);
            near.extend(starts.rows.iter().filter(|&&start| ids.contains(&id(start))));
            return;
        }
        visited.mark(&self.entries.rows, ids);
        self.rows.to_many(query, ids, distances);
        stats.distances += ids.len() as u64;
        near.extend(ids.iter().zip(distances.iter()).map(|(&row, &d)| fresh(d, row)));
    }

    /// Rows found for the query in `scratch`, ascending by the traversal's distance: at least `reach.width` if there are as many.
    pub(crate) fn search<'s>(&self, starts: &Starts, reach: Reach, scratch: &'s mut Scratch) -> &'s [Neighbor] {
        scratch.visited.reset(self.graph.n());
        self.begin(starts, &reach, scratch);
        let Scratch { query, visited, ids, distances, near, pool, allowed, stats } = scratch;
        pool.clear();
        allowed.clear();
        let least = self.rows.in_unit_of(self.nearest, query);
        let mut bound = f32::INFINITY;
        let mut cursor = 0;
        loop {
            for &found in near.iter() {
                // The nearest few are kept whatever the bound: codes may have put them in the wrong order.
                if distance(found) >= bound && pool.get(reach.width - 1).is_some_and(|&last| found > last) {
                    continue;
                }
                cursor = cursor.min(put(pool, found));
                let best = match reach.allowed {
                    None => &mut *pool,
                    Some(is_allowed) => {
                        if is_allowed(id(found)) {
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
                    bound = d + reach.epsilon * (d - least);
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
            visited.mark(self.graph.neighbors(row), ids);
            self.rows.to_many(query, ids, distances);
            stats.hops += 1;
            stats.distances += ids.len() as u64;
            let beyond = pool.get(reach.width - 1).map_or(f32::INFINITY, |&last| distance(last).max(bound));
            keep_near(ids, distances, beyond, near);
        }
        if reach.allowed.is_some() { allowed } else { pool }
    }
}

/// Of rows and their distances those that are not beyond `bound`.
#[inline(always)]
fn keep_near(ids: &[u32], distances: &[f32], bound: f32, near: &mut Vec<Neighbor>) {
    near.resize(ids.len(), EMPTY);
    let mut count = 0;
    for (&row, &d) in ids.iter().zip(distances) {
        // Written always, kept if near: no branch to mispredict.
        near[count] = fresh(d, row);
        count += usize::from(d <= bound);
    }
    near.truncate(count);
}

/// Puts a neighbour in its place among ascending ones; the place.
#[inline]
fn put(sorted: &mut Vec<Neighbor>, neighbor: Neighbor) -> usize {
    let place = sorted.partition_point(|&other| other < neighbor);
    sorted.insert(place, neighbor);
    place
}
