//! What users ask of an index and of a search, and the checked plan of an index.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use half::f16;
use rayon::prelude::*;

use crate::dataset::Dataset;
use crate::graph::KnnGraph;
use crate::metric::Metric;
use crate::params::INDEX_NEIGHBORS;
use crate::points::{Dense, DenseValues, Points};
use crate::progress::Progress;
use crate::rows::dense::codes;

use super::filter::Filter;
use super::quantization::Quantization;
use super::ticker::Watcher;
use super::{Index, IndexError};

/// How a row's neighbours are diversified.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum DiversifyMethod {
    /// A neighbour is dropped if a nearer one leads to it.
    #[default]
    Standard,
    /// Edges to rows that very many others point to are dropped more readily.
    DegreeAware {
        /// 1: a path up to 4 % longer replaces an edge to a row of twice the largest degree. PyNNDescent's
        /// `degree_prune_aggressiveness`.
        aggressiveness: f32,
    },
}

/// How an index is made from a neighbour graph. Every setting has a default.
///
/// ```
/// use nndescent::{IndexOptions, Metric, NnDescent, Points, Quantization};
///
/// let data: Vec<f32> = (0..500 * 64).map(|i| ((i * 37) % 101) as f32).collect();
/// let points = Points::dense(&data, 500, 64)?;
/// let graph = NnDescent::new(Metric::Euclidean).n_neighbors(20).graph(&points)?.graph;
/// let options = IndexOptions::new().prefer_quantization(Quantization::U8);
/// let index = options.index(&points, &Metric::Euclidean, &graph)?;
/// assert_eq!(index.quantization(), Quantization::U8);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct IndexOptions {
    diversify_prob: f32,
    pruning_degree_multiplier: f32,
    method: DiversifyMethod,
    quantization: Quantization,
    /// Whether the quantization is wanted only where it is possible.
    is_wish: bool,
    seed: u64,
}

impl Default for IndexOptions {
    fn default() -> Self {
        Self {
            diversify_prob: 1.0,
            pruning_degree_multiplier: 1.5,
            method: DiversifyMethod::default(),
            quantization: Quantization::default(),
            is_wish: false,
            seed: 0,
        }
    }
}

impl IndexOptions {
    /// All defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Probability that an edge is dropped where a nearer neighbour leads to its end, 0 to 1. Default 1. Less makes
    /// searches slower and more exact.
    #[must_use]
    pub fn diversify_prob(mut self, probability: f32) -> Self {
        self.diversify_prob = probability;
        self
    }

    /// Most edges of a row, as a multiple of the graph's neighbours (30 for a graph of all points with all others,
    /// if that is more): above 0, at most 100. Default 1.5.
    #[must_use]
    pub fn pruning_degree_multiplier(mut self, multiplier: f32) -> Self {
        self.pruning_degree_multiplier = multiplier;
        self
    }

    /// How edges are chosen. Default [`DiversifyMethod::Standard`].
    #[must_use]
    pub fn diversify_method(mut self, method: DiversifyMethod) -> Self {
        self.method = method;
        self
    }

    /// What searches traverse the graph by; an error where that is not possible. Default [`Quantization::Auto`].
    #[must_use]
    pub fn quantization(mut self, quantization: Quantization) -> Self {
        (self.quantization, self.is_wish) = (quantization, false);
        self
    }

    /// What searches traverse the graph by where that is possible, else [`Quantization::Auto`]. [`Index::quantization`]
    /// tells what it came to.
    #[must_use]
    pub fn prefer_quantization(mut self, quantization: Quantization) -> Self {
        (self.quantization, self.is_wish) = (quantization, true);
        self
    }

    /// Seed of all randomness. Default 0.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The index over `graph`, which must be a graph of `points`, however it was found. Works in the rayon pool it is
    /// called from.
    ///
    /// # Errors
    /// A setting out of range, a quantization that is not possible, a graph of other points, items that cannot be kept.
    ///
    /// # Complexity
    /// About 100 distances a point.
    pub fn index(&self, points: &Points, metric: &Metric, graph: &KnnGraph) -> Result<Index, IndexError> {
        self.prepare(points, metric, graph, None)
    }

    /// The same; `progress` is called as it goes on, from any thread, and can end it.
    ///
    /// # Errors
    /// Same as [`IndexOptions::index`]; [`IndexError::Cancelled`].
    pub fn index_with_progress(
        &self,
        points: &Points,
        metric: &Metric,
        graph: &KnnGraph,
        progress: impl Fn(&Progress) -> ControlFlow<()> + Send + Sync,
    ) -> Result<Index, IndexError> {
        self.prepare(points, metric, graph, Some(&progress))
    }

