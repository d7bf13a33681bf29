//! Batches of queries: what is asked, and what is found.

use rayon::prelude::*;

use crate::dataset::check::check_sparse_rows;
use crate::dataset::check_dense_rows;
use crate::error::BuildError;
use crate::first_non_finite::FirstNonFinite;
use crate::points::{Points, PointsKind};

use super::beam::{QueryStats, Starts};
use super::filter::{Filter, Rows};
use super::searcher::{Allowed, Searcher, Wanted};
use super::{Index, IndexError};
use crate::graph::KnnGraph;
use crate::graph::order::id;

/// What queries found: a row for each, ascending by (distance, id).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Hits {
    /// Neighbours of each query.
    pub k: usize,
    /// Ids of points, `queries x k`. Where a filter allows fewer than `k`, rows end with [`KnnGraph::NO_NEIGHBOR`].
    pub indices: Vec<u32>,
    /// True distances, `queries x k`; infinite where there is no point.
    pub distances: Vec<f32>,
    /// What each query cost.
    pub stats: Vec<QueryStats>,
}

impl Hits {
    /// Ids that query `i` found, nearest first.
    #[must_use]
    pub fn ids(&self, i: usize) -> &[u32] {
        &self.indices[i * self.k..(i + 1) * self.k]
    }

    /// Their distances.
    #[must_use]
    pub fn distances(&self, i: usize) -> &[f32] {
        &self.distances[i * self.k..(i + 1) * self.k]
    }

    /// What all queries cost together.
    #[must_use]
    pub fn total(&self) -> QueryStats {
        self.stats.iter().copied().fold(QueryStats::default(), QueryStats::plus)
    }
}

/// What radius queries found: for query `i` the points `starts[i]..starts[i + 1]` of the lists, ascending by (distance, id).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RadiusHits {
    /// One more than queries.
    pub starts: Vec<usize>,
    /// Ids of points.
    pub indices: Vec<u32>,
    /// True distances.
    pub distances: Vec<f32>,
    /// What each query cost.
    pub stats: Vec<QueryStats>,
}

impl RadiusHits {
    /// Ids that query `i` found, nearest first.
    #[must_use]
    pub fn ids(&self, i: usize) -> &[u32] {
        &self.indices[self.starts[i]..self.starts[i + 1]]
    }

    /// Their distances.
    #[must_use]
    pub fn distances(&self, i: usize) -> &[f32] {
        &self.distances[self.starts[i]..self.starts[i + 1]]
    }
}

/// Whose neighbours are asked for.
#[derive(Clone, Copy)]
enum Asked<'a> {
    Points(Points<'a>),
    /// Points of the index, by id.
    Ids(&'a [u32]),
}

/// A batch of queries to be run. Every setting has a default.
#[must_use]
pub struct QueryBuilder<'a> {
    index: &'a Index,
    asked: Asked<'a>,
    k: usize,
    epsilon: f32,
    filter: Option<Filter<'a>>,
}

/// Batches of fewer queries are answered in the order given.
const FEW: usize = 256;

