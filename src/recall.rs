//! Recall of a graph against exact neighbours, and estimated recall with a confidence interval.
//!
//! ```
//! use nndescent::{Metric, NnDescent, Points, exact, recall};
//!
//! let data: Vec<f32> = (0..500 * 8).map(|i| ((i * 37) % 101) as f32).collect();
//! let points = Points::dense(&data, 500, 8)?;
//! let found = NnDescent::new(Metric::Euclidean).n_neighbors(10).graph(&points)?.graph;
//! let truth = exact::graph(&points, &Metric::Euclidean, 10, false)?;
//! assert!(recall::recall(&found, &truth, 10)? > 0.99);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use thiserror::Error;

use crate::graph::KnnGraph;

/// Why two graphs cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecallError {
    /// Different numbers of rows.
    #[error("{found} rows found, {truth} rows of truth")]
    Rows {
        /// Rows of the graph.
        found: usize,
        /// Rows of the truth.
        truth: usize,
    },
    /// More neighbours asked for than rows hold.
    #[error("k = {k}, but rows found hold {found} neighbours and rows of truth {truth}")]
    TooMany {
        /// Neighbours to compare.
        k: usize,
        /// Neighbours in a row of the graph.
        found: usize,
        /// Neighbours in a row of the truth.
        truth: usize,
    },
}

/// The share of the first `k` neighbours found that are no farther than the true k-th (relative tolerance 1e-6), so
/// that ties do not count as misses. A neighbour found twice counts once.
///
/// Graphs without distances (all zero or unknown) are compared by id: see [`recall_by_id`].
///
/// # Errors
/// Different numbers of rows, or `k` zero or more than either holds.
pub fn recall(found: &KnnGraph, truth: &KnnGraph, k: usize) -> Result<f64, RecallError> {
    let hits: usize = row_hits(found, truth, k, hits_by_distance)?.into_iter().sum();
    Ok(hits as f64 / (found.n() * k) as f64)
}

/// The share of the first `k` true ids that are among the first `k` found.
///
/// # Errors
/// Same as [`recall`].
pub fn recall_by_id(found: &KnnGraph, truth: &KnnGraph, k: usize) -> Result<f64, RecallError> {
    let hits: usize = row_hits(found, truth, k, hits_by_id)?.into_iter().sum();
    Ok(hits as f64 / (found.n() * k) as f64)
}

type RowHits = fn(&KnnGraph, &KnnGraph, usize, usize) -> usize;

fn row_hits(found: &KnnGraph, truth: &KnnGraph, k: usize, hits: RowHits) -> Result<Vec<usize>, RecallError> {
    if found.n() != truth.n() {
        return Err(RecallError::Rows { found: found.n(), truth: truth.n() });
    }
    if k == 0 || k > found.k() || k > truth.k() {
        return Err(RecallError::TooMany { k, found: found.k(), truth: truth.k() });
    }
    Ok((0..found.n()).map(|i| hits(found, truth, i, k)).collect())
}

fn hits_by_distance(found: &KnnGraph, truth: &KnnGraph, i: usize, k: usize) -> usize {
    let farthest = truth.distances(i)[k - 1];
    let bound = farthest + farthest.abs() * 1e-6;
    let ids = &found.ids(i)[..k];
    let near = |at: usize| {
        ids[at] != KnnGraph::NO_NEIGHBOR && found.distances(i)[at] <= bound && !ids[..at].contains(&ids[at])
    };
    (0..k).filter(|&at| near(at)).count()
}

fn hits_by_id(found: &KnnGraph, truth: &KnnGraph, i: usize, k: usize) -> usize {
    let ids = &found.ids(i)[..k];
    truth.ids(i)[..k].iter().filter(|t| ids.contains(t)).count()
}

/// Recall on a sample of rows, with a 95 % interval for all rows.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct RecallEstimate {
    /// Mean over the sample.
    pub estimate: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Rows in the sample.
    pub sample: usize,
}

/// 97.5 % quantile of the normal distribution.
const Z: f64 = 1.959_964;

/// The estimate from the rows of a sample drawn from `n` rows.
///
/// Wilson's score interval (1927) over the neighbours of the sample, its size divided by the design effect: rows miss
/// neighbours in clumps, so the variance is that of row means (Kish 1965, section 5.4; an effect below 1 is taken as
/// 1). The finite-population correction applies, so that a sample of all rows has no width.
pub(crate) fn estimate(found: &KnnGraph, truth: &KnnGraph, n: usize) -> Result<RecallEstimate, RecallError> {
    let k = found.k();
    let hits = row_hits(found, truth, k, hits_by_distance)?;
    let sample = hits.len() as f64;
    let mean = hits.iter().sum::<usize>() as f64 / (sample * k as f64);
    let between: f64 =
        hits.iter().map(|&h| (h as f64 / k as f64 - mean).powi(2)).sum::<f64>() / (sample - 1.0).max(1.0);
    let binomial = mean * (1.0 - mean) / k as f64;
    let effect = if binomial > 0.0 { (between / binomial).max(1.0) } else { 1.0 };
    let unseen = (n as f64 - sample) / (n as f64 - 1.0).max(1.0);
    if unseen <= 0.0 {
        return Ok(RecallEstimate { estimate: mean, low: mean, high: mean, sample: hits.len() });
    }
    let size = sample * k as f64 / (effect * unseen);
    let center = (mean + Z * Z / (2.0 * size)) / (1.0 + Z * Z / size);
    let half = Z / (1.0 + Z * Z / size) * (mean * (1.0 - mean) / size + Z * Z / (4.0 * size * size)).sqrt();
    Ok(RecallEstimate {
        estimate: mean,
        low: (center - half).clamp(0.0, mean),
        high: (center + half).clamp(mean, 1.0),
        sample: hits.len(),
    })
}
