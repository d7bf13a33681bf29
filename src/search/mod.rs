//! The search index over a neighbour graph: prepare once, query often.

mod adjacency;
mod beam;
mod connect;
mod diversify;
mod error;
mod options;
mod prepare;
mod query;
mod rows;
mod stored;
mod visited;

pub use beam::QueryStats;
pub use error::IndexError;
pub use options::{DiversifyMethod, Prepare, Quantization};
pub use query::{Hits, QueryBuilder};

use std::fmt;

use crate::graph::KnnGraph;
use crate::metric::Metric;
use crate::points::Points;
use crate::rng::{below, hash};
use crate::section::Section;

use adjacency::Adjacency;
use beam::Field;
use options::PreparePlan;
use rows::{SearchRows, Traversal};

/// Points prepared for searching: a diversified graph, and the points' values in an order that suits it.
///
/// Made by [`crate::NnDescent::index`], or from any neighbour graph by [`Prepare::index`].
pub struct Index {
    rows: SearchRows,
    graph: Adjacency,
    /// The point that each row is.
    order: Section<u32>,
    /// Rows that every search begins with.
    entries: Section<u32>,
    /// The smallest reduced distance between neighbours, in the traversal's unit.
    nearest: f32,
    /// The type of the points that it was made of.
    type_name: &'static str,
}

/// Rows that every search begins with: docs/PERFORMANCE.md, "Entries".
const ENTRIES: usize = 64;

impl Index {
    fn prepare(points: &Points, metric: Metric, graph: &KnnGraph, plan: &PreparePlan) -> Result<Self, IndexError> {
        let points = points.as_dense();
        let type_name = points.type_name();
        let too_many = IndexError::TooManyEdges { n: points.n(), max_degree: plan.max_degree };
        let prepared = prepare::prepare(points, metric, graph, plan).ok_or(too_many)?;
        let entries = entries(points.n(), plan);
        let mut index = Self {
            rows: prepared.rows,
            graph: prepared.graph,
            order: prepared.order.into(),
            entries: entries.into(),
            nearest: prepared.nearest,
            type_name,
        };
        index.connect();
        Ok(index)
    }

    /// Number of points.
    #[must_use]
    pub fn n(&self) -> usize {
        self.order.len()
    }

    /// Number of columns.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.rows.dim
    }

    /// The metric.
    #[must_use]
    pub fn metric(&self) -> Metric {
        self.rows.metric
    }

    /// Edges of the search graph.
    #[must_use]
    pub fn n_edges(&self) -> usize {
        self.graph.edges()
    }

    fn field(&self) -> Field<'_> {
        Field { rows: &self.rows, graph: &self.graph, entries: &self.entries, nearest: self.nearest }
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let traversal = match &self.rows.traversal {
            Traversal::Values => "values",
            Traversal::Halves(_) => "f16",
            Traversal::Codes(_) => "u8 codes",
        };
        f.debug_struct("Index")
            .field("n", &self.n())
            .field("dim", &self.dim())
            .field("metric", &self.metric())
            .field("traversal", &traversal)
            .finish_non_exhaustive()
    }
}

/// One row from each of so many equal ranges: rows lie in an order of neighbourhoods, so these are spread.
fn entries(n: usize, plan: &PreparePlan) -> Vec<u32> {
    let count = ENTRIES.min(n);
    (0..count)
        .map(|s| {
            let (from, to) = (s * n / count, (s + 1) * n / count);
            (from + below(hash(plan.diversify.seed, 0xe47, s as u64, 0), to - from)) as u32
        })
        .collect()
}
