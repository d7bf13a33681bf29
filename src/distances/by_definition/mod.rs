//! True distances by definition, in f64.
//!
//! Most are functions of a sum over columns ([`Term`]). Where such a sum cancels, and for the other metrics,
//! [`Metric::distance`] computes them.

use std::f64::consts::{LN_2, PI};

use super::TrueDistances;
use super::sums::{
    Absolute, AbsoluteSum, Chord, Differing, Largest, MOST_BYTES, Mixed, Power, Product, Ratio, RootsApart, Same,
    Smoothing, Squared, Term, Terms, WeightedSquared, WholePower, byte_products, sum, sums,
};
use crate::metric::definition::{SMOOTHING, angle_of_chord, around_median, half_squared_chord};
use crate::metric::kernels::ts_ss;
use crate::metric::{KernelMetric, Metric};
use crate::parallel;
use crate::points::{Dense, DenseValues, with_rows};
use crate::simd::{Level, prefetch};

/// True distances from queries to points, as they were given.
pub(crate) struct DefinitionDistances<'a> {
    metric: Metric,
    /// The kernel that rows are searched under, and their columns.
    kernel: Option<(KernelMetric, usize)>,
    /// What reduced distances are multiplied by.
    unit: f64,
    base: Side<'a>,
    /// None if the queries are the points.
    queries: Option<Side<'a>>,
    /// A factor for every column, or none.
    factors: Vec<f64>,
    level: Level,
}

/// Rows on one side of a distance.
struct Side<'a> {
    points: Dense<'a>,
    /// The rows that sums run over: the points, or their ranks.
    rows: Dense<'a>,
    /// Sums over every row alone; empty if the metric needs none.
    alone: Vec<Alone>,
}

/// Sums over a row alone.
#[derive(Debug, Clone, Copy, Default)]
struct Alone {
    /// Subtracted from every column: the mean, if the metric asks for it.
    mean: f64,
    /// The factor that brings the row, less its mean, to length 1, or to sum 1; 0 for zero rows.
    scale: f64,
    /// Σ p ln p of the row brought to sum 1, or Σ x².
    sum: f64,
}

/// Below this part of the numbers whose difference it is, a distance has lost too many digits.
const NEAR: f64 = 1e-6;
/// The same for differences of logarithms, which are multiplied by differences.
const NEAR_SQUARED: f64 = 1e-12;
/// Sums of powers below this are near the limit of f64's range.
const LEAST_SUM: f64 = 1e-250;

impl<'a> Side<'a> {
    /// `searched` are the points as they are searched.
    fn new(metric: &Metric, points: Dense<'a>, searched: Dense<'a>) -> Self {
        let rows = if *metric == Metric::Spearman { searched } else { points };
        let is_alone = matches!(
            metric,
            Metric::Cosine
                | Metric::Correlation
                | Metric::TrueAngular
                | Metric::Spearman
                | Metric::TsSs
                | Metric::Hellinger
                | Metric::JensenShannon
                | Metric::SymmetricKl
                | Metric::Wasserstein1d { .. }
                | Metric::CircularKantorovich { .. }
        );
        let room = || vec![0.0; rows.dim()];
        let alone = parallel::map(if is_alone { rows.n() } else { 0 }, 64, room, |row, i| {
            rows.widen_row(i, row);
            Alone::of(metric, row)
        });
        Self { points, rows, alone }
    }

    fn alone(&self, i: usize) -> Alone {
        self.alone.get(i).copied().unwrap_or_default()
    }

    fn point(&self, i: usize) -> Vec<f32> {
        let mut row = vec![0.0; self.points.dim()];
        self.points.widen_row(i, &mut row);
        row
    }
}

/// [`Chord`]s to rows.
#[derive(Clone, Copy)]
struct Chords<'a>(&'a [Alone]);

impl Terms for Chords<'_> {
    type Term = Chord;
    #[inline(always)]
    fn of_row(self, row: usize) -> Chord {
        self.0[row].chord()
    }
}

impl Alone {
    fn chord(self) -> Chord {
        Chord { mean: self.mean, scale: self.scale }
    }

