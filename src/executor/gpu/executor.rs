//! The executor on a GPU.

use super::adapter;
use super::bindings::most_rows;
use super::device::Gpu;
use super::device_rows::DeviceRows;
use super::layout::pair_bytes;
use super::limits::DeviceLimits;
use super::session::GpuSession;
use crate::dataset::Problem;
use crate::error::{BuildError, GpuError};
use crate::executor::arrange::plan_for;
use crate::executor::{Executor, Session, Tick};
use crate::graph::{InitGraph, KnnGraph};
use crate::params::{GpuSelector, Plan};
use crate::report::ExecutorInfo;

/// Runs distances, joins and row updates on a GPU.
pub(crate) struct GpuExecutor {
    adapter: GpuSelector,
    /// Replaces the shared device.
    #[cfg(test)]
    own: Option<Gpu>,
}

impl GpuExecutor {
    pub(crate) fn new(adapter: GpuSelector) -> Self {
        Self {
            adapter,
            #[cfg(test)]
            own: None,
        }
    }

    /// Uses a device that a test made.
    #[cfg(test)]
    pub(super) fn on(gpu: Gpu) -> Self {
        Self { adapter: GpuSelector::Any, own: Some(gpu) }
    }

    fn gpu(&self) -> Result<Gpu, GpuError> {
        #[cfg(test)]
        if let Some(gpu) = &self.own {
            return Ok(gpu.again());
        }
        Ok(Gpu::of(adapter::select(&self.adapter)?.device()?))
    }

    fn limits(&self) -> Result<DeviceLimits, GpuError> {
        #[cfg(test)]
        if let Some(gpu) = &self.own {
            return Ok(gpu.limits);
        }
        adapter::select(&self.adapter).map(super::shared::Known::limits)
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
        Ok(Box::new(GpuSession::open_on(|| self.gpu(), problem, plan, init_graph, tick)?))
    }

    fn most_rows(&self, problem: &Problem, plan: &Plan) -> Result<usize, BuildError> {
        Ok(most_rows_of(problem, plan, self.limits()?)?)
    }

    fn exact(&self, problem: &Problem, plan: &Plan, tick: Tick) -> Result<(KnnGraph, ExecutorInfo), BuildError> {
        GpuSession::exact(&self.gpu()?, problem, plan, tick)
    }
}

/// How many of these points a device can hold at once.
pub(super) fn most_rows_of(problem: &Problem, plan: &Plan, limits: DeviceLimits) -> Result<usize, GpuError> {
    let rows = DeviceRows::of(problem)?;
    let as_given = most_rows(rows.sizes(plan, rows.encoding(limits.native_f16)), limits);
    let expected = rows.expected(plan, limits.native_f16);
    let most = most_rows(rows.sizes(&plan_for(plan, expected.rounded, problem.n()), expected.encoding), limits);
    // Whether codes serve is not known yet.
    Ok(if expected.rounded { most.min(as_given) } else { most })
}

/// Bytes of device memory that a build needs.
pub(crate) fn estimate_memory(problem: &Problem, plan: &Plan) -> Result<u64, GpuError> {
    let rows = DeviceRows::of(problem)?;
    let as_given = rows.encoding(false);
    let expected = rows.expected(plan, false);
    let values = if expected.rounded { rows.sizes(plan, as_given).data_bytes() } else { 0 };
    let sizes = match expected.rounded {
        true => rows.sizes(&plan_for(plan, true, problem.n()), expected.encoding),
        false => rows.sizes(plan, as_given),
    };
    Ok(values + sizes.bytes() + pair_bytes(problem.n(), plan.leaf_size))
}
