//! The course of a build.

use std::time::Instant;

use super::copies::Copies;
use super::descent::descend;
use super::recall_sample::RecallSample;
use super::{Built, NnDescent, choose, partition};
use crate::dataset::{Dataset, Problem};
use crate::error::{BuildError, GpuError};
use crate::executor::cpu::{CpuExecutor, cost};
use crate::executor::{Executor, Session, Tick};
use crate::graph::{InitGraph, KnnGraph};
use crate::params::{Algorithm, Device, Plan};
use crate::points::Points;
use crate::progress::Phase;
use crate::recall::RecallEstimate;
use crate::report::{BuildReport, ExecutorInfo, PhaseTimes, Reason, RoundStats, Settings, StopReason, TargetOutcome};

/// Times that `target_recall` may widen a build.
const MAX_WIDENINGS: usize = 5;

impl NnDescent<'_> {
    pub(super) fn build_exact(
        &self,
        problem: &Problem,
        plan: &Plan,
        mut reasons: Vec<Reason>,
    ) -> Result<Built, BuildError> {
        let start = Instant::now();
        let tick = |f| self.tick(Phase::Exact, 0, plan, 0, f);
        let (graph, executor) = match &self.params.device {
            device if device.is_gpu() && problem.is_proxy => {
                return Err(GpuError::Unsupported { metric: format!("exact {}", problem.metric) }.into());
            }
            Device::Gpu(selector) => choose::gpu_executor(selector)?.exact(problem, plan, &tick)?,
            Device::Gpus(selectors) => choose::gpu_executors(selectors)?.exact(problem, plan, &tick)?,
            Device::Cpu => CpuExecutor.exact(problem, plan, &tick)?,
            Device::Auto => {
                let gpu = choose::gpu_if_worth_it(problem, plan, Algorithm::Exact).ok();
                exact_by_gpu_or_cpu(gpu.as_deref(), problem, plan, &tick, &mut reasons)?
            }
        };
        let n = problem.n();
        let whole = RecallEstimate { estimate: 1.0, low: 1.0, high: 1.0, sample: n };
        let report = BuildReport {
            algorithm: Algorithm::Exact,
            executor,
            reasons,
            times: PhaseTimes { descent: start.elapsed(), ..PhaseTimes::default() },
            predicted_seconds: cost::exact_seconds(problem, plan),
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

    /// NN-Descent, with equal rows given to each other; on one of each where there are many.
    pub(super) fn build_by_descent_of_distinct(
        &self,
        problem: &Problem,
        plan: Plan,
        reasons: Vec<Reason>,
    ) -> Result<Built, BuildError> {
        let start = Instant::now();
        let copies = Copies::of(&problem.points, problem.metric);
        let looked_for_copies = start.elapsed();
        let Some(copies) = copies else {
            let mut course = self.build_on_a_device(problem, plan.clone(), reasons)?;
            course.built.report.times.init += looked_for_copies;
            return self.with_recall(problem, &plan, course);
        };
        // A proxy may be far off for rows without mass: there must be but one of them.
        let of_distinct = copies.are_many() || problem.is_proxy;
        let Course { mut built, sample } = if of_distinct {
            let build = |distinct: &Points<'_>| self.build_distinct(&copies, distinct, &plan, reasons);
            copies.with_distinct(&problem.points, build)?.into()
        } else {
            self.build_on_a_device(problem, plan.clone(), reasons)?
        };
        let start = Instant::now();
        let truth = (!problem.metric.is_zero_to_self()).then(|| problem.true_distances());
        let to_self = |i: usize| truth.as_ref().map_or(0.0, |truth| truth.to_self(i));
        let (others, include_self) = (plan.others(), plan.include_self);
        built.graph = if of_distinct {
            copies.expanded(&built.graph, others, include_self, &to_self)
        } else {
            copies.added_to(&built.graph, others, include_self, &to_self)
        };
        drop(truth);
        let report = &mut built.report;
        report.times.init += looked_for_copies;
        report.times.finish += start.elapsed();
        // What was estimated, if anything, was the recall of something else.
        report.recall = None;
        report.settings = settings(&plan);
        self.with_recall(problem, &plan, Course { built, sample })
    }

    /// The graph of distinct rows, without the rows themselves.
    fn build_distinct(
        &self,
        copies: &Copies,
        distinct: &Points,
        plan: &Plan,
        mut reasons: Vec<Reason>,
    ) -> Result<Built, BuildError> {
        reasons.push(Reason::Copies { rows: copies.n(), distinct: distinct.n() });
        let ids = self.init_graph.as_ref().map(|graph| (graph.k(), copies.of_init_graph(graph)));
        let mut builder: NnDescent<'_> = self.clone();
        builder.params.include_self = false;
        builder.params.n_neighbors = Some(plan.others().min(distinct.n() - 1).max(1));
        builder.init_graph = ids.as_ref().map(|(k, ids)| InitGraph::from((distinct.n(), *k, &ids[..])));
        let dataset = Dataset::new(distinct, &self.metric)?;
        if distinct.n() == 1 {
            let plan = Plan { n_neighbors: 0, include_self: false, ..plan.clone() };
            // Nothing for a device to do.
            builder.params.device = Device::Cpu;
            let mut built = builder.build_exact(&dataset.problem(), &plan, reasons)?;
            built.graph = KnnGraph::new(1, 0, Vec::new(), Vec::new());
            return Ok(built);
        }
        let plan = Plan::new(&self.metric, &builder.params, distinct)?;
        // Only the recall of all rows is estimated, unless that of these has to reach something.
        let recall_sample = plan.target_recall.map_or(0, |_| plan.recall_sample);
        Ok(builder.build_on_a_device(&dataset.problem(), Plan { recall_sample, ..plan }, reasons)?.built)
    }

    /// A build with an estimate of its recall, unless it has one.
    fn with_recall(&self, problem: &Problem, plan: &Plan, course: Course) -> Result<Built, BuildError> {
        let Course { mut built, sample } = course;
        if built.report.recall.is_none() && plan.recall_sample > 0 {
            let rounds = built.report.rounds.len();
            let tick = |f| self.tick(Phase::Recall, rounds, plan, 0, f);
            let start = Instant::now();
            // Not before the end of the session, whose memory it takes.
            let sample = sample.map_or_else(|| RecallSample::draw(problem, plan, None, &tick), Ok)?;
            let estimate = sample.estimate(&sample.found_in(&built.graph, plan.others()));
            built.report.times.recall += start.elapsed();
            built.report.recall = Some(estimate);
            if let Some(target) = &mut built.report.target {
                target.reached = estimate.low >= f64::from(target.target);
            }
        }
        Ok(built)
    }

    /// NN-Descent on the device asked for. Where that is left open: on a GPU if that is worth it, on the CPU if not, or
    /// if the GPU fails.
    pub(super) fn build_on_a_device<'p>(
        &self,
        problem: &Problem<'p>,
        plan: Plan,
        reasons: Vec<Reason>,
    ) -> Result<Course<'p>, BuildError> {
        match &self.params.device {
            Device::Cpu => self.build_by_descent(&CpuExecutor, problem, plan, reasons),
            Device::Gpu(selector) => self.build_by_descent(&*choose::gpu_executor(selector)?, problem, plan, reasons),
            Device::Gpus(selectors) => {
                self.build_by_descent(&choose::gpu_executors(selectors)?, problem, plan, reasons)
            }
            Device::Auto => {
                let gpu = choose::gpu_if_worth_it(problem, &plan, Algorithm::NnDescent);
                self.build_by_gpu_or_cpu(gpu, problem, plan, reasons)
            }
        }
    }

    /// On this GPU; on the CPU where there is none for the job, or where it fails: the report then gives the reason.
    pub(crate) fn build_by_gpu_or_cpu<'p>(
        &self,
        gpu: Result<Box<dyn Executor>, Reason>,
        problem: &Problem<'p>,
        plan: Plan,
        mut reasons: Vec<Reason>,
    ) -> Result<Course<'p>, BuildError> {
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

    pub(super) fn build_by_descent<'p>(
        &self,
        executor: &dyn Executor,
        problem: &Problem<'p>,
        plan: Plan,
        reasons: Vec<Reason>,
    ) -> Result<Course<'p>, BuildError> {
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
                    return Ok(self.build_exact(problem, &run.plan, vec![reason])?.into());
                }
            }
        }
        let sample = if recall.is_none() { self.sample_of(problem, &mut run)? } else { None };
        Ok(Course { built: self.finish(problem, run, (recall, target), reasons)?, sample })
    }

    /// The sample that recall is to be estimated by, where the session holds what tells its exact rows.
    fn sample_of<'p>(&self, problem: &Problem<'p>, run: &mut Run) -> Result<Option<RecallSample<'p>>, BuildError> {
        if run.plan.recall_sample == 0 {
            return Ok(None);
        }
        let start = Instant::now();
        let tick = |f| self.tick(Phase::Recall, run.rounds.len(), &run.plan, 0, f);
        let sample = RecallSample::held(problem, &run.plan, &*run.session, &tick)?;
        run.times.recall = start.elapsed();
        Ok(sample)
    }

    /// Widens the build until the lower end of its estimated recall reaches `goal`.
    fn reach(&self, goal: f32, problem: &Problem, run: &mut Run) -> Result<Reached, BuildError> {
        let n = problem.n();
        let start = Instant::now();
        let tick = |f| self.tick(Phase::Recall, run.rounds.len(), &run.plan, 0, f);
        let sample = RecallSample::draw(problem, &run.plan, Some(&*run.session), &tick)?;
        let mut recall = sample.estimate(&run.session.peek(&sample.rows)?);
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
            recall = sample.estimate(&run.session.peek(&sample.rows)?);
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
        (recall, target): (Option<RecallEstimate>, Option<TargetOutcome>),
        reasons: Vec<Reason>,
    ) -> Result<Built, BuildError> {
        let Run { session, plan, rounds, stop, mut times } = run;
        let (executor, settings) = (session.info(), settings(session.plan()));
        let device = session.device_work();
        let distances_evaluated = session.init_distances() + rounds.iter().map(|r| r.distances).sum::<u64>();
        let predicted_seconds = cost::descent_seconds(problem, &plan);
        let start = Instant::now();
        let graph = session.finish(&|f| self.tick(Phase::Finish, rounds.len(), &plan, 0, f))?;
        times.finish = start.elapsed();
        let algorithm = Algorithm::NnDescent;
        let report = BuildReport {
            algorithm,
            executor,
            reasons,
            times,
            predicted_seconds,
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

/// Exact search on this GPU; on the CPU where there is none for the job, or where it fails, for this reason.
pub(super) fn exact_by_gpu_or_cpu(
    gpu: Option<&dyn Executor>,
    problem: &Problem,
    plan: &Plan,
    tick: Tick,
    reasons: &mut Vec<Reason>,
) -> Result<(KnnGraph, ExecutorInfo), BuildError> {
    match gpu.map(|gpu| gpu.exact(problem, plan, tick)) {
        Some(Err(BuildError::Gpu(error))) => reasons.push(Reason::GpuFailed(error)),
        Some(done) => return done,
        None => {}
    }
    CpuExecutor.exact(problem, plan, tick)
}

/// A build, and the sample to estimate its recall by if that was drawn on the way.
pub(crate) struct Course<'p> {
    pub built: Built,
    sample: Option<RecallSample<'p>>,
}

impl From<Built> for Course<'_> {
    fn from(built: Built) -> Self {
        Self { built, sample: None }
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
