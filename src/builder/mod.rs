//! The builder users write, and the order of a build: init, descent, estimate, finish.

pub(crate) mod descent;
pub(crate) mod partition;

use std::ops::ControlFlow;
use std::time::Instant;

use crate::builder::descent::{StopReason, descend};
use crate::dataset::Dataset;
use crate::dataset::Problem;
use crate::dataset::init_graph::check_init_graph;
use crate::error::BuildError;
use crate::error::GpuError;
use crate::executor::cpu::exact;
use crate::executor::cpu::{CpuExecutor, cost};
#[cfg(feature = "gpu")]
use crate::executor::gpu::GpuExecutor;
use crate::executor::{Executor, KernelTime, RoundStats, Session};
use crate::graph::KnnGraph;
use crate::metric::Metric;
use crate::params::{Algorithm, Device, GpuSelector, Params, Plan};
use crate::points::Points;
use crate::recall::{self, RecallEstimate};
use crate::rng::stratified_sample;
use crate::search::{Index, IndexError, Prepare};

#[cfg(test)]
mod tests;

/// Part of a build, for progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Trees and random neighbours.
    Init,
    /// Rounds of NN-Descent.
    Descent,
    /// Exact search over all pairs, in place of init and descent.
    Exact,
    /// Exact search for the sample of the recall estimate.
    Recall,
    /// Final distances and order.
    Finish,
}

impl Phase {
    /// A word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Descent => "descent",
            Self::Exact => "exact",
            Self::Recall => "recall",
            Self::Finish => "finish",
        }
    }
}

/// How far a build is.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Round of descent, from 1; 0 before.
    pub round: usize,
    /// Rounds that will be run at most.
    pub rounds_at_most: usize,
    /// Neighbours that changed in the last round that ended.
    pub updates: u64,
    /// Share of the phase (in descent, of the round) that is done, 0 to 1.
    pub fraction: f32,
}

/// Seconds of a build's phases.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct Seconds {
    /// Points into working order, trees, random neighbours.
    pub init: f64,
    /// Rounds, or exact search.
    pub descent: f64,
    /// Final distances and order.
    pub finish: f64,
    /// The recall estimate; not part of the build.
    pub recall: f64,
}

/// Whether `target_recall` was reached.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct TargetOutcome {
    /// The target.
    pub target: f32,
    /// Whether the lower end of the estimate's interval reached it.
    pub reached: bool,
    /// How often the build was widened on the way.
    pub widened: usize,
}

/// What happened in a build.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct BuildReport {
    /// What ran: NN-Descent or exact search.
    pub algorithm: Algorithm,
    /// On what.
    pub executor: String,
    /// Why that ran, where it was not asked for by name.
    pub reason: Option<String>,
    /// Wall time by phase.
    pub seconds: Seconds,
    /// Every round of descent.
    pub rounds: Vec<RoundStats>,
    /// Distances evaluated in init and descent (or exact search).
    pub distances_evaluated: u64,
    /// Why the rounds ended.
    pub stop: StopReason,
    /// Estimated recall, unless switched off. Exact search has 1.
    pub recall: Option<RecallEstimate>,
    /// What came of `target_recall`.
    pub target: Option<TargetOutcome>,
    /// What every kernel of a GPU did, where [`NnDescent::time_kernels`] asked for it.
    pub kernels: Vec<KernelTime>,
    /// Every parameter as used.
    pub parameters: Vec<(&'static str, String)>,
}

/// A graph and the report of its build.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Built {
    /// The graph.
    pub graph: KnnGraph,
    /// How it came about.
    pub report: BuildReport,
}

/// An index and the report of its graph's build.
#[derive(Debug)]
#[non_exhaustive]
pub struct Indexed {
    /// The index.
    pub index: Index,
    /// How the graph came about.
    pub report: BuildReport,
    /// Seconds from graph to index.
    pub prepare_seconds: f64,
}

