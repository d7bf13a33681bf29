//! The search index over a neighbour graph: prepare once, query often.

mod adjacency;
mod beam;
mod change;
mod connect;
mod dense_rows;
mod diversify;
mod entries;
mod error;
mod file;
mod filter;
mod item_store;
mod options;
mod prepare;
mod query;
mod rows;
mod rows_file;
mod searcher;
mod sparse_store;
mod stored;
mod tune;
mod visited;

pub use beam::QueryStats;
pub use error::IndexError;
pub use options::{DiversifyMethod, Prepare, Quantization};
pub use query::{Hits, QueryBuilder, RadiusHits};
pub use searcher::Searcher;
pub use tune::Tuning;

use std::fmt;

use crate::error::BuildError;
use crate::graph::KnnGraph;
use crate::metric::Metric;
use crate::points::Points;
use crate::storage::Storage;

use adjacency::Adjacency;
use beam::Field;
use entries::Entries;
use options::PreparePlan;
use rows::{RowKind, SearchRows};

/// Points prepared for searching: a diversified graph, and the points' values in an order that suits it.
///
/// Made by [`crate::NnDescent::index`], or from any neighbour graph by [`Prepare::index`].
pub struct Index {
    rows: SearchRows,
    graph: Adjacency,
    /// The point that each row is.
    order: Storage<u32>,
    entries: Entries,
    /// The smallest reduced distance between neighbours, in the traversal's unit.
    nearest: f32,
    /// A bit for every row that was removed; as many words as there are such rows to be told.
    removed: Storage<u64>,
    n_removed: usize,
    /// Most edges of a row, but for those that make rows reachable.
    max_degree: usize,
    /// See [`Index::end_id`].
    end_id: u32,
    /// What [`Index::tune`] found.
    tuned: Option<f32>,
}

/// Bytes that an index holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct IndexMemory {
    /// In memory of its own.
    pub owned: usize,
    /// In a mapped file: read as needed, and given back when memory is short.
    pub mapped: usize,
    /// Of both: points, and their compressed copy. A user's own items are not counted.
    pub rows: usize,
    /// Of both: edges, ids, entries.
    pub graph: usize,
}

/// PyNNDescent's.
const EPSILON: f32 = 0.1;

impl Index {
    fn prepare(points: &Points, metric: &Metric, graph: &KnnGraph, plan: &PreparePlan) -> Result<Self, IndexError> {
        let too_many = IndexError::TooManyEdges { n: points.n(), max_degree: plan.max_degree };
        let prepared = prepare::prepare(points, metric, graph, plan)?.ok_or(too_many)?;
        let entries = Entries::choose(&prepared.rows, points.n());
        let mut index = Self {
            rows: prepared.rows,
            graph: prepared.graph,
            order: prepared.order.into(),
            entries,
            nearest: prepared.nearest,
            removed: Vec::new().into(),
            n_removed: 0,
            max_degree: plan.max_degree,
            end_id: points.n() as u32,
            tuned: None,
        };
        index.connect();
        index.check_distances()?;
        Ok(index)
    }

    /// What turned out, since the last call, to be no distance.
    fn check_distances(&mut self) -> Result<(), IndexError> {
        let id = |row: u32| self.order[row as usize] as usize;
        match self.rows.take_wrong_pair() {
            Some((a, b)) => Err(BuildError::CustomDistance { a: id(a), b: id(b), reason: None }.into()),
            None => Ok(()),
        }
    }

    /// Number of points.
    #[must_use]
    pub fn n(&self) -> usize {
        self.order.len() - self.n_removed
    }

    /// One more than the largest id that a point has or had.
    #[must_use]
    pub fn end_id(&self) -> usize {
        self.end_id as usize
    }

    /// Epsilon of queries that do not say: what [`Index::tune`] found, else 0.1.
    #[must_use]
    pub fn epsilon(&self) -> f32 {
        self.tuned.unwrap_or(EPSILON)
    }

    /// Number of columns.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.rows.dim
    }

    /// The metric.
    #[must_use]
    pub fn metric(&self) -> &Metric {
        &self.rows.metric
    }

    /// Edges of the search graph.
    #[must_use]
    pub fn n_edges(&self) -> usize {
        self.graph.edges()
    }

    fn is_removed(&self, row: u32) -> bool {
        searcher::has_bit(&self.removed, row)
    }

    /// Rows that were not removed.
    fn present_rows(&self) -> impl Iterator<Item = u32> {
        (0..self.graph.n() as u32).filter(|&row| !self.is_removed(row))
    }

    /// The rows of points.
    fn rows_of_ids(&self, ids: &[u32]) -> Result<Vec<u32>, IndexError> {
        let end = self.end_id();
        let mut place = vec![KnnGraph::NO_NEIGHBOR; end];
        for row in self.present_rows() {
            // Ids beyond the end are those of a damaged file.
            if let Some(place) = place.get_mut(self.order[row as usize] as usize) {
                *place = row;
            }
        }
        let row = |&id: &u32| match place.get(id as usize) {
            Some(&row) if row != KnnGraph::NO_NEIGHBOR => Ok(row),
            _ => Err(IndexError::UnknownId { id, end }),
        };
        ids.iter().map(row).collect()
    }

    fn field(&self) -> Field<'_> {
        Field { rows: &self.rows, graph: &self.graph, entries: &self.entries, nearest: self.nearest }
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let traversal = match &self.rows.kind {
            RowKind::Dense(rows, _) => rows.traversal.name(),
            RowKind::Sparse(_) => "sparse",
            RowKind::Bits(_) => "bits",
            RowKind::Items(_) => "items",
        };
        f.debug_struct("Index")
            .field("n", &self.n())
            .field("dim", &self.dim())
            .field("metric", &self.metric())
            .field("traversal", &traversal)
            .finish_non_exhaustive()
    }
}
