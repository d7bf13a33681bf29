//! True distances by definition, in f64, of metrics that are searched on transformed rows.
//!
//! Most are functions of a sum over columns ([`Term`]). Where such a sum cancels, and for the other metrics,
//! [`Metric::distance`] computes them.

use std::f64::consts::{LN_2, PI};

use super::TrueDistances;
use super::sums::{Mixed, Power, Product, Root, Smoothing, Squared, Term, sum};
use crate::metric::Metric;
use crate::metric::definition::{SMOOTHING, around_median};
use crate::parallel;
use crate::points::Dense;
use crate::simd::Level;

/// True distances between points, as they were given.
pub(crate) struct DefinitionDistances<'a> {
    metric: &'a Metric,
    points: Dense<'a>,
    /// The rows that sums run over: the points, or their ranks.
    rows: Dense<'a>,
    /// Sums over every row alone; empty if the metric needs none.
    alone: Vec<Alone>,
    /// A factor for every column, or none.
    factors: Vec<f64>,
    level: Level,
}

/// Sums over a row alone.
#[derive(Debug, Clone, Copy, Default)]
struct Alone {
    /// Σ x², or the same of the row less its mean.
    squares: f64,
    /// The factor that brings the row to sum 1; 0 without mass.
    scale: f64,
    /// Σ p ln p of the row brought to sum 1.
    entropy: f64,
}

/// Below this part of the numbers whose difference it is, a distance has lost too many digits.
const NEAR: f64 = 1e-9;
/// The same for differences of logarithms, which are multiplied by differences.
const NEAR_SQUARED: f64 = 1e-13;
/// Sums of powers below this are near the limit of f64's range.
const LEAST_SUM: f64 = 1e-250;

impl<'a> DefinitionDistances<'a> {
    /// `searched` are the points as they are searched.
    pub(crate) fn new(metric: &'a Metric, points: Dense<'a>, searched: Dense<'a>) -> Self {
        let rows = if *metric == Metric::Spearman { searched } else { points };
        let factors = match metric {
            Metric::StandardizedEuclidean { variances } => variances.iter().map(|&v| 1.0 / f64::from(v)).collect(),
            Metric::WeightedMinkowski { weights, .. } => weights.iter().map(|&w| w.into()).collect(),
            _ => Vec::new(),
        };
        let mut truth = Self { metric, points, rows, alone: Vec::new(), factors, level: Level::detect() };
        truth.alone = truth.all_alone();
        truth
    }

    fn row(&self, i: usize) -> Vec<f32> {
        let mut row = vec![0.0; self.points.dim()];
        self.points.widen_row(i, &mut row);
        row
    }

    fn all_alone(&self) -> Vec<Alone> {
        let is_alone = !matches!(
            self.metric,
            Metric::StandardizedEuclidean { .. }
                | Metric::WeightedMinkowski { .. }
                | Metric::Mahalanobis { .. }
                | Metric::Haversine
                | Metric::Kantorovich { .. }
                | Metric::Sinkhorn { .. }
        );
        let room = || vec![0.0; self.rows.dim()];
        parallel::map(if is_alone { self.rows.n() } else { 0 }, 64, room, |row, i| {
            self.rows.widen_row(i, row);
            self.alone(row)
        })
    }

    fn alone(&self, row: &[f32]) -> Alone {
        let values = || row.iter().map(|&v| f64::from(v));
        let total: f64 = values().sum();
        let scale = if total > 0.0 { 1.0 / total } else { 0.0 };
        let squares = match self.metric {
            Metric::TrueAngular => values().map(|v| v * v).sum(),
            Metric::Spearman => values().map(|v| v * v).sum::<f64>() - total * total / row.len() as f64,
            _ => 0.0,
        };
        let entropy =
            if *self.metric == Metric::JensenShannon { values().map(|v| times_ln(v * scale)).sum() } else { 0.0 };
        Alone { squares, scale, entropy }
    }

    /// A row prepared for sums, and a second number for every column.
    fn prepared(&self, i: usize) -> (Vec<f64>, Vec<f64>) {
        let mut row = vec![0.0; self.rows.dim()];
        self.rows.widen_row(i, &mut row);
        let scale = self.alone.get(i).map_or(1.0, |alone| alone.scale);
        let scaled = || row.iter().map(|&v| f64::from(v) * scale).collect::<Vec<f64>>();
        match self.metric {
            Metric::JensenShannon | Metric::Wasserstein1d { .. } | Metric::CircularKantorovich { .. } => {
                (scaled(), Vec::new())
            }
            Metric::SymmetricKl => {
                let smoothed: Vec<f64> = scaled().into_iter().map(|p| self.smoothing(scale).of(p)).collect();
                let logarithms = smoothed.iter().map(|p| p.ln()).collect();
                (smoothed, logarithms)
            }
            _ => (row.iter().map(|&v| v.into()).collect(), self.factors.clone()),
        }
    }

