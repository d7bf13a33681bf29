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
///
/// The interval holds however misses are distributed over rows. So a sample without a miss is no proof that there are
/// none: of `m` rows, its interval begins at about 1 - 4.4 / m, because a share of 4.4 / m of all rows might have been
/// missed whole.
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

/// Half of the probability that the true recall is outside of the interval.
const OUTSIDE: f64 = 0.025;

/// The estimate from the rows of a sample drawn from `n` rows.
///
/// # Errors
/// Graphs of different sizes.
pub(crate) fn estimate(found: &KnnGraph, truth: &KnnGraph, n: usize) -> Result<RecallEstimate, RecallError> {
    let k = found.k();
    Ok(of_hits(&row_hits(found, truth, k, hits_by_distance)?, k, n))
}

/// The estimate from the number of hits, of `k`, in each row of a sample drawn without replacement from `n` rows.
///
/// The ends of the interval are the means at which a bet on the rows of the sample would have multiplied its stake by
/// 1 / 0.025: Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting" (Journal of the Royal
/// Statistical Society B, 2024), with a stake divided over fixed bets. It asks nothing of the distribution but that the
/// recall of a row is from 0 to 1; rows drawn without replacement are negatively associated, which only makes it wider
/// than need be. A sample of all rows has no width.
pub(crate) fn of_hits(hits: &[usize], k: usize, n: usize) -> RecallEstimate {
    let sample = hits.len();
    if sample == 0 {
        return RecallEstimate { estimate: 0.0, low: 0.0, high: 1.0, sample };
    }
    let mean = hits.iter().sum::<usize>() as f64 / (sample * k) as f64;
    if sample >= n {
        return RecallEstimate { estimate: mean, low: mean, high: mean, sample };
    }
    let mut counts = vec![0usize; k + 1];
    hits.iter().for_each(|&h| counts[h] += 1);
    let occurring = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    let rows: Vec<(f64, f64)> = occurring.map(|(h, &count)| (h as f64 / k as f64, count as f64)).collect();
    let missed: Vec<(f64, f64)> = rows.iter().map(|&(recall, count)| (1.0 - recall, count)).collect();
    RecallEstimate { estimate: mean, low: least_mean(&rows, mean), high: 1.0 - least_mean(&missed, 1.0 - mean), sample }
}

/// The lower end of the interval for the mean of these values from 0 to 1, each with the number of times that it
/// occurs; `mean` is theirs.
fn least_mean(values: &[(f64, f64)], mean: f64) -> f64 {
    let (mut low, mut high) = (0.0, mean);
    // Means below the end are refuted, those above are not.
    for _ in 0..50 {
        let middle = f64::midpoint(low, high);
        if log_capital(values, middle) > -OUTSIDE.ln() { low = middle } else { high = middle }
    }
    low
}

