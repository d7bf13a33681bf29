//! The algorithm and the device of a build, where these are left open.

use crate::dataset::Problem;
use crate::error::GpuError;
use crate::executor::Executor;
use crate::executor::cpu::cost::{self, Seconds};
#[cfg(feature = "gpu")]
use crate::executor::gpu::{GpuExecutor, cost as device_cost, kind_of};
use crate::executor::several::Executors;
use crate::params::{Algorithm, Device, GpuSelector, Params, Plan};
use crate::report::Reason;

/// The algorithm to run, and why if it was left open.
pub(super) fn algorithm(params: &Params, problem: &Problem, plan: &Plan) -> (Algorithm, Vec<Reason>) {
    match (params.algorithm, &params.device) {
        (Algorithm::Auto, Device::Gpu(selector)) => of_named(selector, problem, plan),
        (Algorithm::Auto, Device::Gpus(_)) => (Algorithm::NnDescent, vec![Reason::NamedGpu]),
        (Algorithm::Auto, Device::Cpu) => {
            let cpu = Seconds::on_cpu(problem, plan);
            (cpu.cheaper(), vec![Reason::EstimatedCost { exact_to_nndescent: cpu.exact_to_nndescent() }])
        }
        (Algorithm::Auto, Device::Auto) => {
            let (algorithm, reason) = best(Seconds::on_cpu(problem, plan), || on_hardware(problem, plan));
            (algorithm, vec![reason])
        }
        (Algorithm::NnDescent, Device::Auto | Device::Cpu) if holds_much(problem, plan) => {
            (Algorithm::Exact, vec![Reason::LongRows { n_neighbors: plan.n_neighbors, n: problem.n() }])
        }
        (asked, _) => (asked, Vec::new()),
    }
}

/// The algorithm to run on a GPU that was named: NN-Descent where nothing is known of its speed.
#[cfg(feature = "gpu")]
fn of_named(selector: &GpuSelector, problem: &Problem, plan: &Plan) -> (Algorithm, Vec<Reason>) {
    let gpu = kind_of(selector).and_then(|kind| device_cost::seconds(problem, plan, kind));
    match gpu.filter(|gpu| gpu.cheaper() == Algorithm::Exact) {
        Some(gpu) => (Algorithm::Exact, vec![Reason::EstimatedCost { exact_to_nndescent: gpu.exact_to_nndescent() }]),
        None => (Algorithm::NnDescent, vec![Reason::NamedGpu]),
    }
}

#[cfg(not(feature = "gpu"))]
fn of_named(_: &GpuSelector, _: &Problem, _: &Plan) -> (Algorithm, Vec<Reason>) {
    (Algorithm::NnDescent, vec![Reason::NamedGpu])
}

/// Estimated seconds on the GPU that is taken if none is named.
#[cfg(feature = "gpu")]
fn on_hardware(problem: &Problem, plan: &Plan) -> Option<Seconds> {
    kind_of(&GpuSelector::Any).and_then(|kind| device_cost::seconds(problem, plan, kind))
}

