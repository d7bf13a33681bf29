//! Outlier scores of a neighbour graph: the larger, the more outlying.

mod density;
mod doping;
mod ensemble;
mod sod;

pub use doping::{Doped, doped};
pub use ensemble::{Combination, combined, outliers, roc_auc, threshold};
pub use sod::Sod;

use super::checked_graph::CheckedGraph;
use super::error::{AnalysisError, check_parameter};
use super::rows::in_degrees;
use super::sorted_rows::{Marks, SortedRows};
use density::{Lof, Loop, SimplifiedLof};

/// A score that a graph tells by itself. Each looks at the `k` nearest neighbours of a point.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Score {
    /// Mean distance from them (Angiulli and Pizzuti 2002).
    Mean,
    /// Distance from the farthest of them (Ramaswamy, Rastogi and Shim 2000).
    Kth,
    /// Median of their distances.
    Median,
    /// Local outlier factor: the density of the neighbours by that of the point, both by reachability distances; about
    /// 1 inside a cluster (Breunig, Kriegel, Ng and Sander 2000).
    Lof,
    /// The same with densities by mean distances (Schubert, Zimek and Kriegel 2014).
    SimplifiedLof,
    /// Local outlier probability, 0 to 1 (Kriegel, Kröger, Schubert and Zimek 2009).
    Loop {
        /// Standard deviations that count as far; the paper takes 2 or 3.
        lambda: f64,
    },
    /// The negative number of points that have this one among their nearest `k` (ODIN: Hautamäki, Kärkkäinen and Fränti
    /// 2004): antihubs score highest.
    InDegree,
    /// `k` less the mean number of neighbours shared with each of the nearest `k`.
    Snn,
}

/// Scores of all rows of a graph.
///
/// ```
/// use nndescent::analysis::CheckedGraph;
/// use nndescent::analysis::outliers::{Score, outliers, scores};
/// use nndescent::{Metric, Points, exact};
///
/// let mut data: Vec<f32> = (0..60).map(|i| (i % 8) as f32 + 0.01 * i as f32).collect();
/// data[7] = 40.0;
/// let graph = exact::graph(&Points::dense(&data, 60, 1)?, &Metric::Euclidean, 5, false)?;
/// let scores = scores(&CheckedGraph::new(&graph)?, Score::Lof, 5)?;
/// assert!(outliers(&scores, 1.0 / 60.0)?[7]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// `k` zero or more than the neighbours of a row; a negative distance under scores of densities; a `lambda` that is not
/// above zero.
///
/// # Complexity
/// O(n · k); O(n · k²) of [`Score::Snn`].
pub fn scores(graph: &CheckedGraph, score: Score, k: usize) -> Result<Vec<f64>, AnalysisError> {
    of_rows(graph, graph, score, k)
}

/// Scores of new points: `found` is what they found among the points of `graph` ([`CheckedGraph::of_queries`]).
///
/// Densities and probabilities are those of the graph, as if the new points were not there. Under [`Score::InDegree`] a
/// new point counts those of its `k` nearest that it would be among the nearest `k` of.
///
/// # Errors
/// Same as [`scores`]; ids in `found` of another number of points than `graph` has.
pub fn scores_of_new(
    graph: &CheckedGraph,
    found: &CheckedGraph,
    score: Score,
    k: usize,
) -> Result<Vec<f64>, AnalysisError> {
    if found.id_bound() != graph.n() {
        let what = "the points that were searched";
        return Err(AnalysisError::Rows { what, found: found.id_bound(), expected: graph.n() });
    }
    found.check_k(k)?;
    match score {
        Score::InDegree => in_degrees_of_new(graph, found, k),
        _ => of_rows(graph, found, score, k),
    }
}

/// Scores of `rows`, whose ids are rows of `graph`.
fn of_rows(graph: &CheckedGraph, rows: &CheckedGraph, score: Score, k: usize) -> Result<Vec<f64>, AnalysisError> {
    graph.check_k(k)?;
    let near = |i: usize| &rows.distances(i)[..k];
    match score {
        Score::Mean => Ok(rows.map(|i| density::mean(near(i)))),
        Score::Kth => Ok(rows.map(|i| f64::from(near(i)[k - 1]))),
        Score::Median => Ok(rows.map(|i| median(near(i)))),
        Score::InDegree => Ok(in_degrees(graph, Some(k)).into_iter().map(|degree| -f64::from(degree)).collect()),
        Score::Snn => {
            let (lists, own) = (SortedRows::new(graph, k)?, SortedRows::new(rows, k)?);
            let of_row = |marks: &mut Marks, i: usize| {
                let shared =
                    |marks: &Marks| own.row(i).iter().map(|near| marks.n_shared(lists.row(near.0 as usize))).sum();
                let shared: usize = marks.marked(own.row(i), shared);
                k as f64 - shared as f64 / k as f64
            };
            Ok(rows.map_init(|| Marks::new(graph.n()), of_row))
        }
        Score::Lof => Ok(Lof::new(graph, k)?.of_rows(rows)),
        Score::SimplifiedLof => Ok(SimplifiedLof::new(graph, k)?.of_rows(rows)),
        Score::Loop { lambda } => {
            check_parameter("lambda", lambda, lambda > 0.0 && lambda.is_finite(), "above 0")?;
            Ok(Loop::new(graph, k, lambda)?.of_rows(rows))
        }
    }
}

/// The middle of ascending distances.
fn median(distances: &[f32]) -> f64 {
    let k = distances.len();
    (f64::from(distances[(k - 1) / 2]) + f64::from(distances[k / 2])) / 2.0
}

fn in_degrees_of_new(graph: &CheckedGraph, found: &CheckedGraph, k: usize) -> Result<Vec<f64>, AnalysisError> {
    graph.check_k(k)?;
    let takes = |id: u32, distance: f32| distance < graph.distances(id as usize)[k - 1];
    Ok(found.map(|i| -(found.neighbors(i).take(k).filter(|near| takes(near.id, near.distance)).count() as f64)))
}
