//! Every metric by its definition, in f64.

use super::Metric;

pub(super) fn distance(metric: Metric, x: &[f32], y: &[f32]) -> f64 {
    let pairs = || x.iter().zip(y).map(|(&a, &b)| (f64::from(a), f64::from(b)));
    let sum = |f: fn(f64, f64) -> f64| pairs().map(|(a, b)| f(a, b)).sum::<f64>();
    match metric {
        Metric::Euclidean => sum(|a, b| (a - b).powi(2)).sqrt(),
        Metric::SqEuclidean => sum(|a, b| (a - b).powi(2)),
        Metric::Cosine => angular(pairs()),
        Metric::Correlation => {
            let mean = |v: &[f32]| v.iter().map(|&a| f64::from(a)).sum::<f64>() / v.len() as f64;
            let (mx, my) = (mean(x), mean(y));
            angular(pairs().map(|(a, b)| (a - mx, b - my)))
        }
        Metric::Dot => 1.0 - sum(|a, b| a * b),
        Metric::InnerProduct => -sum(|a, b| a * b),
        Metric::Manhattan => sum(|a, b| (a - b).abs()),
        Metric::Chebyshev => pairs().map(|(a, b)| (a - b).abs()).fold(0.0, f64::max),
        Metric::Minkowski { p } => {
            let p = f64::from(p);
            pairs().map(|(a, b)| (a - b).abs().powf(p)).sum::<f64>().powf(1.0 / p)
        }
        Metric::Hamming => sum(|a, b| if a == b { 0.0 } else { 1.0 }) / x.len() as f64,
        Metric::Canberra => sum(|a, b| ratio((a - b).abs(), a.abs() + b.abs())),
        Metric::BrayCurtis => ratio(sum(|a, b| (a - b).abs()), sum(|a, b| (a + b).abs())),
    }
}

fn ratio(numerator: f64, denominator: f64) -> f64 {
    if numerator == 0.0 { 0.0 } else { numerator / denominator }
}

/// 1 - cos; 0 between two zero rows, 1 between a zero row and another. A row that was centred counts as zero when what is
/// left of it is rounding.
fn angular(pairs: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (xy, xx, yy) = pairs.fold((0.0, 0.0, 0.0), |(xy, xx, yy), (a, b)| (xy + a * b, xx + a * a, yy + b * b));
    match (xx > 0.0, yy > 0.0) {
        (true, true) => 1.0 - xy / (xx.sqrt() * yy.sqrt()),
        (false, false) => 0.0,
        _ => 1.0,
    }
}