/// The logarithm of what a stake of 1 has become by bets that values are larger than `mean`: a half on the largest bet
/// that cannot go bankrupt, the rest divided over smaller ones.
fn log_capital(values: &[(f64, f64)], mean: f64) -> f64 {
    const SMALLER: usize = 24;
    let wealth = |share: f64| {
        let bet = share / mean.max(f64::MIN_POSITIVE);
        values.iter().map(|&(value, count)| count * (bet * (value - mean)).ln_1p()).sum::<f64>()
    };
    let whole = wealth(1.0 - 1e-9) + 0.5f64.ln();
    let smaller = (1..=SMALLER).map(|i| wealth(0.75f64.powi(i as i32)) + (0.5 / SMALLER as f64).ln());
    let all: Vec<f64> = std::iter::once(whole).chain(smaller).collect();
    let most = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    most + all.iter().map(|wealth| (wealth - most).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{below, hash, stratified_sample};

    /// Shares of 500 intervals, of samples of `sample` of `rows`, that hold the mean of these.
    fn covered(name: &str, rows: &[usize], k: usize, sample: usize) -> f64 {
        let mean = rows.iter().sum::<usize>() as f64 / (rows.len() * k) as f64;
        let covers = |run: u64| {
            let drawn = stratified_sample(run, 0x11, rows.len(), sample);
            let hits: Vec<usize> = drawn.map(|row| rows[row]).collect();
            let found = of_hits(&hits, k, rows.len());
            assert!(found.low <= found.estimate && found.estimate <= found.high, "{name} {found:?}");
            (found.low..=found.high).contains(&mean)
        };
        (0..500).filter(|&run| covers(run)).count() as f64 / 500.0
    }

    /// Rows of 15 neighbours, of which `hits(row)` are found, in an order without pattern.
    fn shuffled(n: usize, seed: u64, hits: impl Fn(usize) -> usize) -> Vec<usize> {
        let mut rows: Vec<usize> = (0..n).map(hits).collect();
        (1..n).rev().for_each(|i| rows.swap(i, below(hash(seed, 0x12, i as u64, 0), i + 1)));
        rows
    }

    #[test]
    fn intervals_cover_whatever_the_kind_of_misses() {
        type Kind = (&'static str, Box<dyn Fn(usize) -> usize>);
        let n = 6000;
        let kinds: [Kind; 20] = [
            ("nothing missed", Box::new(|_| 15)),
            ("everything missed", Box::new(|_| 0)),
            ("one row in 6000 missed whole", Box::new(|i| if i == 0 { 0 } else { 15 })),
            ("one in 1500", Box::new(|i| if i % 1500 == 0 { 0 } else { 15 })),
            ("one in 500", Box::new(|i| if i % 500 == 0 { 0 } else { 15 })),
            ("one in 250", Box::new(|i| if i % 250 == 0 { 0 } else { 15 })),
            ("one in 100", Box::new(|i| if i % 100 == 0 { 0 } else { 15 })),
            ("one in 30", Box::new(|i| if i % 30 == 0 { 0 } else { 15 })),
            ("one in 5", Box::new(|i| if i % 5 == 0 { 0 } else { 15 })),
            ("half", Box::new(|i| if i % 2 == 0 { 0 } else { 15 })),
            ("one neighbour of every third row", Box::new(|i| if i % 3 == 0 { 14 } else { 15 })),
            ("one of every row", Box::new(|_| 14)),
            ("one of one row in 40", Box::new(|i| if i % 40 == 0 { 14 } else { 15 })),
            ("one of one row in 1000", Box::new(|i| if i % 1000 == 0 { 14 } else { 15 })),
            ("a clump of 2 % at half", Box::new(|i| if i < 120 { 7 } else { 15 })),
            (
                "a clump of 0.3 % missed, others one",
                Box::new(|i| if i < 18 { 0 } else { 15 - usize::from(i % 7 == 0) }),
            ),
            ("any number missed", Box::new(|i| i % 16)),
            ("only one found", Box::new(|_| 1)),
            ("one row in 200 found", Box::new(|i| if i % 200 == 0 { 15 } else { 0 })),
            (
                "most with one, few with all missed",
                Box::new(|i| if i % 77 == 0 { 0 } else { 15 - usize::from(i % 2 == 0) }),
            ),
        ];
        let mut mean = 0.0;
        for (seed, (name, hits)) in kinds.iter().enumerate() {
            let share = covered(name, &shuffled(n, seed as u64, hits), 15, 256);
            assert!(share >= 0.93, "{name}: {share}");
            mean += share / kinds.len() as f64;
        }
        assert!(mean >= 0.95, "{mean}");
    }

    #[test]
    fn a_sample_without_a_miss_is_no_proof() {
        let found = of_hits(&[15; 256], 15, 100_000);
        assert!(found.high == 1.0 && (0.980..0.986).contains(&found.low), "{found:?}");
        assert_eq!(of_hits(&[15; 256], 15, 256).low, 1.0);
        // One neighbour of fifty, in rows all over: about as narrow as the row that might be missed whole allows.
        let spread: Vec<usize> = (0..256).map(|i| 15 - usize::from(i % 10 < 3)).collect();
        let found = of_hits(&spread, 15, 100_000);
        assert!(found.estimate - found.low < 0.022 && found.high - found.estimate < 0.011, "{found:?}");
    }
}