    pub(crate) fn prepare(
        &self,
        points: &Points,
        metric: &Metric,
        graph: &KnnGraph,
        progress: Option<&Watcher>,
    ) -> Result<Index, IndexError> {
        points.check_not_empty()?;
        if graph.k() == 0 {
            return Err(out_of_range("k of the graph", 0, "at least 1"));
        }
        Self::check_graph(graph, points.n())?;
        // A graph of all points does not say how many neighbours are wanted where there are more.
        let is_complete = graph.k() + 1 >= points.n();
        let k = if is_complete { graph.k().max(INDEX_NEIGHBORS) } else { graph.k() };
        let plan = self.plan(k, points, metric)?;
        Index::prepare(points, metric, graph, &plan, progress)
    }

    /// Checks that this is a graph of `n` points.
    fn check_graph(graph: &KnnGraph, n: usize) -> Result<(), IndexError> {
        if graph.n() != n {
            return Err(out_of_range("rows of the graph", graph.n(), &format!("{n}, as many as there are points")));
        }
        match graph.all_ids().iter().position(|&id| id != KnnGraph::NO_NEIGHBOR && id as usize >= n) {
            Some(at) => {
                let row = at / graph.k();
                Err(out_of_range("id in the graph", graph.all_ids()[at], &format!("below {n} (row {row})")))
            }
            None => Ok(()),
        }
    }

    /// The settings, checked.
    fn plan(&self, k: usize, points: &Points, metric: &Metric) -> Result<IndexPlan, IndexError> {
        if !(0.0..=1.0).contains(&self.diversify_prob) {
            return Err(out_of_range("diversify_prob", self.diversify_prob, "0 to 1"));
        }
        let multiplier = self.pruning_degree_multiplier;
        if !(multiplier > 0.0 && multiplier <= 100.0) {
            return Err(out_of_range("pruning_degree_multiplier", multiplier, "above 0, at most 100"));
        }
        if let DiversifyMethod::DegreeAware { aggressiveness } = self.method
            && !(0.0..=100.0).contains(&aggressiveness)
        {
            return Err(out_of_range("aggressiveness", aggressiveness, "0 to 100"));
        }
        let quantization = match self.obstacle(points, metric)? {
            None => self.quantization,
            Some(_) if self.is_wish => Quantization::Auto,
            Some(reason) => return Err(IndexError::Quantization { asked: self.quantization, reason }),
        };
        Ok(IndexPlan {
            diversify_prob: self.diversify_prob,
            method: self.method,
            seed: self.seed,
            max_degree: ((k as f32 * multiplier).round() as usize).max(2),
            quantization,
        })
    }

    /// Why the quantization asked for is not possible, if it is not.
    fn obstacle(&self, points: &Points, metric: &Metric) -> Result<Option<String>, IndexError> {
        Ok(match self.quantization {
            Quantization::U8 if !has_codes(points, metric)? => Some(format!(
                "codes serve metrics made of dot products and rows of 48 to 32768 columns, not {metric} and {} columns",
                points.dim()
            )),
            Quantization::F16 => largest(points)
                .filter(|largest| largest.abs() > f32::from(f16::MAX))
                .map(|largest| format!("the value {largest} is beyond 65504")),
            _ => None,
        })
    }
}

/// Whether rows can be kept as codes.
fn has_codes(points: &Points, metric: &Metric) -> Result<bool, IndexError> {
    let dataset = Dataset::new(points, metric)?;
    let dense = dataset.problem().dense();
    Ok(dense.is_some_and(|(dense, kernel)| codes::suits(&dense, kernel.form())))
}

/// The f32 value of the largest size.
fn largest(points: &Points) -> Option<f32> {
    let Some(DenseValues::F32(values)) = points.as_dense().map(Dense::rows) else { return None };
    values.par_iter().copied().reduce_with(|a, b| if a.abs() > b.abs() { a } else { b })
}

fn out_of_range(name: &'static str, value: impl ToString, range: &str) -> IndexError {
    IndexError::Parameter { name, value: value.to_string(), range: range.into() }
}

/// How much nearer than the row a kept neighbour must be to one that is dropped, in reduced distance: DiskANN's alpha,
/// squared for euclidean. docs/PERFORMANCE.md, "Search graph".
pub(super) const SLACK: f32 = 1.15;

/// The settings of [`IndexOptions`], checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct IndexPlan {
    pub diversify_prob: f32,
    pub method: DiversifyMethod,
    pub seed: u64,
    pub max_degree: usize,
    pub quantization: Quantization,
}

