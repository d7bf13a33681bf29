//! `nndescent bench`: the same graph on the CPU and on a GPU, phase by phase.

use std::path::PathBuf;
use std::time::Instant;

use nndescent::io::{Matrix, read_matrix};
use nndescent::{Algorithm, BuildReport, Built, Device, KnnGraph, NnDescent, Points, recall as measure};

use crate::failure::Failure;
use crate::graph::{parse, phase_seconds};
use crate::input::{MetricArguments, pool};
use crate::memory::peak_bytes;

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
    /// Instead of a file: so many rows of so many columns, in clusters of 500 on 8-dimensional patches.
    #[arg(long, value_name = "ROWSxCOLUMNS", conflicts_with = "input", value_parser = shape)]
    generate: Option<(usize, usize)>,
    /// Neighbours of every row.
    #[arg(short, long = "n-neighbors", default_value_t = 15)]
    k: usize,
    #[command(flatten)]
    metric: MetricArguments,
    /// The GPU: gpu, an index, a backend or part of a name.
    #[arg(long, default_value = "gpu", value_parser = parse::<Device>)]
    device: Device,
    /// Builds on the GPU, after a first one that is not counted; the one of median time is shown.
    #[arg(long, default_value_t = 3)]
    repeats: usize,
    /// Builds on the CPU; 0 for none.
    #[arg(long, default_value_t = 1)]
    cpu_repeats: usize,
    /// Exact search, too (`--exact=cpu`, `--exact=gpu`, or on both), and recall against it rather than an estimate.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "both")]
    exact: Option<Exact>,
    /// Threads of the CPU; all cores unless given.
    #[arg(long)]
    threads: Option<usize>,
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
            let values = clusters(n, dim);
            let points = Points::dense(&values, n, dim).map_err(|e| Failure::Argument(e.to_string()))?;
            pool.install(|| compare(arguments, &points))
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
    rounds(&all);
    kernels(points, &all[0].report);
    if let Some(bytes) = peak_bytes() {
        say!("peak of this process: {} MiB\n", mib(bytes));
    }
    Ok(())
}

/// The exact graph, if asked for: the CPU's where it makes one.
fn exact_search(arguments: &Arguments, builder: &NnDescent, points: &Points) -> Result<Option<KnnGraph>, Failure> {
    let devices = match arguments.exact {
        None => return Ok(None),
        Some(Exact::Cpu) => vec![Device::Cpu],
        Some(Exact::Gpu) => vec![arguments.device.clone()],
        Some(Exact::Both) => vec![arguments.device.clone(), Device::Cpu],
    };
    let mut truth = None;
    for device in devices {
        let start = Instant::now();
        let built = builder.clone().algorithm(Algorithm::Exact).device(device).graph(points)?;
        let seconds = start.elapsed().as_secs_f64();
        let rate = OPERATIONS * built.report.distances_evaluated as f64 * points.dim() as f64 / seconds * 1e-9;
        say!("exact on {}: {seconds:.3} s, {rate:.1} GFLOP/s\n", built.report.executor);
        truth = Some(built.graph);
    }
    Ok(truth)
}

/// The build whose time is the median of so many; of an even number, the faster of the two.
fn median_build(builder: &NnDescent, points: &Points, repeats: usize) -> Result<Built, Failure> {
    let mut built = (0..repeats).map(|_| builder.graph(points)).collect::<Result<Vec<Built>, _>>()?;
    built.sort_by(|a, b| seconds(&a.report).total_cmp(&seconds(&b.report)));
    Ok(built.swap_remove((repeats - 1) / 2))
}

fn seconds(report: &BuildReport) -> f64 {
    report.times.build().as_secs_f64()
}

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
        // One operand of the two is read anew for every distance.
        values * 4.0 / busy,
    );
    Ok(())
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

/// Device time of every kernel, and what it did of the work that is counted for it.
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
    let wall = (report.times.init + report.times.descent).as_secs_f64();
    say!("\nkernels run {busy:.3} s of the {wall:.3} s of init and descent: the rest is trees, transfers and waiting");
}

/// Clusters of 500 rows, each a patch of eight dimensions.
fn clusters(n: usize, dim: usize) -> Vec<f32> {
    const INNER: usize = 8;
    let clusters = n.div_ceil(500);
    let mut random = Random(1);
    let bases: Vec<f32> = (0..clusters * INNER * dim).map(|_| random.normal() / (INNER as f32).sqrt()).collect();
    let centers: Vec<f32> = (0..clusters * dim).map(|_| random.normal()).collect();
    let mut values = Vec::with_capacity(n * dim);
    for _ in 0..n {
        let cluster = (random.uniform() * clusters as f32) as usize % clusters;
        let inner: [f32; INNER] = std::array::from_fn(|_| (1.3 * random.normal()).sin());
        for j in 0..dim {
            let patch = (0..INNER).map(|a| inner[a] * bases[(cluster * INNER + a) * dim + j]).sum::<f32>();
            values.push(centers[cluster * dim + j] + patch + 0.05 * random.normal());
        }
    }
    values
}

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) >> 40) as f32 / (1u64 << 24) as f32
    }

    /// About normal: the sum of four uniform numbers, which is all that these clusters need.
    fn normal(&mut self) -> f32 {
        ((0..4).map(|_| self.uniform()).sum::<f32>() - 2.0) * 3f32.sqrt()
    }
}
