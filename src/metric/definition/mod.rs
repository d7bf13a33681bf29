//! Every metric by definition, in f64. Exchanging the rows gives the same bits.

mod distribution;
mod transport;

pub(crate) use self::distribution::{SMOOTHING, around_median};
use self::transport::Bins;
use super::route::Route;
use super::transform::ranks;
use super::{Metric, SetMetric};
use crate::points::SparseRow;

/// # Panics
/// If the metric's arguments are for rows of another length.
pub(super) fn distance(metric: &Metric, x: &[f32], y: &[f32]) -> f64 {
    let pairs = x.iter().zip(y).map(|(&a, &b)| (f64::from(a), f64::from(b)));
    match metric {
        Metric::Spearman => correlation(ranked(x).iter().zip(&ranked(y)).map(|(&a, &b)| (f64::from(a), f64::from(b)))),
        Metric::TrueAngular => true_angular(x, y),
        Metric::Hellinger => distribution::hellinger(x, y),
        Metric::Kantorovich { cost } => {
            transport::kantorovich(&Bins::of_row(x), &Bins::of_row(y), matrix(cost, x.len()))
        }
        Metric::Sinkhorn { cost, regularization } => {
            transport::sinkhorn(&Bins::of_row(x), &Bins::of_row(y), matrix(cost, x.len()), f64::from(*regularization))
        }
        Metric::Wasserstein1d { p } => distribution::wasserstein_1d(x, y, f64::from(*p)),
        Metric::CircularKantorovich { p } => distribution::circular_kantorovich(x, y, f64::from(*p)),
        Metric::JensenShannon => distribution::jensen_shannon(x, y),
        Metric::SymmetricKl => distribution::symmetric_kl(x, y),
        _ => match metric.route() {
            Route::Sets(sets) => of_columns(sets, x, y),
            Route::Bits(sets) => of_bits(sets, x, y),
            // The distance comes with the items; metrics of transformed rows are defined above.
            _ => of_pairs(metric, pairs).unwrap_or(f64::NAN),
        },
    }
}

/// The distance of two rows of f64, given as the values that they have in each column; none unless the metric is
/// defined column by column.
///
/// # Panics
/// If the metric's arguments are for rows of another length.
pub(crate) fn of_pairs(metric: &Metric, pairs: impl ExactSizeIterator<Item = (f64, f64)> + Clone) -> Option<f64> {
    let dim = pairs.len();
    let sizes = pairs.clone().map(|(a, b)| (a - b).abs());
    Some(match metric {
        Metric::Minkowski { p } => minkowski(sizes.map(|size| (1.0, size)), f64::from(*p)),
        Metric::Cosine => between_directions(pairs),
        Metric::Correlation => correlation(pairs),
        Metric::StandardizedEuclidean { variances } => {
            let variances = columns(variances, dim);
            sizes.zip(variances).map(|(size, variance)| size * size / variance).sum::<f64>().sqrt()
        }
        Metric::WeightedMinkowski { weights, p } => minkowski(columns(weights, dim).zip(sizes), f64::from(*p)),
        Metric::Mahalanobis { inverse_covariance } => {
            let difference: Vec<f64> = pairs.map(|(a, b)| a - b).collect();
            quadratic_form(matrix(inverse_covariance, dim), &difference).max(0.0).sqrt()
        }
        Metric::Haversine => haversine(pairs),
        _ => match metric.route() {
            Route::Direct(direct) => direct.to_true(direct.form().defined(pairs), dim),
            _ => return None,
        },
    })
}

/// The distance of two sparse rows of `dim` columns, from their entries alone; none unless the metric is one of
/// transport.
///
/// # Panics
/// If the metric's arguments are for rows of another length.
pub(crate) fn sparse_transport(metric: &Metric, rows: [SparseRow; 2], dim: usize) -> Option<f64> {
    let bins = || rows.map(|row| Bins::new(row.indices.iter().map(|&column| column as usize), row.values));
    match metric {
        Metric::Kantorovich { cost } => {
            let [x, y] = bins();
            Some(transport::kantorovich(&x, &y, matrix(cost, dim)))
        }
        Metric::Sinkhorn { cost, regularization } => {
            let [x, y] = bins();
            Some(transport::sinkhorn(&x, &y, matrix(cost, dim), f64::from(*regularization)))
        }
        Metric::Wasserstein1d { p } => Some(distribution::wasserstein_1d_of_entries(rows, dim, f64::from(*p))),
        Metric::CircularKantorovich { p } => {
            Some(distribution::circular_kantorovich_of_entries(rows, dim, f64::from(*p)))
        }
        _ => None,
    }
}

/// One parameter per column.
fn columns(values: &[f32], dim: usize) -> impl Iterator<Item = f64> + Clone {
    assert_eq!(values.len(), dim, "{} parameters for {dim} columns", values.len());
    values.iter().map(|&v| f64::from(v))
}

/// One row of parameters per column.
fn matrix(values: &[f32], dim: usize) -> &[f32] {
    assert_eq!(values.len(), dim * dim, "a matrix of {} values for {dim} columns", values.len());
    values
}

/// Cosine distance of the rows minus their means. Sums of equal f32 are exact in f64, so constant rows become zero
/// rows.
fn correlation(pairs: impl ExactSizeIterator<Item = (f64, f64)> + Clone) -> f64 {
    let dim = pairs.len() as f64;
    let (mx, my) = (pairs.clone().map(|(a, _)| a).sum::<f64>() / dim, pairs.clone().map(|(_, b)| b).sum::<f64>() / dim);
    between_directions(pairs.map(|(a, b)| (a - mx, b - my)))
}

