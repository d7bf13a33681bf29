//! `nndescent bench`: the same graph on the CPU and on a GPU, phase by phase.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use nndescent::io::{Matrix, read_matrix};
use nndescent::{Algorithm, BuildReport, Built, Device, KnnGraph, NnDescent, Points, PointsError, recall as measure};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::generate;
use crate::graph::{build_report, extend, parse, phase_seconds};
use crate::memory::peak_bytes;
use crate::metric::MetricArguments;
use crate::output;
use crate::threads::pool;

#[derive(Clone, Copy, clap::ValueEnum)]
enum Exact {
    Cpu,
    Gpu,
    Both,
}

#[derive(clap::Args)]
pub struct Arguments {
    /// Matrix of n x d, as for `graph`.
    #[arg(required_unless_present = "generate")]
    input: Option<PathBuf>,
    /// Generate rows instead of reading a file.
    #[arg(long, value_name = "ROWSxCOLUMNS", conflicts_with = "input", value_parser = shape)]
    generate: Option<(usize, usize)>,
    /// Structure of generated rows.
    #[arg(long, value_enum, default_value_t = Structure::Clusters, requires = "generate")]
    structure: Structure,
    /// Type of generated values. Bytes are the floats, scaled to 0 to 255.
    #[arg(long, value_enum, default_value_t = Values::F32, requires = "generate")]
    values: Values,
    /// Neighbours per row.
    #[arg(short, long = "n-neighbors", default_value_t = 15)]
    k: usize,
    #[command(flatten)]
    metric: MetricArguments,
    /// The GPU: gpu, an index, a backend, or part of a name.
    #[arg(long, default_value = "gpu", value_parser = parse::<Device>)]
    device: Device,
    /// Builds on the GPU, after a first one that is not counted. The median is shown.
    #[arg(long, default_value_t = 3)]
    repeats: usize,
    /// Builds on the CPU.
    #[arg(long, default_value_t = 1)]
    cpu_repeats: usize,
    /// Run exact search as well, on both devices unless one is named, and report recall against it.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "both")]
    exact: Option<Exact>,
    /// CPU threads [default: all cores].
    #[arg(long)]
    threads: Option<usize>,
    /// Print one JSON object on stdout, and the tables on stderr.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Structure {
    /// Clusters of 500 rows, each on a patch of 8 dimensions: few rounds.
    Clusters,
    /// Little structure, like image descriptors: a cloud of 24 dimensions around many centres. Many rounds.
    Flat,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Values {
    F32,
    F16,
    U8,
}

fn shape(word: &str) -> Result<(usize, usize), String> {
    let numbers = word.split_once('x').and_then(|(n, dim)| Some((n.parse().ok()?, dim.parse().ok()?)));
    numbers.filter(|&(n, dim)| n > 0 && dim > 0).ok_or_else(|| format!("`{word}` is not ROWSxCOLUMNS, as 100000x96"))
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.json {
        output::take();
    }
    let pool = pool(arguments.threads)?;
    match (&arguments.input, arguments.generate) {
        (Some(path), _) => {
            let matrix: Matrix = pool.install(|| read_matrix(path, None))?;
            let points = matrix.points().map_err(|e| Failure::points(path, &e))?;
            pool.install(|| compare(arguments, &points))
        }
        (None, Some((n, dim))) => {
            let values = match arguments.structure {
                Structure::Clusters => generate::clusters(n, dim),
                Structure::Flat => pool.install(|| generate::flat(n, dim)),
            };
            let refused = |e: PointsError| Failure::Argument(e.to_string());
            match arguments.values {
                Values::F32 => {
                    let points = Points::dense(&values, n, dim).map_err(refused)?;
                    pool.install(|| compare(arguments, &points))
                }
                Values::F16 => {
                    let halves: Vec<half::f16> = values.iter().map(|&value| half::f16::from_f32(value)).collect();
                    let points = Points::dense(&halves, n, dim).map_err(refused)?;
                    pool.install(|| compare(arguments, &points))
                }
                Values::U8 => {
                    let bytes = generate::bytes(&values);
                    let points = Points::dense(&bytes, n, dim).map_err(refused)?;
                    pool.install(|| compare(arguments, &points))
                }
            }
        }
        (None, None) => Err(Failure::Argument("a file, or --generate".into())),
    }
}

fn compare(arguments: &Arguments, points: &Points) -> Result<(), Failure> {
    let (metric, k) = (arguments.metric.metric()?, arguments.k);
    say!("{} x {}, {metric}, k={k}, median of {}\n", points.n(), points.dim(), arguments.repeats);
    let builder = NnDescent::new(metric).n_neighbors(k);
    let searched = exact_search(arguments, &builder, points)?;
    let truth = searched.last().map(|exact| &exact.graph);

    let builder = builder.algorithm(Algorithm::NnDescent);
    let on_gpu = builder.clone().device(arguments.device.clone()).time_kernels(true);
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let (host, device) = (on_gpu.estimate_memory(points)?, on_gpu.estimate_device_memory(points)?);
    say!("memory beyond the points, estimated: {} MiB on the host, {} MiB on the device", mib(host), mib(device));
    let start = Instant::now();
    on_gpu.graph(points)?;
    let first = start.elapsed().as_secs_f64();
    say!("first build on the GPU, with device and pipelines: {first:.3} s\n");

    say!("| on | init s | descent s | finish s | in all s | rounds | million distances | GFLOP/s | GB/s | recall |");
    say!("|---|---|---|---|---|---|---|---|---|---|");
    let gpu = median_build(&on_gpu, points, arguments.repeats.max(1))?;
    line(points, k, &gpu, truth)?;
    let mut all = vec![gpu];
    if arguments.cpu_repeats > 0 {
        let cpu = median_build(&builder.device(Device::Cpu), points, arguments.cpu_repeats)?;
        line(points, k, &cpu, truth)?;
        all.push(cpu);
    }
    say!();
    phases(&all[0].report);
    rounds(&all);
    kernels(points, &all[0].report);
    if let Some(bytes) = peak_bytes() {
        say!("peak of this process: {} MiB\n", mib(bytes));
    }
    if arguments.json {
        let builds = all.iter().map(|built| build_json(built, k, truth)).collect::<Result<Vec<Value>, _>>()?;
        let exact: Vec<Value> = searched.iter().map(Exactly::json).collect();
        output::print_taken(&json!({
            "n": points.n(), "dim": points.dim(), "k": k, "repeats": arguments.repeats, "exact": exact,
            "memory": {"host_bytes": host, "device_bytes": device}, "first_seconds": first, "builds": builds,
        }));
    }
    Ok(())
}

fn build_json(built: &Built, k: usize, truth: Option<&KnnGraph>) -> Result<Value, Failure> {
    let mut report = build_report(&built.report);
    let [build, init, descent, finish, _] = phase_seconds(&built.report);
    let more = json!({
        "seconds": {"build": build, "init": init, "descent": descent, "finish": finish},
        "measured_recall": recall_of(built, k, truth)?,
    });
    extend(&mut report, more);
    Ok(report)
}

/// Exact search on a device.
struct Exactly {
    graph: KnnGraph,
    on: String,
    seconds: f64,
    /// Of the first one, which opens the device and compiles.
    first: f64,
}

impl Exactly {
    fn json(&self) -> Value {
        json!({"executor": self.on, "seconds": self.seconds, "first_seconds": self.first})
    }
}

/// Exact search, if asked for; the CPU's comes last.
fn exact_search(arguments: &Arguments, builder: &NnDescent, points: &Points) -> Result<Vec<Exactly>, Failure> {
    let devices = match arguments.exact {
        None => Vec::new(),
        Some(Exact::Cpu) => vec![Device::Cpu],
        Some(Exact::Gpu) => vec![arguments.device.clone()],
        Some(Exact::Both) => vec![arguments.device.clone(), Device::Cpu],
    };
    let mut searched = Vec::new();
    for device in devices {
        let exact = builder.clone().algorithm(Algorithm::Exact).device(device);
        let timed = || {
            let start = Instant::now();
            exact.graph(points).map(|built| (built, start.elapsed().as_secs_f64()))
        };
        let (mut built, first) = timed()?;
        let mut seconds = first;
        if first < ONCE && built.report.executor.is_gpu() {
            (built, seconds) = timed()?;
        }
        let rate = OPERATIONS * built.report.distances_evaluated as f64 * points.dim() as f64 / seconds * 1e-9;
        let on = built.report.executor.to_string();
        say!("exact on {on}: {seconds:.3} s (the first time {first:.3} s), {rate:.1} GFLOP/s\n");
        searched.push(Exactly { graph: built.graph, on, seconds, first });
    }
    Ok(searched)
}

/// The build of median time. Of an even number, the faster of the middle two.
fn median_build(builder: &NnDescent, points: &Points, repeats: usize) -> Result<Built, Failure> {
    let mut built = (0..repeats).map(|_| builder.graph(points)).collect::<Result<Vec<Built>, _>>()?;
    built.sort_by(|a, b| seconds(&a.report).total_cmp(&seconds(&b.report)));
    Ok(built.swap_remove((repeats - 1) / 2))
}

fn seconds(report: &BuildReport) -> f64 {
    report.times.build().as_secs_f64()
}

/// Exact search that takes more seconds is not run again.
const ONCE: f64 = 5.0;

/// A difference and a fused multiply-add to a column.
const OPERATIONS: f64 = 3.0;

fn line(points: &Points, k: usize, built: &Built, truth: Option<&KnnGraph>) -> Result<(), Failure> {
    let report = &built.report;
    let recall = recall_of(built, k, truth)?.unwrap_or(f64::NAN);
    let [_, init, descent, finish, _] = phase_seconds(report);
    let values = report.distances_evaluated as f64 * points.dim() as f64;
    let busy = (init + descent) * 1e9;
    say!(
        "| {} | {:.3} | {:.3} | {:.3} | {:.3} | {} | {:.1} | {:.1} | {:.1} | {recall:.4} |",
        report.executor,
        init,
        descent,
        finish,
        seconds(report),
        report.rounds.len(),
        report.distances_evaluated as f64 / 1e6,
        OPERATIONS * values / busy,
        // Every distance reads one of its two rows.
        values * 4.0 / busy,
    );
    Ok(())
}

/// Recall against the truth; if there is none, the estimate.
fn recall_of(built: &Built, k: usize, truth: Option<&KnnGraph>) -> Result<Option<f64>, Failure> {
    match truth {
        Some(truth) => measure::recall(&built.graph, truth, k).map(Some).map_err(|e| Failure::Other(e.to_string())),
        None => Ok(built.report.recall.map(|r| r.estimate)),
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn on_device(time: Option<Duration>) -> String {
    time.map_or("-".into(), |time| format!("{:.1}", milliseconds(time)))
}

/// What the phases took on a GPU.
fn phases(report: &BuildReport) {
    say!("| phase | ms | host, ms | waited, ms | device, ms |");
    say!("|---|---|---|---|---|");
    for time in &report.device_phases {
        let host = milliseconds(time.elapsed.saturating_sub(time.waited));
        let (elapsed, waited) = (milliseconds(time.elapsed), milliseconds(time.waited));
        say!("| {} | {elapsed:.1} | {host:.1} | {waited:.1} | {} |", time.phase, on_device(time.device));
    }
    say!();
}

fn rounds(all: &[Built]) {
    say!("| on | round | ms | device, ms | million distances | updates | submissions | dispatches | bytes back |");
    say!("|---|---|---|---|---|---|---|---|---|");
    for Built { report, .. } in all {
        let on = if report.executor.is_gpu() { "gpu" } else { "cpu" };
        for (round, r) in (1..).zip(&report.rounds) {
            let traffic = r
                .traffic
                .map_or("- | - | -".into(), |t| format!("{} | {} | {}", t.submissions, t.dispatches, t.read_bytes));
            let million = r.distances as f64 / 1e6;
            let (elapsed, device) = (milliseconds(r.elapsed), on_device(r.device));
            say!("| {on} | {round} | {elapsed:.1} | {device} | {million:.2} | {} | {traffic} |", r.updates);
        }
    }
    say!();
}

/// Time and counted work of every kernel.
fn kernels(points: &Points, report: &BuildReport) {
    if report.kernels.is_empty() {
        say!("the adapter has no timestamps: kernels are not timed");
        return;
    }
    say!("| kernel | dispatches | ms | million distances | GFLOP/s | GB of rows, uncached | GB/s |");
    say!("|---|---|---|---|---|---|---|");
    for time in &report.kernels {
        let (million, gigabytes) = (time.distances as f64 / 1e6, time.bytes as f64 / 1e9);
        let operations = OPERATIONS * time.distances as f64 * points.dim() as f64;
        let seconds = time.elapsed.as_secs_f64();
        let work = if time.distances == 0 {
            "- | - | - | -".into()
        } else {
            let rate = operations / seconds / 1e9;
            format!("{million:.1} | {rate:.1} | {gigabytes:.2} | {:.1}", gigabytes / seconds)
        };
        say!("| {} | {} | {:.2} | {work} |", time.kernel, time.dispatches, seconds * 1e3);
    }
    let busy = report.kernels.iter().map(|time| time.elapsed.as_secs_f64()).sum::<f64>();
    let wall = report.times.build().as_secs_f64();
    say!("\nkernels run {busy:.3} s of the {wall:.3} s of the build: the rest is trees, transfers and waiting");
}