#[cfg(not(feature = "gpu"))]
fn on_hardware(_: &Problem, _: &Plan) -> Option<Seconds> {
    None
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

/// Seconds of work on the CPU from which adapters are looked for at all: drivers take some tenths, and 50 MB where one
/// is software.
const WORTH_LOOKING: f64 = 2.0;

/// A GPU is taken if it is estimated to take this share of the CPU's time, as the estimate is rough.
const EXPECTED_TO_WIN: f64 = 0.7;

/// Whether a GPU is to be taken.
fn wins(gpu_seconds: f64, cpu_seconds: f64) -> bool {
    cpu_seconds >= WORTH_LOOKING && gpu_seconds <= EXPECTED_TO_WIN * cpu_seconds
}

/// The algorithm to run, and why, where both algorithm and device are left open.
fn best(cpu: Seconds, gpu: impl FnOnce() -> Option<Seconds>) -> (Algorithm, Reason) {
    let (on_cpu, exact_to_nndescent) = (cpu.cheaper(), cpu.exact_to_nndescent());
    let cpu_seconds = cpu.of(on_cpu);
    let gpu = if cpu_seconds >= WORTH_LOOKING { gpu() } else { None };
    match gpu.map(|gpu| (gpu.cheaper(), gpu.of(gpu.cheaper()))) {
        Some((algorithm, gpu_seconds)) if wins(gpu_seconds, cpu_seconds) => {
            (algorithm, Reason::FasterOnGpu { cpu_seconds, gpu_seconds })
        }
        _ => (on_cpu, Reason::EstimatedCost { exact_to_nndescent }),
    }
}

/// The GPU to use for this algorithm, or why none is used.
#[cfg(feature = "gpu")]
pub(super) fn gpu_if_worth_it(
    problem: &Problem,
    plan: &Plan,
    algorithm: Algorithm,
) -> Result<Box<dyn Executor>, Reason> {
    let cpu_seconds = Seconds::on_cpu(problem, plan).of(algorithm);
    if cpu_seconds < WORTH_LOOKING {
        return Err(Reason::TooSmallForGpu { cpu_seconds });
    }
    let kind = kind_of(&GpuSelector::Any).ok_or(Reason::NoHardwareGpu)?;
    match device_cost::seconds(problem, plan, kind).map(|gpu| gpu.of(algorithm)) {
        Some(gpu_seconds) if !wins(gpu_seconds, cpu_seconds) => Err(Reason::SlowerOnGpu { cpu_seconds, gpu_seconds }),
        _ => gpu_executor(&GpuSelector::Any).map_err(Reason::GpuFailed),
    }
}

#[cfg(not(feature = "gpu"))]
pub(super) fn gpu_if_worth_it(_: &Problem, _: &Plan, _: Algorithm) -> Result<Box<dyn Executor>, Reason> {
    Err(Reason::WithoutGpuFeature)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 60,000 x 784 bytes, k=30: seconds of two threads without AVX (docs/PERFORMANCE.md), and of sixteen with AVX-512
    /// (docs/gpu).
    const TWO: Seconds = Seconds { exact: 12.0, descent: 2.9 };
    const SIXTEEN: Seconds = Seconds { exact: 1.4, descent: 0.4 };

    #[test]
    fn the_device_is_the_one_that_is_expected_to_win() {
        let card = Seconds { exact: 0.95, descent: 0.9 };
        let integrated = Seconds { exact: 4.5, descent: 2.6 };
        assert!(matches!(best(TWO, || Some(card)), (Algorithm::Exact, Reason::FasterOnGpu { .. })));
        // Not by enough, and not at all where the CPU is soon done.
        assert!(matches!(best(TWO, || Some(integrated)), (Algorithm::NnDescent, Reason::EstimatedCost { .. })));
        let (algorithm, _) = best(SIXTEEN, || panic!("adapters are not looked for"));
        assert_eq!(algorithm, Algorithm::NnDescent);
        // Where it wins, an integrated one is taken as well.
        let large = Seconds { exact: 900.0, descent: 30.0 };
        let slow = Seconds { exact: 200.0, descent: 12.0 };
        assert!(matches!(best(large, || Some(slow)), (Algorithm::NnDescent, Reason::FasterOnGpu { .. })));
        assert!(matches!(best(large, || None), (Algorithm::NnDescent, Reason::EstimatedCost { .. })));
    }

    /// At 60,000 x 784 a card searches exactly, and an integrated GPU is not taken.
    #[cfg(feature = "gpu")]
    #[test]
    fn a_card_searches_sixty_thousand_rows_exactly() {
        use crate::executor::gpu::AdapterKind;
        use crate::metric::Metric;
        use crate::points::Points;
        let values = vec![0u8; 60_000 * 784];
        let points = Points::dense(&values, 60_000, 784).unwrap();
        let params = Params { n_neighbors: Some(30), ..Params::default() };
        let plan = Plan::new(&Metric::Euclidean, &params, &points).unwrap();
        let problem = Problem::of_dense(&points, &Metric::Euclidean);
        // Trees and proof on sixteen threads.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(16).build().unwrap();
        let on = |kind| pool.install(|| device_cost::seconds(&problem, &plan, kind).expect("it runs there"));
        let card = on(AdapterKind::Discrete);
        assert_eq!(card.cheaper(), Algorithm::Exact, "{card:?}");
        assert!(matches!(best(TWO, || Some(card)), (Algorithm::Exact, Reason::FasterOnGpu { .. })), "{card:?}");
        // An integrated GPU would take NN-Descent, and not by enough less than a CPU that takes 2.1 s.
        let (integrated, faster) = (on(AdapterKind::Integrated), Seconds { exact: 8.0, descent: 2.1 });
        assert_eq!(integrated.cheaper(), Algorithm::NnDescent, "{integrated:?}");
        assert!(matches!(best(faster, || Some(integrated)).1, Reason::EstimatedCost { .. }), "{integrated:?}");
        assert!(matches!(best(faster, || Some(card)).1, Reason::FasterOnGpu { .. }), "{card:?}");
    }
}
