//! `nndescent bench`: the same graph on the CPU and on a GPU, phase by phase.

use std::path::PathBuf;
use std::time::Instant;

use nndescent::io::{Matrix, read_matrix};
use nndescent::{Algorithm, BuildReport, Built, Device, KnnGraph, NnDescent, Points, PointsError, recall as measure};

use crate::failure::Failure;
use crate::generate;
use crate::graph::{parse, phase_seconds};
use crate::memory::peak_bytes;
use crate::metric::MetricArguments;
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
    U8,
}

fn shape(word: &str) -> Result<(usize, usize), String> {
    let numbers = word.split_once('x').and_then(|(n, dim)| Some((n.parse().ok()?, dim.parse().ok()?)));
    numbers.filter(|&(n, dim)| n > 0 && dim > 0).ok_or_else(|| format!("`{word}` is not ROWSxCOLUMNS, as 100000x96"))
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
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
    let truth = exact_search(arguments, &builder, points)?;

    let builder = builder.algorithm(Algorithm::NnDescent);
    let on_gpu = builder.clone().device(arguments.device.clone()).time_kernels(true);
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let (host, device) = (on_gpu.estimate_memory(points)?, on_gpu.estimate_device_memory(points)?);
    say!("memory beyond the points, estimated: {} MiB on the host, {} MiB on the device", mib(host), mib(device));
    let start = Instant::now();
    on_gpu.graph(points)?;
    say!("first build on the GPU, with device and pipelines: {:.3} s\n", start.elapsed().as_secs_f64());

    say!("| on | init s | descent s | finish s | in all s | rounds | million distances | GFLOP/s | GB/s | recall |");
    say!("|---|---|---|---|---|---|---|---|---|---|");
    let gpu = median_build(&on_gpu, points, arguments.repeats.max(1))?;
    line(points, k, &gpu, truth.as_ref())?;
    let mut all = vec![gpu];
    if arguments.cpu_repeats > 0 {
        let cpu = median_build(&builder.device(Device::Cpu), points, arguments.cpu_repeats)?;
        line(points, k, &cpu, truth.as_ref())?;
        all.push(cpu);
    }
    say!();
    phases(&all[0].report);
    rounds(&all);
    kernels(points, &all[0].report);
    if let Some(bytes) = peak_bytes() {
        say!("peak of this process: {} MiB\n", mib(bytes));
    }
    Ok(())
}

/// The exact graph, if asked for; the CPU's if both make one.
fn exact_search(arguments: &Arguments, builder: &NnDescent, points: &Points) -> Result<Option<KnnGraph>, Failure> {
    let devices = match arguments.exact {
        None => return Ok(None),
        Some(Exact::Cpu) => vec![Device::Cpu],
        Some(Exact::Gpu) => vec![arguments.device.clone()],
        Some(Exact::Both) => vec![arguments.device.clone(), Device::Cpu],
    };
    let mut truth = None;
    for device in devices {
        let exact = builder.clone().algorithm(Algorithm::Exact).device(device);
        let timed = || {
            let start = Instant::now();
            exact.graph(points).map(|built| (built, start.elapsed().as_secs_f64()))
        };
        let (mut built, first) = timed()?;
        let mut seconds = first;
        // The first one opens the device and compiles.
        if first < ONCE && built.report.executor.is_gpu() {
            (built, seconds) = timed()?;
        }
        let rate = OPERATIONS * built.report.distances_evaluated as f64 * points.dim() as f64 / seconds * 1e-9;
        say!("exact on {}: {seconds:.3} s (the first time {first:.3} s), {rate:.1} GFLOP/s\n", built.report.executor);
        truth = Some(built.graph);
    }
    Ok(truth)
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
    let Built { graph, report, .. } = built;
    let recall = match truth {
        Some(truth) => measure::recall(graph, truth, k).map_err(|e| Failure::Other(e.to_string()))?,
        None => report.recall.map_or(f64::NAN, |r| r.estimate),
    };
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

/// Wall time of the phases on a GPU.
fn phases(report: &BuildReport) {
    say!("| phase | ms |");
    say!("|---|---|");
    for time in &report.device_phases {
        say!("| {} | {:.1} |", time.phase, time.elapsed.as_secs_f64() * 1e3);
    }
    say!();
}

fn rounds(all: &[Built]) {
    say!("| on | round | s | million distances | updates | submissions | dispatches | bytes back |");
    say!("|---|---|---|---|---|---|---|---|");
    for Built { report, .. } in all {
        let on = if report.executor.is_gpu() { "gpu" } else { "cpu" };
        for (round, r) in (1..).zip(&report.rounds) {
            let traffic = r
                .traffic
                .map_or("- | - | -".into(), |t| format!("{} | {} | {}", t.submissions, t.dispatches, t.read_bytes));
            let million = r.distances as f64 / 1e6;
            say!("| {on} | {round} | {:.4} | {million:.2} | {} | {traffic} |", r.elapsed.as_secs_f64(), r.updates);
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