impl Index {
    /// The `k` nearest points of every query, once [`QueryBuilder::run`]. Any `k` up to the number of points.
    pub fn query<'a>(&'a self, queries: &'a Points<'a>, k: usize) -> QueryBuilder<'a> {
        self.ask(Asked::Points(self.metric().points_as_taken(queries)), k)
    }

    /// The `k` other points nearest to each of these points of the index.
    pub fn query_ids<'a>(&'a self, ids: &'a [u32], k: usize) -> QueryBuilder<'a> {
        self.ask(Asked::Ids(ids), k)
    }

    fn ask<'a>(&'a self, asked: Asked<'a>, k: usize) -> QueryBuilder<'a> {
        QueryBuilder { index: self, asked, k, epsilon: self.epsilon(), filter: None }
    }

    /// All points within the true distance `radius` of every query. `epsilon` widens the search beyond the radius as it does
    /// beyond the k-th neighbour: 0.1 is a good start. Approximate, as queries by number are.
    ///
    /// Under a metric that is searched by a proxy, twice as many neighbours are asked for until the farthest of them is beyond the
    /// radius.
    ///
    /// # Errors
    /// Queries of another width than the points, a radius that is not a number, an epsilon below zero.
    pub fn query_radius(&self, queries: &Points, radius: f32, epsilon: f32) -> Result<RadiusHits, IndexError> {
        let queries = &self.metric().points_as_taken(queries);
        self.check_queries(queries)?;
        self.check_epsilon(epsilon)?;
        if !radius.is_finite() {
            return Err(out_of_range("radius", radius, "finite"));
        }
        let wrong = WrongPair::default();
        let found: Vec<(Vec<(f32, u32)>, QueryStats)> = (0..queries.n())
            .into_par_iter()
            .with_min_len(16)
            .map_init(
                || (self.searcher(), Vec::new()),
                |(searcher, room), i| {
                    searcher.set_query(queries.query_row(i, room));
                    let stats = searcher.within(radius, epsilon);
                    wrong.note(i, searcher);
                    (searcher.found().to_vec(), stats)
                },
            )
            .collect();
        wrong.check()?;
        let mut hits = RadiusHits { starts: vec![0], indices: vec![], distances: vec![], stats: vec![] };
        for (row, stats) in found {
            hits.indices.extend(row.iter().map(|f| f.1));
            hits.distances.extend(row.iter().map(|f| f.0));
            hits.starts.push(hits.indices.len());
            hits.stats.push(stats);
        }
        Ok(hits)
    }

    pub(super) fn check_k(&self, k: usize) -> Result<(), IndexError> {
        match k {
            0 => Err(out_of_range("k", 0, "at least 1")),
            k if k > self.n() => Err(IndexError::TooManyNeighbors { k, n: self.n() }),
            _ => Ok(()),
        }
    }

    pub(super) fn check_epsilon(&self, epsilon: f32) -> Result<(), IndexError> {
        let valid = epsilon >= 0.0 && epsilon.is_finite();
        if valid { Ok(()) } else { Err(out_of_range("epsilon", epsilon, "at least 0")) }
    }

    /// Checks that queries are rows that the points can be compared with.
    pub(super) fn check_queries(&self, queries: &Points) -> Result<(), IndexError> {
        self.check_dim(queries)?;
        let kind = |name: &'static str| if matches!(name, "bits" | "sparse" | "items") { name } else { "dense" };
        if kind(queries.type_name()) != kind(self.rows.given) {
            return Err(IndexError::Type { found: queries.type_name(), expected: self.rows.given });
        }
        if !self.rows.is_comparable(queries) {
            return Err(IndexError::OtherItems);
        }
        match &queries.kind() {
            PointsKind::Dense(dense) => Ok(check_dense_rows(self.metric(), dense)?),
            PointsKind::Sparse(rows) => Ok(check_sparse_rows(self.metric(), rows)?),
            _ => Ok(()),
        }
    }

    pub(super) fn check_dim(&self, queries: &Points) -> Result<(), IndexError> {
        let (found, expected) = (queries.dim(), self.dim());
        if found == expected { Ok(()) } else { Err(IndexError::Dimension { found, expected }) }
    }
}

pub(super) fn out_of_range(name: &'static str, value: impl ToString, range: &str) -> IndexError {
    IndexError::Parameter { name, value: value.to_string(), range: range.into() }
}

impl<'a> QueryBuilder<'a> {
    /// How much farther than the k-th best so far a point may be, to be followed: PyNNDescent's bound, relative to reduced
    /// distances (squared for euclidean), for `k` of at least 8; with a smaller `k` searches look as far as with 8. Default what [`Index::tune`] found, else 0.1; 0 is fastest, 0.3 thorough.
    pub fn epsilon(mut self, epsilon: f32) -> Self {
        self.epsilon = epsilon;
        self
    }

    /// Only points whose entry is true are found; one entry for every id below [`Index::end_id`].
    pub fn filter_mask(mut self, allowed: &'a [bool]) -> Self {
        self.filter = Some(Filter::Mask(allowed));
        self
    }

    /// Only points whose id the closure allows are found. It is asked once for every point.
    pub fn filter(mut self, allowed: &'a (dyn Fn(u32) -> bool + Sync)) -> Self {
        self.filter = Some(Filter::Closure(allowed));
        self
    }

    /// Only points with the query's label are found: `labels` has one for every id below [`Index::end_id`], `wanted` one for every
    /// query.
    pub fn filter_labels(mut self, labels: &'a [u32], wanted: &'a [u32]) -> Self {
        self.filter = Some(Filter::Labels { labels, wanted });
        self
    }

