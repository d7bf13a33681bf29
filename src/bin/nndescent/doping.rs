//! `nndescent doping`.

use std::path::PathBuf;

use nndescent::analysis::CheckedGraph;
use nndescent::analysis::outliers::{Combination, Doped, Score, Sod, combined, doped, roc_auc, scores};
use nndescent::io::Values;
use nndescent::{Metric, NnDescent, Points};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::input::{Data, DataArguments, Use};
use crate::threads::pool;

#[derive(clap::Args)]
pub struct Arguments {
    /// Matrix of n x d.
    input: PathBuf,
    #[command(flatten)]
    data: DataArguments,
    /// Metrics to try, by name.
    #[arg(long, num_args = 1.., value_delimiter = ',', default_values = ["euclidean", "manhattan", "cosine"])]
    metrics: Vec<String>,
    /// Neighbours of every row.
    #[arg(short, long = "n-neighbors", default_value_t = 20)]
    k: usize,
    /// Outliers to make [default: one for each hundred rows].
    #[arg(long)]
    count: Option<usize>,
    /// Values of an outlier that are those of other rows [default: a tenth of the columns, 1 at least].
    #[arg(long)]
    changed: Option<usize>,
    /// Random seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Threads [default: all cores]. The result does not depend on it.
    #[arg(long)]
    threads: Option<usize>,
    /// Print one JSON object on stdout and nothing else.
    #[arg(long)]
    json: bool,
}

/// The scores that are tried, besides what they make together.
const SCORES: [(&str, Score); 8] = [
    ("knn", Score::Mean),
    ("kth", Score::Kth),
    ("median", Score::Median),
    ("lof", Score::Lof),
    ("simplified-lof", Score::SimplifiedLof),
    ("loop", Score::Loop { lambda: 3.0 }),
    ("snn", Score::Snn),
    ("indegree", Score::InDegree),
];

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let pool = pool(arguments.threads)?;
    let data = pool.install(|| arguments.data.read(&arguments.input, Use::Build(&Metric::Euclidean)))?;
    let refused = || Failure::Argument("doping needs dense points".into());
    let Data::Dense(dense) = data.widened().map_err(|e| Failure::Input(e.to_string()))? else { return Err(refused()) };
    dense.matrix.points().map_err(|e| Failure::points(&arguments.input, &e))?;
    let (n, dim) = (dense.matrix.n, dense.matrix.dim);
    let Values::F32(values) = dense.matrix.values else { return Err(refused()) };
    let count = arguments.count.unwrap_or(n.div_ceil(100));
    let changed = arguments.changed.unwrap_or(dim.div_ceil(10));
    let set = doped(&values, dim, count, changed, arguments.seed)?;
    let of_metrics: Vec<(String, Vec<(&str, f64)>)> = pool.install(|| {
        let try_metric = |name: &String| Ok((name.clone(), areas(arguments, &set, dim, name)?));
        arguments.metrics.iter().map(try_metric).collect::<Result<_, Failure>>()
    })?;
    if arguments.json {
        let areas = |areas: &[(&str, f64)]| areas.iter().map(|&(name, area)| (name.into(), area.into())).collect();
        let of_metrics = of_metrics.iter().map(|(name, of)| (name.clone(), Value::Object(areas(of)))).collect();
        let roc_auc = Value::Object(of_metrics);
        say!(
            "{}",
            json!({"n": n, "dim": dim, "count": count, "changed": changed, "k": arguments.k, "roc_auc": roc_auc})
        );
        return Ok(());
    }
    say!("ROC-AUC of {count} rows made of others among {n}, {changed} of {dim} values changed, k = {}", arguments.k);
    say!("{:<22}{}", "", of_metrics.iter().map(|(name, _)| format!("{name:>14}")).collect::<String>());
    for (at, (name, _)) in of_metrics[0].1.iter().enumerate() {
        say!("{name:<22}{}", of_metrics.iter().map(|(_, areas)| format!("{:>14.4}", areas[at].1)).collect::<String>());
    }
    Ok(())
}

/// The ROC-AUC of every score by one metric.
fn areas(arguments: &Arguments, set: &Doped, dim: usize, metric: &str) -> Result<Vec<(&'static str, f64)>, Failure> {
    let metric = Metric::parse_with(metric, &[]).map_err(|e| Failure::Argument(e.to_string()))?;
    let points = Points::dense(&set.values, set.is_outlier.len(), dim).map_err(|e| Failure::Input(e.to_string()))?;
    let builder = NnDescent::new(metric).n_neighbors(arguments.k).recall_sample(0).seed(arguments.seed);
    let graph = builder.graph(&points)?.graph;
    let graph = CheckedGraph::new(&graph)?;
    let mut all = Vec::new();
    for (name, score) in SCORES {
        all.push((name, scores(&graph, score, arguments.k)?));
    }
    all.push(("sod", Sod::default().k(arguments.k).scores(&graph, &set.values, dim)?));
    let each: Vec<Vec<f64>> = all.iter().map(|of_kind| of_kind.1.clone()).collect();
    all.push(("mean rank of all", combined(&each, Combination::MeanRank)?));
    all.push(("standardized maximum", combined(&each, Combination::StandardizedMaximum)?));
    let area = |(name, scores): (&'static str, Vec<f64>)| Ok((name, roc_auc(&scores, &set.is_outlier)?));
    all.into_iter().map(area).collect()
}