/// How an index is searched: by single queries, batches and radius alike. Every setting has a default.
///
/// ```
/// use nndescent::{Metric, NnDescent, Points, SearchOptions};
///
/// let data: Vec<f32> = (0..500 * 8).map(|i| ((i * 37) % 101) as f32).collect();
/// let points = Points::dense(&data, 500, 8)?;
/// let index = NnDescent::new(Metric::Euclidean).index(&points)?.index;
///
/// let even = SearchOptions::new().epsilon(0.2).filter(|id| id % 2 == 0);
/// let hits = index.query(&points, 5, &even)?;
/// assert!(hits.all_ids().iter().all(|id| id % 2 == 0));
/// let within = index.query_radius(&points, 50.0, &even)?;
/// assert!(within.all_ids().iter().all(|id| id % 2 == 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SearchOptions<'a> {
    pub(super) epsilon: Option<f32>,
    pub(super) filter: Option<Filter<'a>>,
    pub(super) exact: bool,
    pub(super) pad: bool,
    pub(super) counters: bool,
    pub(super) progress: Option<Arc<Watcher<'a>>>,
}

impl Default for SearchOptions<'_> {
    fn default() -> Self {
        Self { epsilon: None, filter: None, exact: false, pad: false, counters: true, progress: None }
    }
}

impl<'a> SearchOptions<'a> {
    /// All defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How much farther than the k-th best so far a point may be for the search to follow it: PyNNDescent's bound,
    /// relative to reduced distances (squared for euclidean). With `k` below 8 searches look as far as with 8; queries
    /// by radius look so much beyond the radius. Above -1: 0 is fast, 0.3 thorough, below 0 faster and less exact, as
    /// points near the k-th best are not followed (by radius, the same as 0). Default: what [`Index::tune`] found, else
    /// 0.1.
    #[must_use]
    pub fn epsilon(mut self, epsilon: f32) -> Self {
        self.epsilon = Some(epsilon);
        self
    }

    /// Only points whose id the closure allows are found. A batch asks it once about every point; a single query only
    /// about points that it meets, unless the closure allows few.
    #[must_use]
    pub fn filter(mut self, allowed: impl Fn(u32) -> bool + Send + Sync + 'a) -> Self {
        self.filter = Some(Filter::Closure(Arc::new(allowed)));
        self
    }

    /// Only points whose entry is true are found; one entry for every id below [`Index::id_bound`].
    /// The last filter that is set holds.
    #[must_use]
    pub fn filter_mask(mut self, allowed: &'a [bool]) -> Self {
        self.filter = Some(Filter::Mask(allowed));
        self
    }

    /// Only points with the query's label are found: `labels` has one for every id below [`Index::id_bound`], `wanted`
    /// one for every query.
    /// The last filter that is set holds.
    #[must_use]
    pub fn filter_labels(mut self, labels: &'a [u32], wanted: &'a [u32]) -> Self {
        self.filter = Some(Filter::Labels { labels, wanted });
        self
    }

    /// Whether every query is compared with every point that it may find, by true distances: nothing is missed, at `n`
    /// distances a query. For many queries [`exact::query`](crate::exact::query) is faster. Default no.
    #[must_use]
    pub fn exact(mut self, exact: bool) -> Self {
        self.exact = exact;
        self
    }

    /// Whether queries may find fewer than `k` points without error: where `k` is more than there are, or a filter
    /// allows none. Rows of [`Hits`](super::Hits) then end with [`KnnGraph::NO_NEIGHBOR`] and infinite distances, and
    /// single queries give what there is. Default no.
    #[must_use]
    pub fn pad(mut self, pad: bool) -> Self {
        self.pad = pad;
        self
    }

    /// Whether hits tell what each query cost. Default yes.
    #[must_use]
    pub fn counters(mut self, counters: bool) -> Self {
        self.counters = counters;
        self
    }

    /// Called as a batch goes on, from any thread; [`ControlFlow::Break`] ends it with
    /// [`SearchError::Cancelled`](crate::SearchError::Cancelled).
    #[must_use]
    pub fn progress(mut self, progress: impl Fn(&Progress) -> ControlFlow<()> + Send + Sync + 'a) -> Self {
        self.progress = Some(Arc::new(progress));
        self
    }
}

impl fmt::Debug for SearchOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SearchOptions")
            .field("epsilon", &self.epsilon)
            .field("filter", &self.filter)
            .field("exact", &self.exact)
            .field("pad", &self.pad)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}
