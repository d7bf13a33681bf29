//! Buffers, pipelines and parameters of a plan.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::device::Gpu;
use super::layout::{Layout, Params};
use super::shaders::{Body, Kernel, Slot, source};
use super::stored::Stored;
use super::timer::Timer;
use crate::error::GpuError;
use crate::params::Plan;

/// Everything whose size or text hangs on the plan.
pub(super) struct Stage {
    pub layout: Layout,
    pub buffers: HashMap<Slot, wgpu::Buffer>,
    pub pipelines: HashMap<Kernel, wgpu::ComputePipeline>,
    /// By the first workgroup of a dispatch.
    pub params: HashMap<u32, wgpu::Buffer>,
}

impl Stage {
    pub(super) fn new(gpu: &Gpu, layout: Layout) -> Result<Self, GpuError> {
        let mut buffers = HashMap::new();
        let slots = [
            Slot::RowDistances,
            Slot::RowIds,
            Slot::Near,
            Slot::EdgeDistances,
            Slot::EdgeIds,
            Slot::Counts,
            Slot::Cursors,
        ];
        for (slot, (label, bytes)) in slots.into_iter().zip(layout.wanted.buffers()) {
            buffers.insert(slot, gpu.buffer(label, bytes)?);
        }
        for (slot, bytes) in [(Slot::Counters, Timer::BUFFER), (Slot::Total, 4)] {
            buffers.insert(slot, gpu.buffer("counters", bytes)?);
        }
        Ok(Self { layout, buffers, pipelines: HashMap::new(), params: HashMap::new() })
    }

    /// Makes the parameters of every dispatch of `groups` workgroups, once.
    pub(super) fn prepare_params(&mut self, gpu: &Gpu, plan: &Plan, groups: u32) -> Result<(), GpuError> {
        for (first, _) in self.layout.dispatches(groups) {
            if let Entry::Vacant(entry) = self.params.entry(first) {
                entry.insert(gpu.uniform(bytemuck::bytes_of(&parameters(&self.layout, plan, first)))?);
            }
        }
        Ok(())
    }

    /// Compiles a kernel when it is first used.
    pub(super) fn prepare(&mut self, gpu: &Gpu, kernel: Kernel, body: Body, stored: Stored) -> Result<(), GpuError> {
        if !self.pipelines.contains_key(&kernel) {
            let text = source(kernel, body, stored, &self.layout);
            self.pipelines.insert(kernel, gpu.pipeline(kernel.name(), kernel.entry(), text)?);
        }
        Ok(())
    }
}

fn parameters(layout: &Layout, plan: &Plan, first: u32) -> Params {
    let wanted = layout.wanted;
    Params {
        n: wanted.n as u32,
        first,
        forward: wanted.forward as u32,
        others: plan.others() as u32,
        quads: wanted.quads as u32,
        shard_rows: layout.shard_rows as u32,
        seed: (plan.seed ^ plan.seed >> 32) as u32,
        rows: wanted.n as u32,
    }
}
