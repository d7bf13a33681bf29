//! Rows with values as they came, or as f32 of length 1 for angular metrics.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::directions::Directions;
use super::matrix::{Comparison, Matrix};
use crate::metric::Form;
use crate::parallel::for_rows;
use crate::points::{Dense, DenseValues, Element};
use crate::rows::tiles::{AHEAD, all_pairs_by_fours, block_by_fours};
use crate::rows::{DistanceCost, ReducedDistances, WorkingRows, all_pairs_by_rows, permute_rows};
use crate::simd::{LANES, Level};

/// Rows padded with zeros to whole vectors.
struct FloatRows {
    values: Values,
    n: usize,
    /// Values of a row.
    stride: usize,
    comparison: Comparison,
}

/// Columns from which on a distance costs more than a look at what was compared.
const WIDE: usize = 128;

enum Values {
    F32(Vec<f32>),
    F16(Vec<f16>),
    U8(Vec<u8>),
    I8(Vec<i8>),
}

/// Runs `$body` with `$x` bound to the typed vector of [`Values`].
macro_rules! with_values {
    ($values:expr, $x:ident => $body:expr) => {
        match $values {
            Values::F32($x) => $body,
            Values::F16($x) => $body,
            Values::U8($x) => $body,
            Values::I8($x) => $body,
        }
    };
}

/// The points as they are, under `form`.
pub(crate) fn space(points: &Dense, form: Form, level: Level) -> Box<dyn ReducedDistances> {
    let stride = stride(points.dim(), form);
    let values = match (form, points.rows()) {
        (Form::Angular { centered }, _) => Values::F32(Directions::of_points(points, centered).all(points)),
        (_, DenseValues::F32(x)) => Values::F32(padded(x, points, stride)),
        (_, DenseValues::F16(x)) => Values::F16(padded(x, points, stride)),
        (_, DenseValues::U8(x)) => Values::U8(padded(x, points, stride)),
        (_, DenseValues::I8(x)) => Values::I8(padded(x, points, stride)),
    };
    Box::new(FloatRows { values, n: points.n(), stride, comparison: Comparison { form, level } })
}

/// The same as f16. None where a value is too large for one.
pub(crate) fn halves(points: &Dense, form: Form, level: Level) -> Option<Box<dyn ReducedDistances>> {
    let (n, dim, stride) = (points.n(), points.dim(), stride(points.dim(), form));
    let directions = match form {
        Form::Angular { centered } => Some(Directions::of_points(points, centered)),
        _ => None,
    };
    let (mut values, too_large) = (vec![f16::ZERO; n * stride], AtomicBool::new(false));
    for_rows(&mut values, stride, 64, |i, to| {
        let (mut row, mut direction) = (vec![0.0; dim], vec![0.0; dim + 1]);
        points.widen_row(i, &mut row);
        let row = directions.as_ref().map_or(&row, |directions| {
            directions.write(&row, &mut direction);
            &direction
        });
        let to = &mut to[..row.len()];
        to.convert_from_f32_slice(row);
        if !to.iter().all(|v| v.is_finite()) {
            too_large.store(true, Relaxed);
        }
    });
    let rows = FloatRows { values: Values::F16(values), n, stride, comparison: Comparison { form, level } };
    (!too_large.into_inner()).then(|| Box::new(rows) as Box<dyn ReducedDistances>)
}

/// Bytes that [`space`] will hold.
pub(crate) fn bytes(points: &Dense, form: Form) -> usize {
    let value = if matches!(form, Form::Angular { .. }) { size_of::<f32>() } else { points.value_size() };
    points.n() * stride(points.dim(), form) * value
}

/// Values of a row of `dim` columns.
fn stride(dim: usize, form: Form) -> usize {
    if matches!(form, Form::Angular { .. }) { Directions::stride(dim) } else { dim.next_multiple_of(LANES) }
}

fn padded<E: Element>(x: &[E], points: &Dense, stride: usize) -> Vec<E> {
    let (n, dim) = (points.n(), points.dim());
    let mut values = vec![E::zeroed(); n * stride];
    for_rows(&mut values, stride, 64, |i, to| to[..dim].copy_from_slice(&x[i * dim..][..dim]));
    values
}

impl FloatRows {
    fn matrix(&self) -> Matrix<'_> {
        Matrix { values: with_values!(&self.values, x => Element::rows(x)), stride: self.stride }
    }

    /// A row as f32.
    fn widened(&self, row: u32) -> Cow<'_, [f32]> {
        if let Values::F32(values) = &self.values {
            return Cow::Borrowed(&values[row as usize * self.stride..][..self.stride]);
        }
        let mut values = vec![0.0; self.stride];
        self.matrix().widen(self.comparison.level, &[row], &mut values);
        Cow::Owned(values)
    }

    fn few_to_many<const R: usize>(&self, rows: [u32; R], others: &[u32], ahead: usize, out: &mut [[f32; R]]) {
        let rows = rows.map(|row| self.widened(row));
        let mut xs: [&[f32]; R] = [&[]; R];
        xs.iter_mut().zip(&rows).for_each(|(x, row)| *x = row);
        self.comparison.few_to_many(xs, self.matrix(), others, ahead, out);
    }
}

impl WorkingRows for FloatRows {
    fn n(&self) -> usize {
        self.n
    }

    fn distance_cost(&self) -> DistanceCost {
        match self.stride {
            _ if self.comparison.form.is_slow() => DistanceCost::Much,
            ..WIDE => DistanceCost::Little,
            _ => DistanceCost::More,
        }
    }

    fn renumber(&mut self, order: &[u32]) {
        with_values!(&mut self.values, x => permute_rows(x, self.stride, order));
    }

    fn describe(&self) -> String {
        fn name<E: Element>(_: &[E]) -> &'static str {
            E::NAME
        }
        format!("{} rows, {}", with_values!(&self.values, x => name(x)), self.comparison.level.name())
    }

    fn splits_by_direction(&self) -> bool {
        self.comparison.form == Form::Inner
    }
}

impl ReducedDistances for FloatRows {
    fn one_to_many(&self, row: u32, others: &[u32], out: &mut [f32]) {
        self.comparison.one_to_many(&self.widened(row), self.matrix(), others, AHEAD, out);
    }

    fn two_to_many(&self, rows: [u32; 2], others: &[u32], out: &mut [[f32; 2]]) {
        self.few_to_many(rows, others, AHEAD, out);
    }

    fn all_pairs(&self, ids: &[u32], out: &mut [f32]) {
        let matrix = self.matrix();
        if self.comparison.has_tiles(matrix) {
            return all_pairs_by_fours(ids, out, &mut |rows, others, out| self.few_to_many(rows, others, 0, out));
        }
        let mut values = vec![0.0; ids.len() * self.stride];
        matrix.widen(self.comparison.level, ids, &mut values);
        let places: Vec<u32> = (0..ids.len() as u32).collect();
        let rows = Matrix { values: DenseValues::F32(&values), ..matrix };
        all_pairs_by_rows(&places, out, &mut |i, others, out| {
            self.comparison.one_to_many(&values[i * self.stride..][..self.stride], rows, others, 0, out);
        });
    }

    fn block(&self, rows: &[u32], first: u32, out: &mut [f32]) {
        block_by_fours(rows, first, out, &mut |rows, others, out| self.few_to_many(rows, others, 0, out));
    }
}
