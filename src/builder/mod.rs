//! The builder, and the order of a build: init, descent, estimate of recall, finish.
//!
//! [`choose`] picks algorithm and device, [`copies`] leaves out rows that are equal, [`run`] is the course of a build,
//! [`descent`] its only loop, [`partition`] builds in parts what does not fit a device.

mod choose;
mod copies;
mod descent;
pub(crate) mod partition;
mod recall_sample;
mod run;

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::dataset::init_graph::check_init_graph;
use crate::dataset::{Dataset, Problem};
use crate::error::BuildError;
use crate::executor::Executor;
use crate::executor::cpu::CpuExecutor;
use crate::graph::{InitGraph, KnnGraph};
use crate::metric::Metric;
use crate::params::{Algorithm, Device, INDEX_NEIGHBORS, Params, Plan};
use crate::points::{Points, PointsKind};
use crate::progress::{Phase, Progress, ProgressFn};
use crate::report::BuildReport;
use crate::search::{Index, IndexError, IndexOptions};

/// A graph and the report of its build.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Built {
    /// The graph.
    pub graph: KnnGraph,
    /// What happened in its build.
    pub report: BuildReport,
}

/// An index, its graph, and the report of the graph's build.
#[derive(Debug)]
#[non_exhaustive]
pub struct Indexed {
    /// The index.
    pub index: Index,
    /// The graph that it was made of: [`Index::update_graph`] brings it up to date after changes.
    pub graph: KnnGraph,
    /// What happened in the build of the graph.
    pub report: BuildReport,
    /// Time from graph to index.
    pub prepare_time: Duration,
}

/// Builds k-nearest-neighbour graphs. Every setting has a default; see each method.
///
/// Work runs in the rayon pool that [`NnDescent::graph`] is called from. The same points, settings and seed give the
/// same graph, bit for bit, at any number of threads.
///
/// ```
/// use nndescent::{Metric, NnDescent, Points};
///
/// let data: Vec<f32> = (0..400 * 4).map(|i| ((i * 37) % 101) as f32).collect();
/// let points = Points::dense(&data, 400, 4)?;
/// let built = NnDescent::new(Metric::Manhattan).n_neighbors(5).seed(7).target_recall(0.98).graph(&points)?;
/// for neighbor in built.graph.neighbors(0) {
///     println!("{} at {}", neighbor.id, neighbor.distance);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct NnDescent<'a> {
    metric: Metric,
    params: Params,
    init_graph: Option<InitGraph<'a>>,
    progress: Option<ProgressFn<'a>>,
    index_options: IndexOptions,
}

impl<'a> NnDescent<'a> {
    /// All defaults.
    #[must_use]
    pub fn new(metric: Metric) -> Self {
        Self {
            metric,
            params: Params::default(),
            init_graph: None,
            progress: None,
            index_options: IndexOptions::default(),
        }
    }

    /// A builder of these settings, without a graph to start from.
    #[cfg(feature = "io")]
    pub(crate) fn of(metric: Metric, params: Params) -> Self {
        Self { params, ..Self::new(metric) }
    }

    /// The metric and the settings; whether there is a graph to start from.
    #[cfg(feature = "io")]
    pub(crate) fn parts(&self) -> (&Metric, &Params, bool) {
        (&self.metric, &self.params, self.init_graph.is_some())
    }

    /// Neighbours in a row of the graph, the point itself not counted. Default 15.
    #[must_use]
    pub fn n_neighbors(mut self, k: usize) -> Self {
        self.params.n_neighbors = Some(k);
        self
    }

    /// Random-projection trees. Default 6, plus one for every ten neighbours beyond ten, up to 12; 4 more for bits, and
    /// up to 4 more on the CPU where neighbours of neighbours seldom share a leaf. The CPU stops earlier, also at a
    /// number asked for, where nine of ten do: they were compared, and little is left to find. With 0 the build starts
    /// from random neighbours (or `init_graph`). A single tree leaves its leaves unlinked, and rounds cannot link them.
    #[must_use]
    pub fn n_trees(mut self, trees: usize) -> Self {
        self.params.n_trees = Some(trees);
        self
    }

    /// Most points in a leaf of a tree, 2 to 16,384. Default 128 (256 for bits), or twice
    /// `n_neighbors` if that is more.
    #[must_use]
    pub fn leaf_size(mut self, points: usize) -> Self {
        self.params.leaf_size = Some(points);
        self
    }

    /// Neighbours that a row contributes to a local join, with up to half as many reverse neighbours. Default 19/20 of
    /// `n_neighbors`, at least 24 and at most 60; half of that for bits. Raise this first for more recall. The CPU
    /// takes half where nine of ten neighbours of neighbours shared a leaf.
    #[must_use]
    pub fn max_candidates(mut self, candidates: usize) -> Self {
        self.params.max_candidates = Some(candidates);
        self
    }

