//! Best-first search of the graph for one query.
//!
//! As PyNNDescent's `search`: a row is expanded while it is nearer than d + epsilon · (d - d₀), where d is the reduced
//! distance of the k-th best so far and d₀ the smallest between neighbours in the graph.

use crate::graph::order::{EMPTY, Neighbor, distance, fresh, id, is_new, joined};
use crate::graph::rows::insert;
use crate::simd::prefetch;

use super::adjacency::Adjacency;
use super::hits::QueryStats;
use super::prepare::entries::{Entries, FEW_GROUPS};
use super::rows::{IndexRows, SearchQuery, SearchRows};
use super::visited::Visited;

/// Entries to begin a search with.
const STARTS: usize = 8;
/// Rows that are expanded together: their neighbours are fetched at once, and what a hop costs is shared.
const EXPANDED: u64 = 2;
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
    /// Neighbours of the rows expanded last that may enter the pool.
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
    /// A row at most this far ends the search.
    pub enough: f32,
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
            enough: f32::NEG_INFINITY,
            budget: u64::MAX,
        }
    }
}

impl SearchGraph<'_> {
    /// The entries of the nearest groups that are nearest to the query in `scratch`.
    pub(crate) fn starts(&self, scratch: &mut BeamScratch) -> Starts {
        let BeamScratch { query, ids, distances, stats, .. } = scratch;
        ids.clear();
        ids.extend((0..self.entries.n_groups()).map(|g| self.entries.group(g).first().copied().unwrap_or_default()));
        self.rows.to_many(query, ids, distances);
        let mut evaluated = ids.len();
        // Groups by their centers' distances.
        let mut groups = [EMPTY; FEW_GROUPS];
        let groups = &mut groups[..if ids.len() <= FEW_GROUPS { ids.len() } else { self.entries.looked_at }];
        let mut rows = [EMPTY; STARTS];
        for (g, (&row, &d)) in ids.iter().zip(distances.iter()).enumerate() {
            insert(groups, fresh(d, g as u32));
            insert(&mut rows, fresh(d, row));
        }
        for &group in groups.iter().filter(|group| **group != EMPTY) {
            let others = self.entries.group(id(group) as usize).get(1..).unwrap_or_default();
            self.rows.to_many(query, others, distances);
            evaluated += others.len();
            for (&row, &d) in others.iter().zip(distances.iter()) {
                insert(&mut rows, fresh(d, row));
            }
        }
        stats.distances += evaluated as u64;
        Starts { rows, evaluated: evaluated as u32 }
    }

    /// Collects and marks the rows that a search begins with: the starts, or all entries.
    fn begin(&self, starts: &Starts, params: &BeamParams, scratch: &mut BeamScratch) {
        let BeamScratch { query, visited, ids, distances, near, stats, .. } = scratch;
        visited.mark(params.blocked.as_slice(), ids);
        ids.clear();
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
            if let Some(&last) = pool.get(params.width - 1) {
                // The nearest `width` rows are kept whatever the bound: codes may have put them in the wrong order.
                near.retain(|&found| distance(found) < bound || found < last);
            }
            near.sort_unstable();
            cursor = cursor.min(merge(pool, near));
            if pool.first().is_some_and(|&first| distance(first) <= params.enough) {
                break;
            }
            let best = match params.eligible {
                None => &*pool,
                Some(is_eligible) => {
                    near.retain(|&found| is_eligible(id(found)));
                    merge(eligible, near);
                    let beyond = |&last: &Neighbor| distance(last) > params.radius;
                    while eligible.len() > params.width && eligible.last().is_some_and(beyond) {
                        eligible.pop();
                    }
                    &*eligible
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
            // Rows beyond the bound are neither expanded nor results.
            while pool.len() > params.width && pool.last().is_some_and(|&last| distance(last) > bound) {
                pool.pop();
            }
            while pool.get(cursor).is_some_and(|&next| !is_new(next)) {
                cursor += 1;
            }
            let hops = self.expand(pool.get_mut(cursor..).unwrap_or_default(), bound, visited, ids);
            if hops == 0 {
                break;
            }
            if stats.distances > end {
                *gave_up = true;
                break;
            }
            stats.hops += hops;
            let beyond = pool.get(params.width - 1).map_or(f32::INFINITY, |&last| distance(last).max(bound));
            self.rows.to_many(query, ids, distances);
            stats.distances += ids.len() as u64;
            keep_near(ids, distances, beyond, near);
            // Likely to be expanded next.
            near.iter().min().into_iter().for_each(|&nearest| self.prefetch(nearest));
        }
        if params.eligible.is_some() { eligible } else { pool }
    }

    /// Expands the nearest [`EXPANDED`] rows of `pool` that are new and not beyond `bound`: collects and marks their
    /// neighbours. How many rows that were.
    #[inline(always)]
    fn expand(&self, pool: &mut [Neighbor], bound: f32, visited: &mut Visited, ids: &mut Vec<u32>) -> u64 {
        ids.clear();
        let mut count = 0;
        for next in pool.iter_mut().take_while(|next| distance(**next) <= bound).filter(|next| is_new(**next)) {
            if count == EXPANDED {
                // Likely to be expanded next.
                self.prefetch(*next);
                break;
            }
            *next = joined(*next);
            visited.mark(self.graph.neighbors(id(*next)), ids);
            count += 1;
        }
        count
    }

    /// Asks for the cache lines of a row's neighbours.
    #[inline(always)]
    fn prefetch(&self, row: Neighbor) {
        self.graph.neighbors(id(row)).iter().step_by(16).for_each(prefetch);
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

/// Merges two ascending lists, from the back, so that what is nearer than all of `near` stays where it is; the place of
/// the first of `near`.
#[inline(always)]
fn merge(sorted: &mut Vec<Neighbor>, near: &[Neighbor]) -> usize {
    let (mut old, mut new) = (sorted.len(), near.len());
    sorted.resize(old + new, EMPTY);
    let sorted = &mut sorted[..];
    while new > 0 {
        // Without a branch to mispredict.
        let last = near[new - 1];
        let before = if old > 0 { sorted[old - 1] } else { 0 };
        let is_old = usize::from(before > last);
        sorted[old + new - 1] = before.max(last);
        old -= is_old;
        new -= 1 - is_old;
    }
    old
}