    fn of(metric: &Metric, row: &[f32]) -> Self {
        let values = || row.iter().map(|&v| f64::from(v));
        let total: f64 = values().sum();
        let of_mass = if total > 0.0 { 1.0 / total } else { 0.0 };
        match metric {
            Metric::Cosine | Metric::TrueAngular => {
                Self { sum: values().map(|v| v * v).sum(), ..Self::direction(row, 0.0) }
            }
            Metric::Correlation | Metric::Spearman => {
                let constant = row.iter().all(|v| *v == row[0]);
                Self::direction(row, if constant { row[0].into() } else { total / row.len() as f64 })
            }
            Metric::TsSs => Self { mean: 0.0, scale: 1.0, sum: values().map(|v| v * v).sum() },
            Metric::JensenShannon => {
                Self { mean: 0.0, scale: of_mass, sum: values().map(|v| times_ln(v * of_mass)).sum() }
            }
            _ => Self { mean: 0.0, scale: of_mass, sum: 0.0 },
        }
    }

    fn direction(row: &[f32], mean: f64) -> Self {
        let length = row.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>().sqrt();
        Self { mean, scale: if length > 0.0 { 1.0 / length } else { 0.0 }, sum: 0.0 }
    }
}

impl<'a> DefinitionDistances<'a> {
    /// Between points; `searched` are the points as they are searched.
    pub(crate) fn new(metric: &Metric, points: Dense<'a>, searched: Dense<'a>) -> Self {
        let factors = match metric {
            Metric::StandardizedEuclidean { variances } => variances.iter().map(|&v| 1.0 / f64::from(v)).collect(),
            Metric::WeightedMinkowski { weights, .. } => weights.iter().map(|&w| w.into()).collect(),
            Metric::Minkowski { .. } => vec![1.0; points.dim()],
            _ => Vec::new(),
        };
        Self {
            metric: metric.clone(),
            kernel: metric.kernel().map(|kernel| (kernel, searched.dim())),
            unit: 1.0,
            base: Side::new(metric, points, searched),
            queries: None,
            factors,
            level: Level::detect(),
        }
    }

    /// The same of points that are searched at another scale, which multiplies their reduced distances by `unit`.
    pub(crate) fn in_unit(self, unit: f64) -> Self {
        Self { unit, ..self }
    }

    /// From `queries` to the points, under a metric with a kernel.
    pub(crate) fn with_queries(self, queries: Dense<'a>) -> Self {
        let queries = Some(Side::new(&self.metric, queries, queries));
        Self { queries, ..self }
    }

