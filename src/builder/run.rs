//! The course of a build.

use std::time::{Duration, Instant};

use super::descent::descend;
use super::recall_sample::RecallSample;
use super::{Built, NnDescent, choose, partition};
use crate::dataset::Problem;
use crate::error::{BuildError, GpuError};
use crate::executor::cpu::CpuExecutor;
use crate::executor::{Executor, Session, Tick};
use crate::graph::KnnGraph;
use crate::params::{Algorithm, Device, Plan};
use crate::progress::Phase;
use crate::recall::RecallEstimate;
use crate::report::{BuildReport, PhaseTimes, Reason, RoundStats, Settings, StopReason, TargetOutcome};

/// Times that `target_recall` may widen a build.
const MAX_WIDENINGS: usize = 5;

impl NnDescent<'_> {
    pub(super) fn build_exact(
        &self,
        problem: &Problem,
        plan: &Plan,
        reasons: Vec<Reason>,
    ) -> Result<Built, BuildError> {
        let start = Instant::now();
        let tick = |f| self.tick(Phase::Exact, 0, plan, 0, f);
        let (graph, executor) = match &self.params.device {
            Device::Gpu(_) if problem.is_proxy => {
                return Err(GpuError::Unsupported { metric: format!("exact {}", problem.metric) }.into());
            }
            Device::Gpu(selector) => choose::gpu_executor(selector)?.exact(problem, plan, &tick)?,
            Device::Auto | Device::Cpu => CpuExecutor.exact(problem, plan, &tick)?,
        };
        let n = problem.n();
        let whole = RecallEstimate { estimate: 1.0, low: 1.0, high: 1.0, sample: n };
        let report = BuildReport {
            algorithm: Algorithm::Exact,
            executor,
            reasons,
            times: PhaseTimes { descent: start.elapsed(), ..PhaseTimes::default() },
            rounds: Vec::new(),
            distances_evaluated: n as u64 * (n as u64 - 1),
            stop: StopReason::Exact,
            recall: Some(whole),
            target: plan.target_recall.map(|target| TargetOutcome { target, reached: true, widened: 0 }),
            kernels: Vec::new(),
            device_phases: Vec::new(),
            settings: settings(plan),
        };
        Ok(Built { graph, report })
    }

    /// NN-Descent on the device asked for. Where that is left open: on a GPU if that is worth it, on the CPU if not, or
    /// if the GPU fails.
    pub(super) fn build_on_a_device(
        &self,
        problem: &Problem,
        plan: Plan,
        reasons: Vec<Reason>,
    ) -> Result<Built, BuildError> {
        match &self.params.device {
            Device::Cpu => self.build_by_descent(&CpuExecutor, problem, plan, reasons),
            Device::Gpu(selector) => self.build_by_descent(&*choose::gpu_executor(selector)?, problem, plan, reasons),
            Device::Auto => self.build_by_gpu_or_cpu(choose::gpu_if_worth_it(problem, &plan), problem, plan, reasons),
        }
    }

    /// On this GPU; on the CPU where there is none for the job, or where it fails: the report then gives the reason.
    pub(super) fn build_by_gpu_or_cpu(
        &self,
        gpu: Result<Box<dyn Executor>, Reason>,
        problem: &Problem,
        plan: Plan,
        mut reasons: Vec<Reason>,
    ) -> Result<Built, BuildError> {
        let why_not = match gpu {
            Ok(gpu) => match self.build_by_descent(&*gpu, problem, plan.clone(), reasons.clone()) {
                Err(BuildError::Gpu(error)) => Reason::GpuFailed(error),
                done => return done,
            },
            Err(why_not) => why_not,
        };
        reasons.push(why_not);
        self.build_by_descent(&CpuExecutor, problem, plan, reasons)
    }

    pub(super) fn build_by_descent(
        &self,
        executor: &dyn Executor,
        problem: &Problem,
        plan: Plan,
        reasons: Vec<Reason>,
    ) -> Result<Built, BuildError> {
        let mut times = PhaseTimes::default();
        let start = Instant::now();
        let init = |fraction| self.tick(Phase::Init, 0, &plan, 0, fraction);
        let mut session = partition::open(executor, problem, &plan, self.init_graph.as_ref(), &init)?;
        times.init = start.elapsed();

        let mut rounds = Vec::new();
        let start = Instant::now();
        let stop = self.descend(&mut *session, &plan, problem.n(), &mut rounds)?;
        times.descent = start.elapsed();

        let mut run = Run { session, plan, rounds, stop, times };
        let (mut recall, mut target) = (None, None);
        if let Some(goal) = run.plan.target_recall.filter(|_| run.plan.others() > 0) {
            match self.reach(goal, problem, &mut run)? {
                Reached::By(estimate, outcome) => (recall, target) = (Some(estimate), Some(outcome)),
                Reached::ExactIsCheaper => {
                    let reason = Reason::CheaperThanWidening { target_recall: goal };
                    return self.build_exact(problem, &run.plan, vec![reason]);
                }
            }
        }
        self.finish(problem, run, (recall, target), reasons)
    }

    /// Widens the build until the lower end of its estimated recall reaches `goal`.
    fn reach(&self, goal: f32, problem: &Problem, run: &mut Run) -> Result<Reached, BuildError> {
        let n = problem.n();
        let start = Instant::now();
        let tick = |f| self.tick(Phase::Recall, run.rounds.len(), &run.plan, 0, f);
        let sample = RecallSample::draw(problem, &run.plan, &tick)?;
        let mut recall = sample.estimate(&run.session.peek(&sample.rows)?, n);
        run.times.recall = start.elapsed();
        let start = Instant::now();
        let mut widened = 0;
        while recall.low < f64::from(goal) && widened < MAX_WIDENINGS {
            run.plan = widen(&run.plan, n);
            if choose::exact_is_cheaper(&self.params, problem, &run.plan) {
                return Ok(Reached::ExactIsCheaper);
            }
            run.session.widen(&run.plan, &|f| self.tick(Phase::Init, run.rounds.len(), &run.plan, 0, f))?;
            run.stop = self.descend(&mut *run.session, &run.plan, n, &mut run.rounds)?;
            recall = sample.estimate(&run.session.peek(&sample.rows)?, n);
            widened += 1;
        }
        run.times.descent += start.elapsed();
        let reached = recall.low >= f64::from(goal);
        Ok(Reached::By(recall, TargetOutcome { target: goal, reached, widened }))
    }

    fn finish(
        &self,
        problem: &Problem,
        run: Run,
        (mut recall, target): (Option<RecallEstimate>, Option<TargetOutcome>),
        reasons: Vec<Reason>,
    ) -> Result<Built, BuildError> {
        let Run { session, plan, rounds, stop, mut times } = run;
        let (executor, settings) = (session.info(), settings(session.plan()));
        let device = session.device_work();
        let distances_evaluated = session.init_distances() + rounds.iter().map(|r| r.distances).sum::<u64>();
        let start = Instant::now();
        let graph = session.finish(&|f| self.tick(Phase::Finish, rounds.len(), &plan, 0, f))?;
        times.finish = start.elapsed();
        // Only now, because the search for true neighbours has a working copy of the points, too.
        if recall.is_none() && plan.recall_sample > 0 && plan.others() > 0 {
            let estimate;
            let tick = |f| self.tick(Phase::Recall, rounds.len(), &plan, 0, f);
            (estimate, times.recall) = estimate_recall(problem, &plan, &graph, &tick)?;
            recall = Some(estimate);
        }
        let algorithm = Algorithm::NnDescent;
        let report = BuildReport {
            algorithm,
            executor,
            reasons,
            times,
            rounds,
            distances_evaluated,
            stop,
            recall,
            target,
            kernels: device.kernels(),
            device_phases: device.phases(),
            settings,
        };
        Ok(Built { graph, report })
    }

    fn descend(
        &self,
        session: &mut dyn Session,
        plan: &Plan,
        n: usize,
        rounds: &mut Vec<RoundStats>,
    ) -> Result<StopReason, BuildError> {
        let tick = |round, updates, f| self.tick(Phase::Descent, round, plan, updates, f);
        descend(session, plan, n, &tick, rounds)
    }
}

