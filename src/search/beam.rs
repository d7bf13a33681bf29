//! Best-first search of the graph for one query.
//!
//! As PyNNDescent's `search`: a row is expanded while it is nearer than d + epsilon · (d - d₀), where d is the reduced
//! distance of the k-th best so far and d₀ the smallest between neighbours in the graph.

use crate::graph::order::{EMPTY, Neighbor, distance, fresh, id, is_new, joined};
use crate::simd::prefetch;

use super::adjacency::Adjacency;
use super::hits::QueryStats;
use super::prepare::entries::{Entries, FEW_GROUPS};
use super::rows::{IndexRows, SearchQuery, SearchRows};
use super::visited::Visited;

/// Entries to begin a search with.
const STARTS: usize = 8;

/// Groups of entries whose rows are compared, unless there are few groups: then all.
const GROUPS: usize = 6;
/// A search for more neighbours begins with all entries, as one by radius does: they may lie in many parts of the data.
const MUCH: usize = 64;

/// How much farther searches by inner products go, which begin with all entries, too: rows with large products lie in
/// many parts of the data.
const PRODUCTS: f32 = 3.0;

/// The entries nearest to a query.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Starts {
    /// Ascending; [`EMPTY`] where there are fewer.
    pub rows: [Neighbor; STARTS],
    /// Distances evaluated to find them.
    pub evaluated: u32,
}

/// Memory for one search after another.
#[derive(Default)]
pub(crate) struct BeamScratch {
    pub query: SearchQuery,
    visited: Visited,
    ids: Vec<u32>,
    distances: Vec<f32>,
    /// Neighbours of the row expanded last that may enter the pool.
    near: Vec<Neighbor>,
    /// Rows found, ascending; flagged as new until they are expanded.
    pool: Vec<Neighbor>,
    /// The nearest eligible ones, where not all are.
    eligible: Vec<Neighbor>,
    pub stats: QueryStats,
    /// Whether the last search gave up.
    pub gave_up: bool,
}

/// The graph, its rows, and where searches begin.
pub(crate) struct SearchGraph<'a> {
    pub rows: &'a SearchRows,
    pub graph: &'a Adjacency,
    pub entries: &'a Entries,
    /// d₀: the smallest reduced distance between neighbours.
    pub nearest: f32,
    /// Whether distances are negative inner products.
    pub by_products: bool,
}

/// How far a search looks.
#[derive(Clone, Copy)]
pub(crate) struct BeamParams<'a> {
    /// Neighbours wanted.
    pub k: usize,
    /// Neighbours kept at least, for reranking.
    pub width: usize,
    pub epsilon: f32,
    /// Rows within this reduced distance are wanted in any number; negative infinity: no such rows.
    pub radius: f32,
    /// Which rows may be found. Others are passed through.
    pub eligible: Option<&'a (dyn Fn(u32) -> bool + Sync)>,
    /// Whether eligible rows may lie anywhere rather than near the query: then the search begins with all entries.
    pub everywhere: bool,
    /// A row that the search must not pass through.
    pub blocked: Option<u32>,
    /// Distances after which the search gives up: comparing with all rows costs less than going on.
    pub budget: u64,
}

impl Default for BeamParams<'_> {
    fn default() -> Self {
        Self {
            k: 1,
            width: 1,
            epsilon: 0.0,
            radius: f32::NEG_INFINITY,
            eligible: None,
            everywhere: false,
            blocked: None,
            budget: u64::MAX,
        }
    }
}