    /// Most rounds of NN-Descent. Default 12. 0: trees only.
    #[must_use]
    pub fn n_iters(mut self, rounds: usize) -> Self {
        self.params.n_iters = Some(rounds);
        self
    }

    /// Rounds end once one changes at most this share of all neighbours, 0 to 1. Default 0.001.
    #[must_use]
    pub fn delta(mut self, share: f32) -> Self {
        self.params.delta = Some(share);
        self
    }

    /// Seed of all randomness. Default 0.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.params.seed = seed;
        self
    }

    /// How the graph is found. Default [`Algorithm::Auto`].
    #[must_use]
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.params.algorithm = algorithm;
        self
    }

    /// Where the graph is found. Default [`Device::Auto`].
    #[must_use]
    pub fn device(mut self, device: Device) -> Self {
        self.params.device = device;
        self
    }

    /// Rows begin with their own point, which counts as one of `n_neighbors`: PyNNDescent's and scikit-learn's layout.
    /// Default no.
    #[must_use]
    pub fn include_self(mut self, include: bool) -> Self {
        self.params.include_self = include;
        self
    }

    /// Neighbours to start from, in addition to the trees: a [`KnnGraph`], or `(n, k, ids)` with `n * k` ids,
    /// [`KnnGraph::NO_NEIGHBOR`] where there is no neighbour. Distances are recomputed. Whether the graph fits the
    /// points is checked when the build starts.
    #[must_use]
    pub fn init_graph(mut self, graph: impl Into<InitGraph<'a>>) -> Self {
        self.init_graph = Some(graph.into());
        self
    }

    /// Keep refining until the lower end of the estimated recall's interval reaches this, above 0 and below 1; the
    /// report says whether it did. Default none.
    #[must_use]
    pub fn target_recall(mut self, recall: f32) -> Self {
        self.params.target_recall = Some(recall);
        self
    }

    /// Rows whose exact neighbours are searched to estimate recall. Default 256, or 9 / (1 - target) if
    /// [`NnDescent::target_recall`] is set and that is more; 0 for no estimate.
    #[must_use]
    pub fn recall_sample(mut self, rows: usize) -> Self {
        self.params.recall_sample = Some(rows);
        self
    }

    /// Most rows that NN-Descent works on at once. Larger sets are built in overlapping parts, which are merged and
    /// refined on the CPU: about twice the work, for devices that cannot hold all rows. At least four times `leaf_size`
    /// and four times the neighbours of a row. Default: all rows on the CPU, and as many as fit buffers and memory on a
    /// GPU.
    #[must_use]
    pub fn part_rows(mut self, rows: usize) -> Self {
        self.params.part_rows = Some(rows);
        self
    }

    /// Whether to time every kernel on a GPU by timestamp queries, if the adapter has them: [`BuildReport::kernels`].
    /// Reads back a few hundred more bytes a round. Default no.
    #[must_use]
    pub fn time_kernels(mut self, time: bool) -> Self {
        self.params.time_kernels = time;
        self
    }

    /// Whether the kernels that are compiled for a GPU are kept on disk for the processes that follow, where its
    /// backend has a cache of them (Vulkan): in the folder that `NNDESCENT_PIPELINE_CACHE` names, else in `nndescent`
    /// of the user's folder of caches. What another adapter, driver or version of this crate wrote, and what is
    /// damaged, is not read. Default yes, unless that variable is `off`.
    #[must_use]
    pub fn pipeline_cache(mut self, keep: bool) -> Self {
        self.params.pipeline_cache = Some(keep);
        self
    }

    /// Called as the build goes on, from any thread; [`ControlFlow::Break`] ends the build with
    /// [`BuildError::Cancelled`].
    #[must_use]
    pub fn progress(mut self, progress: impl Fn(&Progress) -> ControlFlow<()> + Send + Sync + 'a) -> Self {
        self.progress = Some(Arc::new(progress));
        self
    }

    /// How [`NnDescent::index`] makes a search index of the graph.
    #[must_use]
    pub fn index_options(mut self, options: IndexOptions) -> Self {
        self.index_options = options;
        self
    }

    /// Builds the graph, with 30 neighbours unless [`NnDescent::n_neighbors`] is set (or with all there are, if fewer),
    /// and prepares it for searching. [`NnDescent::include_self`] does not apply.
    ///
    /// # Errors
    /// Same as [`NnDescent::graph`] and [`IndexOptions::index`]; fewer than two points, items that cannot be kept.
    pub fn index(&self, points: &Points) -> Result<Indexed, IndexError> {
        points.check_not_empty()?;
        if let PointsKind::Items(items) = points.kind()
            && items.0.keep().is_none()
        {
            // Fail before building a graph in vain.
            return Err(IndexError::NoIndex { rows: "items" });
        }
        let mut builder = self.clone();
        builder.params.include_self = false;
        let k = self.params.n_neighbors.unwrap_or(INDEX_NEIGHBORS.min(points.n() - 1).max(1));
        let built = builder.n_neighbors(k).graph(points)?;
        let start = Instant::now();
        let options = self.index_options.clone().seed(self.params.seed);
        let index = options.prepare(points, &self.metric, &built.graph, self.progress.as_deref())?;
        Ok(Indexed { index, graph: built.graph, report: built.report, prepare_time: start.elapsed() })
    }

    /// Peak bytes of a build beyond the points themselves, the finished graph included. It does not foresee that a GPU
    /// runs out of memory, which its limits do not tell, and that the build therefore falls back to parts.
    ///
    /// # Errors
    /// Same as [`NnDescent::graph`].
    pub fn estimate_memory(&self, points: &Points) -> Result<u64, BuildError> {
        let plan = self.plan(points)?;
        let dataset = Dataset::new(points, &self.metric)?;
        let problem = dataset.problem();
        let at_once = self.rows_at_once(&problem, &plan)?;
        Ok(dataset.bytes() + partition::estimate_memory(&problem, &plan, at_once))
    }

    /// Bytes that a build takes on a GPU: points, rows, and what a round reads. If it is built in parts, those of the
    /// largest.
    ///
    /// # Errors
    /// Same as [`NnDescent::graph`].
    #[cfg(feature = "gpu")]
    pub fn estimate_device_memory(&self, points: &Points) -> Result<u64, BuildError> {
        let plan = self.plan(points)?;
        let dataset = Dataset::new(points, &self.metric)?;
        let problem = dataset.problem();
        let at_once = self.rows_at_once(&problem, &plan)?;
        Ok(crate::executor::gpu::estimate_memory(&partition::first_rows(&problem, at_once), &plan)?)
    }

    /// Rows that a build works on at once, on the device it would use.
    fn rows_at_once(&self, problem: &Problem, plan: &Plan) -> Result<usize, BuildError> {
        let gpu: Option<Box<dyn Executor>> = match &self.params.device {
            Device::Cpu => None,
            Device::Gpu(selector) => Some(choose::gpu_executor(selector)?),
            Device::Gpus(selectors) => Some(Box::new(choose::gpu_executors(selectors)?)),
            Device::Auto => choose::gpu_if_worth_it(problem, plan, Algorithm::NnDescent).ok(),
        };
        partition::rows_at_once(gpu.as_deref().unwrap_or(&CpuExecutor), problem, plan)
    }

    /// Builds the graph.
    ///
    /// # Errors
    /// A parameter out of range, an `init_graph` that does not fit, a metric that does not work on these points, a
    /// custom distance that is not finite, a GPU that was asked for and failed, cancellation.
    ///
    /// # Complexity
    /// About n^1.1 distances on most data; exact search n².
    pub fn graph(&self, points: &Points) -> Result<Built, BuildError> {
        let plan = self.plan(points)?;
        let dataset = Dataset::new(points, &self.metric)?;
        let problem = &dataset.problem();
        let (algorithm, reasons) = choose::algorithm(&self.params, problem, &plan);
        let span = tracing::debug_span!("graph", n = points.n(), dim = points.dim(), %algorithm);
        let _entered = span.enter();
        let built = match algorithm {
            Algorithm::Exact => self.build_exact(problem, &plan, reasons)?,
            // Nothing but the points themselves.
            _ if plan.others() == 0 => self.build_exact(problem, &plan, reasons)?,
            _ => self.build_by_descent_of_distinct(problem, plan, reasons)?,
        };
        dataset.check_distances()?;
        tracing::info!(times = ?built.report.times, distances = built.report.distances_evaluated, "built");
        Ok(built)
    }

    pub(crate) fn plan(&self, points: &Points) -> Result<Plan, BuildError> {
        let plan = Plan::new(&self.metric, &self.params, points)?;
        self.init_graph.as_ref().map_or(Ok(()), |graph| check_init_graph(graph, points.n()))?;
        Ok(plan)
    }

    fn tick(&self, phase: Phase, round: usize, plan: &Plan, updates: u64, fraction: f32) -> Result<(), BuildError> {
        let Some(progress) = &self.progress else { return Ok(()) };
        match progress(&Progress { phase, round, max_rounds: plan.n_iters, updates, fraction }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(BuildError::Cancelled { phase, round }),
        }
    }
}

impl fmt::Debug for NnDescent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NnDescent")
            .field("metric", &self.metric)
            .field("params", &self.params)
            .field("init_graph", &self.init_graph)
            .field("index_options", &self.index_options)
            .finish_non_exhaustive()
    }
}
