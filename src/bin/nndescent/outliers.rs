//! `nndescent outliers`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use nndescent::analysis::outliers::{Score, Sod, roc_auc, scores, threshold};
use nndescent::analysis::{AnalysisError, CheckedGraph};
use nndescent::io::{Values, read_floats};
use serde_json::json;

use crate::failure::Failure;
use crate::graph::{BuildArguments, extend};
use crate::input::Data;
use crate::neighbors::Neighbors;
use crate::output;
use crate::plot;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    build: BuildArguments,
    /// Score.
    #[arg(long, value_enum, default_value_t = Method::Lof)]
    method: Method,
    /// Share of the points that are labelled outliers, above 0, up to 0.5.
    #[arg(long, default_value_t = 0.1, allow_negative_numbers = true)]
    contamination: f64,
    /// Print so many of the most outlying points.
    #[arg(long, default_value_t = 10)]
    top: usize,
    /// Standard deviations that count as far, for loop.
    #[arg(long, default_value_t = 3.0)]
    lambda: f64,
    /// Points of a reference set, for sod.
    #[arg(long, default_value_t = 10)]
    reference: usize,
    /// Share of the mean variance below which a column counts, for sod.
    #[arg(long, default_value_t = 0.8)]
    alpha: f64,
    /// The matrix that a graph was built of, for sod.
    #[arg(long)]
    points: Option<PathBuf>,
    /// Known outliers, to report the ROC-AUC: .npy of n numbers, other than 0 for outliers.
    #[arg(long)]
    labels: Option<PathBuf>,
    /// Histogram of the scores, as .svg.
    #[arg(long)]
    plot: Option<PathBuf>,
    /// Print one JSON object on stdout and nothing else.
    #[arg(long)]
    json: bool,
    /// Output: .npy of n scores (float64), larger where more outlying.
    #[arg(short, long)]
    output: PathBuf,
}

/// What tells outliers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Method {
    /// Mean distance of the k nearest.
    Knn,
    /// Distance of the k-th nearest.
    Kth,
    /// Median distance of the k nearest.
    Median,
    /// Shared nearest neighbours.
    Snn,
    /// Local outlier factor.
    Lof,
    /// Local outlier factor by mean distances.
    SimplifiedLof,
    /// Local outlier probability.
    Loop,
    /// Subspace outlier degree.
    Sod,
    /// Negative k-occurrence.
    Indegree,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let inputs = arguments.build.inputs().into_iter().chain(arguments.points.clone()).chain(arguments.labels.clone());
    let inputs: Vec<PathBuf> = inputs.collect();
    let plot = arguments.plot.as_deref().map(|plot| (plot, "svg"));
    let outputs: Vec<(&Path, &str)> = [(arguments.output.as_path(), "npy")].into_iter().chain(plot).collect();
    output::check_all(&outputs, &inputs)?;
    let neighbors = Neighbors::of(&arguments.build, !arguments.json)?;
    let by_ids = matches!(arguments.method, Method::Snn | Method::Indegree | Method::Sod);
    let graph = neighbors.checked(!by_ids)?;
    let k = graph.k();

    let start = Instant::now();
    let scores = arguments.scores(&graph, &neighbors, k)?;
    let seconds = start.elapsed().as_secs_f64();
    let threshold = threshold(&scores, arguments.contamination)?;
    let count = scores.iter().filter(|&&score| score > threshold).count();
    let auc = arguments.labels.as_deref().map(|path| auc(path, &scores)).transpose()?;
    let top = most_outlying(&scores, arguments.top);

    output::write_values(&arguments.output, &scores)?;
    if let Some(path) = &arguments.plot {
        plot::histogram(
            path,
            &scores,
            threshold,
            &format!("{} of {k} neighbours", output::name_of(&arguments.method)),
        )?;
    }
    if arguments.json {
        let mut report = neighbors.report();
        let top: Vec<_> = top.iter().map(|&row| json!({"row": row, "score": scores[row]})).collect();
        let more = json!({
            "method": output::name_of(&arguments.method), "neighbors": k, "threshold": threshold,
            "outliers": count, "roc_auc": auc, "top": top, "score_seconds": seconds,
            "output": arguments.output.display().to_string(),
        });
        extend(&mut report, more);
        say!("{report}");
        return Ok(());
    }
    neighbors.summarize();
    say!("scored {} points in {seconds:.3} s, {}", scores.len(), arguments.output.display());
    say!("{count} outliers, above {threshold:.6}");
    auc.iter().for_each(|auc| say!("ROC-AUC {auc:.4}"));
    top.iter().for_each(|&row| say!("{row:>10}  {:.6}", scores[row]));
    Ok(())
}

impl Arguments {
    fn scores(&self, graph: &CheckedGraph, neighbors: &Neighbors, k: usize) -> Result<Vec<f64>, Failure> {
        let score = match self.method {
            Method::Knn => Score::Mean,
            Method::Kth => Score::Kth,
            Method::Median => Score::Median,
            Method::Snn => Score::Snn,
            Method::Lof => Score::Lof,
            Method::SimplifiedLof => Score::SimplifiedLof,
            Method::Loop => Score::Loop { lambda: self.lambda },
            Method::Indegree => Score::InDegree,
            Method::Sod => return self.subspace(graph, neighbors, k),
        };
        Ok(scores(graph, score, k)?)
    }

    fn subspace(&self, graph: &CheckedGraph, neighbors: &Neighbors, k: usize) -> Result<Vec<f64>, Failure> {
        let sod = Sod::default().k(k).reference(self.reference).alpha(self.alpha);
        let read;
        let data = match (&neighbors.data, &self.points) {
            (Some(data), _) => data,
            (None, Some(path)) => {
                read = self.build.read(path)?;
                &read
            }
            (None, None) => return Err(Failure::Argument("sod of a graph needs --points, the matrix of it".into())),
        };
        let Data::Dense(dense) = data else {
            return Err(Failure::Argument("sod needs dense points".into()));
        };
        let source = self.points.as_deref().unwrap_or(&self.build.input);
        data.points().map_err(|e| Failure::points(source, &e))?;
        let wide = dense.matrix.clone().converted("float32").map_err(|e| Failure::Input(e.to_string()))?;
        match &wide.values {
            Values::F32(values) => match sod.scores(graph, values, wide.dim) {
                Err(error @ AnalysisError::Rows { .. }) => {
                    Err(Failure::Input(format!("{}: {error}", source.display())))
                }
                scores => Ok(scores?),
            },
            _ => Err(Failure::Other("values that are not float32".into())),
        }
    }
}

fn auc(path: &Path, scores: &[f64]) -> Result<f64, Failure> {
    let labels = read_floats(path)?;
    if let Some(row) = labels.iter().position(|label| label.is_nan()) {
        return Err(Failure::Input(format!("{}: the label of row {row} is NaN", path.display())));
    }
    let labels: Vec<bool> = labels.into_iter().map(|label| label != 0.0).collect();
    roc_auc(scores, &labels).map_err(|e| Failure::Input(format!("{}: {e}", path.display())))
}

/// The rows of the largest scores.
fn most_outlying(scores: &[f64], count: usize) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..scores.len()).collect();
    rows.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    rows.truncate(count);
    rows
}
