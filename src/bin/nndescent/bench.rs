//! `nndescent bench`: the same graph on the CPU and on a GPU, phase by phase.

use std::path::PathBuf;
use std::time::Instant;

use nndescent::io::{Matrix, read_matrix};
use nndescent::{Algorithm, BuildReport, Device, KnnGraph, NnDescent, Points, eval, exact};

use crate::failure::Failure;
use crate::input::{MetricArguments, pool};

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
    #[arg(long, default_value = "gpu")]
    device: String,
    /// Builds on each; the fastest is shown.
    #[arg(long, default_value_t = 3)]
    repeats: usize,
    /// Exact search, too, and recall against it rather than an estimate.
    #[arg(long)]
    exact: bool,
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
    let metric = arguments.metric.metric()?;
    say!("{} x {}, {metric}, k={}, the fastest of {}\n", points.n(), points.dim(), arguments.k, arguments.repeats);
    let truth = if arguments.exact {
        let start = Instant::now();
        let truth = exact::graph(points, &metric, arguments.k, false)?;
        say!("exact on the CPU: {:.3} s", start.elapsed().as_secs_f64());
        let start = Instant::now();
        let device = arguments.device.parse().unwrap_or_default();
        let built = NnDescent::new(metric.clone()).n_neighbors(arguments.k).algorithm(Algorithm::Exact).device(device);
        let built = built.graph(points)?;
        say!("exact on {}: {:.3} s\n", built.report.executor, start.elapsed().as_secs_f64());
        Some(truth)
    } else {
        None
    };
    say!("| on | init s | descent s | finish s | rounds | million distances | GFLOP/s | GB/s | recall |");
    say!("|---|---|---|---|---|---|---|---|---|");
    for device in [Device::Cpu, arguments.device.parse().unwrap_or_default()] {
        let builder =
            NnDescent::new(metric.clone()).n_neighbors(arguments.k).algorithm(Algorithm::NnDescent).device(device);
        let mut fastest: Option<(KnnGraph, BuildReport)> = None;
        for _ in 0..arguments.repeats.max(1) {
            let built = builder.graph(points)?;
            if fastest.as_ref().is_none_or(|(_, report)| seconds(&built.report) < seconds(report)) {
                fastest = Some((built.graph, built.report));
            }
        }
        if let Some((graph, report)) = fastest {
            line(points, arguments.k, &graph, &report, truth.as_ref())?;
        }
    }
    Ok(())
}

fn seconds(report: &BuildReport) -> f64 {
    report.seconds.init + report.seconds.descent + report.seconds.finish
}

fn line(
    points: &Points,
    k: usize,
    graph: &KnnGraph,
    report: &BuildReport,
    truth: Option<&KnnGraph>,
) -> Result<(), Failure> {
    let recall = match truth {
        Some(truth) => eval::recall(graph, truth, k).map_err(|e| Failure::Other(e.to_string()))?,
        None => report.recall.map_or(f64::NAN, |r| r.estimate),
    };
    let s = report.seconds;
    let values = report.distances_evaluated as f64 * points.dim() as f64;
    let busy = (s.init + s.descent) * 1e9;
    say!(
        "| {} | {:.3} | {:.3} | {:.3} | {} | {:.1} | {:.1} | {:.1} | {recall:.4} |",
        report.executor,
        s.init,
        s.descent,
        s.finish,
        report.rounds.len(),
        report.distances_evaluated as f64 / 1e6,
        // A difference and a fused multiply-add to a value; one operand of the two is read anew for every distance.
        3.0 * values / busy,
        values * 4.0 / busy,
    );
    for (round, r) in report.rounds.iter().enumerate() {
        let traffic = r.traffic.map_or(String::new(), |t| {
            format!(", {} submissions, {} dispatches, {} bytes back", t.submissions, t.dispatches, t.read_bytes)
        });
        let (million, round) = (r.distances as f64 / 1e6, round + 1);
        eprintln!("round {round}: {:.3} s, {million:.2} million distances, {} updates{traffic}", r.seconds, r.updates);
    }
    Ok(())
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