/// Neighbours of the graph under an index: PyNNDescent's default.
const INDEX_NEIGHBORS: usize = 30;

type ProgressFn<'a> = &'a (dyn Fn(&Progress) -> ControlFlow<()> + Sync);

/// Builds k-nearest-neighbour graphs. Every setting has a default; see each method.
///
/// Work runs in the rayon pool that [`NnDescent::graph`] is called from. The same points, settings and seed give the same
/// graph to the bit, whatever the number of threads.
#[derive(Clone)]
pub struct NnDescent<'a> {
    metric: Metric,
    params: Params,
    init_graph: Option<&'a KnnGraph>,
    progress: Option<ProgressFn<'a>>,
    prepare: Prepare,
}

impl<'a> NnDescent<'a> {
    /// All defaults.
    #[must_use]
    pub fn new(metric: Metric) -> Self {
        Self { metric, params: Params::default(), init_graph: None, progress: None, prepare: Prepare::default() }
    }

    /// Neighbours in a row of the graph, the point itself not counted. Default 15.
    #[must_use]
    pub fn n_neighbors(mut self, k: usize) -> Self {
        self.params.n_neighbors = Some(k);
        self
    }

    /// Random-projection trees. Default 6, one more for every ten neighbours beyond ten, up to 12; 4 more of rows of bits. 0: start
    /// from random neighbours (or `init_graph`). One alone leaves its leaves without links to each other, which rounds cannot make.
    #[must_use]
    pub fn n_trees(mut self, trees: usize) -> Self {
        self.params.n_trees = Some(trees);
        self
    }

    /// Most points in a leaf of a tree, 2 to 16,384. Default 128 (256 of rows of bits), or twice
    /// `n_neighbors` if that is more.
    #[must_use]
    pub fn leaf_size(mut self, points: usize) -> Self {
        self.params.leaf_size = Some(points);
        self
    }

    /// Neighbours that a row brings to a join; it brings up to half as many reverse neighbours besides. Default nineteen
    /// twentieths of `n_neighbors`, but 24 to 60; half of that for rows of bits. The first thing to raise for more recall.
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

    /// A round that changes at most this share of all neighbours is the last, 0 to 1. Default 0.001.
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

    /// Rows begin with their own point, which counts as one of `n_neighbors`: PyNNDescent's and scikit-learn's layout. Default no.
    #[must_use]
    pub fn include_self(mut self, include: bool) -> Self {
        self.params.include_self = include;
        self
    }

    /// Rows to start from, beside the trees: ids of any number of neighbours each, [`KnnGraph::NO_NEIGHBOR`] where there is none. Distances are
    /// computed anew.
    #[must_use]
    pub fn init_graph(mut self, graph: &'a KnnGraph) -> Self {
        self.init_graph = Some(graph);
        self
    }

    /// Keep refining until the lower end of the estimated recall's interval reaches this, above 0 and below 1; the
    /// report says whether it did. Default none.
    #[must_use]
    pub fn target_recall(mut self, recall: f32) -> Self {
        self.params.target_recall = Some(recall);
        self
    }

    /// Rows whose exact neighbours are found to estimate recall. Default 256; 0: no estimate.
    #[must_use]
    pub fn recall_sample(mut self, rows: usize) -> Self {
        self.params.recall_sample = Some(rows);
        self
    }

    /// Most rows that NN-Descent works on at once. Sets of more are built in overlapping parts, which are merged and refined on the
    /// CPU: about twice the work, for a device that would not hold all of them. At least four times `leaf_size` and four times the
    /// neighbours of a row. Default: all rows on the CPU, and as many as its buffers and memory take on a GPU.
    #[must_use]
    pub fn part_rows(mut self, rows: usize) -> Self {
        self.params.part_rows = Some(rows);
        self
    }

    /// Whether to measure how long each kernel of NN-Descent runs on a GPU, by timestamp queries, where the adapter has them:
    /// [`BuildReport::kernels`]. Some hundred bytes more are read back a round. Default no.
    #[must_use]
    pub fn time_kernels(mut self, time: bool) -> Self {
        self.params.time_kernels = time;
        self
    }

