//! Rows with values as they came, or as f32 of length 1 for angular metrics.

use half::f16;
use rayon::prelude::*;

use crate::metric::Form;
use crate::metric::kernels::{Accumulate, OneMinusDot, tile, with_kernel};
use crate::points::{Dense, DenseValues, Element};
use crate::rows::{ReducedDistances, Tiles, WorkingRows};
use crate::simd::{LANES, Level, Simd, prefetch};

/// Rows padded with zeros to whole vectors, and the body of a metric.
struct FloatRows<E, B> {
    values: Vec<E>,
    n: usize,
    stride: usize,
    body: B,
    by_direction: bool,
    level: Level,
}

/// The points as they are, under `form`.
pub(crate) fn space(points: &Dense, form: Form, level: Level) -> Box<dyn ReducedDistances> {
    if let Form::Angular { centered } = form {
        return Box::new(FloatRows::<f32, _> {
            values: directions(points, centered),
            n: points.n(),
            stride: direction_stride(points.dim()),
            body: OneMinusDot,
            by_direction: false,
            level,
        });
    }
    match points.rows() {
        DenseValues::F32(x) => as_given(x, points, form, level),
        DenseValues::F16(x) => as_given::<f16>(x, points, form, level),
        DenseValues::U8(x) => as_given(x, points, form, level),
        DenseValues::I8(x) => as_given(x, points, form, level),
    }
}

/// Bytes that [`space`] will hold.
pub(crate) fn bytes(points: &Dense, form: Form) -> usize {
    match form {
        Form::Angular { .. } => points.n() * direction_stride(points.dim()) * size_of::<f32>(),
        _ => points.n() * points.dim().next_multiple_of(LANES) * points.value_size(),
    }
}

fn as_given<E: Element>(x: &[E], points: &Dense, form: Form, level: Level) -> Box<dyn ReducedDistances> {
    let (n, dim) = (points.n(), points.dim());
    let stride = dim.next_multiple_of(LANES);
    let mut values = vec![E::zeroed(); n * stride];
    values.par_chunks_mut(stride).zip(x.par_chunks(dim)).for_each(|(to, from)| to[..dim].copy_from_slice(from));
    let by_direction = form == Form::Inner;
    with_kernel!(form, body => Box::new(FloatRows { values, n, stride, body, by_direction, level }))
}

/// One column more than the data: see [`direction_of`].
fn direction_stride(dim: usize) -> usize {
    (dim + 1).next_multiple_of(LANES)
}

fn directions(points: &Dense, centered: bool) -> Vec<f32> {
    let (dim, stride) = (points.dim(), direction_stride(points.dim()));
    let mut values = vec![0.0; points.n() * stride];
    values.par_chunks_mut(stride).enumerate().for_each(|(i, to)| {
        points.widen_row(i, &mut to[..dim]);
        direction_of(&mut to[..=dim], centered);
    });
    values
}

/// Brings a row to length 1, its mean subtracted first if `centered`. The last value is an extra column: a row of length
/// zero becomes its unit vector, so that it is at distance 0 from other zero rows and 1 from the rest.
pub(crate) fn direction_of(row: &mut [f32], centered: bool) {
    let (extra, values) = row.split_last_mut().expect("an extra column");
    let scale = direction_scale(values, centered);
    *extra = f32::from(u8::from(scale == 0.0));
    values.iter_mut().for_each(|v| *v = (f64::from(*v) * scale) as f32);
}

/// Subtracts the mean if `centered`; what remains times the result has length 1 (0 for rows without length).
pub(crate) fn direction_scale(values: &mut [f32], centered: bool) -> f64 {
    if centered {
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64;
        let constant = values.iter().all(|v| *v == values[0]);
        values.iter_mut().for_each(|v| *v = if constant { 0.0 } else { (f64::from(*v) - mean) as f32 });
    }
    let length = values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    if length > 0.0 { 1.0 / length } else { 0.0 }
}

impl<E: Element, B: Accumulate + Send> WorkingRows for FloatRows<E, B> {
    fn n(&self) -> usize {
        self.n
    }

    fn renumber(&mut self, order: &[u32]) {
        crate::rows::permute_rows(&mut self.values, self.stride, order);
    }

    fn describe(&self) -> String {
        format!("{} rows, {}", E::NAME, self.level.name())
    }

    fn splits_by_direction(&self) -> bool {
        self.by_direction
    }
}

impl<E: Element, B: Accumulate + Send> Tiles for FloatRows<E, B> {
    type Row<'a>
        = &'a [E]
    where
        B: 'a;

    #[inline(always)]
    fn row(&self, i: u32) -> &[E] {
        &self.values[i as usize * self.stride..][..self.stride]
    }

    #[inline(always)]
    fn tile<S: Simd, const R: usize>(&self, xs: [&[E]; R], ys: [&[E]; 4]) -> [[f32; 4]; R] {
        tile::<S, E, E, B, R>(self.body, xs, ys)
    }

    #[inline(always)]
    fn prefetch(&self, row: u32) {
        self.row(row).iter().step_by(64 / size_of::<E>()).for_each(prefetch);
    }

    fn level(&self) -> Level {
        self.level
    }
}
