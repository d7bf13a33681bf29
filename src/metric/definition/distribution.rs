//! Distances of distributions over bins. Rows are normalized to sum 1; a zero row has no mass. Values below 0,
//! which no build accepts, count as 0.

use std::f64::consts::LN_2;

use super::minkowski;
use crate::points::SparseRow;

/// What PyNNDescent adds to every bin before it takes logarithms.
pub(crate) const SMOOTHING: f64 = f32::EPSILON as f64;

/// The masses of the bins, normalized to sum 1; all 0 for a zero row.
pub(super) fn masses(row: &[f32]) -> Vec<f64> {
    let positive = || row.iter().map(|&v| f64::from(v).max(0.0));
    let total: f64 = positive().sum();
    positive().map(|v| if total > 0.0 { v / total } else { 0.0 }).collect()
}

pub(super) fn is_empty(masses: &[f64]) -> bool {
    masses.iter().all(|&v| v == 0.0)
}

/// sqrt(½ Σ (√p-√q)²), which is sqrt(1 - Σ √(p q)) without its cancellation.
pub(super) fn hellinger(x: &[f32], y: &[f32]) -> f64 {
    let (p, q) = (masses(x), masses(y));
    match (is_empty(&p), is_empty(&q)) {
        (true, true) => 0.0,
        (false, false) => {
            let squares: f64 = p.iter().zip(&q).map(|(p, q)| (p.sqrt() - q.sqrt()).powi(2)).sum();
            (squares / 2.0).sqrt().min(1.0)
        }
        _ => 1.0,
    }
}

/// ½ Σ p ln(p/m) + q ln(q/m) with m = (p+q)/2 and 0 ln 0 = 0.
pub(super) fn jensen_shannon(x: &[f32], y: &[f32]) -> f64 {
    let sum: f64 = masses(x).into_iter().zip(masses(y)).map(|(p, q)| divergence_from_mean(p, q)).sum();
    (sum / 2.0).clamp(0.0, LN_2)
}

/// p ln(p/m) + q ln(q/m) with m = (p+q)/2.
fn divergence_from_mean(p: f64, q: f64) -> f64 {
    let (sum, apart) = (p + q, (p - q).abs());
    if apart < 0.5 * sum {
        // With t = |p-q| / (p+q) this is m ((1+t) ln(1+t) + (1-t) ln(1-t)): the first order, which cancels, is left
        // out.
        let t = apart / sum;
        return sum / 2.0 * ((-t * t).ln_1p() + 2.0 * t * t.atanh());
    }
    let term = |v: f64| if v > 0.0 { v * (2.0 * (v / sum)).ln() } else { 0.0 };
    term(p) + term(q)
}

/// Σ (p-q) (ln p - ln q) of smoothed distributions.
pub(super) fn symmetric_kl(x: &[f32], y: &[f32]) -> f64 {
    let term = |(p, q): (f64, f64)| (p - q) * (p.ln() - q.ln());
    smoothed(x).into_iter().zip(smoothed(y)).map(term).sum()
}

fn smoothed(row: &[f32]) -> Vec<f64> {
    let raised: Vec<f64> = masses(row).into_iter().map(|v| v + SMOOTHING).collect();
    let total: f64 = raised.iter().sum();
    raised.into_iter().map(|v| v / total).collect()
}

/// (Σ |F-G|^p)^(1/p).
pub(super) fn wasserstein_1d(x: &[f32], y: &[f32], p: f64) -> f64 {
    let apart = bins_apart(x, y);
    minkowski(apart.iter().map(|v| (1.0, v.abs())), p)
}

/// (Σ |F-G-median|^p)^(1/p). PyNNDescent takes the median of (F-G)^p, which is the median of F-G for p = 1 only.
pub(super) fn circular_kantorovich(x: &[f32], y: &[f32], p: f64) -> f64 {
    around_median(&bins_apart(x, y), p)
}

/// (Σ |v-median|^p)^(1/p), summed in the order of the values: opposite values give the same bits.
pub(crate) fn around_median(values: &[f64], p: f64) -> f64 {
    let middle = median(&mut values.to_vec());
    minkowski(values.iter().map(|v| (1.0, (v - middle).abs())), p)
}

/// F-G, bin by bin.
fn bins_apart(x: &[f32], y: &[f32]) -> Vec<f64> {
    let (mut f, mut g) = (0.0, 0.0);
    let step = |(p, q): (f64, f64)| {
        f += p;
        g += q;
        f - g
    };
    masses(x).into_iter().zip(masses(y)).map(step).collect()
}

/// The mean of the middle two of an even number of values, which are reordered; 0 if there are none.
fn median(values: &mut [f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let half = values.len() / 2;
    let is_even = values.len().is_multiple_of(2);
    let (below, &mut upper, _) = values.select_nth_unstable_by(half, f64::total_cmp);
    let lower = below.iter().copied().filter(|_| is_even).max_by(f64::total_cmp);
    f64::midpoint(lower.unwrap_or(upper), upper)
}

/// Consecutive bins of equal F-G: how many, and the difference.
type Stretch = (usize, f64);

/// [`wasserstein_1d`] of the entries of rows of `dim` bins.
pub(super) fn wasserstein_1d_of_entries(rows: [SparseRow; 2], dim: usize, p: f64) -> f64 {
    minkowski(entries_apart(rows, dim).iter().map(|&(bins, v)| (bins as f64, v.abs())), p)
}

/// [`circular_kantorovich`] of the entries of rows of `dim` bins.
pub(super) fn circular_kantorovich_of_entries(rows: [SparseRow; 2], dim: usize, p: f64) -> f64 {
    let apart = entries_apart(rows, dim);
    let middle = median_of_stretches(&apart);
    minkowski(apart.iter().map(|&(bins, v)| (bins as f64, (v - middle).abs())), p)
}

/// F-G of rows of `dim` bins, from each entry to the next.
fn entries_apart([x, y]: [SparseRow; 2], dim: usize) -> Vec<Stretch> {
    let (p, q) = (masses(x.values), masses(y.values));
    let next = |row: SparseRow, at: usize| row.indices.get(at).map_or(dim, |&column| column as usize);
    let (mut i, mut j, mut f, mut g, mut from) = (0, 0, 0.0, 0.0, 0);
    let mut apart = Vec::with_capacity(p.len() + q.len() + 1);
    while from < dim {
        let (in_x, in_y) = (next(x, i) == from, next(y, j) == from);
        f += if in_x { p[i] } else { 0.0 };
        g += if in_y { q[j] } else { 0.0 };
        i += usize::from(in_x);
        j += usize::from(in_y);
        let end = next(x, i).min(next(y, j));
        apart.push((end - from, f - g));
        from = end;
    }
    apart
}

/// The median over all bins.
fn median_of_stretches(apart: &[Stretch]) -> f64 {
    let mut sorted = apart.to_vec();
    sorted.sort_unstable_by(|a, b| a.1.total_cmp(&b.1));
    let bins: usize = sorted.iter().map(|stretch| stretch.0).sum();
    let at = |rank: usize| {
        let mut before = 0;
        let found = sorted.iter().find(|stretch| {
            before += stretch.0;
            before > rank
        });
        found.map_or(0.0, |stretch| stretch.1)
    };
    f64::midpoint(at(bins.saturating_sub(1) / 2), at(bins / 2))
}