    /// Called as the build goes on, from any thread; [`ControlFlow::Break`] ends the build with [`BuildError::Cancelled`].
    #[must_use]
    pub fn progress(mut self, progress: ProgressFn<'a>) -> Self {
        self.progress = Some(progress);
        self
    }

    /// How [`NnDescent::index`] makes a search index of the graph.
    #[must_use]
    pub fn prepare(mut self, prepare: Prepare) -> Self {
        self.prepare = prepare;
        self
    }

    /// Builds the graph, of 30 neighbours unless [`NnDescent::n_neighbors`] says otherwise (fewer where there are fewer points), and
    /// prepares it for searching.
    ///
    /// # Errors
    /// Those of [`NnDescent::graph`] and [`Prepare::index`]; fewer than two points, items that cannot be kept.
    pub fn index(&self, points: &Points) -> Result<Indexed, IndexError> {
        if let Points::Items(items) = points
            && items.0.keep().is_none()
        {
            // Before the graph is built for nothing.
            return Err(IndexError::NoIndex { rows: "items" });
        }
        let mut builder = self.clone();
        builder.params.include_self = false;
        let k = self.params.n_neighbors.unwrap_or(INDEX_NEIGHBORS.min(points.n() - 1));
        let built = builder.n_neighbors(k).graph(points)?;
        let start = Instant::now();
        let index = self.prepare.clone().seed(self.params.seed).index(points, &self.metric, &built.graph)?;
        Ok(Indexed { index, report: built.report, prepare_seconds: start.elapsed().as_secs_f64() })
    }

    /// Peak bytes of a build beyond the points themselves, the finished graph included. Parts that a build takes because a GPU ran
    /// out of memory (its limits do not tell how much it has) are not foreseen.
    ///
    /// # Errors
    /// Those of [`NnDescent::graph`].
    pub fn estimate_memory(&self, points: &Points) -> Result<u64, BuildError> {
        let prepared = Dataset::new(points, &self.metric)?;
        let (problem, plan) = (prepared.problem(), self.plan(points)?);
        let at_once = self.rows_at_once(&problem, &plan)?;
        Ok(prepared.bytes() + partition::estimate_memory(&problem, &plan, at_once))
    }

    /// Bytes that a build takes on a GPU: data, rows, and what a round reads; of the largest part, where it takes parts.
    ///
    /// # Errors
    /// Those of [`NnDescent::graph`].
    #[cfg(feature = "gpu")]
    pub fn estimate_device_memory(&self, points: &Points) -> Result<u64, BuildError> {
        let prepared = Dataset::new(points, &self.metric)?;
        let plan = self.plan(points)?;
        let problem = prepared.problem();
        let at_once = self.rows_at_once(&problem, &plan)?;
        Ok(crate::executor::gpu::estimate_memory(&partition::first_rows(&problem, at_once), &plan)?)
    }

    /// Rows that a build works on at once, where it would be done.
    fn rows_at_once(&self, problem: &Problem, plan: &Plan) -> Result<usize, BuildError> {
        let gpu = match &self.params.device {
            Device::Cpu => None,
            Device::Gpu(selector) => Some(gpu_executor(selector)?),
            Device::Auto => gpu_if_worth_it(problem, plan).ok(),
        };
        partition::rows_at_once(gpu.as_deref().unwrap_or(&CpuExecutor), problem, plan)
    }

