//! The points as they are held on a device.

use std::ops::Range;

use half::f16;

use super::device::Gpu;
use super::encoding::{Encoding, WORD_BYTES};
use super::layout::Layout;
use super::sizes::Sizes;
use super::source::MetricSource;
use crate::dataset::{Problem, Rows};
use crate::distances::by_definition::DefinitionDistances;
use crate::distances::{ReducedIsTrue, TrueDistances};
use crate::error::GpuError;
use crate::executor::cpu::session::caps;
use crate::metric::{Form, KernelMetric};
use crate::params::Plan;
use crate::points::{Dense, DenseValues};
use crate::rows::ReducedDistances;
use crate::rows::bits::BitRows;
use crate::rows::dense::codes::{self, CodedRows};
use crate::rows::dense::directions::Directions;

/// Rows that kernels can search.
pub(super) enum DeviceRows<'p> {
    Dense(Dense<'p>, KernelMetric, Option<Box<Directions>>),
    Sets(Box<BitRows>),
    /// Rows, the WGSL of a user's metric, and its distances on the CPU.
    Own(Dense<'p>, &'static str, Box<dyn ReducedDistances + 'p>),
}

/// What rows are compared by on a device.
pub(super) struct Compared {
    /// The values as bytes, where they are integers that fit.
    pub bytes: Option<Vec<u8>>,
    pub encoding: Encoding,
    /// Whether they are codes of the values, or floats of fewer bits.
    pub rounded: bool,
}

impl Compared {
    /// Codes, less 128 if products are of signed bytes.
    pub(super) fn by_codes(is_signed: bool) -> Self {
        let encoding = if is_signed { Encoding::I8Dots } else { Encoding::U8Dots };
        Self { bytes: None, encoding, rounded: true }
    }

    /// f32 rows as f16.
    pub(super) fn by_halves(native_f16: bool) -> Self {
        Self { bytes: None, encoding: Encoding::of_halves(native_f16), rounded: true }
    }
}

/// Whether floats may be compared by codes, as on the CPU: the first tree tells whether these serve.
fn codes_may_serve(points: &Dense, form: Form, plan: &Plan) -> bool {
    let are_floats = matches!(points.rows(), DenseValues::F32(_) | DenseValues::F16(_));
    are_floats && plan.n_trees > 0 && codes::suits(points, form)
}

/// Rows of which one with negative values is looked for.
const LOOKED_AT: usize = 64;

fn has_negative(points: &Dense) -> bool {
    let mut values = vec![0.0; points.dim()];
    (0..points.n().min(LOOKED_AT)).any(|row| {
        points.widen_row(row, &mut values);
        values.iter().any(|v| *v < 0.0)
    })
}

fn angular(form: Form) -> bool {
    matches!(form, Form::Angular { .. })
}

impl<'p> DeviceRows<'p> {
    /// # Errors
    /// Rows and metrics that only the CPU has kernels for.
    pub(super) fn of(problem: &Problem<'p>) -> Result<Self, GpuError> {
        match problem.rows {
            Rows::Dense(points, direct) => {
                let directions = match direct.form() {
                    Form::Angular { centered } => Some(Box::new(Directions::of_points(&points, centered))),
                    _ => None,
                };
                Ok(Self::Dense(points, direct, directions))
            }
            Rows::Sets(sets) => Ok(Self::Sets(Box::new(sets.bit_rows()))),
            Rows::Items(items) if let Some((points, wgsl)) = items.on_gpu() => {
                Ok(Self::Own(points, wgsl, problem.rows.working_copy()))
            }
            Rows::Sparse(_) | Rows::Items(_) => Err(GpuError::Unsupported { metric: problem.metric.to_string() }),
        }
    }

    /// The metric's part of kernels.
    pub(super) fn metric_source(&self) -> MetricSource {
        match self {
            Self::Dense(_, direct, _) => MetricSource::Form(direct.form()),
            Self::Sets(rows) => MetricSource::Sets(rows.metric(), rows.dim()),
            Self::Own(_, wgsl, _) => MetricSource::Own(wgsl),
        }
    }

    /// How the points are kept on the device: as they are, or as f32 of length 1 under angular metrics.
    pub(super) fn encoding(&self, native_f16: bool) -> Encoding {
        match self {
            Self::Sets(_) => Encoding::Bits,
            Self::Own(..) => Encoding::F32,
            Self::Dense(points, direct, _) => Encoding::of_rows(points.rows(), direct.form(), points.dim(), native_f16),
        }
    }

    /// The same values in a quarter of the memory, where all are integers that fit a byte.
    pub(super) fn whole_bytes(&self) -> Option<(Vec<u8>, Encoding)> {
        let Self::Dense(points, direct, _) = self else { return None };
        let encoding = Encoding::of_whole_bytes(direct.form(), points.dim())?;
        points.whole_bytes().map(|bytes| (bytes, encoding))
    }

    /// Whether the device computes the final distances: only for the metric itself, not for a proxy.
    pub(super) fn finishes(&self, problem: &Problem, encoding: Encoding) -> bool {
        let is_own = |direct| problem.direct().is_some_and(|(_, own)| own == direct);
        matches!(self, Self::Dense(_, direct, _) if is_own(*direct) && encoding.finishes(direct.form()))
    }

    /// What rows are compared by, as far as the points tell: codes, where these may serve.
    pub(super) fn expected(&self, plan: &Plan, native_f16: bool) -> Compared {
        if let Some((bytes, encoding)) = self.whole_bytes() {
            return Compared { bytes: Some(bytes), encoding, rounded: false };
        }
        match self {
            Self::Dense(points, direct, _) if codes_may_serve(points, direct.form(), plan) => {
                let is_signed = match direct.form() {
                    Form::L2 => false,
                    Form::Angular { centered: true } => true,
                    _ => has_negative(points),
                };
                Compared::by_codes(is_signed)
            }
            _ => self.as_given(native_f16),
        }
    }

    /// The points compared as they were given.
    pub(super) fn as_given(&self, native_f16: bool) -> Compared {
        Compared { bytes: None, encoding: self.encoding(native_f16), rounded: false }
    }

    pub(super) fn sizes(&self, plan: &Plan, encoding: Encoding) -> Sizes {
        let caps = caps(plan);
        let (n, columns) = match self {
            // One more column, which tells zero vectors apart.
            Self::Dense(points, direct, _) => {
                (points.n(), points.dim() + usize::from(angular(direct.form()) && !encoding.is_dots()))
            }
            Self::Own(points, ..) => (points.n(), points.dim()),
            Self::Sets(rows) => (rows.counts.len(), rows.dim() as usize),
        };
        let quads = columns.div_ceil(encoding.values_per_quad());
        let (forward, reverse) = (caps.forward.min(plan.width), caps.reverse);
        Sizes { n, quads, row_bytes: encoding.row_bytes(quads), width: plan.width, forward, reverse }
    }

    /// As many buffers as the data needs.
    pub(super) fn buffers(gpu: &Gpu, layout: &Layout) -> Result<Vec<wgpu::Buffer>, GpuError> {
        let Sizes { n, row_bytes, .. } = layout.sizes;
        let rows = (0..n).step_by(layout.bindings.shard_rows).map(|first| layout.bindings.shard_rows.min(n - first));
        rows.map(|rows| gpu.buffer("data", (rows * row_bytes) as u64)).collect()
    }

    /// Writes points as rows of the data from place `first` on, padded with zeros to whole quads; from `bytes` where
    /// these hold the values.
    pub(super) fn upload(
        &self,
        gpu: &Gpu,
        (bytes, encoding): (Option<&[u8]>, Encoding),
        to: (&Layout, &[wgpu::Buffer]),
        first: usize,
        points: &[u32],
    ) -> Result<(), GpuError> {
        write_shards(gpu, to, first..first + points.len(), |place, to| {
            self.write_row(bytes, encoding, points[place - first] as usize, to);
        })
    }

    fn write_row(&self, bytes: Option<&[u8]>, encoding: Encoding, row: usize, to: &mut [u8]) {
        match (self, bytes) {
            (Self::Sets(rows), _) => {
                let words: &[u8] = bytemuck::cast_slice(rows.words_of(row));
                to.copy_from_slice(&words[..to.len()]);
            }
            (Self::Dense(points, ..), Some(bytes)) => {
                let dim = points.dim();
                to[..dim].copy_from_slice(&bytes[row * dim..][..dim]);
            }
            (Self::Dense(points, _, Some(directions)), None) if !encoding.is_dots() => {
                let dim = points.dim();
                let (mut values, mut direction) = (vec![0.0; dim], vec![0.0; dim + 1]);
                points.widen_row(row, &mut values);
                directions.write(&values, &mut direction);
                write_floats(&direction, encoding, to);
            }
            (Self::Dense(points, ..) | Self::Own(points, ..), _) => write_values(points, encoding, row, to),
        }
        if let (Self::Dense(_, direct, _), true) = (self, encoding.is_dots()) {
            let (values, word) = to.split_at_mut(to.len() - WORD_BYTES);
            word[..4].copy_from_slice(&word_of_row(values, encoding, direct.form()).to_ne_bytes());
        }
    }

    /// The true distances that the device's, after [`DeviceRows::to_true`], are compared with.
    pub(super) fn truth(&self) -> Box<dyn TrueDistances + '_> {
        match self {
            Self::Dense(points, direct, _) => Box::new(DefinitionDistances::new(&(*direct).into(), *points, *points)),
            Self::Sets(rows) => Box::new(ReducedIsTrue(&**rows)),
            Self::Own(_, _, space) => Box::new(ReducedIsTrue(&**space)),
        }
    }

    /// Largest difference of a distance from the right one, relative to the latter or to the scale of its row,
    /// whichever is larger: near zero, subtraction cancels. WGSL's powers, sines and arc cosines are less precise than
    /// its sums.
    pub(super) fn tolerance(&self) -> f32 {
        match self {
            Self::Dense(_, direct, _) if matches!(direct.form(), Form::Minkowski(_) | Form::TsSs) => 1e-2,
            _ => 1e-3,
        }
    }

    pub(super) fn to_true(&self, reduced: f32) -> f32 {
        match self {
            Self::Dense(points, direct, _) => direct.to_true(reduced, points.dim()),
            Self::Sets(_) | Self::Own(..) => reduced,
        }
    }
}

