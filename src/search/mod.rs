//! The search index over a neighbour graph: prepare once, query often.
//!
//! [`IndexOptions`] prepares an [`Index`] (`prepare`): pruned edges, reverse edges, entries. Its rows are of one kind
//! each (`rows`). A search is `beam.rs`; `searcher.rs` answers one query with it, `batch.rs` and `radius.rs` many.
//! `change.rs` adds, updates and removes points, `file.rs` saves and opens.

mod adjacency;
mod attempt;
mod batch;
mod beam;
mod change;
mod check;
mod eligible;
mod error;
mod file;
mod filter;
mod hits;
mod link;
mod options;
mod prepare;
mod quantization;
mod radius;
mod rows;
mod searcher;
mod ticker;
mod tombstones;
mod tune;
mod update_graph;
mod visited;

pub use error::IndexError;
pub use file::IndexLock;
pub use hits::{Hits, QueryStats, RadiusHits};
pub use options::{DiversifyMethod, IndexOptions, SearchOptions};
pub use quantization::Quantization;
pub use searcher::SearchScratch;
pub use tune::Tuning;

use std::fmt;
use std::sync::Arc;

use crate::error::SearchError;
use crate::graph::KnnGraph;
use crate::metric::Metric;
use crate::points::Points;
use crate::progress::Phase;
use crate::storage::Storage;

use adjacency::Adjacency;
use beam::SearchGraph;
use options::IndexPlan;
use prepare::entries::Entries;
use rows::{IndexRows, SearchRows};
use ticker::{Ticker, Watcher};

/// Points prepared for searching: a diversified graph, and the points' values in an order that suits it.
///
/// Made by [`NnDescent::index`](crate::NnDescent::index), or from any neighbour graph by [`IndexOptions::index`]. The
/// points are copied, so that near ones lie together; they are not needed afterwards. Cloning shares the data: readers
/// keep a snapshot while a writer changes its own.
///
/// ```
/// use nndescent::{Metric, NnDescent, Points, SearchOptions};
///
/// let data: Vec<f32> = (0..1000 * 8).map(|i| ((i * 37) % 101) as f32).collect();
/// let points = Points::dense(&data, 1000, 8)?;
/// let index = NnDescent::new(Metric::Euclidean).index(&points)?.index;
///
/// for neighbor in index.nearest(&[50.0; 8], 3)? {
///     println!("{} at {}", neighbor.id, neighbor.distance);
/// }
/// let hits = index.query(&points, 10, &SearchOptions::new().epsilon(0.2))?;
/// assert_eq!(hits.distances(0)[0], 0.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Index {
    rows: Arc<SearchRows>,
    graph: Adjacency,
    /// The point of each row.
    order: Storage<u32>,
    entries: Entries,
    /// The smallest reduced distance between neighbours.
    nearest: f32,
    /// A bit for every row that was removed; as many words as it takes to hold those set.
    removed: Storage<u64>,
    n_removed: usize,
    /// Most edges of a row, but for those that make rows reachable.
    max_degree: usize,
    /// See [`Index::id_bound`].
    id_bound: u32,
    /// What [`Index::tune`] found: an epsilon.
    tuned: Option<f32>,
    /// The same: whether to traverse by the values although there is a compressed copy.
    by_values: bool,
    /// See [`Index::center`]; empty if there is none.
    center: Storage<f64>,
}

/// Bytes that an index holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct IndexMemory {
    /// In memory of its own, clones of the index counted once each.
    pub owned: usize,
    /// In a mapped file: read as needed, and given back when memory is short.
    pub mapped: usize,
    /// Of both: points, and their compressed copy. Custom items are not counted.
    pub rows: usize,
    /// Of both: edges, ids, entries.
    pub graph: usize,
}

/// PyNNDescent's.
const EPSILON: f32 = 0.1;

impl Index {
    fn prepare(
        points: &Points,
        metric: &Metric,
        graph: &KnnGraph,
        plan: &IndexPlan,
        progress: Option<&Watcher>,
    ) -> Result<Self, IndexError> {
        let ticker = Ticker::new(progress, Phase::Prepare, prepare::PASSES * points.n());
        let prepared = prepare::prepare(points, metric, graph, plan, &ticker)?;
        let entries = Entries::choose_among(&prepared.rows, &prepared.distinct, points.n());
        let mut index = Self {
            rows: Arc::new(prepared.rows),
            graph: prepared.graph,
            order: prepared.order.into(),
            entries,
            nearest: prepared.nearest,
            removed: Vec::new().into(),
            n_removed: 0,
            max_degree: plan.max_degree,
            id_bound: points.n() as u32,
            tuned: None,
            by_values: false,
            center: Vec::new().into(),
        };
        index.connect();
        index.cover_if_needed(&prepared.distinct, graph);
        index.check_distances()?;
        Ok(index)
    }

    /// The least two items whose distance turned out, since the last call, not to be finite.
    fn wrong_items(&self) -> Option<(usize, usize)> {
        let id = |row: u32| self.order[row as usize] as usize;
        self.rows.take_wrong_pair().map(|(a, b)| (id(a), id(b)))
    }

