//! Rows that an index keeps.

use half::f16;

use crate::distances::direct::{DirectDistances, Direction, directions};
use crate::metric::KernelMetric;
use crate::parallel::{fold_rows, for_rows};
use crate::points::{Dense, DenseValues};
use crate::storage::Storage;

/// The values of rows, owned or in a mapped file.
pub(crate) enum Values {
    F32(Storage<f32>),
    F16(Storage<f16>),
    U8(Storage<u8>),
    I8(Storage<i8>),
}

/// Runs `$body` with `$x` bound to the typed section.
macro_rules! with_values {
    ($values:expr, $x:ident => $body:expr) => {
        match $values {
            $crate::search::stored::Values::F32($x) => $body,
            $crate::search::stored::Values::F16($x) => $body,
            $crate::search::stored::Values::U8($x) => $body,
            $crate::search::stored::Values::I8($x) => $body,
        }
    };
}
pub(crate) use with_values;

/// Rows that queries are compared with as they are.
pub(crate) struct Stored {
    pub values: Values,
    pub dim: usize,
    /// Of every row, for angular metrics; else none.
    pub directions: Storage<Direction>,
}

impl Stored {
    /// The rows `order` of `points`, in that order.
    pub(crate) fn of_points(points: &Dense, metric: KernelMetric, order: &[u32]) -> Self {
        fn take<T: bytemuck::Pod + Send + Sync>(x: &[T], dim: usize, order: &[u32]) -> Storage<T> {
            let mut values = vec![T::zeroed(); order.len() * dim];
            for_rows(&mut values, dim, 256, |i, to| to.copy_from_slice(&x[order[i] as usize * dim..][..dim]));
            values.into()
        }
        let dim = points.dim();
        let values = match points.rows() {
            DenseValues::F32(x) => Values::F32(take(x, dim, order)),
            DenseValues::F16(x) => Values::F16(take(x, dim, order)),
            DenseValues::U8(x) => Values::U8(take(x, dim, order)),
            DenseValues::I8(x) => Values::I8(take(x, dim, order)),
        };
        Self::new(values, dim, metric)
    }

    /// The rows rounded to f16.
    pub(crate) fn halves(points: &Dense, metric: KernelMetric) -> Self {
        let dim = points.dim();
        let mut values = vec![f16::ZERO; points.n() * dim];
        let room = || vec![0.0; dim];
        fold_rows(&mut values, dim, 256, room, |row, i, to| {
            points.widen_row(i, row);
            to.iter_mut().zip(row).for_each(|(to, v)| *to = f16::from_f32(*v));
        });
        Self::new(Values::F16(values.into()), dim, metric)
    }

    fn new(values: Values, dim: usize, metric: KernelMetric) -> Self {
        let mut stored = Self { values, dim, directions: Vec::new().into() };
        stored.directions = directions(&stored.dense(), metric).into();
        stored
    }

    /// Adds rows of the same type.
    pub(crate) fn push(&mut self, points: &Dense, metric: KernelMetric) {
        match (&mut self.values, points.rows()) {
            (Values::F32(to), DenseValues::F32(x)) => to.edit(|to| to.extend_from_slice(x)),
            (Values::F16(to), DenseValues::F16(x)) => to.edit(|to| to.extend_from_slice(x)),
            (Values::U8(to), DenseValues::U8(x)) => to.edit(|to| to.extend_from_slice(x)),
            (Values::I8(to), DenseValues::I8(x)) => to.edit(|to| to.extend_from_slice(x)),
            _ => unreachable!("callers check the type"),
        }
        let more = directions(points, metric);
        self.directions.edit(|to| to.extend_from_slice(&more));
    }

    pub(crate) fn n(&self) -> usize {
        with_values!(&self.values, x => x.len()) / self.dim
    }

    pub(crate) fn dense(&self) -> Dense<'_> {
        let rows = match &self.values {
            Values::F32(x) => DenseValues::F32(x),
            Values::F16(x) => DenseValues::F16(x),
            Values::U8(x) => DenseValues::U8(x),
            Values::I8(x) => DenseValues::I8(x),
        };
        Dense::trusted(rows, self.n(), self.dim)
    }

    pub(crate) fn compare(&self, metric: KernelMetric) -> DirectDistances<'_> {
        DirectDistances::of_base(metric, self.dense(), &self.directions)
    }
}