impl SearchGraph<'_> {
    /// The entries of the nearest groups that are nearest to the query in `scratch`.
    pub(crate) fn starts(&self, scratch: &mut BeamScratch) -> Starts {
        let BeamScratch { query, ids, distances, pool, near, stats, .. } = scratch;
        ids.clear();
        ids.extend((0..self.entries.n_groups()).map(|g| self.entries.group(g).first().copied().unwrap_or_default()));
        self.rows.to_many(query, ids, distances);
        let mut evaluated = ids.len();
        // Groups by their centers' distances.
        near.clear();
        near.extend(distances.iter().zip(0..).map(|(&d, g)| fresh(d, g)));
        pool.clear();
        pool.extend(ids.iter().zip(distances.iter()).map(|(&row, &d)| fresh(d, row)));
        let few = if near.len() <= FEW_GROUPS { near.len() } else { GROUPS };
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

    /// Collects and marks the rows that a search begins with: the starts, or all entries.
    fn begin(&self, starts: &Starts, params: &BeamParams, scratch: &mut BeamScratch) {
        let BeamScratch { query, visited, ids, distances, near, stats, .. } = scratch;
        visited.mark(params.blocked.as_slice(), ids);
        near.clear();
        let is_near = params.k <= MUCH && !params.everywhere && params.radius == f32::NEG_INFINITY;
        if is_near && !self.by_products {
            visited.mark(&starts.rows.map(id), ids);
            near.extend(starts.rows.iter().filter(|&&start| ids.contains(&id(start))));
            return;
        }
        visited.mark(&self.entries.rows, ids);
        self.rows.to_many(query, ids, distances);
        stats.distances += ids.len() as u64;
        near.extend(ids.iter().zip(distances.iter()).map(|(&row, &d)| fresh(d, row)));
    }

    /// Rows found for the query in `scratch`, ascending by reduced distance: at least `params.width` if there are as
    /// many.
    pub(crate) fn search<'s>(
        &self,
        starts: &Starts,
        params: BeamParams,
        scratch: &'s mut BeamScratch,
    ) -> &'s [Neighbor] {
        scratch.visited.reset(self.graph.n());
        self.begin(starts, &params, scratch);
        let BeamScratch { query, visited, ids, distances, near, pool, eligible, stats, gave_up } = scratch;
        let end = stats.distances.saturating_add(params.budget);
        *gave_up = false;
        pool.clear();
        eligible.clear();
        // How large products become depends on the query: searches go beyond one by a share of itself.
        let (least, epsilon) = match self.by_products {
            true => (0.0, PRODUCTS * params.epsilon),
            false => (self.rows.in_unit_of(self.nearest, query), params.epsilon),
        };
        let mut bound = f32::INFINITY;
        let mut cursor = 0;
        loop {
            for &found in near.iter() {
                // The nearest `width` rows are kept whatever the bound: codes may have put them in the wrong order.
                if distance(found) >= bound && pool.get(params.width - 1).is_some_and(|&last| found > last) {
                    continue;
                }
                cursor = cursor.min(put(pool, found));
                let best = match params.eligible {
                    None => &mut *pool,
                    Some(is_eligible) => {
                        if is_eligible(id(found)) {
                            put(eligible, found);
                            let beyond = |&last: &Neighbor| distance(last) > params.radius;
                            while eligible.len() > params.width && eligible.last().is_some_and(beyond) {
                                eligible.pop();
                            }
                        }
                        &mut *eligible
                    }
                };
                if let Some(&last) = best.get(params.k - 1) {
                    let d = distance(last).max(params.radius);
                    bound = d + epsilon * (d - least).abs();
                    if params.radius > f32::NEG_INFINITY {
                        // Rows at the bound are wanted, too: copies are all as near.
                        bound = bound.next_up();
                    }
                }
            }
            // Rows beyond the bound are neither expanded nor results.
            while pool.len() > params.width && pool.last().is_some_and(|&last| distance(last) > bound) {
                pool.pop();
            }
            while pool.get(cursor).is_some_and(|&next| !is_new(next)) {
                cursor += 1;
            }
            let Some(next) = pool.get_mut(cursor).filter(|next| distance(**next) <= bound) else { break };
            if stats.distances > end {
                *gave_up = true;
                break;
            }
            *next = joined(*next);
            let row = id(*next);
            if let Some(&ahead) = pool.get(cursor + 1) {
                self.graph.neighbors(id(ahead)).iter().step_by(16).for_each(prefetch);
            }
            visited.mark(self.graph.neighbors(row), ids);
            self.rows.to_many(query, ids, distances);
            stats.hops += 1;
            stats.distances += ids.len() as u64;
            let beyond = pool.get(params.width - 1).map_or(f32::INFINITY, |&last| distance(last).max(bound));
            keep_near(ids, distances, beyond, near);
        }
        if params.eligible.is_some() { eligible } else { pool }
    }
}

/// The rows whose distances are not beyond `bound`.
#[inline(always)]
fn keep_near(ids: &[u32], distances: &[f32], bound: f32, near: &mut Vec<Neighbor>) {
    near.resize(ids.len(), EMPTY);
    let mut count = 0;
    for (&row, &d) in ids.iter().zip(distances) {
        // Always written, kept if near: there is no branch to mispredict.
        near[count] = fresh(d, row);
        count += usize::from(d <= bound);
    }
    near.truncate(count);
}

/// Inserts a neighbour into an ascending list; its place.
#[inline]
fn put(sorted: &mut Vec<Neighbor>, neighbor: Neighbor) -> usize {
    let place = sorted.partition_point(|&other| other < neighbor);
    sorted.insert(place, neighbor);
    place
}
