//! The values that rows are codes of: final distances are computed from them. They go to the device behind the rounds.

use super::GpuSession;
use crate::dataset::Problem;
use crate::error::GpuError;
use crate::executor::gpu::device_rows::DeviceRows;
use crate::executor::gpu::encoding::Encoding;
use crate::executor::gpu::layout::Layout;
use crate::executor::gpu::limits::DeviceLimits;
use crate::executor::gpu::pool::MOST_STAGED;
use crate::params::Plan;
use crate::report::DevicePhase;

/// The values as given, in the order of the points on the device.
pub(super) struct Values {
    pub encoding: Encoding,
    pub layout: Layout,
    /// Made when the first are sent.
    data: Vec<wgpu::Buffer>,
    /// Rows that were sent.
    sent: usize,
}

impl Values {
    /// None where the device does not compute final distances, or has no room.
    pub(super) fn of(problem: &Problem, rows: &DeviceRows, plan: &Plan, limits: DeviceLimits) -> Option<Self> {
        let encoding = rows.encoding(limits.native_f16);
        let layout = Layout::new(rows.sizes(plan, encoding), limits).ok()?;
        rows.finishes(problem, encoding).then_some(Self { encoding, layout, data: Vec::new(), sent: 0 })
    }

    /// The same under a larger plan.
    pub(super) fn widened(self, rows: &DeviceRows, plan: &Plan, limits: DeviceLimits) -> Option<Self> {
        let layout = Layout::new(rows.sizes(plan, self.encoding), limits).ok()?;
        Some(Self { layout, ..self })
    }
}

impl GpuSession<'_> {
    pub(super) fn has_values_to_send(&self) -> bool {
        self.values.as_ref().is_some_and(|values| values.sent < self.order.len())
    }

    /// Sends as many values as staging buffers hold, so that nothing waits for what the device does meanwhile. Values
    /// that it has no memory for are given up.
    pub(super) fn send_values(&mut self) -> Result<(), GpuError> {
        let Some(row_bytes) = self.values.as_ref().map(|values| values.layout.sizes.row_bytes) else { return Ok(()) };
        match self.send(MOST_STAGED / row_bytes) {
            Err(GpuError::OutOfMemory { .. }) => {
                tracing::debug!("no memory for values on the device: the CPU computes final distances");
                self.values = None;
                Ok(())
            }
            sent => sent,
        }
    }

    fn send(&mut self, most: usize) -> Result<(), GpuError> {
        let Some(values) = &mut self.values else { return Ok(()) };
        if values.data.is_empty() {
            values.data = DeviceRows::buffers(&self.gpu, &values.layout)?;
        }
        let next = values.sent..self.order.len().min(values.sent + most.max(1));
        let to = (&values.layout, &values.data[..]);
        self.rows.upload(&self.gpu, (None, values.encoding), to, next.start, &self.order[next.clone()])?;
        values.sent = next.end;
        Ok(())
    }

    /// Puts the values, all of them, in the place of their codes. False where the CPU computes final distances.
    pub(super) fn prepare_values(&mut self) -> Result<bool, GpuError> {
        while self.has_values_to_send() {
            self.timed(DevicePhase::BesideRounds, Self::send_values)?;
        }
        if let Some(values) = self.values.take() {
            (self.encoding, self.resources.layout, self.data) = (values.encoding, values.layout, values.data);
            self.rounded = false;
            self.resources.params.clear();
        }
        Ok(self.finishes())
    }
}
