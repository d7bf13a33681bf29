//! How much the distances of byte codes differ from the distances of the values.

use super::direct::DirectDistances;
use crate::rows::ReducedDistances;

/// Neighbours compared in each group.
const NEAREST: usize = 8;

/// The mean relative error of coded reduced distances, between the first of each group and the nearest of the rest. No
/// error counts as more than 1: a pair that is much nearer than others, as near copies are, tells little of the rest.
pub(crate) fn mean_error<'a>(
    exact: &DirectDistances,
    codes: &dyn ReducedDistances,
    groups: impl Iterator<Item = &'a [u32]>,
) -> f64 {
    let pairs: Vec<(f64, f64)> = groups.flat_map(|group| nearest_pairs(exact, codes, group)).collect();
    // Distances of codes have a scale of their own: the ratio of the sums.
    let (coded, truth) = pairs.iter().fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
    let scale = truth / coded;
    let error = |&(coded, truth): &(f64, f64)| {
        let error = if truth == 0.0 { coded * scale } else { (coded * scale / truth - 1.0).abs() };
        error.min(1.0)
    };
    let mean = pairs.iter().map(error).sum::<f64>() / pairs.len() as f64;
    tracing::debug!(mean_relative_error = mean, "byte codes");
    mean
}

/// (coded, true) reduced distances from the first of a leaf to the nearest of the rest.
fn nearest_pairs(exact: &DirectDistances, codes: &dyn ReducedDistances, leaf: &[u32]) -> Vec<(f64, f64)> {
    let (first, rest) = (leaf[0], &leaf[1..]);
    let mut coded = vec![0.0; rest.len()];
    codes.one_to_many(first, rest, &mut coded);
    let mut truth = Vec::new();
    exact.reduced(first as usize, rest, &mut truth);
    let mut pairs: Vec<(f64, f64)> = coded.iter().zip(&truth).map(|(&c, &t)| (f64::from(c), f64::from(t))).collect();
    pairs.sort_unstable_by(|a, b| a.1.total_cmp(&b.1));
    pairs.truncate(NEAREST);
    pairs
}
