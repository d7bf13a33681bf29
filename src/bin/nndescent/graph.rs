//! `nndescent graph`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use nndescent::io::{describe, read_graph};
use nndescent::recall::RecallEstimate;
use nndescent::report::{DevicePhaseTime, KernelTime};
use nndescent::{Algorithm, BuildReport, Built, Device, KnnGraph, Metric, NnDescent, Points, Progress};
use serde_json::{Value, json};

use crate::beyond_memory::BeyondMemory;
use crate::failure::Failure;
use crate::input::{Data, DataArguments, Use};
use crate::memory::peak_bytes;
use crate::metric::MetricArguments;
use crate::output;
use crate::progress::Bar;
use crate::refine::{Refining, refined};
use crate::stdin::Input;
use crate::threads::pool;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    pub build: BuildArguments,
    #[command(flatten)]
    pub beyond: BeyondMemory,
    /// Begin every row with its own point, as one of the k.
    #[arg(long)]
    pub include_self: bool,
    /// Print one JSON object on stdout and nothing else.
    #[arg(long)]
    pub json: bool,
    /// Output: .npz with `indices` (uint32, n x k) and `distances` (float32, n x k).
    #[arg(short, long, required_unless_present = "part")]
    output: Option<PathBuf>,
}

/// Neighbours in a graph by default.
const GRAPH_NEIGHBORS: usize = 15;

/// Input and options of a build.
#[derive(clap::Args, Clone)]
pub struct BuildArguments {
    /// Matrix of n x d: .npy .npz .fvecs .bvecs .ivecs .fbin .u8bin .i8bin .ibin, IDX (.gz), .hdf5.
    pub input: PathBuf,
    #[command(flatten)]
    data: DataArguments,
    /// Neighbours of every row, not counting itself [default: 15 for graphs, 30 for indexes].
    #[arg(short, long = "n-neighbors")]
    k: Option<usize>,
    #[command(flatten)]
    metric: MetricArguments,
    /// auto, nndescent or exact.
    #[arg(long, default_value = "auto", value_parser = parse::<Algorithm>)]
    algorithm: Algorithm,
    /// auto, cpu, gpu, the index of an adapter, a backend (vulkan) or part of an adapter's name: see `nndescent
    /// devices`. Of several indices (0,1), all build parts at the same time.
    #[arg(long, default_value = "auto", value_parser = parse::<Device>)]
    device: Device,
    /// Random seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Threads [default: all cores]. The result does not depend on it.
    #[arg(long)]
    threads: Option<usize>,
    /// Refine until the lower bound of the estimated recall reaches this.
    #[arg(long)]
    target_recall: Option<f32>,
    /// Sample of rows to estimate recall on, by exact search; 0 for no estimate [default: 256].
    #[arg(long)]
    recall_sample: Option<usize>,
    /// Graph to start from: .npz with `indices`, -1 or 4294967295 where a neighbour is missing.
    #[arg(long)]
    init_graph: Option<PathBuf>,
    /// Number of random-projection trees.
    #[arg(long)]
    n_trees: Option<usize>,
    /// Maximum number of points in a leaf of a tree.
    #[arg(long)]
    leaf_size: Option<usize>,
    /// Maximum number of neighbours that a row brings to a join.
    #[arg(long)]
    max_candidates: Option<usize>,
    /// Maximum number of rounds.
    #[arg(long)]
    n_iters: Option<usize>,
    /// Stop when a round changes less than this share of all neighbours.
    #[arg(long)]
    delta: Option<f32>,
    /// Build at most this many rows at once; more are built in parts and merged [default: all that fit on the device].
    #[arg(long)]
    part_rows: Option<usize>,
}

impl Arguments {
    /// Where the graph goes, checked.
    pub fn output(&self) -> Result<&Path, Failure> {
        let Some(output) = &self.output else { return Err(Failure::Argument("--output is needed".into())) };
        output::check(output, "npz", self.build.inputs().iter().map(PathBuf::as_path))?;
        Ok(output)
    }
}