    /// Searches, in the rayon pool it is called from. The same queries give the same answers, whatever the number of threads.
    ///
    /// # Errors
    /// Queries of another width than the points, an id that no point has, `k` zero or more than there are points, an epsilon
    /// below zero, a filter of the wrong length or that allows nothing; a distance of the user's own that is no number.
    ///
    /// # Complexity
    /// A few hundred distances a query on most data. With a filter more, as it allows fewer; at most one for every point allowed
    /// and expanded.
    pub fn run(self) -> Result<Hits, IndexError> {
        let places = self.check()?;
        let (index, count, k) = (self.index, self.count(), self.k);
        let rows = self.filter.as_ref().map(|filter| filter.rows(index, k, count)).transpose()?;
        let wrong = WrongPair::default();
        let order = self.order(&places, &wrong);
        let ids: Vec<u32> = order.iter().map(|&(_, i)| i).collect();
        let mut answers = vec![(f32::INFINITY, KnnGraph::NO_NEIGHBOR); count * k];
        let mut stats = vec![QueryStats::default(); count];
        answers.par_chunks_mut(k).zip(&mut stats).zip(&order).with_min_len(16).for_each_init(
            || (index.searcher(), Vec::new()),
            |(searcher, room), ((out, stats), &(starts, i))| {
                self.set_query(i as usize, &places, room, searcher);
                if let Some(starts) = starts {
                    searcher.begin_at(starts);
                }
                let allowed = rows.as_ref().map_or(Allowed::All, |rows: &Rows| rows.of_query(i as usize));
                let except = places.get(i as usize).copied();
                *stats = searcher.answer(Wanted { k, epsilon: self.epsilon, allowed, except, held_out: false });
                wrong.note(i as usize, searcher);
                out.iter_mut().zip(searcher.found()).for_each(|(out, found)| *out = *found);
            },
        );
        wrong.check()?;
        Ok(collect(k, &ids, &answers, &stats))
    }

    fn count(&self) -> usize {
        match self.asked {
            Asked::Points(queries) => queries.n(),
            Asked::Ids(ids) => ids.len(),
        }
    }

    fn set_query(&self, i: usize, places: &[u32], room: &mut Vec<f32>, searcher: &mut Searcher) {
        match self.asked {
            Asked::Points(queries) => searcher.set_query(queries.query_row(i, room)),
            Asked::Ids(_) => searcher.set_own_query(places[i]),
        }
    }

    /// Queries, and where their searches begin, in the order of the entries that they are nearest to: what one reads is still in
    /// cache for the next. Few queries stay in their order.
    fn order(&self, places: &[u32], wrong: &WrongPair) -> Vec<(Option<Starts>, u32)> {
        let count = self.count() as u32;
        if self.count() < FEW {
            return (0..count).map(|i| (None, i)).collect();
        }
        let room = || (self.index.searcher(), Vec::new());
        let starts = |(searcher, room): &mut (Searcher, Vec<f32>), i: u32| {
            self.set_query(i as usize, places, room, searcher);
            let starts = searcher.starts();
            wrong.note(i as usize, searcher);
            (Some(starts), i)
        };
        let mut order: Vec<_> = (0..count).into_par_iter().with_min_len(16).map_init(room, starts).collect();
        order.sort_unstable_by_key(|(starts, i)| (starts.map(|s| id(s.rows[0])), *i));
        order
    }

    /// The rows of the points asked for by id.
    fn check(&self) -> Result<Vec<u32>, IndexError> {
        self.index.check_epsilon(self.epsilon)?;
        self.index.check_k(self.k)?;
        match self.asked {
            Asked::Points(queries) => self.index.check_queries(&queries).map(|()| Vec::new()),
            Asked::Ids(ids) => {
                // A point is not among its own neighbours.
                let others = self.index.n() - 1;
                if self.k > others {
                    return Err(IndexError::TooManyNeighbors { k: self.k, n: others });
                }
                self.index.rows_of_ids(ids)
            }
        }
    }
}

/// The first query with a distance that is no number, and the item that it is to.
#[derive(Default)]
struct WrongPair(FirstNonFinite);

impl WrongPair {
    /// Remembers what the searcher met, for query `i`.
    fn note(&self, i: usize, searcher: &Searcher) {
        if let Some(item) = searcher.wrong_item() {
            self.0.note(i as u32, item);
        }
    }

    fn check(&self) -> Result<(), IndexError> {
        match self.0.get() {
            None => Ok(()),
            Some((query, item)) => {
                Err(BuildError::QueryDistance { query: query as usize, item: item as usize, reason: None }.into())
            }
        }
    }
}

/// From the order of the search to the order that was asked in.
fn collect(k: usize, order: &[u32], answers: &[(f32, u32)], answer_stats: &[QueryStats]) -> Hits {
    let mut indices = vec![KnnGraph::NO_NEIGHBOR; answers.len()];
    let mut distances = vec![f32::INFINITY; answers.len()];
    let mut stats = vec![QueryStats::default(); order.len()];
    for ((row, cost), &i) in answers.chunks_exact(k).zip(answer_stats).zip(order) {
        let at = i as usize * k;
        stats[i as usize] = *cost;
        for (to, (d, id)) in row.iter().enumerate() {
            distances[at + to] = *d;
            indices[at + to] = *id;
        }
    }
    Hits { k, indices, distances, stats }
}

impl QueryStats {
    fn plus(self, other: Self) -> Self {
        Self { distances: self.distances + other.distances, hops: self.hops + other.hops }
    }
}