/// A build between its rounds and its end.
struct Run<'p> {
    session: Box<dyn Session + 'p>,
    /// The plan, as widened so far.
    plan: Plan,
    rounds: Vec<RoundStats>,
    stop: StopReason,
    times: PhaseTimes,
}

/// How a target recall was pursued.
enum Reached {
    By(RecallEstimate, TargetOutcome),
    ExactIsCheaper,
}

fn estimate_recall(
    problem: &Problem,
    plan: &Plan,
    graph: &KnnGraph,
    tick: Tick,
) -> Result<(RecallEstimate, Duration), BuildError> {
    let start = Instant::now();
    let sample = RecallSample::draw(problem, plan, tick)?;
    let estimate = sample.estimate(&sample.found_in(graph, plan.others()), problem.n());
    Ok((estimate, start.elapsed()))
}

/// The next larger plan: rows half as long again, twice the candidates, two more trees.
fn widen(plan: &Plan, n: usize) -> Plan {
    Plan {
        width: (plan.width + plan.width / 2).min(n - 1),
        max_candidates: (plan.max_candidates * 2).min(1000),
        n_trees: if plan.n_trees > 0 { plan.n_trees + 2 } else { 0 },
        ..plan.clone()
    }
}

/// The settings of a plan, for the report.
fn settings(plan: &Plan) -> Settings {
    Settings {
        metric: plan.metric.clone(),
        n_neighbors: plan.n_neighbors,
        n_trees: plan.n_trees,
        leaf_size: plan.leaf_size,
        max_candidates: plan.max_candidates,
        working_neighbors: plan.width,
        n_iters: plan.n_iters,
        delta: plan.delta,
        seed: plan.seed,
        include_self: plan.include_self,
        target_recall: plan.target_recall,
        recall_sample: plan.recall_sample,
        part_rows: plan.part_rows,
    }
}
