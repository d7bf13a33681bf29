//! What kernels did and how long they took: distances and bytes are counted, seconds come from timestamp queries.

use std::time::Duration;

use super::device::Gpu;
use super::kernels::Kernel;
use crate::error::GpuError;
use crate::executor::device_work::DeviceWork;
use crate::report::{DevicePhaseTime, KernelTime};

/// Offset of the resolved timestamps in the buffer of counters: the smallest that WebGPU allows.
pub(super) const STAMPS: u64 = wgpu::QUERY_RESOLVE_BUFFER_ALIGNMENT;

/// Dispatches that can be timed before the times are read. Each takes two queries.
const MOST_TIMED: usize = wgpu::QUERY_SET_MAX_QUERIES as usize / 2;

/// Collects the work of a session's kernels.
pub(super) struct Timer {
    queries: wgpu::QuerySet,
    /// Nanoseconds of a tick.
    period: f32,
    /// The kernels of the passes that were recorded since times were last read.
    recorded: Vec<Kernel>,
    work: DeviceWork,
}

impl Timer {
    /// None if the device has no timestamps.
    pub(super) fn new(gpu: &Gpu, work: &DeviceWork) -> Result<Option<Self>, GpuError> {
        let timer = |(queries, period)| Self { queries, period, recorded: Vec::new(), work: work.clone() };
        Ok(gpu.queries(2 * MOST_TIMED as u32)?.map(timer))
    }

    /// Bytes of the buffer that timestamps are resolved into, offset included.
    pub(super) const BUFFER: u64 = STAMPS + 16 * MOST_TIMED as u64;

    /// Where the next pass, which runs `kernel`, writes its times.
    pub(super) fn time(&mut self, kernel: Kernel) -> Option<wgpu::ComputePassTimestampWrites<'_>> {
        let first = 2 * self.recorded.len() as u32;
        if self.recorded.len() == MOST_TIMED {
            return None;
        }
        self.recorded.push(kernel);
        Some(wgpu::ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(first),
            end_of_pass_write_index: Some(first + 1),
        })
    }

    /// Resolves what was recorded into `buffer`. Returns the bytes to read from it.
    pub(super) fn resolve(&self, encoder: &mut wgpu::CommandEncoder, buffer: &wgpu::Buffer) -> u64 {
        let queries = 2 * self.recorded.len() as u32;
        encoder.resolve_query_set(&self.queries, 0..queries, buffer, STAMPS);
        STAMPS + 8 * u64::from(queries)
    }

    /// Whether times should be read before more passes are recorded.
    pub(super) fn is_nearly_full(&self) -> bool {
        self.recorded.len() > MOST_TIMED * 3 / 4
    }

    /// Adds the times of what was recorded, two to a pass, in ticks.
    pub(super) fn add_times(&mut self, stamps: &[u64]) {
        for (kernel, stamps) in std::mem::take(&mut self.recorded).into_iter().zip(stamps.chunks_exact(2)) {
            let ticks = stamps[1].saturating_sub(stamps[0]);
            let elapsed = Duration::from_secs_f64(ticks as f64 * f64::from(self.period) * 1e-9);
            self.work.add_kernel(&KernelTime { dispatches: 1, elapsed, ..nothing_of(kernel) });
            let none = Duration::ZERO;
            let phase = DevicePhaseTime { phase: kernel.phase(), elapsed: none, waited: none, device: Some(elapsed) };
            self.work.add_phase(&phase);
        }
    }

    /// Adds distances, and rows of `row_bytes` that workgroups read for them.
    pub(super) fn add_work(&self, kernel: Kernel, distances: u64, rows: u64, row_bytes: usize) {
        self.work.add_kernel(&KernelTime { distances, bytes: rows * row_bytes as u64, ..nothing_of(kernel) });
    }
}

fn nothing_of(kernel: Kernel) -> KernelTime {
    KernelTime { kernel: kernel.name(), dispatches: 0, elapsed: Duration::ZERO, distances: 0, bytes: 0 }
}
