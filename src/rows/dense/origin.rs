//! The mean of rows, near which they are moved to.

use crate::parallel::map;
use crate::points::Dense;
use crate::rng::stratified_sample;

/// Rows whose mean it is.
const SAMPLE: usize = 1024;

/// The mean, over a sample of `points`, of what `of_row` makes of a row: `columns` numbers, or none, which counts as
/// zeros.
pub(crate) fn origin(points: &Dense, columns: usize, of_row: impl Fn(&[f32]) -> Option<Vec<f64>> + Sync) -> Vec<f64> {
    let n = points.n();
    let sample: Vec<usize> = stratified_sample(0, 0x0d1e, n, n.min(SAMPLE)).collect();
    let values = |row: &mut Vec<f32>, i: usize| {
        points.widen_row(sample[i], row);
        of_row(row)
    };
    let mut sums = vec![0.0; columns];
    for row in map(sample.len(), 64, || vec![0.0; points.dim()], values).into_iter().flatten() {
        sums.iter_mut().zip(row).for_each(|(sum, v)| *sum += v);
    }
    sums.into_iter().map(|sum| sum / sample.len() as f64).collect()
}