/// Writes codes as rows of the data, in their order.
pub(super) fn upload_codes(gpu: &Gpu, codes: &CodedRows, to: (&Layout, &[wgpu::Buffer])) -> Result<(), GpuError> {
    write_shards(gpu, to, 0..to.0.sizes.n, |place, to| {
        let (values, word) = to.split_at_mut(to.len() - WORD_BYTES);
        word[..4].copy_from_slice(&codes.write_products(place as u32, values).to_ne_bytes());
    })
}

/// Writes rows to the data, which may lie in several buffers. `write` is given a place and its row, zeroed.
fn write_shards(
    gpu: &Gpu,
    (layout, data): (&Layout, &[wgpu::Buffer]),
    places: Range<usize>,
    write: impl Fn(usize, &mut [u8]) + Sync,
) -> Result<(), GpuError> {
    let (row_bytes, shard_rows) = (layout.sizes.row_bytes, layout.bindings.shard_rows);
    let mut at = places.start;
    while at < places.end {
        let (shard, row) = (at / shard_rows, at % shard_rows);
        let count = (shard_rows - row).min(places.end - at);
        gpu.write_rows((&data[shard], (row * row_bytes) as u64), count, row_bytes, |first, to| {
            to.fill(0);
            to.chunks_exact_mut(row_bytes).zip(at + first..).for_each(|(to, place)| write(place, to));
        })?;
        at += count;
    }
    Ok(())
}