    /// Number of points.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len() - self.n_removed
    }

    /// Whether there are no points: they were removed. Queries then find nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One more than the largest id that a point has or had.
    #[must_use]
    pub fn id_bound(&self) -> usize {
        self.id_bound as usize
    }

    /// The ids of all points, ascending.
    ///
    /// ```
    /// use nndescent::{Metric, NnDescent, Points};
    ///
    /// let data: Vec<f32> = (0..20).map(|i| i as f32).collect();
    /// let mut index = NnDescent::new(Metric::Euclidean).index(&Points::dense(&data, 10, 2)?)?.index;
    /// index.remove(&[0, 3, 4, 5, 6, 9])?;
    /// assert_eq!(index.ids(), [1, 2, 7, 8]);
    /// assert!(index.contains(7) && !index.contains(9));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn ids(&self) -> Vec<u32> {
        let mut ids: Vec<u32> = self.present_rows().map(|row| self.order[row as usize]).collect();
        ids.sort_unstable();
        ids
    }

    /// Whether a point has this id: a pass over all ids.
    #[must_use]
    pub fn contains(&self, id: u32) -> bool {
        self.present_rows().any(|row| self.order[row as usize] == id)
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

    /// What searches can traverse by: what came of [`IndexOptions::quantization`].
    #[must_use]
    pub fn quantization(&self) -> Quantization {
        self.rows.quantization()
    }

    /// The type of the points as they were given: `float32`, `float16`, `uint8`, `int8`, `bits`, `sparse` or `items`.
    #[must_use]
    pub fn value_type(&self) -> &'static str {
        self.rows.given.name()
    }

    /// What [`Index::set_center`] noted: subtracted from every point before it was given to this index.
    #[must_use]
    pub fn center(&self) -> Option<&[f64]> {
        (!self.center.is_empty()).then_some(&self.center)
    }

    /// Notes what was subtracted from the columns of the points before the index was made, so that whoever opens its
    /// file can subtract it from queries and new points, too. Nothing here does so: it takes f64, and the index holds
    /// f32 at most; [`Index::vectors`] gives points without their centre, too. `io::Center` chooses it.
    ///
    /// # Errors
    /// Another number of values than columns, or one that is not finite.
    pub fn set_center(&mut self, center: &[f64]) -> Result<(), IndexError> {
        if center.len() != self.dim() {
            return Err(IndexError::Dimension { found: center.len(), expected: self.dim() });
        }
        if let Some(value) = center.iter().find(|value| !value.is_finite()) {
            let (value, range) = (value.to_string(), "finite".into());
            return Err(IndexError::Parameter { name: "center", value, range });
        }
        self.center = center.to_vec().into();
        Ok(())
    }

    /// Most edges of a point, but for those that make points reachable: the graph's neighbours times
    /// [`IndexOptions::pruning_degree_multiplier`].
    #[must_use]
    pub fn max_degree(&self) -> usize {
        self.max_degree
    }

    /// Edges of the search graph.
    #[must_use]
    pub fn n_edges(&self) -> usize {
        self.graph.edges()
    }

    /// The values of a point, as they were given: see [`Index::vectors`].
    ///
    /// # Errors
    /// Same as [`Index::vectors`].
    pub fn vector(&self, id: u32) -> Result<Vec<f32>, SearchError> {
        self.vectors(&[id])
    }

    /// The values of points, as they were given, `ids x dim`: of dense points as f32, of bits 0 or 1.
    ///
    /// # Errors
    /// An id that no point has; sparse rows, items, and metrics for which an index only keeps transformed values.
    ///
    /// # Complexity
    /// A pass over all ids, and a copy of each point.
    pub fn vectors(&self, ids: &[u32]) -> Result<Vec<f32>, SearchError> {
        let rows = self.rows_of_ids(ids).map_err(|id| SearchError::UnknownId { id, bound: self.id_bound() })?;
        let mut values = Vec::with_capacity(ids.len() * self.dim());
        for row in rows {
            let row = self.rows.values(row);
            values.extend(row.ok_or(SearchError::NoValues { rows: self.rows.given.name() })?);
        }
        Ok(values)
    }

    fn is_removed(&self, row: u32) -> bool {
        searcher::has_bit(&self.removed, row)
    }

    /// Rows that were not removed.
    fn present_rows(&self) -> impl Iterator<Item = u32> {
        (0..self.graph.n() as u32).filter(|&row| !self.is_removed(row))
    }

    /// The rows of points; else the first id that no point has.
    fn rows_of_ids(&self, ids: &[u32]) -> Result<Vec<u32>, u32> {
        let mut asked: Vec<u32> = ids.to_vec();
        asked.sort_unstable();
        asked.dedup();
        let mut found = vec![None; asked.len()];
        for row in self.present_rows() {
            if let Ok(at) = asked.binary_search(&self.order[row as usize]) {
                found[at] = Some(row);
            }
        }
        let row = |id: &u32| asked.binary_search(id).ok().and_then(|at| found[at]).ok_or(*id);
        ids.iter().map(row).collect()
    }

    fn search_graph(&self) -> SearchGraph<'_> {
        let by_products = *self.metric() == Metric::InnerProduct;
        let (rows, graph, entries) = (&*self.rows, &self.graph, &self.entries);
        SearchGraph { rows, graph, entries, nearest: self.nearest, by_products }
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index")
            .field("n", &self.len())
            .field("dim", &self.dim())
            .field("metric", &self.metric())
            .field("traversal", &self.rows.describe())
            .finish_non_exhaustive()
    }
}
