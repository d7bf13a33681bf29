//! Distances of metrics with a kernel, computed in f32 from the points as they were given.

use std::borrow::Cow;

use super::sums::{self, Chord, Product, Same, Terms};
use crate::metric::definition::half_squared_chord;
use crate::metric::{Form, KernelMetric};
use crate::parallel;
use crate::points::{Dense, Element, with_rows};
use crate::rows::dense::direction::direction_scale;
use crate::rows::dense::matrix::{Comparison, Matrix};
use crate::simd::{LANES, Level, Op, Simd, dispatch, prefetch};

/// Distances from the points of one set, the queries, to the points of another or the same, the base.
pub(crate) struct DirectDistances<'a> {
    metric: KernelMetric,
    base: Dense<'a>,
    queries: Dense<'a>,
    level: Level,
    /// For every row of the base; empty unless the metric is angular.
    directions: Cow<'a, [Direction]>,
    /// For every query; empty unless the metric is angular.
    query_directions: Cow<'a, [Direction]>,
}

/// Rows that are prefetched ahead of those computed.
const AHEAD: usize = 4;

/// What brings a row to length 1: (v - mean) · scale.
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(crate) struct Direction {
    mean: f32,
    /// What f32 leaves out of the mean.
    rest: f32,
    /// 0 for zero vectors.
    scale: f32,
}

impl Direction {
    fn of(row: &[f32], centered: bool) -> Self {
        Self::rounded(direction_scale(row, centered))
    }

    fn rounded((mean, scale): (f64, f64)) -> Self {
        let rest = (mean - f64::from(mean as f32)) as f32;
        Self { mean: mean as f32, rest, scale: (scale as f32).min(f32::MAX) }
    }

    fn mean(self) -> f64 {
        f64::from(self.mean) + f64::from(self.rest)
    }

    fn apply(self, v: f32) -> f32 {
        (v - self.mean - self.rest) * self.scale
    }
}

/// A row to compare with, brought to length 1 for angular metrics.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    values: Vec<f32>,
    /// The same in f64, where f32 may not tell near rows apart: angles and products.
    precise: Vec<f64>,
    /// A zero vector, under an angular metric.
    empty: bool,
}

impl Query {
    /// Brings the values to length 1 if they have a direction.
    fn bring_to_length(&mut self, direction: Option<Direction>) {
        self.empty = direction.is_some_and(|direction| direction.scale == 0.0);
        if let Some(direction) = direction {
            self.values.iter_mut().for_each(|v| *v = direction.apply(*v));
        }
    }
}

impl<'a> DirectDistances<'a> {
    /// `base` and `queries` have the same type and number of columns.
    pub(crate) fn new(metric: KernelMetric, base: &Dense<'a>, queries: &Dense<'a>) -> Self {
        let (base, queries) = (*base, *queries);
        let directions = Cow::Owned(directions(&base, metric));
        let query_directions = Cow::Owned(self::directions(&queries, metric));
        Self { metric, base, queries, level: Level::detect(), directions, query_directions }
    }

    /// A base whose [`directions`] are known, to be compared with its own rows, and with rows that are not among them:
    /// [`DirectDistances::set_query`].
    pub(crate) fn of_base(metric: KernelMetric, base: Dense<'a>, directions: &'a [Direction]) -> Self {
        let (directions, query_directions) = (Cow::Borrowed(directions), Cow::Borrowed(directions));
        Self { metric, base, queries: base, level: Level::detect(), directions, query_directions }
    }

    /// Makes `query` a row of `values` to compare with.
    pub(crate) fn set_query(&self, values: &[f32], query: &mut Query) {
        query.values.clear();
        query.values.extend_from_slice(values);
        query.precise.clear();
        let direction = match self.metric.form() {
            Form::Angular { centered } => {
                let (mean, scale) = direction_scale(values, centered);
                query.precise.extend(values.iter().map(|&v| (f64::from(v) - mean) * scale));
                Some(Direction::rounded((mean, scale)))
            }
            Form::Inner => {
                query.precise.extend(values.iter().map(|&v| f64::from(v)));
                None
            }
            _ => None,
        };
        query.bring_to_length(direction);
    }

    /// Makes `query` row `row` of the base, for [`DirectDistances::reduced_from`].
    pub(crate) fn set_base_query(&self, row: u32, query: &mut Query) {
        query.values.resize(self.base.dim(), 0.0);
        self.base.widen_row(row as usize, &mut query.values);
        query.precise.clear();
        query.bring_to_length(self.directions.get(row as usize).copied());
    }

    /// Row `i` of the queries.
    fn own_query(&self, i: usize) -> Query {
        let mut values = vec![0.0; self.base.dim()];
        self.queries.widen_row(i, &mut values);
        let mut empty = false;
        if let Some(direction) = self.query_directions.get(i) {
            values.iter_mut().for_each(|v| *v = direction.apply(*v));
            empty = direction.scale == 0.0;
        }
        Query { values, empty, precise: Vec::new() }
    }

    /// Reduced distances of query `i` to `others`, in place of what `out` held.
    pub(crate) fn reduced(&self, i: usize, others: &[u32], out: &mut Vec<f32>) {
        self.reduced_from(&self.own_query(i), others, out);
    }

