//! Queries: what is asked, and what is found.

use rayon::prelude::*;

use crate::graph::order::{Neighbor, id};
use crate::points::Points;

use super::beam::{QueryStats, Reach, Scratch};
use super::{Index, IndexError};

/// What queries found: a row for each, ascending by (distance, id).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Hits {
    /// Neighbours of each query.
    pub k: usize,
    /// Ids of points, `queries x k`.
    pub indices: Vec<u32>,
    /// True distances, `queries x k`.
    pub distances: Vec<f32>,
    /// What all queries together cost.
    pub stats: QueryStats,
}

impl Hits {
    /// Ids that query `i` found, nearest first.
    #[must_use]
    pub fn neighbors(&self, i: usize) -> &[u32] {
        &self.indices[i * self.k..(i + 1) * self.k]
    }

    /// Their distances.
    #[must_use]
    pub fn row_distances(&self, i: usize) -> &[f32] {
        &self.distances[i * self.k..(i + 1) * self.k]
    }
}

/// A batch of queries to be run. Every setting has a default.
#[must_use]
pub struct QueryBuilder<'a> {
    index: &'a Index,
    queries: &'a Points<'a>,
    k: usize,
    epsilon: f32,
}

/// PyNNDescent's.
const EPSILON: f32 = 0.1;
/// Batches of fewer queries are answered in the order given.
const FEW: usize = 256;

impl Index {
    /// The `k` nearest points of every query, once [`QueryBuilder::run`].
    pub fn query<'a>(&'a self, queries: &'a Points<'a>, k: usize) -> QueryBuilder<'a> {
        QueryBuilder { index: self, queries, k, epsilon: EPSILON }
    }
}

impl QueryBuilder<'_> {
    /// How much farther than the k-th best so far a point may be, to be followed: PyNNDescent's bound, relative to reduced
    /// distances (squared for euclidean). Default 0.1; 0 is fastest, 0.3 thorough.
    pub fn epsilon(mut self, epsilon: f32) -> Self {
        self.epsilon = epsilon;
        self
    }

    /// Searches, in the rayon pool it is called from.
    ///
    /// # Errors
    /// Queries of another width than the points, `k` zero or more than there are points, an epsilon below zero.
    ///
    /// # Complexity
    /// A few hundred distances a query on most data.
    pub fn run(self) -> Result<Hits, IndexError> {
        self.check()?;
        let (count, k) = (self.queries.n(), self.k);
        let order = self.order();
        let mut found = vec![(0f32, 0u32); count * k];
        let stats: QueryStats = found
            .par_chunks_mut(k)
            .zip(&order)
            .with_min_len(16)
            .map_init(Searcher::default, |searcher, (found, &i)| searcher.answer(&self, i as usize, found))
            .reduce(QueryStats::default, QueryStats::plus);
        let mut indices = vec![0u32; count * k];
        let mut distances = vec![0f32; count * k];
        for (found, &i) in found.chunks_exact(k).zip(&order) {
            let at = i as usize * k;
            for (to, (d, id)) in found.iter().enumerate() {
                distances[at + to] = *d;
                indices[at + to] = *id;
            }
        }
        Ok(Hits { k, indices, distances, stats })
    }

    /// Queries in the order of the entries that they are nearest to, so that what one reads is still in cache for the next.
    fn order(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.queries.n() as u32).collect();
        if order.len() < FEW {
            return order;
        }
        let mut keys: Vec<(u32, u32)> = order
            .par_iter()
            .with_min_len(16)
            .map_init(Searcher::default, |searcher, &i| (searcher.nearest_entry(self, i as usize), i))
            .collect();
        keys.sort_unstable();
        order.iter_mut().zip(keys).for_each(|(to, (_, i))| *to = i);
        order
    }

    fn check(&self) -> Result<(), IndexError> {
        let (index, k) = (self.index, self.k);
        if self.queries.dim() != index.dim() {
            return Err(IndexError::Dimension { found: self.queries.dim(), expected: index.dim() });
        }
        if k == 0 {
            return Err(IndexError::Parameter { name: "k", value: "0".into(), range: "at least 1".into() });
        }
        if k > index.n() {
            return Err(IndexError::TooManyNeighbors { k, n: index.n() });
        }
        if !(self.epsilon >= 0.0 && self.epsilon.is_finite()) {
            let value = self.epsilon.to_string();
            return Err(IndexError::Parameter { name: "epsilon", value, range: "at least 0".into() });
        }
        Ok(())
    }
}

impl QueryStats {
    fn plus(self, other: Self) -> Self {
        Self { distances: self.distances + other.distances, hops: self.hops + other.hops }
    }
}

/// Room for the queries of one thread.
#[derive(Default)]
struct Searcher {
    scratch: Scratch,
    values: Vec<f32>,
    found: Vec<(f32, u32)>,
    rows: Vec<u32>,
    distances: Vec<f32>,
}

/// Rows ranked anew beyond the k that are wanted: docs/PERFORMANCE.md, "Quantization".
fn width(k: usize) -> usize {
    k + (k / 2).max(8)
}

impl Searcher {
    fn set_query(&mut self, asked: &QueryBuilder, i: usize) {
        self.values.resize(asked.index.dim(), 0.0);
        asked.queries.as_dense().widen_row(i, &mut self.values);
        asked.index.rows.set_query(&self.values, &mut self.scratch.query);
    }

    fn nearest_entry(&mut self, asked: &QueryBuilder, i: usize) -> u32 {
        let index = asked.index;
        self.set_query(asked, i);
        index.rows.to_many(&self.scratch.query, &index.entries, &mut self.distances);
        let nearest = index.entries.iter().zip(&self.distances).min_by(|a, b| a.1.total_cmp(b.1));
        nearest.map_or(0, |(&row, _)| row)
    }

    fn answer(&mut self, asked: &QueryBuilder, i: usize, out: &mut [(f32, u32)]) -> QueryStats {
        let index = asked.index;
        self.set_query(asked, i);
        self.scratch.stats = QueryStats::default();
        let reach = Reach { k: asked.k, width: width(asked.k), epsilon: asked.epsilon, allowed: None };
        let found = index.field().search(reach, &mut self.scratch);
        self.rows.clear();
        self.rows.extend(found.iter().take(reach.width).map(|&f: &Neighbor| id(f)));
        self.rank(index);
        out.copy_from_slice(&self.found[..asked.k]);
        self.scratch.stats
    }

    /// The rows found by their true distances, as points.
    fn rank(&mut self, index: &Index) {
        index.rows.reduced(&self.scratch.query, &self.rows, &mut self.distances);
        let metric = index.metric();
        let point = |(&row, &d): (&u32, &f32)| (metric.to_true(d, index.dim()), index.order[row as usize]);
        self.found.clear();
        self.found.extend(self.rows.iter().zip(&self.distances).map(point));
        self.found.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    }
}