    /// Builds the graph.
    ///
    /// # Errors
    /// A parameter out of range, an `init_graph` that does not fit, cancellation.
    ///
    /// # Complexity
    /// About n^1.1 distances on most data; exact search n².
    pub fn graph(&self, points: &Points) -> Result<Built, BuildError> {
        let plan = self.plan(points)?;
        let prepared = Dataset::new(points, &self.metric)?;
        let problem = &prepared.problem();
        let (algorithm, reason) = self.choose(problem, &plan);
        let span = tracing::debug_span!("graph", n = points.n(), dim = points.dim(), %algorithm);
        let _entered = span.enter();
        let built = match algorithm {
            Algorithm::Exact => self.build_exact(problem, &plan, reason)?,
            _ => self.build_on_a_device(problem, plan, reason)?,
        };
        prepared.check_distances()?;
        tracing::info!(seconds = ?built.report.seconds, distances = built.report.distances_evaluated, "built");
        Ok(built)
    }

    fn plan(&self, points: &Points) -> Result<Plan, BuildError> {
        let plan = Plan::new(&self.metric, &self.params, points)?;
        self.init_graph.map_or(Ok(()), |graph| check_init_graph(graph, points.n()))?;
        Ok(plan)
    }

    fn choose(&self, problem: &Problem, plan: &Plan) -> (Algorithm, Option<String>) {
        match (self.params.algorithm, &self.params.device) {
            (Algorithm::Auto, Device::Gpu(_)) => {
                (Algorithm::NnDescent, Some("auto: nndescent, where a GPU was asked for by name".into()))
            }
            (Algorithm::Auto, _) => cost::cheapest(problem, plan),
            (asked, _) => (asked, None),
        }
    }

    /// Under `Auto`, whether exact search is the cheaper way on.
    fn exact_is_cheaper(&self, problem: &Problem, plan: &Plan) -> bool {
        let cpu_will_do = !matches!(self.params.device, Device::Gpu(_));
        cpu_will_do && self.params.algorithm == Algorithm::Auto && cost::exact(problem) <= cost::descent(problem, plan)
    }

    fn tick(&self, phase: Phase, round: usize, plan: &Plan, updates: u64, fraction: f32) -> Result<(), BuildError> {
        let Some(progress) = self.progress else { return Ok(()) };
        match progress(&Progress { phase, round, rounds_at_most: plan.n_iters, updates, fraction }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(BuildError::Cancelled { phase: phase.name(), round }),
        }
    }

    fn build_exact(&self, problem: &Problem, plan: &Plan, reason: Option<String>) -> Result<Built, BuildError> {
        let start = Instant::now();
        let tick = |f| self.tick(Phase::Exact, 0, plan, 0, f);
        let (graph, executor) = match &self.params.device {
            Device::Gpu(_) if problem.is_proxy => {
                return Err(GpuError::Unsupported { metric: format!("exact {}", problem.metric) }.into());
            }
            Device::Gpu(selector) => gpu_executor(selector)?.exact(problem, plan, &tick)?,
            Device::Auto | Device::Cpu => CpuExecutor.exact(problem, plan, &tick)?,
        };
        let n = problem.n();
        let whole = RecallEstimate { estimate: 1.0, low: 1.0, high: 1.0, sample: n };
        let report = BuildReport {
            algorithm: Algorithm::Exact,
            executor,
            reason,
            seconds: Seconds { descent: start.elapsed().as_secs_f64(), ..Seconds::default() },
            rounds: Vec::new(),
            distances_evaluated: n as u64 * (n as u64 - 1),
            stop: StopReason::Exact,
            recall: Some(whole),
            target: plan.target_recall.map(|target| TargetOutcome { target, reached: true, widened: 0 }),
            kernels: Vec::new(),
            parameters: plan.describe(),
        };
        Ok(Built { graph, report })
    }

    /// Where the device is left open: on a GPU if that is worth it, on the CPU if not, or if the GPU fails.
    fn build_on_a_device(&self, problem: &Problem, plan: Plan, reason: Option<String>) -> Result<Built, BuildError> {
        match &self.params.device {
            Device::Cpu => self.build_by_descent(&CpuExecutor, problem, plan, reason),
            Device::Gpu(selector) => self.build_by_descent(&*gpu_executor(selector)?, problem, plan, reason),
            Device::Auto => self.build_by_gpu_or_cpu(gpu_if_worth_it(problem, &plan), problem, plan, reason),
        }
    }