pub fn parse<T: std::str::FromStr>(word: &str) -> Result<T, T::Err> {
    word.parse()
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let output = arguments.output()?;
    let job = arguments.build.load()?;
    let (built, refining) = job.graph(arguments.include_self, !arguments.json)?;

    let start = Instant::now();
    output::write_graph(output, &built.graph)?;
    let write = start.elapsed().as_secs_f64();

    if arguments.json {
        say!("{}", report((arguments, output), &job, &built, refining, write));
    } else {
        summarize(output, &job.data, &built);
    }
    Ok(())
}

/// A build whose inputs were read.
pub struct Job<'a> {
    arguments: &'a BuildArguments,
    metric: Metric,
    pool: rayon::ThreadPool,
    pub data: Data,
    init_graph: Option<KnnGraph>,
    /// Seconds that reading took.
    pub load: f64,
}

impl Job<'_> {
    /// How distances by the values of the file, which f32 does not hold, are brought into the graph; none if it does.
    fn refining(&self, include_self: bool) -> Option<Refining> {
        let Data::Dense(dense) = &self.data else { return None };
        let most = (dense.matrix.n + usize::from(include_self)).saturating_sub(1);
        let k = self.arguments.k.unwrap_or(GRAPH_NEIGHBORS);
        let is_exact = self.arguments.algorithm == Algorithm::Exact;
        Refining::of(dense, (k, most), is_exact)
    }

    /// The graph, by the values in the file.
    pub fn graph(&self, include_self: bool, bar: bool) -> Result<(Built, Option<Refining>), Failure> {
        let refining = self.refining(include_self);
        let built = self.run(bar, |builder, points| {
            let builder = builder.include_self(include_self);
            let Some(refining) = refining else { return Ok(builder.graph(points)?) };
            let mut built = builder.n_neighbors(refining.candidates).graph(points)?;
            if let Data::Dense(dense) = &self.data {
                built.graph = refined(dense, None, &self.metric, built.graph, refining)?;
            }
            Ok(built)
        })?;
        Ok((built, refining))
    }

    /// Runs `work` in the pool, with the builder that was asked for; `bar` shows a progress bar.
    pub fn run<T: Send>(
        &self,
        bar: bool,
        work: impl FnOnce(NnDescent, &Points) -> Result<T, Failure> + Send,
    ) -> Result<T, Failure> {
        let bar = Bar::new(bar);
        let builder = NnDescent::new(self.metric.clone()).progress(|progress: &Progress| bar.show(progress));
        let builder = self.arguments.configure(builder, self.init_graph.as_ref());
        let done = self.pool.install(|| {
            let points = self.data.points().map_err(|e| Failure::points(&self.arguments.input, &e))?;
            work(builder, &points)
        });
        bar.done();
        done
    }
}

impl BuildArguments {
    /// The files that are read.
    pub fn inputs(&self) -> Vec<PathBuf> {
        [&self.input].into_iter().chain(&self.init_graph).cloned().chain(self.metric.files()).collect()
    }