    fn smoothing(&self, scale: f64) -> Smoothing {
        let total = if scale > 0.0 { 1.0 } else { 0.0 };
        Smoothing { scale, factor: 1.0 / (total + self.rows.dim() as f64 * SMOOTHING) }
    }

    /// The distance of a prepared row and a row, from sums; none where these cancel.
    fn by_sums(
        &self,
        (x, w): &(Vec<f64>, Vec<f64>),
        [of_x, of_y]: [Alone; 2],
        y: &[f32],
        room: &mut Vec<f64>,
    ) -> Option<f64> {
        let columns = y.len() as f64;
        match self.metric {
            Metric::TrueAngular => {
                let cosine = self.sum(Product, x, w, y) / (of_x.squares * of_y.squares).sqrt();
                (1.0 - cosine > NEAR).then(|| cosine.max(-1.0).acos() / PI)
            }
            Metric::Spearman => {
                let mean = (columns + 1.0) / 2.0;
                let product = self.sum(Product, x, w, y) - columns * mean * mean;
                let found = 1.0 - product / (of_x.squares * of_y.squares).sqrt();
                (found > NEAR).then_some(found.min(2.0))
            }
            Metric::Hellinger => {
                let found = 1.0 - self.sum(Root, x, w, y) * (of_x.scale * of_y.scale).sqrt();
                (found > NEAR && of_x.scale * of_y.scale > 0.0).then(|| found.sqrt())
            }
            Metric::StandardizedEuclidean { .. } => Some(self.sum(Squared, x, w, y).sqrt()),
            Metric::WeightedMinkowski { p, .. } => {
                let sum = match *p {
                    1.0 => self.sum(Power::<1>, x, w, y),
                    2.0 => self.sum(Power::<2>, x, w, y),
                    3.0 => self.sum(Power::<3>, x, w, y),
                    4.0 => self.sum(Power::<4>, x, w, y),
                    _ => return None,
                };
                (sum > LEAST_SUM).then(|| sum.powf(1.0 / f64::from(*p)))
            }
            Metric::JensenShannon => {
                let both = self.sum(Mixed { scale: of_y.scale }, x, w, y);
                let found = (of_x.entropy + of_y.entropy - both) / 2.0 + LN_2;
                (found > NEAR && of_x.scale * of_y.scale > 0.0).then_some(found.min(LN_2))
            }
            Metric::SymmetricKl => {
                Some(self.sum(self.smoothing(of_y.scale), x, w, y)).filter(|found| *found > NEAR_SQUARED)
            }
            Metric::Wasserstein1d { p: 1.0 } => {
                let (mut apart, mut sum) = (0.0f64, 0.0);
                for (x, &y) in x.iter().zip(y) {
                    apart += x - f64::from(y) * of_y.scale;
                    sum += apart.abs();
                }
                (sum > NEAR).then_some(sum)
            }
            Metric::CircularKantorovich { p } => {
                room.clear();
                let mut apart = 0.0;
                for (x, &y) in x.iter().zip(y) {
                    apart += x - f64::from(y) * of_y.scale;
                    room.push(apart);
                }
                Some(around_median(room, f64::from(*p))).filter(|found| *found > NEAR)
            }
            _ => None,
        }
    }

    fn sum<T: Term>(&self, term: T, x: &[f64], w: &[f64], y: &[f32]) -> f64 {
        sum(self.level, term, x, w, y)
    }

    /// The roots of (x-y)ᵀ V⁻¹ (x-y) for several y. Every row of the matrix is read once.
    fn mahalanobis(&self, matrix: &[f32], i: usize, others: &[u32], out: &mut Vec<f32>) {
        let (x, dim) = (self.row(i), self.points.dim());
        let difference = |&other: &u32| -> Vec<f64> {
            x.iter().zip(self.row(other as usize)).map(|(&a, b)| f64::from(a) - f64::from(b)).collect()
        };
        let apart: Vec<Vec<f64>> = others.iter().map(difference).collect();
        let mut forms = vec![0.0; others.len()];
        for (r, row) in matrix.chunks_exact(dim).enumerate() {
            for (form, v) in forms.iter_mut().zip(&apart) {
                *form += v[r] * self.sum(Product, v, v, row);
            }
        }
        out.extend(forms.into_iter().map(|form| form.max(0.0).sqrt() as f32));
    }
}

