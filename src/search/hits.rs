//! What searches find.

use crate::graph::{KnnGraph, Neighbor, known};

/// What the search of one query cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct QueryStats {
    /// Distances evaluated.
    pub distances: u64,
    /// Rows whose neighbours were looked at.
    pub hops: u64,
}

impl QueryStats {
    fn plus(self, other: Self) -> Self {
        Self { distances: self.distances + other.distances, hops: self.hops + other.hops }
    }
}

fn total(stats: &[QueryStats]) -> QueryStats {
    stats.iter().copied().fold(QueryStats::default(), QueryStats::plus)
}

/// What a batch of queries found: a row of `k` neighbours for each query, ascending by (distance, id), with the
/// accessors of [`KnnGraph`].
///
/// Rows are complete unless a filter allows fewer than `k` points, or [`SearchOptions::pad`](super::SearchOptions::pad)
/// lets `k` be more than there are: then they end with [`KnnGraph::NO_NEIGHBOR`] and infinite distances.
///
/// ```
/// use nndescent::{Metric, NnDescent, Points, SearchOptions};
///
/// let data: Vec<f32> = (0..300 * 4).map(|i| ((i * 37) % 101) as f32).collect();
/// let points = Points::dense(&data, 300, 4)?;
/// let index = NnDescent::new(Metric::Euclidean).index(&points)?.index;
/// let hits = index.query(&points, 3, &SearchOptions::new())?;
/// for i in 0..hits.n() {
///     for neighbor in hits.neighbors(i) {
///         assert!(neighbor.distance >= 0.0 && neighbor.id < 300);
///     }
/// }
/// assert_eq!(hits.ids(7).len(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Hits {
    pub(super) graph: KnnGraph,
    pub(super) stats: Vec<QueryStats>,
}

impl Hits {
    /// Number of queries.
    #[must_use]
    pub fn n(&self) -> usize {
        self.graph.n()
    }

    /// Neighbours of each query.
    #[must_use]
    pub fn k(&self) -> usize {
        self.graph.k()
    }

    /// Ids that query `i` found, nearest first.
    ///
    /// # Panics
    /// If there is no query `i`.
    #[must_use]
    pub fn ids(&self, i: usize) -> &[u32] {
        self.graph.ids(i)
    }

    /// Their true distances.
    ///
    /// # Panics
    /// If there is no query `i`.
    #[must_use]
    pub fn distances(&self, i: usize) -> &[f32] {
        self.graph.distances(i)
    }

    /// What query `i` found, nearest first, without padding.
    ///
    /// # Panics
    /// If there is no query `i`.
    pub fn neighbors(&self, i: usize) -> impl Iterator<Item = Neighbor> {
        self.graph.neighbors(i)
    }

    /// All ids, query after query (`n x k`).
    #[must_use]
    pub fn all_ids(&self) -> &[u32] {
        self.graph.all_ids()
    }

    /// All distances, query after query (`n x k`).
    #[must_use]
    pub fn all_distances(&self) -> &[f32] {
        self.graph.all_distances()
    }

    /// The same as a graph from queries to points.
    #[must_use]
    pub fn graph(&self) -> &KnnGraph {
        &self.graph
    }

    /// The same, taken out.
    #[must_use]
    pub fn into_graph(self) -> KnnGraph {
        self.graph
    }

    /// What each query cost; empty if [`SearchOptions::counters`](super::SearchOptions::counters) are off.
    #[must_use]
    pub fn stats(&self) -> &[QueryStats] {
        &self.stats
    }

    /// What all queries cost together.
    #[must_use]
    pub fn total(&self) -> QueryStats {
        total(&self.stats)
    }
}

/// What radius queries found: any number of points for each, ascending by (distance, id).
#[derive(Debug, Clone, PartialEq)]
pub struct RadiusHits {
    /// Where each query's points begin, and the end of the last.
    pub(super) offsets: Vec<usize>,
    pub(super) ids: Vec<u32>,
    pub(super) distances: Vec<f32>,
    pub(super) stats: Vec<QueryStats>,
}

impl RadiusHits {
    /// Number of queries.
    #[must_use]
    pub fn n(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Ids that query `i` found, nearest first.
    ///
    /// # Panics
    /// If there is no query `i`.
    #[must_use]
    pub fn ids(&self, i: usize) -> &[u32] {
        &self.ids[self.offsets[i]..self.offsets[i + 1]]
    }

    /// Their true distances.
    ///
    /// # Panics
    /// If there is no query `i`.
    #[must_use]
    pub fn distances(&self, i: usize) -> &[f32] {
        &self.distances[self.offsets[i]..self.offsets[i + 1]]
    }

    /// What query `i` found, nearest first.
    ///
    /// # Panics
    /// If there is no query `i`.
    pub fn neighbors(&self, i: usize) -> impl Iterator<Item = Neighbor> {
        known(self.ids(i), self.distances(i))
    }

    /// Where the points of each query begin in [`RadiusHits::all_ids`], and the end of the last: `n + 1` numbers.
    #[must_use]
    pub fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// All ids, query after query.
    #[must_use]
    pub fn all_ids(&self) -> &[u32] {
        &self.ids
    }

    /// All distances, query after query.
    #[must_use]
    pub fn all_distances(&self) -> &[f32] {
        &self.distances
    }

    /// What each query cost; empty if [`SearchOptions::counters`](super::SearchOptions::counters) are off.
    #[must_use]
    pub fn stats(&self) -> &[QueryStats] {
        &self.stats
    }

    /// What all queries cost together.
    #[must_use]
    pub fn total(&self) -> QueryStats {
        total(&self.stats)
    }
}
