//! Batches of queries.

use rayon::prelude::*;

use crate::error::SearchError;
use crate::first_non_finite::FirstNonFinite;
use crate::graph::order::id;
use crate::graph::{KnnGraph, Neighbor};
use crate::points::Points;
use crate::progress::Phase;

use super::Index;
use super::beam::Starts;
use super::check::out_of_range;
use super::eligible::{EligibleRows, Evaluation};
use super::hits::{Hits, QueryStats};
use super::options::SearchOptions;
use super::searcher::{Request, SearchScratch, Searcher};
use super::ticker::Ticker;

/// What is searched for.
#[derive(Clone, Copy)]
enum Queries<'a> {
    Points(&'a Points<'a>),
    /// Rows of the index.
    Own(&'a [u32]),
}

/// Most neighbours that a batch may hold, padding included: 64 GiB of them, or half the addresses where there are
/// fewer.
const MAX_PLACES: usize = (1usize << if usize::BITS < 64 { usize::BITS - 1 } else { 36 }) / size_of::<Neighbor>();

/// Batches of fewer queries are answered in the order given.
const FEW: usize = 256;

impl Index {
    /// The `k` nearest points of every query, in the rayon pool it is called from. The same queries give the same
    /// answers, whatever the number of threads. `k` may be anything up to the number of points.
    ///
    /// # Errors
    /// Queries of another width than the points, `k` zero or more than there are points, an epsilon of -1 or less, a
    /// filter of the wrong length or that allows nothing, a custom distance that is not finite;
    /// [`SearchError::Cancelled`].
    ///
    /// # Complexity
    /// A few hundred distances a query on most data. With a filter more, as it allows fewer; at most one for every
    /// point allowed and expanded.
    pub fn query(&self, queries: &Points, k: usize, options: &SearchOptions) -> Result<Hits, SearchError> {
        let queries = &self.metric().points_as_taken(queries);
        let asked = Self::check_k(k, self.len(), self.pads(options))?;
        self.check_queries(queries)?;
        self.run(Queries::Points(queries), (k, asked), options)
    }

    /// The `k` other points nearest to each of these points of the index; else as [`Index::query`].
    ///
    /// # Errors
    /// Same as [`Index::query`]; an id that no point has.
    pub fn query_ids(&self, ids: &[u32], k: usize, options: &SearchOptions) -> Result<Hits, SearchError> {
        // A point is not among its own neighbours.
        let asked = Self::check_k(k, self.len().saturating_sub(1), self.pads(options))?;
        let rows = self.rows_of_ids(ids).map_err(|id| SearchError::UnknownId { id, bound: self.id_bound() })?;
        self.run(Queries::Own(&rows), (k, asked), options)
    }

    /// Searches for `asked` neighbours, in rows of `k`.
    fn run(&self, queries: Queries, (k, asked): (usize, usize), options: &SearchOptions) -> Result<Hits, SearchError> {
        let epsilon = options.epsilon.unwrap_or(self.epsilon());
        Self::check_epsilon(epsilon)?;
        let count = queries.count();
        if count.checked_mul(k).is_none_or(|places| places > MAX_PLACES) {
            let range = format!("at most {MAX_PLACES} divided by the {count} queries");
            return Err(out_of_range("k", k, &range));
        }
        let evaluation = Evaluation { k: asked, queries: count, pad: self.pads(options), exact: options.exact };
        let rows = EligibleRows::of_batch(self, options.filter.as_ref(), evaluation)?;
        let (wrong, ticker) = (WrongPair::default(), Ticker::new(options.progress.as_deref(), Phase::Search, count));
        let order = if asked > 0 { queries.order(self, &wrong)? } else { Vec::new() };
        let mut answers = vec![Neighbor { id: KnnGraph::NO_NEIGHBOR, distance: f32::INFINITY }; order.len() * k];
        let mut stats = vec![QueryStats::default(); order.len()];
        answers.par_chunks_mut(k).zip(&mut stats).zip(&order).with_min_len(16).try_for_each_init(
            || (SearchScratch::default(), Vec::new()),
            |(scratch, room), ((out, stats), &(starts, i))| {
                if !ticker.advance(1) {
                    return Err(SearchError::Cancelled);
                }
                let mut searcher = Searcher { index: self, scratch };
                queries.set(i as usize, room, &mut searcher)?;
                if let Some(starts) = starts {
                    searcher.begin_at(starts);
                }
                let (eligible, except) = (rows.of_query(i as usize), queries.row(i as usize));
                *stats = searcher.answer(Request { k: asked, epsilon, eligible, except, held_out: false });
                wrong.note(self, i as usize, scratch);
                out.iter_mut().zip(scratch.found()).for_each(|(out, found)| *out = *found);
                Ok(())
            },
        )?;
        wrong.check(queries.failure())?;
        let ids: Vec<u32> = order.iter().map(|&(_, i)| i).collect();
        Ok(collect((count, k), &ids, &answers, options.counters.then_some(&stats)))
    }
}