    /// Reduced distances of a row to `others`, in place of what `out` held.
    pub(crate) fn reduced_from(&self, query: &Query, others: &[u32], out: &mut Vec<f32>) {
        let (level, directions, x, form) = (self.level, &self.directions[..], &query.values[..], self.metric.form());
        out.clear();
        out.resize(others.len(), 0.0);
        if let Form::Angular { .. } = form {
            let x_empty = query.empty;
            with_rows!(self.base.rows(), base => dispatch(level, Angles { x, x_empty, base, others, directions, out }));
        } else {
            let base = Matrix { values: self.base.rows(), stride: self.base.dim() };
            Comparison { form, level }.one_to_many(x, base, others, AHEAD, out);
        }
    }

    /// Same as [`DirectDistances::reduced_from`], by sums in f64 where those in f32 may not tell near rows apart.
    pub(crate) fn precise_from(&self, query: &Query, others: &[u32], out: &mut Vec<f64>) {
        out.clear();
        if query.precise.is_empty() {
            let mut found = Vec::new();
            self.reduced_from(query, others, &mut found);
            return out.extend(found.into_iter().map(f64::from));
        }
        let x = &query.precise[..];
        if self.directions.is_empty() {
            sums::sums(self.level, Same(Product), x, &self.base, others, out);
            out.iter_mut().for_each(|d| *d = -*d);
            return;
        }
        sums::sums(self.level, Chords(&self.directions), x, &self.base, others, out);
        let mut room = Vec::new();
        for (d, &other) in out.iter_mut().zip(others) {
            let direction = self.directions[other as usize];
            *d = match (query.empty, direction.scale == 0.0) {
                (false, false) if *d >= 2.0 * NEAR && direction.scale < f32::MAX => half_squared_chord(*d),
                (false, false) => {
                    room.resize(self.base.dim(), 0.0);
                    self.precise_angle(query, self.base.as_f32(other as usize, &mut room))
                }
                (true, true) => 0.0,
                _ => 1.0,
            };
        }
    }

    /// 1 - cos in f64, the other row being brought to length 1 anew.
    fn precise_angle(&self, query: &Query, y: &[f32]) -> f64 {
        let (mean, scale) = direction_scale(y, self.metric.form() == Form::Angular { centered: true });
        half_squared_chord(sums::sum(self.level, Chord { mean, scale }, &query.precise, &[], y))
    }
}

/// Below this 1 - cos, the rounding of a factor to f32 shows.
const NEAR: f64 = 1e-7;

/// [`Chord`]s to rows.
#[derive(Clone, Copy)]
struct Chords<'a>(&'a [Direction]);

impl Terms for Chords<'_> {
    type Term = Chord;
    #[inline(always)]
    fn of_row(self, row: usize) -> Chord {
        let direction = self.0[row];
        Chord { mean: direction.mean(), scale: direction.scale.into() }
    }
}

/// The direction of every row; none unless the metric is angular.
pub(crate) fn directions(points: &Dense, metric: KernelMetric) -> Vec<Direction> {
    let Form::Angular { centered } = metric.form() else { return Vec::new() };
    let room = || vec![0.0; points.dim()];
    parallel::map(points.n(), 64, room, |row, i| {
        points.widen_row(i, row);
        Direction::of(row, centered)
    })
}

#[inline(always)]
fn prefetch_row<E: Element>(row: &[E]) {
    row.iter().step_by(64 / size_of::<E>()).for_each(prefetch);
}

/// 1 - cos as half the squared distance of the directions, which stays exact near zero where 1 - x·y cancels.
struct Angles<'a, E> {
    x: &'a [f32],
    x_empty: bool,
    base: &'a [E],
    others: &'a [u32],
    directions: &'a [Direction],
    out: &'a mut [f32],
}

impl<E: Element> Op for Angles<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let dim = self.x.len();
        for (i, (&y, out)) in self.others.iter().zip(self.out).enumerate() {
            self.others.get(i + 3).iter().for_each(|&&y| prefetch_row(&self.base[y as usize * dim..][..dim]));
            let direction = self.directions[y as usize];
            let row = &self.base[y as usize * dim..][..dim];
            *out = match (self.x_empty, direction.scale == 0.0) {
                (false, false) => half_squared::<S, E>(self.x, row, direction),
                (true, true) => 0.0,
                _ => 1.0,
            };
        }
    }
}

#[inline(always)]
fn half_squared<S: Simd, E: Element>(x: &[f32], y: &[E], direction: Direction) -> f32 {
    let (xs, x_tail) = x.as_chunks::<LANES>();
    let (ys, y_tail) = y.as_chunks::<LANES>();
    let [mean, rest, scale] = [direction.mean, direction.rest, direction.scale].map(|v| S::splat(v));
    // Four sums, so that their latencies overlap.
    let mut sums = [S::splat(0.0); 4];
    for (i, (x, y)) in xs.iter().zip(ys).enumerate() {
        // Rounded as `x` was, so that copies are at distance 0.
        let d = S::sub(S::load(x), S::mul_add(S::sub(S::sub(S::load(y), mean), rest), scale, S::splat(0.0)));
        sums[i % 4] = S::mul_add(d, d, sums[i % 4]);
    }
    let total: f32 = S::sum4(sums).into_iter().sum();
    let tail = |(x, y): (&f32, &E)| (x - direction.apply(y.widen())).powi(2);
    0.5 * (total + x_tail.iter().zip(y_tail).map(tail).sum::<f32>())
}
