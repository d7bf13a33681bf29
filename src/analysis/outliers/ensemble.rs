//! What is done with scores: thresholds, combinations, and how well they tell known outliers.

use crate::analysis::error::{AnalysisError, check_parameter};

/// The score that the most outlying share `contamination` of points lie above: the `1 - contamination` quantile, by
/// linear interpolation, as PyOD and numpy have it.
///
/// # Errors
/// No scores, a score that is NaN, a `contamination` that is not in (0, 0.5].
pub fn threshold(scores: &[f64], contamination: f64) -> Result<f64, AnalysisError> {
    check_parameter("contamination", contamination, contamination > 0.0 && contamination <= 0.5, "above 0, up to 0.5")?;
    check_scores(scores)?;
    let mut sorted = scores.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let at = (1.0 - contamination) * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    Ok(if above == below { below } else { below + (above - below) * at.fract() })
}

/// Which points lie above the [`threshold`].
///
/// # Errors
/// Same as [`threshold`].
pub fn outliers(scores: &[f64], contamination: f64) -> Result<Vec<bool>, AnalysisError> {
    let threshold = threshold(scores, contamination)?;
    Ok(scores.iter().map(|&score| score > threshold).collect())
}

/// How scores become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Combination {
    /// The mean of a point's ranks, ties sharing theirs, from 0 (the least outlying) to 1.
    MeanRank,
    /// The largest of a point's scores, each in standard deviations above its mean.
    StandardizedMaximum,
}

/// One score from several of the same points.
///
/// # Errors
/// No scores, a score that is NaN or infinite, scores of different numbers of points.
pub fn combined(scores: &[Vec<f64>], combination: Combination) -> Result<Vec<f64>, AnalysisError> {
    let n = scores.first().map_or(0, Vec::len);
    check_parameter("scores", scores.len(), !scores.is_empty(), "at least one kind")?;
    for of_kind in scores {
        check_scores(of_kind)?;
        if of_kind.len() != n {
            return Err(AnalysisError::Rows { what: "scores", found: of_kind.len(), expected: n });
        }
        let infinite = of_kind.iter().position(|score| score.is_infinite());
        check_parameter("score", "infinite", infinite.is_none(), "finite scores")?;
    }
    Ok(match combination {
        Combination::MeanRank => {
            let ranks: Vec<Vec<f64>> = scores.iter().map(|of_kind| ranks(of_kind)).collect();
            let most = (n.max(2) - 1) as f64 * scores.len() as f64;
            (0..n).map(|i| ranks.iter().map(|of_kind| of_kind[i]).sum::<f64>() / most).collect()
        }
        Combination::StandardizedMaximum => {
            let standardized: Vec<Vec<f64>> = scores.iter().map(|of_kind| standardized(of_kind)).collect();
            (0..n).map(|i| standardized.iter().map(|of_kind| of_kind[i]).fold(f64::MIN, f64::max)).collect()
        }
    })
}

/// The area under the ROC curve: the probability that a known outlier scores above another point, ties counting half.
///
/// # Errors
/// Numbers of scores and labels differ, a score that is NaN, labels that are all the same.
pub fn roc_auc(scores: &[f64], is_outlier: &[bool]) -> Result<f64, AnalysisError> {
    check_scores(scores)?;
    if scores.len() != is_outlier.len() {
        return Err(AnalysisError::Rows { what: "labels", found: is_outlier.len(), expected: scores.len() });
    }
    let positive = is_outlier.iter().filter(|&&label| label).count();
    let negative = is_outlier.len() - positive;
    check_parameter("outliers", positive, positive > 0 && negative > 0, "some, and not all, of the points")?;
    let of_outliers = ranks(scores).into_iter().zip(is_outlier).filter(|(_, label)| **label).map(|(rank, _)| rank);
    let sum: f64 = of_outliers.sum();
    let (positive, negative) = (positive as f64, negative as f64);
    Ok((sum - positive * (positive - 1.0) / 2.0) / (positive * negative))
}

fn check_scores(scores: &[f64]) -> Result<(), AnalysisError> {
    check_parameter("scores", 0, !scores.is_empty(), "at least one")?;
    let wrong = scores.iter().position(|score| score.is_nan());
    check_parameter("score", format!("NaN of row {}", wrong.unwrap_or(0)), wrong.is_none(), "numbers")
}

/// Ranks from 0, ties sharing the mean of theirs.
fn ranks(scores: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let mut ranks = vec![0.0; scores.len()];
    let mut from = 0;
    for ties in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let rank = from as f64 + (ties.len() - 1) as f64 / 2.0;
        ties.iter().for_each(|&i| ranks[i] = rank);
        from += ties.len();
    }
    ranks
}

/// In standard deviations from the mean; zeros where all are the same.
fn standardized(scores: &[f64]) -> Vec<f64> {
    let n = scores.len() as f64;
    let mean = scores.iter().sum::<f64>() / n;
    let deviation = (scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / n).sqrt();
    scores.iter().map(|score| if deviation > 0.0 { (score - mean) / deviation } else { 0.0 }).collect()
}
