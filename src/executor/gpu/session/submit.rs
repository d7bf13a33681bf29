//! Recording and submitting kernels, and reading what they counted.

use super::GpuSession;
use crate::error::GpuError;
use crate::executor::gpu::kernels::{Kernel, Slot, binding_of_piece};
use crate::executor::gpu::timer::{STAMPS, Timer};

/// The counters of kernels.
pub(super) struct Counted {
    pub updates: u64,
    pub distances: u64,
    /// Rows with unused places.
    pub not_full: u32,
}

/// Submissions in flight: enough to keep a device busy, few enough that a cancelled build soon ends.
const MOST_PENDING: usize = 16;

impl GpuSession<'_> {
    /// Runs a kernel over all rows (or places).
    pub(super) fn record(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        kernel: Kernel,
        rows: usize,
    ) -> Result<(), GpuError> {
        let needed = (kernel, self.encoding, self.resources.layout);
        self.resources.compile(&self.gpu, &[needed], self.rows.metric_source())?;
        let groups = (rows as u32).div_ceil(kernel.rows_per_group(self.resources.layout.group));
        self.resources.prepare_params(&self.gpu, &self.plan, groups)?;
        let resources = &self.resources;
        let pipeline = &resources.pipelines[&kernel];
        for dispatch in resources.layout.dispatches(groups) {
            let mut slots = Vec::new();
            for &(first, slot) in kernel.info().bindings {
                let pieces = match slot {
                    Slot::Params => std::slice::from_ref(&resources.params[&(dispatch.first, groups)]),
                    _ => resources.buffers[&slot].pieces(),
                };
                slots.extend(pieces.iter().enumerate().map(|(piece, buffer)| wgpu::BindGroupEntry {
                    binding: binding_of_piece(first, piece),
                    resource: buffer.as_entire_binding(),
                }));
            }
            let data = self
                .data
                .iter()
                .zip(0..)
                .map(|(buffer, binding)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() });
            let data: Vec<_> = data.collect();
            let bind = |index: u32, entries: &[wgpu::BindGroupEntry]| {
                self.gpu.checked(kernel.name(), |device| {
                    let layout = pipeline.get_bind_group_layout(index);
                    device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout: &layout, entries })
                })
            };
            let slots = bind(0, &slots)?;
            let data = if kernel.reads_data() { Some(bind(1, &data)?) } else { None };
            let timestamp_writes = self.timer.as_mut().and_then(|timer| timer.time(kernel));
            let pass = wgpu::ComputePassDescriptor { label: Some(kernel.name()), timestamp_writes };
            let mut pass = encoder.begin_compute_pass(&pass);
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, &slots, &[]);
            if let Some(data) = &data {
                pass.set_bind_group(1, data, &[]);
            }
            pass.dispatch_workgroups(dispatch.across, dispatch.down, 1);
            self.dispatches += 1;
            self.gpu.count_dispatch();
        }
        Ok(())
    }

    /// Submits what `record` records, without waiting for it. Its counts add up until they are read.
    pub(super) fn submit(
        &mut self,
        during: &'static str,
        record: impl FnOnce(&mut Self, &mut wgpu::CommandEncoder) -> Result<(), GpuError>,
    ) -> Result<(), GpuError> {
        if self.timer.as_ref().is_some_and(Timer::is_nearly_full) {
            self.read_counters(during)?;
        }
        let mut encoder = self.gpu.encoder(during)?;
        record(self, &mut encoder)?;
        self.pending.push_back(self.gpu.submit(during, encoder, 1)?);
        if self.pending.len() > MOST_PENDING
            && let Some(oldest) = self.pending.pop_front()
        {
            self.gpu.wait(during, oldest, 1)?;
        }
        Ok(())
    }

    /// Submits what `record` records, waits, and returns its counts.
    pub(super) fn run(
        &mut self,
        during: &'static str,
        record: impl FnOnce(&mut Self, &mut wgpu::CommandEncoder) -> Result<(), GpuError>,
    ) -> Result<Counted, GpuError> {
        let mut encoder = self.gpu.encoder(during)?;
        self.clear_counters(&mut encoder);
        record(self, &mut encoder)?;
        self.submit_and_count(during, encoder)
    }

    pub(super) fn clear_counters(&self, encoder: &mut wgpu::CommandEncoder) {
        encoder.clear_buffer(self.resources.buffers[&Slot::Counters].only(), 0, None);
    }

    /// The counts since the counters were cleared.
    pub(super) fn read_counters(&mut self, during: &'static str) -> Result<Counted, GpuError> {
        let encoder = self.gpu.encoder(during)?;
        self.submit_and_count(during, encoder)
    }

    fn submit_and_count(
        &mut self,
        during: &'static str,
        mut encoder: wgpu::CommandEncoder,
    ) -> Result<Counted, GpuError> {
        let mut counters = [0u32; 5];
        let buffer = self.resources.buffers[&Slot::Counters].only();
        let bytes = self.timer.as_ref().map_or(20, |timer| timer.resolve(&mut encoder, buffer));
        let mut stamps = Vec::new();
        self.gpu.submit_and_read(during, encoder, (buffer, 0, bytes), |bytes| {
            bytemuck::bytes_of_mut(&mut counters).copy_from_slice(&bytes[..20]);
            stamps = bytemuck::pod_collect_to_vec(bytes.get(STAMPS as usize..).unwrap_or_default());
        })?;
        self.pending.clear();
        self.gpu.forget_dispatches();
        if let Some(timer) = &mut self.timer {
            timer.add_times(&stamps);
        }
        let [updates, low, high, not_full, not_finite] = counters;
        if not_finite != 0 && !self.may_overflow {
            match self.not_finite(during, !not_finite as usize)? {
                Some(error) => return Err(error),
                None => self.may_overflow = true,
            }
        }
        Ok(Counted { updates: updates.into(), distances: u64::from(low) | u64::from(high) << 32, not_full })
    }

    /// Counts the work of a kernel that is timed: distances, and rows of the data read for them.
    pub(super) fn worked(&mut self, kernel: Kernel, distances: u64, rows: u64) {
        let row_bytes = self.resources.layout.sizes.row_bytes;
        if let Some(timer) = &mut self.timer {
            timer.add_work(kernel, distances, rows, row_bytes);
        }
    }

    pub(super) fn make_room(&mut self, slot: Slot, bytes: u64) -> Result<(), GpuError> {
        if self.resources.buffers.get(&slot).is_none_or(|table| table.bytes() < bytes) {
            let piece_bytes = self.resources.layout.piece_bytes(slot);
            self.resources.buffers.insert(slot, self.gpu.table("lists", bytes, piece_bytes)?);
        }
        Ok(())
    }

    pub(super) fn write_slot(&mut self, slot: Slot, contents: &[u8]) -> Result<(), GpuError> {
        self.make_room(slot, contents.len() as u64)?;
        self.gpu.write(&self.resources.buffers[&slot], contents)
    }
}
