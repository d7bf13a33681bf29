//! Buffers, pipelines and parameters of a plan.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rayon::prelude::*;

use super::device::Gpu;
use super::encoding::Encoding;
use super::kernels::{Kernel, Slot};
use super::layout::{Dispatch, Layout, Params};
use super::source::{MetricSource, source};
use super::table::Table;
use super::timer::Timer;
use crate::error::GpuError;
use crate::params::Plan;

/// Everything whose size or text depends on the plan.
pub(super) struct Resources {
    pub layout: Layout,
    pub buffers: HashMap<Slot, Table>,
    pub pipelines: HashMap<Kernel, wgpu::ComputePipeline>,
    /// By the first workgroup of a dispatch, and the workgroups of its step.
    pub params: HashMap<(u32, u32), wgpu::Buffer>,
}

impl Resources {
    pub(super) fn new(gpu: &Gpu, layout: Layout) -> Result<Self, GpuError> {
        let mut buffers = HashMap::new();
        let of_plan = layout.sizes.buffers().into_iter().filter_map(|(label, slot, bytes)| Some((label, slot?, bytes)));
        let counters = [("counters", Slot::Counters, Timer::BUFFER), ("counters", Slot::Total, 4)];
        for (label, slot, bytes) in of_plan.chain(counters) {
            buffers.insert(slot, gpu.table(label, bytes, layout.piece_bytes(slot))?);
        }
        Ok(Self { layout, buffers, pipelines: HashMap::new(), params: HashMap::new() })
    }

    /// Makes the parameters of every dispatch of `groups` workgroups, once.
    pub(super) fn prepare_params(&mut self, gpu: &Gpu, plan: &Plan, groups: u32) -> Result<(), GpuError> {
        for dispatch in self.layout.dispatches(groups) {
            if let Entry::Vacant(entry) = self.params.entry((dispatch.first, groups)) {
                entry.insert(gpu.uniform(bytemuck::bytes_of(&parameters(&self.layout, plan, groups, dispatch)))?);
            }
        }
        Ok(())
    }

    /// Compiles kernels in parallel, each for the encoding and the layout of the points that it reads. The others are
    /// compiled when they are first used.
    pub(super) fn compile(
        &mut self,
        gpu: &Gpu,
        kernels: &[(Kernel, Encoding, Layout)],
        metric: MetricSource,
    ) -> Result<(), GpuError> {
        let missing: Vec<_> = kernels.iter().filter(|(kernel, ..)| !self.pipelines.contains_key(kernel)).collect();
        let compile = |(kernel, encoding, layout): &(Kernel, Encoding, Layout)| {
            let text = source(*kernel, metric, *encoding, layout);
            Ok((*kernel, gpu.pipeline(kernel.name(), kernel.info().entry, text)?))
        };
        // Of several errors, the first in the order of the kernels is reported.
        let compiled: Vec<Result<_, GpuError>> = match *missing {
            [] => return Ok(()),
            [one] => vec![compile(one)],
            _ => missing.into_par_iter().map(compile).collect(),
        };
        self.pipelines.extend(compiled.into_iter().collect::<Result<Vec<_>, _>>()?);
        Ok(())
    }
}

fn parameters(layout: &Layout, plan: &Plan, groups: u32, dispatch: Dispatch) -> Params {
    let sizes = layout.sizes;
    Params {
        n: sizes.n as u32,
        first: dispatch.first,
        groups,
        across: dispatch.across,
        forward: sizes.forward as u32,
        others: plan.others() as u32,
        quads: sizes.quads as u32,
        shard_rows: layout.bindings.shard_rows as u32,
        seed: (plan.seed ^ plan.seed >> 32) as u32,
        rows: sizes.n as u32,
    }
}
