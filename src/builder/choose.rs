//! The algorithm and the device of a build, where these are left open.

use crate::dataset::Problem;
use crate::error::GpuError;
use crate::executor::Executor;
use crate::executor::cpu::cost;
#[cfg(feature = "gpu")]
use crate::executor::gpu::{AdapterKind, GpuExecutor, adapters};
use crate::executor::several::Executors;
use crate::params::{Algorithm, Device, GpuSelector, Params, Plan};
use crate::report::Reason;

/// The algorithm to run, and why if it was left open.
pub(super) fn algorithm(params: &Params, problem: &Problem, plan: &Plan) -> (Algorithm, Vec<Reason>) {
    match (params.algorithm, &params.device) {
        (Algorithm::Auto, device) if device.is_gpu() => (Algorithm::NnDescent, vec![Reason::NamedGpu]),
        (Algorithm::Auto, _) => {
            let (algorithm, exact_to_nndescent) = cost::cheapest(problem, plan);
            (algorithm, vec![Reason::EstimatedCost { exact_to_nndescent }])
        }
        (Algorithm::NnDescent, Device::Auto | Device::Cpu) if holds_much(problem, plan) => {
            (Algorithm::Exact, vec![Reason::LongRows { n_neighbors: plan.n_neighbors, n: problem.n() }])
        }
        (asked, _) => (asked, Vec::new()),
    }
}

/// Whether rows hold so many of all points that NN-Descent compares most pairs, several times over.
fn holds_much(problem: &Problem, plan: &Plan) -> bool {
    const SHARE: usize = 4;
    const FEW: usize = 1024;
    problem.n() >= FEW && plan.others() * SHARE >= problem.n()
}

/// Whether exact search is the cheaper way on, where the algorithm was left open.
pub(super) fn exact_is_cheaper(params: &Params, problem: &Problem, plan: &Plan) -> bool {
    let on_cpu = !params.device.is_gpu();
    on_cpu && params.algorithm == Algorithm::Auto && cost::exact(problem, plan) <= cost::descent(problem, plan)
}

#[cfg(feature = "gpu")]
pub(super) fn gpu_executor(selector: &GpuSelector) -> Result<Box<dyn Executor>, GpuError> {
    Ok(Box::new(GpuExecutor::new(selector.clone())))
}

/// The executor on several GPUs.
pub(super) fn gpu_executors(selectors: &[GpuSelector]) -> Result<Executors, GpuError> {
    let all = selectors.iter().map(gpu_executor).collect::<Result<Vec<_>, _>>()?;
    Executors::new(all).ok_or_else(|| GpuError::NoAdapter { wanted: "no GPU".into(), found: Vec::new() })
}

#[cfg(not(feature = "gpu"))]
pub(super) fn gpu_executor(_: &GpuSelector) -> Result<Box<dyn Executor>, GpuError> {
    Err(GpuError::NotCompiled)
}

/// Seconds of work on the CPU from which a GPU is worth opening: drivers (50 MB of them, where one is software), device
/// and pipelines take some tenths, and the trees stay on the CPU.
#[cfg(feature = "gpu")]
const WORTH_A_GPU: f64 = 4.0;

/// The GPU to use, or why none is used.
#[cfg(feature = "gpu")]
pub(super) fn gpu_if_worth_it(problem: &Problem, plan: &Plan) -> Result<Box<dyn Executor>, Reason> {
    let seconds = cost::descent_seconds(problem, plan);
    if seconds < WORTH_A_GPU {
        return Err(Reason::TooSmallForGpu { cpu_seconds: seconds });
    }
    match adapters().iter().find(|adapter| adapter.kind != AdapterKind::Software) {
        Some(_) => gpu_executor(&GpuSelector::Any).map_err(Reason::GpuFailed),
        None => Err(Reason::NoHardwareGpu),
    }
}

#[cfg(not(feature = "gpu"))]
pub(super) fn gpu_if_worth_it(_: &Problem, _: &Plan) -> Result<Box<dyn Executor>, Reason> {
    Err(Reason::WithoutGpuFeature)
}
