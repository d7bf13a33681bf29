//! Every metric by its definition, in f64. Exchanging the rows gives the same bits.

mod distribution;
mod transport;

pub(crate) use self::distribution::{SMOOTHING, around_median};
use self::transport::Bins;
use super::Metric;
use super::body::ts_ss;
use super::transform::ranks;
use crate::points::SparseRow;

/// # Panics
/// If parameters of the metric are for rows of another length.
pub(super) fn distance(metric: &Metric, x: &[f32], y: &[f32]) -> f64 {
    let pairs = || x.iter().zip(y).map(|(&a, &b)| (f64::from(a), f64::from(b)));
    let sum = |f: fn(f64, f64) -> f64| pairs().map(|(a, b)| f(a, b)).sum::<f64>();
    let sizes = || pairs().map(|(a, b)| (a - b).abs());
    let sets = || Counts::of_columns(x, y);
    match metric {
        Metric::Euclidean => sum(|a, b| (a - b).powi(2)).sqrt(),
        Metric::SqEuclidean => sum(|a, b| (a - b).powi(2)),
        Metric::Cosine => angular(pairs()),
        Metric::Dot => 1.0 - sum(|a, b| a * b),
        Metric::InnerProduct => -sum(|a, b| a * b),
        Metric::Manhattan => sizes().sum(),
        Metric::Chebyshev => sizes().fold(0.0, f64::max),
        Metric::Minkowski { p } => minkowski(sizes().map(|size| (1.0, size)), f64::from(*p)),
        Metric::Hamming => ratio(sum(|a, b| if a == b { 0.0 } else { 1.0 }), x.len() as f64),
        Metric::Correlation => correlation(x, y),
        Metric::Canberra => sum(|a, b| ratio((a - b).abs(), a.abs() + b.abs())),
        Metric::BrayCurtis => ratio(sizes().sum(), sum(|a, b| (a + b).abs())),
        Metric::StandardizedEuclidean { variances } => {
            let variances = columns(variances, x.len());
            sizes().zip(variances).map(|(size, variance)| size * size / variance).sum::<f64>().sqrt()
        }
        Metric::WeightedMinkowski { weights, p } => minkowski(columns(weights, x.len()).zip(sizes()), f64::from(*p)),
        Metric::Mahalanobis { inverse_covariance } => {
            let difference: Vec<f64> = pairs().map(|(a, b)| a - b).collect();
            quadratic_form(matrix(inverse_covariance, x.len()), &difference).max(0.0).sqrt()
        }
        Metric::Spearman => correlation(&ranked(x), &ranked(y)),
        Metric::Haversine => haversine(x, y),
        Metric::TsSs => ts_ss(sum(|a, b| (a - b).powi(2)), sum(|a, _| a * a), sum(|_, b| b * b)),
        Metric::TrueAngular => true_angular(x, y),
        Metric::Hellinger => distribution::hellinger(x, y),
        Metric::Kantorovich { .. } | Metric::Sinkhorn { .. } => {
            transport(metric, [Bins::of_row(x), Bins::of_row(y)], x.len())
        }
        Metric::Wasserstein1d { p } => distribution::wasserstein_1d(x, y, f64::from(*p)),
        Metric::CircularKantorovich { p } => distribution::circular_kantorovich(x, y, f64::from(*p)),
        Metric::JensenShannon => distribution::jensen_shannon(x, y),
        Metric::SymmetricKl => distribution::symmetric_kl(x, y),
        Metric::Jaccard => sets().jaccard(),
        Metric::Matching => sets().matching(),
        Metric::Dice => sets().dice(),
        Metric::Kulsinski => sets().kulsinski(),
        Metric::RogersTanimoto | Metric::SokalMichener => sets().rogers_tanimoto(),
        Metric::RussellRao => sets().russell_rao(),
        Metric::SokalSneath => sets().sokal_sneath(),
        Metric::Yule => sets().yule(),
        Metric::BitHamming => Counts::of_bits(x, y).one_only(),
        Metric::BitJaccard => Counts::of_bits(x, y).jaccard(),
        // Items bring their own.
        Metric::Custom => f64::NAN,
    }
}

/// The distance of two sparse rows of `dim` columns, from their entries alone; none under metrics that are no transport's.
///
/// # Panics
/// If parameters of the metric are for rows of another length.
pub(crate) fn sparse_transport(metric: &Metric, rows: [SparseRow; 2], dim: usize) -> Option<f64> {
    let bins = |row: SparseRow| Bins::new(row.indices.iter().map(|&column| column as usize), row.values);
    match metric {
        Metric::Kantorovich { .. } | Metric::Sinkhorn { .. } => Some(transport(metric, rows.map(bins), dim)),
        Metric::Wasserstein1d { p } => Some(distribution::wasserstein_1d_of_entries(rows, dim, f64::from(*p))),
        Metric::CircularKantorovich { p } => {
            Some(distribution::circular_kantorovich_of_entries(rows, dim, f64::from(*p)))
        }
        _ => None,
    }
}

/// The cost of moving mass between bins, of `dim`.
fn transport(metric: &Metric, [x, y]: [Bins; 2], dim: usize) -> f64 {
    match metric {
        Metric::Kantorovich { cost } => transport::kantorovich(&x, &y, matrix(cost, dim)),
        Metric::Sinkhorn { cost, regularization } => {
            transport::sinkhorn(&x, &y, matrix(cost, dim), f64::from(*regularization))
        }
        _ => unreachable!("no costs between bins"),
    }
}

/// One parameter a column.
fn columns(values: &[f32], dim: usize) -> impl Iterator<Item = f64> + Clone {
    assert_eq!(values.len(), dim, "{} parameters for {dim} columns", values.len());
    values.iter().map(|&v| f64::from(v))
}

