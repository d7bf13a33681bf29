//! What `Device::Auto` does when a GPU fails: with executors that fail, as Auto takes no software adapter.

use super::run::exact_by_gpu_or_cpu;
use super::*;
use crate::error::GpuError;
use crate::executor::Tick;
use crate::executor::{Executor, Session};
use crate::report::{ExecutorInfo, Reason, RoundStats};
use crate::rng::hash;

/// An executor whose device fails when it is opened, or in a round (from 1).
struct Failing {
    at_round: Option<usize>,
    error: GpuError,
}

impl Executor for Failing {
    fn open<'p>(
        &self,
        problem: &Problem<'p>,
        plan: &Plan,
        init_graph: Option<&InitGraph>,
        tick: Tick,
    ) -> Result<Box<dyn Session + 'p>, BuildError> {
        let Some(rounds_left) = self.at_round else { return Err(self.error.clone().into()) };
        let session = CpuExecutor.open(problem, plan, init_graph, tick)?;
        Ok(Box::new(FailingSession { session, rounds_left, error: self.error.clone() }))
    }

    fn exact(&self, _: &Problem, _: &Plan, _: Tick) -> Result<(KnnGraph, ExecutorInfo), BuildError> {
        Err(self.error.clone().into())
    }
}

struct FailingSession<'p> {
    session: Box<dyn Session + 'p>,
    rounds_left: usize,
    error: GpuError,
}

impl Session for FailingSession<'_> {
    fn init_distances(&self) -> u64 {
        self.session.init_distances()
    }

    fn info(&self) -> ExecutorInfo {
        self.session.info()
    }

    fn plan(&self) -> &Plan {
        self.session.plan()
    }

    fn round(&mut self, tick: Tick) -> Result<RoundStats, BuildError> {
        self.rounds_left -= 1;
        if self.rounds_left == 0 { Err(self.error.clone().into()) } else { self.session.round(tick) }
    }

    fn widen(&mut self, plan: &Plan, tick: Tick) -> Result<(), BuildError> {
        self.session.widen(plan, tick)
    }

    fn peek(&self, points: &[u32]) -> Result<KnnGraph, BuildError> {
        self.session.peek(points)
    }

    fn finish(self: Box<Self>, tick: Tick) -> Result<KnnGraph, BuildError> {
        self.session.finish(tick)
    }
}

const N: usize = 2000;

fn data() -> Vec<f32> {
    (0..N as u64 * 6).map(|i| (hash(1, 2, i, 0) % 1000) as f32).collect()
}

fn problem<'a>(points: &Points<'a>) -> Problem<'a> {
    Problem::of_dense(points, &Metric::Euclidean)
}

/// Two trees, so that there are several rounds.
fn builder<'a>() -> NnDescent<'a> {
    NnDescent::new(Metric::Euclidean).n_trees(2).leaf_size(30).algorithm(Algorithm::NnDescent)
}

fn lost() -> GpuError {
    GpuError::Lost { during: "round", reason: "unplugged".into() }
}

#[test]
fn a_gpu_that_fails_is_replaced_by_the_cpu_and_the_report_says_so() {
    let data = data();
    let points = Points::dense(&data, N, 6).unwrap();
    let right = builder().device(Device::Cpu).graph(&points).unwrap();
    assert!(right.report.rounds.len() >= 3);
    let out_of_memory = GpuError::OutOfMemory { during: "data", bytes: 5 << 20 };
    let (adapter, kernel) = ("A GPU".into(), "local_join");
    let wrong = GpuError::WrongResult { adapter, kernel, row: 5, got: "7".into(), expected: "8".into() };
    for (at_round, error, said) in [
        (Some(3), lost(), "the device was lost in round: unplugged"),
        (None, out_of_memory, "the device ran out of memory in data (this build needs about 5 MiB)"),
        (None, wrong, "A GPU computes 7 in row 5 (local_join) where 8 is right: its driver cannot be used"),
    ] {
        let builder = builder();
        let plan = builder.plan(&points).unwrap();
        let gpu = Ok(Box::new(Failing { at_round, error: error.clone() }) as Box<dyn Executor>);
        let built = builder.build_by_gpu_or_cpu(gpu, &problem(&points), plan, vec![Reason::NamedGpu]).unwrap().built;
        assert_eq!(built.report.reasons, [Reason::NamedGpu, Reason::GpuFailed(error)]);
        assert!(built.report.reasons[1].to_string().ends_with(said), "{}", built.report.reasons[1]);
        assert!(!built.report.executor.is_gpu(), "{}", built.report.executor);
        assert_eq!(built.graph, right.graph);
        assert_eq!(built.report.distances_evaluated, right.report.distances_evaluated, "no trace of what failed");
    }
}

#[test]
fn a_gpu_that_was_asked_for_is_not_replaced() {
    let data = data();
    let points = Points::dense(&data, N, 6).unwrap();
    let plan = builder().plan(&points).unwrap();
    let failing = Failing { at_round: Some(2), error: lost() };
    let error = builder().build_by_descent(&failing, &problem(&points), plan, Vec::new()).map(drop).unwrap_err();
    assert_eq!(error, BuildError::Gpu(lost()));
}

/// Only a failure of the GPU is a reason to begin anew.
#[test]
fn cancelling_on_a_gpu_is_not_a_failure_of_it() {
    let data = data();
    let points = Points::dense(&data, N, 6).unwrap();
    let stop = |p: &Progress| if p.round == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let builder = builder().progress(stop);
    let plan = builder.plan(&points).unwrap();
    let gpu = Ok(Box::new(Failing { at_round: Some(5), error: lost() }) as Box<dyn Executor>);
    let error = builder.build_by_gpu_or_cpu(gpu, &problem(&points), plan, Vec::new()).map(drop).unwrap_err();
    assert_eq!(error, BuildError::Cancelled { phase: Phase::Descent, round: 2 });
}

#[test]
fn a_job_that_is_no_gpus_is_the_cpus() {
    let data = data();
    let points = Points::dense(&data, N, 6).unwrap();
    let plan = builder().plan(&points).unwrap();
    let built =
        builder().build_by_gpu_or_cpu(Err(Reason::NoHardwareGpu), &problem(&points), plan, Vec::new()).unwrap().built;
    assert_eq!(built.report.reasons, [Reason::NoHardwareGpu]);
    assert!(!built.report.executor.is_gpu(), "{}", built.report.executor);
}

/// Exact search that a GPU fails in is the CPU's, and the report says why.
#[test]
fn exact_search_that_fails_on_a_gpu_is_done_by_the_cpu() {
    let data = data();
    let points = Points::dense(&data, N, 6).unwrap();
    let (plan, problem) = (builder().plan(&points).unwrap(), problem(&points));
    let search = |gpu: Option<&dyn Executor>| {
        let mut reasons = Vec::new();
        let (graph, executor) = exact_by_gpu_or_cpu(gpu, &problem, &plan, &|_| Ok(()), &mut reasons).unwrap();
        assert!(!executor.is_gpu(), "{executor}");
        (graph, reasons)
    };
    let (right, none) = search(None);
    assert_eq!(none, []);
    let failing = Failing { at_round: None, error: lost() };
    assert_eq!(search(Some(&failing)), (right, vec![Reason::GpuFailed(lost())]));
}
