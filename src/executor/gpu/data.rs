//! The points as a device holds them.

use half::f16;

use super::device::Gpu;
use super::error::GpuError;
use super::layout::{Layout, Wanted};
use super::shaders::{Body, Stored};
use crate::executor::cpu::session::caps;
use crate::metric::{Direct, Form};
use crate::params::Plan;
use crate::points::{Dense, Rows};
use crate::problem::{BySpace, Problem, Searched, Truth};
use crate::space::Space;
use crate::space::bit_rows::BitRows;
use crate::space::float_rows::direction_of;
use crate::space::recompute::Recompute;

/// Rows that kernels can search.
pub(super) enum DeviceRows<'p> {
    Dense(Dense<'p>, Direct),
    Sets(Box<BitRows>),
    /// Rows, the WGSL of a user's metric, and its distances on the CPU.
    Own(Dense<'p>, &'static str, Box<dyn Space + 'p>),
}

/// Rows brought to the device at once.
const UPLOADED: usize = 1 << 14;

fn angular(form: Form) -> bool {
    matches!(form, Form::Angular { .. })
}

impl<'p> DeviceRows<'p> {
    /// # Errors
    /// Rows and metrics that only the CPU has kernels for.
    pub(super) fn of(problem: &Problem<'p>) -> Result<Self, GpuError> {
        let rows = match problem.searched {
            Searched::Dense(points, direct) => return Ok(Self::Dense(points, direct)),
            Searched::Rows(rows) => rows,
        };
        if let Some((points, wgsl)) = rows.on_gpu() {
            return Ok(Self::Own(points, wgsl, rows.space()));
        }
        let unsupported = || GpuError::Unsupported { metric: problem.metric.to_string() };
        Ok(Self::Sets(Box::new(rows.bits().ok_or_else(unsupported)?)))
    }

    /// The metric's part of kernels.
    pub(super) fn body(&self) -> Body {
        match self {
            Self::Dense(_, direct) => Body::Form(direct.form()),
            Self::Sets(rows) => Body::Sets(rows.metric(), rows.dim()),
            Self::Own(_, wgsl, _) => Body::Own(wgsl),
        }
    }

    /// How the points are kept on the device: as they are, and as f32 of length 1 for angular metrics.
    pub(super) fn stored(&self) -> Stored {
        match self {
            Self::Sets(_) => Stored::Bits,
            Self::Own(..) => Stored::F32,
            Self::Dense(_, direct) if angular(direct.form()) => Stored::F32,
            Self::Dense(points, _) => match points.rows() {
                Rows::F32(_) => Stored::F32,
                Rows::F16(_) => Stored::F16,
                Rows::U8(_) => Stored::U8,
                Rows::I8(_) => Stored::I8,
            },
        }
    }

    /// The same values in a quarter of the memory, where all are whole numbers that fit a byte.
    pub(super) fn whole_bytes(&self) -> Option<Vec<u8>> {
        match self {
            Self::Dense(points, direct) if !angular(direct.form()) => points.whole_bytes(),
            _ => None,
        }
    }

    pub(super) fn wanted(&self, plan: &Plan, stored: Stored) -> Wanted {
        let caps = caps(plan);
        let (n, quads) = match self {
            // One column more for rows without length.
            Self::Dense(points, direct) => {
                (points.n(), (points.dim() + usize::from(angular(direct.form()))).div_ceil(4))
            }
            Self::Own(points, ..) => (points.n(), points.dim().div_ceil(4)),
            Self::Sets(rows) => (rows.counts.len(), (rows.dim() as usize).div_ceil(128)),
        };
        let (forward, reverse) = (caps.forward.min(plan.width), caps.reverse);
        Wanted { n, quads, quad_bytes: stored.quad_bytes(), width: plan.width, forward, reverse }
    }

    /// The rows in working order, padded with zeros to whole quads; of `bytes` where these stand for the values.
    pub(super) fn upload(
        &self,
        gpu: &Gpu,
        bytes: Option<&[u8]>,
        layout: &Layout,
        order: &[u32],
    ) -> Result<Vec<wgpu::Buffer>, GpuError> {
        let row_bytes = layout.wanted.quads * layout.wanted.quad_bytes;
        let mut shards = Vec::new();
        for shard in order.chunks(layout.shard_rows) {
            let buffer = gpu.buffer("data", (shard.len() * row_bytes) as u64)?;
            for (piece, rows) in shard.chunks(UPLOADED).enumerate() {
                let mut values = vec![0u8; rows.len() * row_bytes];
                for (to, &row) in values.chunks_exact_mut(row_bytes).zip(rows) {
                    self.write_row(bytes, row as usize, to);
                }
                gpu.write(&buffer, (piece * UPLOADED * row_bytes) as u64, &values)?;
            }
            shards.push(buffer);
        }
        Ok(shards)
    }

    fn write_row(&self, bytes: Option<&[u8]>, row: usize, to: &mut [u8]) {
        match (self, bytes) {
            (Self::Sets(rows), _) => {
                let words: &[u8] = bytemuck::cast_slice(rows.words_of(row));
                to.copy_from_slice(&words[..to.len()]);
            }
            (Self::Dense(points, _), Some(bytes)) => {
                let dim = points.dim();
                to[..dim].copy_from_slice(&bytes[row * dim..][..dim]);
            }
            (Self::Dense(points, direct), None) => write_values(points, direct.form(), row, to),
            (Self::Own(points, ..), _) => write_values(points, Form::L2, row, to),
        }
    }

    /// Distances to compare the device's with, once [`DeviceRows::to_true`].
    pub(super) fn truth(&self) -> Box<dyn Truth + '_> {
        match self {
            Self::Dense(points, direct) => Box::new(Recompute::new(*direct, points, points)),
            Self::Sets(rows) => Box::new(BySpace(&**rows)),
            Self::Own(_, _, space) => Box::new(BySpace(&**space)),
        }
    }

    pub(super) fn to_true(&self, reduced: f32) -> f32 {
        match self {
            Self::Dense(points, direct) => direct.to_true(reduced, points.dim()),
            Self::Sets(_) | Self::Own(..) => reduced,
        }
    }
}

fn write_values(points: &Dense, form: Form, row: usize, to: &mut [u8]) {
    let dim = points.dim();
    if let Form::Angular { centered } = form {
        let mut direction = vec![0f32; dim + 1];
        points.widen_row(row, &mut direction[..dim]);
        direction_of(&mut direction, centered);
        to[..4 * (dim + 1)].copy_from_slice(bytemuck::cast_slice(&direction));
        return;
    }
    let span = row * dim..(row + 1) * dim;
    let from: &[u8] = match points.rows() {
        Rows::F32(x) => bytemuck::cast_slice(&x[span]),
        Rows::F16(x) => bytemuck::cast_slice::<f16, u8>(&x[span]),
        Rows::U8(x) => &x[span],
        Rows::I8(x) => bytemuck::cast_slice(&x[span]),
    };
    to[..from.len()].copy_from_slice(from);
}