    /// On this GPU; on the CPU where there is none for the job, or where it fails, which the report then gives as its reason.
    fn build_by_gpu_or_cpu(
        &self,
        gpu: Result<Box<dyn Executor>, String>,
        problem: &Problem,
        plan: Plan,
        reason: Option<String>,
    ) -> Result<Built, BuildError> {
        let why_not = match gpu {
            Ok(gpu) => match self.build_by_descent(&*gpu, problem, plan.clone(), reason.clone()) {
                Err(BuildError::Gpu(error)) => format!("the GPU failed: {error}"),
                done => return done,
            },
            Err(why_not) => why_not,
        };
        let reason = reason.into_iter().chain([why_not]).collect::<Vec<_>>().join("; ");
        self.build_by_descent(&CpuExecutor, problem, plan, Some(reason))
    }

    fn build_by_descent(
        &self,
        executor: &dyn Executor,
        problem: &Problem,
        plan: Plan,
        reason: Option<String>,
    ) -> Result<Built, BuildError> {
        let mut seconds = Seconds::default();
        let start = Instant::now();
        let init = |fraction| self.tick(Phase::Init, 0, &plan, 0, fraction);
        let mut session = partition::open(executor, problem, &plan, self.init_graph, &init)?;
        seconds.init = start.elapsed().as_secs_f64();

        let mut rounds = Vec::new();
        let start = Instant::now();
        let mut stop = self.descend(&mut *session, &plan, problem.n(), &mut rounds)?;
        seconds.descent = start.elapsed().as_secs_f64();

        let (mut plan, mut recall, mut target) = (plan, None, None);
        if let Some(goal) = plan.target_recall.filter(|_| plan.others() > 0) {
            let start = Instant::now();
            let sample = Sample::draw(problem, &plan)?;
            recall = Some(sample.estimate(&session.peek(&sample.rows)?, problem.n()));
            seconds.recall = start.elapsed().as_secs_f64();
            let start = Instant::now();
            let mut widened = 0;
            while recall.is_some_and(|r: RecallEstimate| r.low < f64::from(goal)) && widened < MOST_WIDENINGS {
                plan = widen(&plan, problem.n());
                if self.exact_is_cheaper(problem, &plan) {
                    let reason =
                        format!("auto: exact search costs less than widening the build once more to reach {goal}");
                    return self.build_exact(problem, &plan, Some(reason));
                }
                session.widen(&plan, &|f| self.tick(Phase::Init, rounds.len(), &plan, 0, f))?;
                stop = self.descend(&mut *session, &plan, problem.n(), &mut rounds)?;
                recall = Some(sample.estimate(&session.peek(&sample.rows)?, problem.n()));
                widened += 1;
            }
            seconds.descent += start.elapsed().as_secs_f64();
            let reached = recall.is_some_and(|r| r.low >= f64::from(goal));
            target = Some(TargetOutcome { target: goal, reached, widened });
        }

        let (executor, parameters) = (session.describe(), session.plan().describe());
        let kernels = session.kernel_times();
        let distances = session.init_distances() + rounds.iter().map(|r| r.distances).sum::<u64>();
        let start = Instant::now();
        let graph = session.finish(&|f| self.tick(Phase::Finish, rounds.len(), &plan, 0, f))?;
        seconds.finish = start.elapsed().as_secs_f64();
        // Only now, because the search for true neighbours has a working copy of the points, too.
        if recall.is_none() && plan.recall_sample > 0 && plan.others() > 0 {
            let start = Instant::now();
            let sample = Sample::draw(problem, &plan)?;
            recall = Some(sample.estimate(&sample.found_in(&graph, plan.others()), problem.n()));
            seconds.recall = start.elapsed().as_secs_f64();
        }
        let report = BuildReport {
            algorithm: Algorithm::NnDescent,
            executor,
            reason,
            seconds,
            rounds,
            distances_evaluated: distances,
            stop,
            recall,
            target,
            kernels,
            parameters,
        };
        Ok(Built { graph, report })
    }