    fn queries(&self) -> &Side<'a> {
        self.queries.as_ref().unwrap_or(&self.base)
    }

    /// A row prepared for sums, and a second number for every column.
    fn prepared(&self, i: usize) -> (Vec<f64>, Vec<f64>) {
        let side = self.queries();
        let mut row = vec![0.0; side.rows.dim()];
        side.rows.widen_row(i, &mut row);
        let Alone { mean, scale, .. } = side.alone(i);
        let scaled = || row.iter().map(|&v| (f64::from(v) - mean) * scale);
        match &self.metric {
            Metric::Cosine | Metric::Correlation | Metric::TrueAngular | Metric::Spearman => {
                (scaled().collect(), Vec::new())
            }
            Metric::JensenShannon | Metric::Wasserstein1d { .. } | Metric::CircularKantorovich { .. } => {
                (scaled().collect(), Vec::new())
            }
            Metric::Hellinger => (scaled().map(f64::sqrt).collect(), Vec::new()),
            Metric::SymmetricKl => {
                let smoothed: Vec<f64> = scaled().map(|p| self.smoothing(scale).of(p)).collect();
                let logarithms = smoothed.iter().map(|p| p.ln()).collect();
                (smoothed, logarithms)
            }
            _ => (row.iter().map(|&v| v.into()).collect(), self.factors.clone()),
        }
    }

    fn smoothing(&self, scale: f64) -> Smoothing {
        let total = if scale > 0.0 { 1.0 } else { 0.0 };
        Smoothing { scale, factor: 1.0 / (total + self.base.rows.dim() as f64 * SMOOTHING) }
    }

    /// The distance of a prepared row and a row, from sums; none where these cancel, and for the metrics of
    /// [`DefinitionDistances::by_sums_at_once`].
    fn by_sums(
        &self,
        (x, w): &(Vec<f64>, Vec<f64>),
        [of_x, of_y]: [Alone; 2],
        y: &[f32],
        room: &mut Vec<f64>,
    ) -> Option<f64> {
        match &self.metric {
            Metric::Spearman => Some(self.angle(x, [of_x, of_y], y)),
            Metric::TrueAngular => angle_of_chord(self.angle(x, [of_x, of_y], y)).map(|angle| angle / PI),
            Metric::Chebyshev => Some(self.sum(Largest, x, w, y)),
            Metric::Hamming => Some(self.sum(Differing, x, w, y) / y.len() as f64),
            Metric::Canberra => Some(self.sum(Ratio, x, w, y)),
            Metric::BrayCurtis => {
                let apart = self.sum(Absolute, x, w, y);
                Some(if apart == 0.0 { 0.0 } else { apart / self.sum(AbsoluteSum, x, w, y) })
            }
            Metric::TsSs => Some(ts_ss(self.sum(Squared, x, w, y), of_x.sum, of_y.sum)),
            Metric::Hellinger => {
                let found = self.sum(RootsApart { scale: of_y.scale }, x, w, y) / 2.0;
                (of_x.scale * of_y.scale > 0.0).then(|| found.sqrt().min(1.0))
            }
            Metric::StandardizedEuclidean { .. } => Some(self.sum(WeightedSquared, x, w, y).sqrt()),
            Metric::Minkowski { p } | Metric::WeightedMinkowski { p, .. } => self.minkowski((*p).into(), x, w, y),
            Metric::JensenShannon => {
                let both = self.sum(Mixed { scale: of_y.scale }, x, w, y);
                let found = (of_x.sum + of_y.sum - both) / 2.0 + LN_2;
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

    /// The distances of the metrics that are used most, from one loop over all rows. False for the others.
    fn by_sums_at_once(&self, i: usize, (x, of_x): (&[f64], Alone), others: &[u32], out: &mut Vec<f64>) -> bool {
        let rows = &self.base.rows;
        match &self.metric {
            Metric::Euclidean | Metric::SqEuclidean => {
                sums(self.level, Same(Squared), x, rows, others, out);
                if self.metric == Metric::Euclidean {
                    out.iter_mut().for_each(|d| *d = d.sqrt());
                }
            }
            Metric::Manhattan => sums(self.level, Same(Absolute), x, rows, others, out),
            Metric::Dot | Metric::InnerProduct => {
                let one = if self.metric == Metric::Dot { 1.0 } else { 0.0 };
                sums(self.level, Same(Product), x, rows, others, out);
                out.iter_mut().for_each(|d| *d = one - *d);
            }
            Metric::Cosine if self.queries.is_none() && self.angles_of_bytes(i, others, out) => {}
            Metric::Cosine | Metric::Correlation => {
                sums(self.level, Chords(&self.base.alone), x, rows, others, out);
                for (d, &other) in out.iter_mut().zip(others) {
                    *d = angle_of(*d, [of_x, self.base.alone(other as usize)]);
                }
            }
            _ => return false,
        }
        true
    }

    /// 1 - cos between rows of bytes, whose products are whole numbers: (xx yy - xy²) / (r (r + xy)) with r = √(xx yy),
    /// which does not cancel. False if rows are of other values.
    fn angles_of_bytes(&self, i: usize, others: &[u32], out: &mut Vec<f64>) -> bool {
        let dim = self.base.rows.dim();
        match self.base.rows.rows() {
            _ if dim > MOST_BYTES => return false,
            DenseValues::U8(rows) => byte_products(self.level, rows, dim, (i, others), out),
            DenseValues::I8(rows) => byte_products(self.level, rows, dim, (i, others), out),
            DenseValues::F32(_) | DenseValues::F16(_) => return false,
        }
        let xx = self.base.alone(i).sum;
        for (d, &other) in out.iter_mut().zip(others) {
            let (xy, yy) = (*d as i64, self.base.alone(other as usize).sum);
            let r = (xx * yy).sqrt();
            *d = match (xx == 0.0, yy == 0.0) {
                (true, true) => 0.0,
                (false, false) if xy > 0 => (xx as i64 * yy as i64 - xy * xy) as f64 / (r * (r + xy as f64)),
                (false, false) => 1.0 - xy as f64 / r,
                _ => 1.0,
            };
        }
        true
    }

    /// 1 - cos of a row brought to length 1 and another.
    fn angle(&self, x: &[f64], [of_x, of_y]: [Alone; 2], y: &[f32]) -> f64 {
        angle_of(self.sum(of_y.chord(), x, &[], y), [of_x, of_y])
    }

    /// None where it is near the limit of f64's range.
    fn minkowski(&self, p: f64, x: &[f64], w: &[f64], y: &[f32]) -> Option<f64> {
        /// Powers of f32 up to this stay within f64's range.
        const SMALL: f64 = 4.0;
        let scale = if p <= SMALL { 1.0 } else { 1.0 / self.sum(Largest, x, w, y).max(f64::MIN_POSITIVE) };
        let sum = if p.fract() == 0.0 && p <= 16.0 {
            self.sum(WholePower { p: p as u32, scale }, x, w, y)
        } else {
            self.sum(Power { p, scale }, x, w, y)
        };
        (sum > LEAST_SUM).then(|| sum.powf(1.0 / p) / scale)
    }

    fn sum<T: Term>(&self, term: T, x: &[f64], w: &[f64], y: &[f32]) -> f64 {
        sum(self.level, term, x, w, y)
    }

    /// The roots of (x-y)ᵀ V⁻¹ (x-y) for several y. Every row of the matrix is read once.
    fn mahalanobis(&self, matrix: &[f32], i: usize, others: &[u32], out: &mut Vec<f64>) {
        let (x, dim) = (self.queries().point(i), self.base.points.dim());
        let difference = |&other: &u32| -> Vec<f64> {
            x.iter().zip(self.base.point(other as usize)).map(|(&a, b)| f64::from(a) - f64::from(b)).collect()
        };
        let apart: Vec<Vec<f64>> = others.iter().map(difference).collect();
        let mut forms = vec![0.0; others.len()];
        for (r, row) in matrix.chunks_exact(dim).enumerate() {
            for (form, v) in forms.iter_mut().zip(&apart) {
                *form += v[r] * self.sum(Product, v, v, row);
            }
        }
        out.extend(forms.into_iter().map(|form| form.max(0.0).sqrt()));
    }
}

fn prefetch_row(rows: &Dense, row: usize) {
    let dim = rows.dim();
    with_rows!(rows.rows(), x => x[row * dim..][..dim].iter().step_by(64 / size_of_val(&x[0])).for_each(prefetch));
}

/// 1 - cos of the squared distance of two rows brought to length 1.
fn angle_of(squared: f64, [of_x, of_y]: [Alone; 2]) -> f64 {
    match (of_x.scale == 0.0, of_y.scale == 0.0) {
        (false, false) => half_squared_chord(squared),
        (true, true) => 0.0,
        _ => 1.0,
    }
}

/// x ln x; 0 of 0.
fn times_ln(x: f64) -> f64 {
    if x > 0.0 { x * x.ln() } else { 0.0 }
}

impl TrueDistances for DefinitionDistances<'_> {
    fn distances(&self, i: usize, others: &[u32], out: &mut Vec<f64>) {
        out.clear();
        if let Metric::Mahalanobis { inverse_covariance } = &self.metric {
            return self.mahalanobis(inverse_covariance, i, others, out);
        }
        let (prepared, of_x) = (self.prepared(i), self.queries().alone(i));
        if self.by_sums_at_once(i, (&prepared.0, of_x), others, out) {
            return;
        }
        let (rows, points) = (self.base.rows, self.base.points);
        let (mut y, mut room) = (vec![0.0; points.dim()], Vec::new());
        out.extend(others.iter().enumerate().map(|(at, &other)| {
            if let Some(&next) = others.get(at + 2) {
                prefetch_row(&rows, next as usize);
            }
            let other = other as usize;
            let alone = [of_x, self.base.alone(other)];
            let found = self.by_sums(&prepared, alone, rows.as_f32(other, &mut y), &mut room);
            let by_definition = || {
                points.widen_row(other, &mut y);
                self.metric.distance(&self.queries().point(i), &y)
            };
            found.filter(|d| !d.is_nan()).unwrap_or_else(by_definition)
        }));
    }

    fn to_reduced(&self, distance: f64) -> f64 {
        let to_reduced = |(kernel, dim): (KernelMetric, usize)| kernel.to_reduced(self.metric.to_direct(distance), dim);
        self.kernel.map_or(distance, to_reduced) * self.unit
    }

    fn to_self(&self, i: usize) -> f32 {
        if self.metric.is_zero_to_self() {
            return 0.0;
        }
        let mut out = Vec::with_capacity(1);
        self.distances(i, &[i as u32], &mut out);
        out[0] as f32
    }
}

#[cfg(test)]
mod tests;
