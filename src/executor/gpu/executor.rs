//! The executor on a GPU.

use std::cell::OnceCell;
use std::rc::Rc;

use super::adapter;
use super::data::DeviceRows;
use super::device::Gpu;
use super::layout::{Allowed, most_rows, pair_bytes};
use super::session::GpuSession;
use crate::dataset::Problem;
use crate::error::BuildError;
use crate::error::GpuError;
use crate::executor::{Executor, Session, Tick};
use crate::graph::{InitGraph, KnnGraph};
use crate::params::{GpuSelector, Plan};
use crate::report::ExecutorInfo;

/// Runs distances, joins and row updates on a GPU.
pub(crate) struct GpuExecutor {
    adapter: GpuSelector,
    /// The device, once it is open: the parts of a build share it.
    gpu: OnceCell<Rc<Gpu>>,
}

impl GpuExecutor {
    pub(crate) fn new(adapter: GpuSelector) -> Self {
        Self { adapter, gpu: OnceCell::new() }
    }

    /// On a device that is open.
    #[cfg(test)]
    pub(super) fn on(gpu: Gpu) -> Self {
        Self { adapter: GpuSelector::Any, gpu: Rc::new(gpu).into() }
    }

    fn gpu(&self) -> Result<Rc<Gpu>, GpuError> {
        if let Some(gpu) = self.gpu.get() {
            return Ok(Rc::clone(gpu));
        }
        let gpu = Rc::new(Gpu::open(&adapter::select(&self.adapter)?)?);
        Ok(Rc::clone(self.gpu.get_or_init(|| gpu)))
    }

    /// What the device allows, which need not be open for it.
    fn allowed(&self) -> Result<Allowed, GpuError> {
        match self.gpu.get() {
            Some(gpu) => Ok(gpu.allowed),
            None => adapter::select(&self.adapter).map(|adapter| Allowed::of(&adapter)),
        }
    }
}

impl Executor for GpuExecutor {
    fn open<'p>(
        &self,
        problem: &Problem<'p>,
        plan: &Plan,
        init_graph: Option<&InitGraph>,
        tick: Tick,
    ) -> Result<Box<dyn Session + 'p>, BuildError> {
        Ok(Box::new(GpuSession::open(self.gpu()?, problem, plan, init_graph, tick)?))
    }

    fn most_rows(&self, problem: &Problem, plan: &Plan) -> Result<usize, BuildError> {
        Ok(most_rows_of(problem, plan, self.allowed()?)?)
    }

    fn exact(&self, problem: &Problem, plan: &Plan, tick: Tick) -> Result<(KnnGraph, ExecutorInfo), BuildError> {
        GpuSession::exact(&self.gpu()?, problem, plan, tick)
    }
}

/// The most of these points that a device takes at once.
pub(super) fn most_rows_of(problem: &Problem, plan: &Plan, allowed: Allowed) -> Result<usize, GpuError> {
    let rows = DeviceRows::of(problem)?;
    let most = most_rows(rows.wanted(plan, rows.stored(allowed.native_f16)), allowed);
    if most >= problem.n() {
        return Ok(most);
    }
    Ok(rows.whole_bytes().map_or(most, |(_, stored)| most_rows(rows.wanted(plan, stored), allowed)))
}

/// Bytes that a build takes on the device.
pub(crate) fn estimate_memory(problem: &Problem, plan: &Plan) -> Result<u64, GpuError> {
    let rows = DeviceRows::of(problem)?;
    Ok(rows.wanted(plan, rows.stored(false)).bytes() + pair_bytes(problem.n(), plan.leaf_size))
}