    /// Reads the inputs.
    pub fn load(&self) -> Result<Job<'_>, Failure> {
        self.load_from(&Input::of(&self.input)?)
    }

    /// The same of an input that is open.
    pub fn load_from(&self, input: &Input) -> Result<Job<'_>, Failure> {
        let metric = self.metric.metric()?;
        let pool = pool(self.threads)?;
        let start = Instant::now();
        let data = pool.install(|| self.data.read_input(input, Use::Build(&metric)))?;
        let init_graph = self.init_graph.as_deref().map(read_graph).transpose()?;
        Ok(Job { arguments: self, metric, pool, data, init_graph, load: start.elapsed().as_secs_f64() })
    }

    /// Neighbours asked for.
    pub fn k(&self) -> Option<usize> {
        self.k
    }

    /// The device asked for.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// A pool of as many threads as asked for.
    pub fn pool(&self) -> Result<rayon::ThreadPool, Failure> {
        pool(self.threads)
    }

    /// Rows of a part asked for.
    pub fn part_rows(&self) -> Option<usize> {
        self.part_rows
    }

    /// A builder for a matrix that is not read at once; `part_rows` is no setting of it.
    pub fn builder(&self) -> Result<NnDescent<'static>, Failure> {
        if self.init_graph.is_some() || self.data.is_bits() || self.data.array().is_some() {
            let message = "--init-graph, --bits and --array do not apply to builds beyond memory";
            return Err(Failure::Argument(message.into()));
        }
        let builder = NnDescent::new(self.metric.metric()?);
        Ok(Self { part_rows: None, ..self.clone() }.configure(builder, None))
    }

    /// The metric asked for.
    pub fn metric(&self) -> Result<Metric, Failure> {
        self.metric.metric()
    }

    /// Reads a matrix as dense points, as the input is read.
    pub fn read(&self, path: &Path) -> Result<Data, Failure> {
        self.data.read(path, Use::Build(&self.metric.metric()?))
    }

    /// The input if it is a graph already: an .npz with a matrix `indices`, unless another array is named; and whether
    /// it holds distances.
    pub fn read_graph(&self, input: &Input) -> Result<Option<(KnnGraph, bool)>, Failure> {
        let is_npz = input.path.extension().is_some_and(|e| e.eq_ignore_ascii_case("npz"));
        if !is_npz || self.data.array().is_some() {
            return Ok(None);
        }
        let arrays = describe(&input.path)?;
        if !arrays.iter().any(|a| a.name == "indices" && a.shape.len() == 2) {
            return Ok(None);
        }
        Ok(Some((read_graph(&input.path)?, arrays.iter().any(|a| a.name == "distances"))))
    }

    fn configure<'a>(&self, builder: NnDescent<'a>, init_graph: Option<&'a KnnGraph>) -> NnDescent<'a> {
        let builder = builder.algorithm(self.algorithm).device(self.device.clone()).seed(self.seed);
        let set = |b: NnDescent<'a>, v: Option<usize>, f: fn(NnDescent<'a>, usize) -> NnDescent<'a>| match v {
            Some(v) => f(b, v),
            None => b,
        };
        let builder = set(builder, self.k, NnDescent::n_neighbors);
        let builder = set(builder, self.n_trees, NnDescent::n_trees);
        let builder = set(builder, self.leaf_size, NnDescent::leaf_size);
        let builder = set(builder, self.max_candidates, NnDescent::max_candidates);
        let builder = set(builder, self.n_iters, NnDescent::n_iters);
        let builder = set(builder, self.recall_sample, NnDescent::recall_sample);
        let builder = set(builder, self.part_rows, NnDescent::part_rows);
        let builder = self.delta.map_or(builder.clone(), |d| builder.delta(d));
        let builder = self.target_recall.map_or(builder.clone(), |t| builder.target_recall(t));
        init_graph.map_or(builder.clone(), |g| builder.init_graph(g))
    }
}

fn report(
    (arguments, output): (&Arguments, &Path),
    job: &Job,
    built: &Built,
    refining: Option<Refining>,
    write: f64,
) -> Value {
    let mut report = build_report(&built.report);
    let [build, init, descent, finish, recall] = phase_seconds(&built.report);
    let more = json!({
        "n": job.data.shape().0,
        "dim": job.data.shape().1,
        "k": built.graph.k(),
        "refined_from": refining.map(|refining| refining.candidates),
        "seconds": {
            "load": job.load, "build": build, "init": init, "descent": descent, "finish": finish, "recall": recall,
            "write": write,
        },
        "input": arguments.build.input.display().to_string(),
        "output": output.display().to_string(),
    });
    extend(&mut report, more);
    extend(&mut report, job.data.narrowing());
    report["parameters"]["n_neighbors"] = built.graph.k().to_string().into();
    report
}

/// Seconds of the build, of its init, descent and finish, and of the recall estimate.
pub fn phase_seconds(report: &BuildReport) -> [f64; 5] {
    let times = report.times;
    [times.build(), times.init, times.descent, times.finish, times.recall].map(|time| time.as_secs_f64())
}