/// x ln x; 0 of 0.
fn times_ln(x: f64) -> f64 {
    if x > 0.0 { x * x.ln() } else { 0.0 }
}

impl TrueDistances for DefinitionDistances<'_> {
    fn distances(&self, i: usize, others: &[u32], out: &mut Vec<f32>) {
        out.clear();
        if let Metric::Mahalanobis { inverse_covariance } = self.metric {
            return self.mahalanobis(inverse_covariance, i, others, out);
        }
        let (given, prepared) = (self.row(i), self.prepared(i));
        let alone = |i: usize| self.alone.get(i).copied().unwrap_or_default();
        let (mut y, mut room) = (vec![0.0; self.points.dim()], Vec::new());
        out.extend(others.iter().map(|&other| {
            let other = other as usize;
            self.rows.widen_row(other, &mut y);
            let found = self.by_sums(&prepared, [alone(i), alone(other)], &y, &mut room);
            let by_definition = || {
                self.points.widen_row(other, &mut y);
                self.metric.distance(&given, &y)
            };
            found.filter(|d| d.is_finite()).unwrap_or_else(by_definition) as f32
        }));
    }

    fn to_self(&self, _: usize) -> f32 {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Dataset;
    use crate::points::Points;

    /// Rows that are equal and nearly equal, multiples, one-hot, tiny, huge and zero.
    fn rows(dim: usize) -> Vec<f32> {
        let value = |i: usize, j: usize| match i {
            0 => 0.0,
            1 => f32::from(u8::from(j == dim / 2)),
            2 | 3 => ((j * 7 + 3) % 11) as f32 + 1.0,
            4 => (((j * 7 + 3) % 11) as f32 + 1.0) * 2.0,
            5 => ((j * 7 + 3) % 11) as f32 + if j == 0 { 1.000_01 } else { 1.0 },
            6 => 1e-20 * ((j * 5 + 1) % 7) as f32,
            7 => 1e15 * ((j * 3 + 2) % 5) as f32,
            _ => ((i * j + j * j) % 13) as f32 - if i.is_multiple_of(2) { 3.0 } else { 0.0 },
        };
        (0..12 * dim).map(|at| value(at / dim, at % dim)).collect()
    }

    #[test]
    fn sums_agree_with_definitions() {
        for dim in [1, 7, 16, 45, 100] {
            let column: std::sync::Arc<[f32]> = (0..dim).map(|j| 0.5 + j as f32 / 10.0).collect();
            let steps = |at: usize| (at / dim).abs_diff(at % dim) as i32;
            let inverse = (0..dim * dim).map(|at| 0.5f32.powi(steps(at))).collect();
            for metric in [
                Metric::TrueAngular,
                Metric::Spearman,
                Metric::Hellinger,
                Metric::JensenShannon,
                Metric::SymmetricKl,
                Metric::Wasserstein1d { p: 1.0 },
                Metric::Wasserstein1d { p: 2.0 },
                Metric::CircularKantorovich { p: 1.0 },
                Metric::CircularKantorovich { p: 3.0 },
                Metric::StandardizedEuclidean { variances: column.clone() },
                Metric::WeightedMinkowski { weights: column.clone(), p: 3.0 },
                Metric::WeightedMinkowski { weights: column.clone(), p: 2.5 },
                Metric::Mahalanobis { inverse_covariance: inverse },
            ] {
                let mut values = rows(dim);
                if metric.first_wrong(&values).is_some() {
                    values.iter_mut().for_each(|v| *v = v.abs());
                }
                let points = Points::dense(&values, 12, dim).unwrap();
                let prepared = Dataset::new(&points, &metric).unwrap();
                let truth = prepared.problem().true_distances();
                let row = |i: usize| &values[i * dim..(i + 1) * dim];
                for i in 0..12 {
                    let mut found = Vec::new();
                    truth.distances(i, &(0..12).collect::<Vec<u32>>(), &mut found);
                    for (j, &d) in found.iter().enumerate() {
                        let right = metric.distance(row(i), row(j));
                        let near = (f64::from(d) - right).abs() <= 1e-6 * right.abs();
                        assert!(near, "{metric} of {dim}: {d}, not {right}, {i} {j}");
                    }
                }
            }
        }
    }
}