/// One row of parameters a column.
fn matrix(values: &[f32], dim: usize) -> &[f32] {
    assert_eq!(values.len(), dim * dim, "a matrix of {} values for {dim} columns", values.len());
    values
}

/// 0/0 is 0.
fn ratio(numerator: f64, denominator: f64) -> f64 {
    if numerator == 0.0 { 0.0 } else { numerator / denominator }
}

/// 1 - cos; 0 between two zero rows, 1 between a zero row and another.
fn angular(pairs: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (xy, xx, yy) = pairs.fold((0.0, 0.0, 0.0), |(xy, xx, yy), (a, b)| (xy + a * b, xx + a * a, yy + b * b));
    match (xx > 0.0, yy > 0.0) {
        // The root of a square is exact: equal rows are at 0. Squares of f32 are far from the ends of f64's range.
        (true, true) => (1.0 - xy / (xx * yy).sqrt()).clamp(0.0, 2.0),
        (false, false) => 0.0,
        _ => 1.0,
    }
}

/// Cosine of the rows less their means. Sums of equal f32 are exact in f64, so that constant rows become zero rows.
fn correlation(x: &[f32], y: &[f32]) -> f64 {
    let mean = |v: &[f32]| v.iter().map(|&a| f64::from(a)).sum::<f64>() / v.len() as f64;
    let (mx, my) = (mean(x), mean(y));
    angular(x.iter().zip(y).map(|(&a, &b)| (f64::from(a) - mx, f64::from(b) - my)))
}

fn ranked(row: &[f32]) -> Vec<f32> {
    let mut out = vec![0.0; row.len()];
    ranks(row, &mut out);
    out
}

/// (Σ w size^p)^(1/p) of (w, size), as multiples of the largest size so that no power leaves f64's range.
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
fn haversine(x: &[f32], y: &[f32]) -> f64 {
    let (&[x_latitude, x_longitude], &[y_latitude, y_longitude]) = (x, y) else {
        panic!("haversine of {} columns: it needs latitude and longitude", x.len())
    };
    let (a, b) = (f64::from(x_latitude), f64::from(y_latitude));
    let (half, cosines) = ((f64::from(x_longitude) - f64::from(y_longitude)) / 2.0, a.cos() * b.cos());
    let h = ((a - b) / 2.0).sin().powi(2) + cosines * half.sin().powi(2);
    let rest = f64::midpoint(a, b).sin().powi(2) + cosines * half.cos().powi(2);
    2.0 * h.max(0.0).sqrt().atan2(rest.max(0.0).sqrt())
}

/// The angle between unit vectors u and v is 2 atan2(|u-v|, |u+v|), exact to rounding at every angle (Kahan).
fn true_angular(x: &[f32], y: &[f32]) -> f64 {
    let (Some(u), Some(v)) = (unit(x), unit(y)) else {
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
fn unit(row: &[f32]) -> Option<Vec<f64>> {
    let length = row.iter().map(|&a| f64::from(a).powi(2)).sum::<f64>().sqrt();
    (length > 0.0).then(|| row.iter().map(|&a| f64::from(a) / length).collect())
}

/// Members of two sets.
struct Counts {
    both: f64,
    x_only: f64,
    y_only: f64,
    neither: f64,
}

impl Counts {
    /// Of the columns that are not zero.
    fn of_columns(x: &[f32], y: &[f32]) -> Self {
        let count = |in_x: bool, in_y: bool| {
            x.iter().zip(y).filter(|&(&a, &b)| (a != 0.0) == in_x && (b != 0.0) == in_y).count() as f64
        };
        Self {
            both: count(true, true),
            x_only: count(true, false),
            y_only: count(false, true),
            neither: count(false, false),
        }
    }

    /// Of the bits of bytes.
    fn of_bits(x: &[f32], y: &[f32]) -> Self {
        let count = |f: fn(u8, u8) -> u8| {
            x.iter().zip(y).map(|(&a, &b)| f64::from(f(a as u8, b as u8).count_ones())).sum::<f64>()
        };
        Self {
            both: count(|a, b| a & b),
            x_only: count(|a, b| a & !b),
            y_only: count(|a, b| b & !a),
            neither: count(|a, b| !(a | b)),
        }
    }

    fn one_only(&self) -> f64 {
        self.x_only + self.y_only
    }

    fn all(&self) -> f64 {
        self.both + self.one_only() + self.neither
    }

    fn jaccard(&self) -> f64 {
        ratio(self.one_only(), self.both + self.one_only())
    }

    fn matching(&self) -> f64 {
        ratio(self.one_only(), self.all())
    }

    fn dice(&self) -> f64 {
        ratio(self.one_only(), 2.0 * self.both + self.one_only())
    }

    /// 0 between equal sets, as PyNNDescent has it.
    fn kulsinski(&self) -> f64 {
        if self.one_only() == 0.0 {
            return 0.0;
        }
        (self.one_only() - self.both + self.all()) / (self.one_only() + self.all())
    }

    fn rogers_tanimoto(&self) -> f64 {
        ratio(2.0 * self.one_only(), self.all() + self.one_only())
    }

    /// 0 between equal sets, as PyNNDescent has it.
    fn russell_rao(&self) -> f64 {
        if self.one_only() == 0.0 {
            return 0.0;
        }
        (self.all() - self.both) / self.all()
    }

    fn sokal_sneath(&self) -> f64 {
        ratio(self.one_only(), self.both / 2.0 + self.one_only())
    }

    fn yule(&self) -> f64 {
        let half = self.x_only * self.y_only;
        ratio(2.0 * half, self.both * self.neither + half)
    }
}
