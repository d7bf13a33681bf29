//! The values of dense rows, owned or in a mapped file.

use half::f16;

use crate::distances::direct::{DirectDistances, Direction, directions};
use crate::metric::{Form, KernelMetric};
use crate::parallel::{fold_rows, gathered};
use crate::persist::{IndexFileError, Kind, Opened};
use crate::points::{Dense, DenseValues};
use crate::search::rows::element_type::ElementType;
use crate::search::rows::sections::of_length;
use crate::storage::Storage;

/// Values by type.
#[derive(Clone)]
enum Values {
    F32(Storage<f32>),
    F16(Storage<f16>),
    U8(Storage<u8>),
    I8(Storage<i8>),
}

/// Runs `$body` with `$x` bound to the typed values.
macro_rules! with_values {
    ($values:expr, $x:ident => $body:expr) => {
        match $values {
            $crate::search::rows::dense::value_store::Values::F32($x) => $body,
            $crate::search::rows::dense::value_store::Values::F16($x) => $body,
            $crate::search::rows::dense::value_store::Values::U8($x) => $body,
            $crate::search::rows::dense::value_store::Values::I8($x) => $body,
        }
    };
}

/// Rows that queries are compared with as they are.
#[derive(Clone)]
pub(crate) struct ValueStore {
    values: Values,
    dim: usize,
    /// Of every row, for angular metrics; else none.
    directions: Storage<Direction>,
}

impl ValueStore {
    /// The rows `order` of `points`, in that order.
    pub(crate) fn of_points(points: &Dense, metric: KernelMetric, order: &[u32]) -> Self {
        let dim = points.dim();
        let values = match points.rows() {
            DenseValues::F32(x) => Values::F32(gathered(x, dim, order).into()),
            DenseValues::F16(x) => Values::F16(gathered(x, dim, order).into()),
            DenseValues::U8(x) => Values::U8(gathered(x, dim, order).into()),
            DenseValues::I8(x) => Values::I8(gathered(x, dim, order).into()),
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

    /// Adds rows, converted to the type of these.
    pub(crate) fn push(&mut self, points: &Dense, metric: KernelMetric) {
        match (&mut self.values, points.rows()) {
            (Values::F32(to), DenseValues::F32(x)) => to.edit(|to| to.extend_from_slice(x)),
            (Values::F16(to), DenseValues::F16(x)) => to.edit(|to| to.extend_from_slice(x)),
            (Values::U8(to), DenseValues::U8(x)) => to.edit(|to| to.extend_from_slice(x)),
            (Values::I8(to), DenseValues::I8(x)) => to.edit(|to| to.extend_from_slice(x)),
            (Values::F32(to), _) => push_converted(to, points, |v| v),
            (Values::F16(to), _) => push_converted(to, points, f16::from_f32),
            (Values::U8(to), _) => push_converted(to, points, |v| v as u8),
            (Values::I8(to), _) => push_converted(to, points, |v| v as i8),
        }
        let more = directions(points, metric);
        self.directions.edit(|to| to.extend_from_slice(&more));
    }

    /// Keeps the rows `order`, in that order.
    pub(crate) fn select(&mut self, order: &[u32], metric: KernelMetric) {
        *self = Self::of_points(&self.dense(), metric, order);
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

    /// The values of a row.
    pub(crate) fn row(&self, row: u32, out: &mut [f32]) {
        self.dense().widen_row(row as usize, out);
    }

    /// The type of the values.
    pub(crate) fn element_type(&self) -> ElementType {
        match &self.values {
            Values::F32(_) => ElementType::F32,
            Values::F16(_) => ElementType::F16,
            Values::U8(_) => ElementType::U8,
            Values::I8(_) => ElementType::I8,
        }
    }

    /// Bytes of a row's values.
    pub(crate) fn bytes_of_row(&self) -> usize {
        self.dim * self.dense().value_size()
    }

    /// Brings the values into memory.
    pub(crate) fn prefault(&self) {
        with_values!(&self.values, x => x.prefault());
    }

    /// Calls `add` with the bytes of each array, and whether it lies in a file.
    pub(crate) fn add_memory(&self, add: &mut dyn FnMut(usize, bool)) {
        with_values!(&self.values, x => add(size_of_val(&x[..]), x.is_mapped()));
        add(size_of_val(&self.directions[..]), self.directions.is_mapped());
    }

    /// The values and, for angular metrics, what brings rows to length 1, as sections of a file.
    pub(crate) fn bytes(&self) -> (&[u8], &[u8]) {
        (with_values!(&self.values, x => bytemuck::cast_slice(x)), bytemuck::cast_slice(&self.directions))
    }

    /// From the sections of a file: `n` rows of `dim` values.
    pub(crate) fn of_file(
        file: &Opened,
        (values, directions): (Kind, Kind),
        element_type: ElementType,
        metric: KernelMetric,
        (n, dim): (usize, usize),
    ) -> Result<Self, IndexFileError> {
        let count = n.saturating_mul(dim);
        let values = match element_type {
            ElementType::F32 => Values::F32(of_length(file, values, count)?),
            ElementType::F16 => Values::F16(of_length(file, values, count)?),
            ElementType::U8 => Values::U8(of_length(file, values, count)?),
            ElementType::I8 => Values::I8(of_length(file, values, count)?),
            ElementType::Bits | ElementType::Sparse | ElementType::Items => {
                return Err(file.inconsistent(format!("dense values of type `{}`", element_type.name())));
            }
        };
        let angular = matches!(metric.form(), Form::Angular { .. });
        let directions = if angular { of_length(file, directions, n)? } else { Vec::new().into() };
        Ok(Self { values, dim, directions })
    }
}

fn push_converted<T: bytemuck::Pod + Send + Sync>(to: &mut Storage<T>, points: &Dense, convert: impl Fn(f32) -> T) {
    let mut row = vec![0.0; points.dim()];
    to.edit(|to| {
        for i in 0..points.n() {
            points.widen_row(i, &mut row);
            to.extend(row.iter().map(|&v| convert(v)));
        }
    });
}