    fn descend(
        &self,
        session: &mut dyn Session,
        plan: &Plan,
        n: usize,
        rounds: &mut Vec<RoundStats>,
    ) -> Result<StopReason, BuildError> {
        let tick = |round, updates, f| self.tick(Phase::Descent, round, plan, updates, f);
        descend(session, plan, n, &tick, rounds)
    }
}

#[cfg(feature = "gpu")]
fn gpu_executor(selector: &GpuSelector) -> Result<Box<dyn Executor>, GpuError> {
    Ok(Box::new(GpuExecutor::new(selector.clone())))
}

#[cfg(not(feature = "gpu"))]
fn gpu_executor(_: &GpuSelector) -> Result<Box<dyn Executor>, GpuError> {
    Err(GpuError::NotCompiled)
}

/// Seconds of work on the CPU from which a GPU is worth opening: drivers (50 MB of them, where one is software), device and
/// pipelines take some tenths, and the trees stay on the CPU.
#[cfg(feature = "gpu")]
const WORTH_A_GPU: f64 = 4.0;

/// The GPU for this job, or why it is none's.
#[cfg(feature = "gpu")]
fn gpu_if_worth_it(problem: &Problem, plan: &Plan) -> Result<Box<dyn Executor>, String> {
    let seconds = cost::descent(problem, plan) * 1e-9 / rayon::current_num_threads() as f64;
    if seconds < WORTH_A_GPU {
        return Err(format!("about {seconds:.2} s on the CPU: too little for a GPU"));
    }
    match crate::executor::gpu::adapters().iter().find(|adapter| adapter.kind != "software") {
        Some(_) => gpu_executor(&GpuSelector::Any).map_err(|e| e.to_string()),
        None => Err("no hardware GPU".into()),
    }
}

#[cfg(not(feature = "gpu"))]
fn gpu_if_worth_it(_: &Problem, _: &Plan) -> Result<Box<dyn Executor>, String> {
    Err(GpuError::NotCompiled.to_string())
}

/// Times that `target_recall` may widen a build.
const MOST_WIDENINGS: usize = 5;

/// The next larger plan: rows half as long again, twice the candidates, two more trees.
fn widen(plan: &Plan, n: usize) -> Plan {
    Plan {
        width: (plan.width + plan.width / 2).min(n - 1),
        max_candidates: (plan.max_candidates * 2).min(1000),
        n_trees: if plan.n_trees > 0 { plan.n_trees + 2 } else { 0 },
        ..plan.clone()
    }
}

/// Rows whose true neighbours are known.
struct Sample {
    rows: Vec<u32>,
    truth: KnnGraph,
}

impl Sample {
    fn draw(problem: &Problem, plan: &Plan) -> Result<Self, BuildError> {
        let rows: Vec<usize> = stratified_sample(plan.seed, 0x5a3b, problem.n(), plan.recall_sample).collect();
        let truth = exact::rows_of(problem, &rows, plan.others(), &|_| Ok(()))?;
        Ok(Self { rows: rows.into_iter().map(|r| r as u32).collect(), truth })
    }

    /// The last `others` of each of its rows in a finished graph: not the point itself.
    fn found_in(&self, graph: &KnnGraph, others: usize) -> KnnGraph {
        let own = graph.k() - others;
        let rows = || self.rows.iter().map(|&row| row as usize);
        let ids = rows().flat_map(|row| &graph.ids(row)[own..]).copied().collect();
        let distances = rows().flat_map(|row| &graph.distances(row)[own..]).copied().collect();
        KnnGraph::from_parts(self.rows.len(), others, ids, distances)
    }

    fn estimate(&self, found: &KnnGraph, n: usize) -> RecallEstimate {
        recall::estimate(found, &self.truth, n).expect("both graphs have a row for every sampled point")
    }
}