/// The word that `of_row` in shaders/shared/metrics reads from a row of bytes.
fn word_of_row(values: &[u8], encoding: Encoding, form: Form) -> u32 {
    let square = |v: &u8| if encoding == Encoding::I8Dots { i32::from(*v as i8).pow(2) } else { i32::from(*v).pow(2) };
    let squares: i32 = values.iter().map(square).sum();
    match form {
        // Same as in the CPU's codes.
        Form::Angular { .. } if squares > 0 => (1.0 / (squares as f32).sqrt()).to_bits(),
        Form::Angular { .. } => 0,
        _ => squares as u32,
    }
}

/// Writes f32 values, as f16 where that is the encoding.
fn write_floats(values: &[f32], encoding: Encoding, to: &mut [u8]) {
    if encoding.is_half() {
        let halves = to.chunks_exact_mut(2).zip(values);
        halves.for_each(|(to, &v)| to.copy_from_slice(&f16::from_f32(v).to_ne_bytes()));
    } else {
        to[..size_of_val(values)].copy_from_slice(bytemuck::cast_slice(values));
    }
}

fn write_values(points: &Dense, encoding: Encoding, row: usize, to: &mut [u8]) {
    let dim = points.dim();
    let span = row * dim..(row + 1) * dim;
    let from: &[u8] = match points.rows() {
        DenseValues::F32(x) => return write_floats(&x[span], encoding, to),
        DenseValues::F16(x) => bytemuck::cast_slice::<f16, u8>(&x[span]),
        DenseValues::U8(x) => &x[span],
        DenseValues::I8(x) => bytemuck::cast_slice(&x[span]),
    };
    to[..from.len()].copy_from_slice(from);
}