/// 1 - cos as half the squared distance of both vectors brought to length 1, which does not cancel. Zero vectors: 0 to
/// each other, 1 to others.
fn between_directions(pairs: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (x, y): (Vec<f64>, Vec<f64>) = pairs.unzip();
    match (unit(x), unit(y)) {
        (Some(u), Some(v)) => half_squared_chord(u.iter().zip(&v).map(|(a, b)| (a - b) * (a - b)).sum()),
        (None, None) => 0.0,
        _ => 1.0,
    }
}

/// 1 - cos from the squared distance of vectors of length 1. What rounding to f64 makes of equal directions is 0.
pub(crate) fn half_squared_chord(squared: f64) -> f64 {
    const ROUNDING: f64 = 2e-31;
    if squared < ROUNDING { 0.0 } else { (squared / 2.0).min(2.0) }
}

/// The angle, in radians, at this 1 - cos; none where the arc sine has lost digits.
pub(crate) fn angle_of_chord(half_squared: f64) -> Option<f64> {
    (half_squared < 1.5).then(|| 2.0 * (half_squared / 2.0).sqrt().asin())
}

fn ranked(row: &[f32]) -> Vec<f32> {
    let mut out = vec![0.0; row.len()];
    ranks(row, &mut out);
    out
}

/// (Σ w size^p)^(1/p) of (w, size), scaled by the largest size so that no power leaves f64's range.
fn minkowski(weighted: impl Iterator<Item = (f64, f64)> + Clone, p: f64) -> f64 {
    if p == 1.0 {
        return weighted.map(|(w, size)| w * size).sum();
    }
    if p == 2.0 {
        return weighted.map(|(w, size)| w * size * size).sum::<f64>().sqrt();
    }
    let largest = weighted.clone().filter(|(w, _)| *w > 0.0).map(|(_, size)| size).fold(0.0, f64::max);
    if largest == 0.0 {
        return 0.0;
    }
    let power = |(w, size): (f64, f64)| if w > 0.0 { w * (size / largest).powf(p) } else { 0.0 };
    largest * weighted.map(power).sum::<f64>().powf(1.0 / p)
}

/// vᵀ M v.
fn quadratic_form(matrix: &[f32], v: &[f64]) -> f64 {
    let dot = |row: &[f32]| row.iter().zip(v).map(|(&m, b)| f64::from(m) * b).sum::<f64>();
    v.iter().enumerate().map(|(i, a)| a * dot(&matrix[i * v.len()..][..v.len()])).sum()
}

/// 2 atan2(√h, √h'), where h = sin²(Δlatitude/2) + cos cos sin²(Δlongitude/2) and h' = 1 - h is that of x and the point
/// opposite y: exact to rounding both near 0 and near π, where the arc sine is not.
fn haversine(mut pairs: impl ExactSizeIterator<Item = (f64, f64)>) -> f64 {
    let dim = pairs.len();
    let (2, Some((a, b)), Some((from, to))) = (dim, pairs.next(), pairs.next()) else {
        panic!("haversine of {dim} columns: it needs latitude and longitude")
    };
    let (half, cosines) = ((from - to) / 2.0, a.cos() * b.cos());
    let h = ((a - b) / 2.0).sin().powi(2) + cosines * half.sin().powi(2);
    let rest = f64::midpoint(a, b).sin().powi(2) + cosines * half.cos().powi(2);
    2.0 * h.max(0.0).sqrt().atan2(rest.max(0.0).sqrt())
}

/// The angle between unit vectors u and v is 2 atan2(|u-v|, |u+v|), exact to rounding at every angle (Kahan).
fn true_angular(x: &[f32], y: &[f32]) -> f64 {
    let widened = |v: &[f32]| v.iter().map(|&a| f64::from(a)).collect();
    let (Some(u), Some(v)) = (unit(widened(x)), unit(widened(y))) else {
        let both = x.iter().chain(y).all(|&a| a == 0.0);
        return if both { 0.0 } else { 0.5 };
    };
    let (mut apart, mut along) = (0.0, 0.0);
    for (a, b) in u.into_iter().zip(v) {
        apart += (a - b).powi(2);
        along += (a + b).powi(2);
    }
    2.0 * apart.sqrt().atan2(along.sqrt()) / std::f64::consts::PI
}

/// The row at length 1; a zero row has none.
fn unit(mut row: Vec<f64>) -> Option<Vec<f64>> {
    let length = row.iter().map(|a| a * a).sum::<f64>().sqrt();
    row.iter_mut().for_each(|a| *a /= length);
    (length > 0.0).then_some(row)
}

/// Sets of the columns that are not zero.
fn of_columns(metric: SetMetric, x: &[f32], y: &[f32]) -> f64 {
    let members = x.iter().zip(y).map(|(&a, &b)| [u32::from(a != 0.0), u32::from(b != 0.0)]);
    of_sets(metric, members, x.len())
}

/// Sets of the bits of whole numbers from 0 to 255.
fn of_bits(metric: SetMetric, x: &[f32], y: &[f32]) -> f64 {
    of_sets(metric, x.iter().zip(y).map(|(&a, &b)| [u32::from(a as u8), u32::from(b as u8)]), 8 * x.len())
}

/// The distance of two sets of `dim` columns by the bits of their words.
fn of_sets(metric: SetMetric, words: impl Iterator<Item = [u32; 2]>, dim: usize) -> f64 {
    let add = |[both, x, y]: [u32; 3], [a, b]: [u32; 2]| {
        [both + (a & b).count_ones(), x + a.count_ones(), y + b.count_ones()]
    };
    let [both, x, y] = words.fold([0; 3], add).map(f64::from);
    let (numerator, denominator) = metric.fraction(both, x, y, dim as f64);
    numerator / denominator
}
