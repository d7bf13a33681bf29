//! Queries by radius.

use rayon::prelude::*;

use crate::error::SearchError;
use crate::graph::Neighbor;
use crate::params::proxied_width;
use crate::points::Points;
use crate::progress::Phase;

use super::Index;
use super::batch::WrongPair;
use super::beam::BeamParams;
use super::check::out_of_range;
use super::eligible::{Eligible, EligibleRows, Evaluation};
use super::hits::{QueryStats, RadiusHits};
use super::options::SearchOptions;
use super::rows::IndexRows;
use super::searcher::{NEAR, Request, SearchScratch, Searcher};
use super::ticker::Ticker;

/// Neighbours that a query by radius is taken to find, when a filter is evaluated.
const EXPECTED: usize = 64;

impl Index {
    /// All points within the true distance `radius` of every query that the options allow. Approximate, as queries by
    /// number are: the search begins with all entries and goes `epsilon` beyond the radius, so that it may miss points
    /// that no way within that distance leads to. [`SearchOptions::exact`] misses none. All copies of a point are found
    /// where one is.
    ///
    /// Under a metric that is searched by a proxy, twice as many neighbours are searched for until the farthest of them
    /// is beyond the radius.
    ///
    /// # Errors
    /// Queries of another width than the points, a radius that is not finite, an epsilon of -1 or less, a filter of the
    /// wrong length or that allows nothing, a custom distance that is not finite; [`SearchError::Cancelled`].
    pub fn query_radius(
        &self,
        queries: &Points,
        radius: f32,
        options: &SearchOptions,
    ) -> Result<RadiusHits, SearchError> {
        let queries = &self.metric().points_as_taken(queries);
        self.check_queries(queries)?;
        let epsilon = options.epsilon.unwrap_or(self.epsilon());
        Self::check_epsilon(epsilon)?;
        // All within the radius are wanted.
        let epsilon = epsilon.max(0.0);
        if !radius.is_finite() {
            return Err(out_of_range("radius", radius, "finite"));
        }
        let evaluation =
            Evaluation { k: EXPECTED, queries: queries.n(), pad: self.pads(options), exact: options.exact };
        let rows = EligibleRows::of_batch(self, options.filter.as_ref(), evaluation)?;
        let (wrong, ticker) =
            (WrongPair::default(), Ticker::new(options.progress.as_deref(), Phase::Search, queries.n()));
        let found: Vec<(Vec<Neighbor>, QueryStats)> = (0..queries.n())
            .into_par_iter()
            .with_min_len(16)
            .map_init(
                || (SearchScratch::default(), Vec::new()),
                |(scratch, room), i| {
                    if !ticker.advance(1) {
                        return Err(SearchError::Cancelled);
                    }
                    let mut searcher = Searcher { index: self, scratch };
                    searcher.set_query(queries.query_row(i, room))?;
                    let eligible = rows.of_query(i);
                    let request = Request { k: NEAR, epsilon, eligible, except: None, held_out: false };
                    let stats = searcher.within(radius, request);
                    wrong.note(self, i, scratch);
                    Ok((scratch.found().to_vec(), stats))
                },
            )
            .collect::<Result<_, _>>()?;
        wrong.check(queries.failure())?;
        Ok(collect(found, options.counters))
    }
}

fn collect(found: Vec<(Vec<Neighbor>, QueryStats)>, counters: bool) -> RadiusHits {
    let mut hits = RadiusHits { offsets: vec![0], ids: Vec::new(), distances: Vec::new(), stats: Vec::new() };
    for (row, stats) in found {
        hits.ids.extend(row.iter().map(|neighbor| neighbor.id));
        hits.distances.extend(row.iter().map(|neighbor| neighbor.distance));
        hits.offsets.push(hits.ids.len());
        if counters {
            hits.stats.push(stats);
        }
    }
    hits
}

impl Searcher<'_, '_> {
    /// All eligible points within the true distance `radius`, ascending.
    fn within(&mut self, radius: f32, request: Request) -> QueryStats {
        let index = self.index;
        match request.eligible {
            Eligible::Few(rows) => {
                self.scan(rows.iter().copied(), radius, Request { k: rows.len(), ..request });
            }
            _ if index.is_empty() => self.scan(std::iter::empty(), radius, request),
            _ if index.rows.is_proxied() => self.within_by_proxy(radius, request),
            _ => {
                let radius = index.rows.in_traversal(radius, self.query());
                let (k, width) = (NEAR.min(index.len()), NEAR);
                self.traverse(request, BeamParams { k, width, radius, ..BeamParams::default() });
            }
        }
        self.scratch.keep_within(radius)
    }

    /// The same where a radius means nothing to what searches go by: twice as many neighbours are searched for, and
    /// ranked, until the farthest of them is beyond the radius. So it finds what a query for so many neighbours finds.
    fn within_by_proxy(&mut self, radius: f32, request: Request) {
        let (index, n) = (self.index, self.index.len());
        let mut k = NEAR;
        while proxied_width(index.metric(), k) < n {
            self.answer(Request { k, ..request });
            let found = self.scratch.found();
            if found.len() < k || found.last().is_some_and(|last| last.distance > radius) {
                return;
            }
            k *= 2;
        }
        let rows: Vec<u32> = self.eligible_rows(request).collect();
        self.scan(rows.into_iter(), radius, Request { k: n, ..request });
    }
}