/// Adds the fields of one object to another.
pub fn extend(object: &mut Value, more: Value) {
    if let (Value::Object(object), Value::Object(more)) = (object, more) {
        object.extend(more);
    }
}

/// The report of a build without its times.
pub fn build_report(r: &BuildReport) -> Value {
    let rounds: Vec<Value> = r
        .rounds
        .iter()
        .map(|r| {
            let traffic = r
                .traffic
                .map(|t| json!({"submissions": t.submissions, "dispatches": t.dispatches, "read_bytes": t.read_bytes}));
            json!({
                "updates": r.updates, "distances": r.distances, "seconds": r.elapsed.as_secs_f64(),
                "device_seconds": r.device.map(|time| time.as_secs_f64()), "traffic": traffic,
            })
        })
        .collect();
    let parameters: serde_json::Map<String, Value> =
        r.settings.entries().into_iter().map(|(name, value)| (name.into(), Value::from(value))).collect();
    let why: Vec<String> = r.reasons.iter().map(ToString::to_string).collect();
    json!({
        "algorithm": r.algorithm.to_string(),
        "executor": {"ran": r.executor.to_string(), "why": (!why.is_empty()).then(|| why.join("; "))},
        "rounds": rounds.len(),
        "round_stats": rounds,
        "device_phases": r.device_phases.iter().map(phase).collect::<Vec<_>>(),
        "kernels": r.kernels.iter().map(kernel).collect::<Vec<_>>(),
        "predicted_seconds": r.predicted_seconds,
        "stop": format!("{:?}", r.stop).to_lowercase(),
        "distances_evaluated": r.distances_evaluated,
        "recall": r.recall.map(recall_json),
        "target_recall": r.target.map(|t| json!({"target": t.target, "reached": t.reached, "widened": t.widened})),
        "peak_memory_bytes": peak_bytes(),
        "parameters": parameters,
    })
}

/// An estimate of recall, as reports have it.
pub fn recall_json(e: RecallEstimate) -> Value {
    json!({"estimate": e.estimate, "low": e.low, "high": e.high, "sample": e.sample})
}

/// The same for people.
pub fn say_recall(e: RecallEstimate) {
    say!("estimated recall {:.4} (95 % between {:.4} and {:.4}, {} rows)", e.estimate, e.low, e.high, e.sample);
}

fn phase(time: &DevicePhaseTime) -> Value {
    json!({
        "phase": time.phase.to_string(), "seconds": time.elapsed.as_secs_f64(), "waited": time.waited.as_secs_f64(),
        "device_seconds": time.device.map(|time| time.as_secs_f64()),
    })
}

fn kernel(time: &KernelTime) -> Value {
    json!({
        "kernel": time.kernel, "dispatches": time.dispatches, "device_seconds": time.elapsed.as_secs_f64(),
        "distances": time.distances, "bytes": time.bytes,
    })
}

fn summarize(output: &Path, data: &Data, built: &Built) {
    let r = &built.report;
    let (n, dim) = data.shape();
    say!("{n} x {dim} -> {} neighbours each, {}", built.graph.k(), output.display());
    summarize_build(r);
}

pub fn summarize_build(r: &BuildReport) {
    let [build, init, descent, finish, _] = phase_seconds(r);
    say!("{} on {}", r.algorithm, r.executor);
    for reason in &r.reasons {
        say!("  {reason}");
    }
    say!(
        "{:.3} s (init {:.3}, descent {:.3} in {} rounds, finish {:.3}), {:.1} million distances",
        build,
        init,
        descent,
        r.rounds.len(),
        finish,
        r.distances_evaluated as f64 / 1e6
    );
    if let Some(e) = r.recall {
        say_recall(e);
    }
    if let Some(t) = r.target {
        let outcome = if t.reached { "reached" } else { "not reached" };
        say!("target recall {}: {outcome} after widening {} times", t.target, t.widened);
    }
}