impl Queries<'_> {
    fn count(&self) -> usize {
        match self {
            Self::Points(queries) => queries.n(),
            Self::Own(rows) => rows.len(),
        }
    }

    /// Why a custom distance of these failed, if they say.
    fn failure(&self) -> Option<String> {
        match self {
            Self::Points(queries) => queries.failure(),
            Self::Own(_) => None,
        }
    }

    /// The row of the index that query `i` is, if it is one.
    fn row(&self, i: usize) -> Option<u32> {
        match self {
            Self::Points(_) => None,
            Self::Own(rows) => Some(rows[i]),
        }
    }

    fn set(&self, i: usize, room: &mut Vec<f32>, searcher: &mut Searcher) -> Result<(), SearchError> {
        match self {
            Self::Points(queries) => searcher.set_query(queries.query_row(i, room)),
            Self::Own(rows) => {
                searcher.set_own_query(rows[i]);
                Ok(())
            }
        }
    }

    /// Queries, and where their searches begin, in the order of the entries that they are nearest to: what one reads is
    /// still in cache for the next. Few queries stay in their order.
    fn order(&self, index: &Index, wrong: &WrongPair) -> Result<Vec<(Option<Starts>, u32)>, SearchError> {
        let count = self.count() as u32;
        if (count as usize) < FEW {
            return Ok((0..count).map(|i| (None, i)).collect());
        }
        let starts = |(scratch, room): &mut (SearchScratch, Vec<f32>), i: u32| {
            let mut searcher = Searcher { index, scratch };
            self.set(i as usize, room, &mut searcher)?;
            let starts = searcher.starts();
            wrong.note(index, i as usize, scratch);
            Ok((Some(starts), i))
        };
        let all = (0..count).into_par_iter().with_min_len(16);
        let mut order: Vec<_> = all.map_init(Default::default, starts).collect::<Result<_, _>>()?;
        order.par_sort_unstable_by_key(|(starts, i)| (starts.map(|s: Starts| id(s.rows[0])), *i));
        Ok(order)
    }
}

/// The first query with a distance that is not finite, and the item that it is to.
#[derive(Default)]
pub(super) struct WrongPair(FirstNonFinite);

impl WrongPair {
    /// Remembers what the search for query `i` met.
    pub(super) fn note(&self, index: &Index, i: usize, scratch: &SearchScratch) {
        if let Some(item) = index.wrong_item(scratch) {
            self.0.note(i as u32, item);
        }
    }

    pub(super) fn check(&self, reason: Option<String>) -> Result<(), SearchError> {
        match self.0.get() {
            None => Ok(()),
            Some((query, item)) => {
                Err(SearchError::QueryDistance { query: query as usize, item: item as usize, reason })
            }
        }
    }
}

/// From the order of the search to the order of the queries; queries that were not searched for find nothing.
fn collect(
    (count, k): (usize, usize),
    order: &[u32],
    answers: &[Neighbor],
    answer_stats: Option<&Vec<QueryStats>>,
) -> Hits {
    let mut ids = vec![KnnGraph::NO_NEIGHBOR; count * k];
    let mut distances = vec![f32::INFINITY; count * k];
    for (row, &i) in answers.chunks_exact(k).zip(order) {
        let at = i as usize * k;
        for (to, neighbor) in row.iter().enumerate() {
            distances[at + to] = neighbor.distance;
            ids[at + to] = neighbor.id;
        }
    }
    let mut stats = vec![QueryStats::default(); if answer_stats.is_some() { count } else { 0 }];
    for (cost, &i) in answer_stats.into_iter().flatten().zip(order) {
        stats[i as usize] = *cost;
    }
    Hits { graph: KnnGraph::new(count, k, ids, distances), stats }
}
