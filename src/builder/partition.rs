//! Builds of more points than a device or a memory limit takes: in overlapping parts, one after another or one to a
//! device, merged on the CPU.
//!
//! The points are partitioned twice, by two random-projection trees, so that most near neighbours share a part in one
//! of the partitions. An ordinary session of the executor builds each part. Its rows are merged into rows that keep the
//! best distinct ids by (distance, id). What the second partition adds is marked new: the rounds of NN-Descent that
//! follow on the CPU join neighbours that never shared a part, and only these.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use rayon::prelude::*;

use super::descent::descend;
use crate::dataset::Problem;
use crate::error::BuildError;
use crate::error::GpuError;
use crate::executor::arrange::arrange;
use crate::executor::cpu;
use crate::executor::cpu::session::CpuSession;
use crate::executor::device_work::DeviceWork;
use crate::executor::{Executor, Session, Tick};
use crate::forest;
use crate::graph::{InitGraph, KnnGraph};
use crate::metric::{KernelMetric, Metric};
use crate::parallel::gathered;
use crate::params::Plan;
use crate::points::{Dense, Element, with_rows};
use crate::report::{ExecutorInfo, RoundStats};
use crate::rng::hash;
use crate::rows::ReducedDistances;

/// With one, rows never meet neighbours across the border of their part; a third costs as much as each of the others
/// and finds little that the rounds do not: docs/PERFORMANCE.md, "Parts".
const CUTTINGS: u64 = 2;

/// Stream of random numbers for partitions, which differs from that of the builds' trees.
const CUT: u64 = 0xc07;

/// Opens a session on all points at once or, if the plan or the executor limits rows, in parts. If the device runs out
/// of memory, parts are halved until they fit or are too small to be worth a build.
///
/// # Errors
/// Same as [`Executor::open`].
pub(crate) fn open<'p>(
    executor: &dyn Executor,
    problem: &Problem<'p>,
    plan: &Plan,
    init_graph: Option<&InitGraph>,
    tick: Tick,
) -> Result<Box<dyn Session + 'p>, BuildError> {
    let mut most = rows_at_once(executor, problem, plan)?;
    loop {
        let opened = if most >= problem.n() {
            executor.open(problem, plan, init_graph, tick)
        } else {
            let parts = Parts { executor, problem, plan, most };
            parts.open(init_graph, tick).map(|merged| Box::new(merged) as Box<dyn Session + 'p>)
        };
        match opened {
            Err(BuildError::Gpu(GpuError::OutOfMemory { .. })) if most / 2 >= plan.least_part() => most /= 2,
            done => return done,
        }
    }
}

/// Rows that are built at once: all, or those of a part. Where parts would be too small it is all, for which
/// [`Executor::open`] then fails.
pub(crate) fn rows_at_once(executor: &dyn Executor, problem: &Problem, plan: &Plan) -> Result<usize, BuildError> {
    let n = problem.n();
    if problem.dense().is_none() {
        return Ok(n);
    }
    let most = executor.most_rows(problem, plan)?.min(plan.part_rows.unwrap_or(n));
    Ok(if most < plan.least_part() { n } else { most.min(n) })
}

/// Peak bytes of a build in parts of `most` rows, beyond the input: the merged rows and the build of a part.
pub(crate) fn estimate_memory(problem: &Problem, plan: &Plan, most: usize) -> u64 {
    let merged = cpu::estimate_memory(problem, plan);
    let (Some((dense, _)), true) = (problem.dense(), most < problem.n()) else { return merged };
    let part = first_rows(problem, most);
    let copied = most * dense.dim() * dense.value_size();
    merged + copied as u64 + cpu::estimate_memory(&part, &part_plan(plan, most))
}

/// The first `count` rows of a dense set, to estimate the memory of a part; all rows of other kinds.
pub(crate) fn first_rows<'a>(problem: &Problem<'a>, count: usize) -> Problem<'a> {
    let Some((points, direct)) = problem.dense() else { return *problem };
    let dim = points.dim();
    let first = Dense::trusted(with_rows!(points.rows(), x => Element::rows(&x[..count * dim])), count, dim);
    Problem::of_part(first, direct, problem.metric)
}

/// The plan of a part of `m` points: its rows are as long as the rows they are merged into.
pub(crate) fn part_plan(plan: &Plan, m: usize) -> Plan {
    let width = plan.width.min(m - 1);
    Plan {
        n_neighbors: width,
        width,
        include_self: false,
        target_recall: None,
        recall_sample: 0,
        part_rows: None,
        ..plan.clone()
    }
}

/// A build in parts.
struct Parts<'a, 'p> {
    executor: &'a dyn Executor,
    problem: &'a Problem<'p>,
    plan: &'a Plan,
    /// Rows of the largest part.
    most: usize,
}

impl<'p> Parts<'_, 'p> {
    fn open(&self, init_graph: Option<&InitGraph>, tick: Tick) -> Result<MergedSession<'p>, BuildError> {
        let mut merged = CpuSession::empty(self.problem, self.plan, arrange(self.problem, self.plan));
        let cuttings: Vec<Vec<Vec<u32>>> = (0..CUTTINGS).map(|cutting| self.cut(&merged, cutting)).collect();
        let parts: Vec<(usize, &[u32])> = cuttings
            .iter()
            .enumerate()
            .flat_map(|(cutting, parts)| parts.iter().map(move |p| (cutting, &p[..])))
            .collect();
        let executors: Vec<&dyn Executor> =
            [self.executor].into_iter().chain(self.executor.further().iter().map(|other| &**other)).collect();
        let (mut done, mut distances) = (0, 0);
        let mut ran: Vec<ExecutorInfo> = Vec::new();
        let device = DeviceWork::default();
        for at_once in parts.chunks(executors.len()) {
            tracing::debug!(part = done, of = parts.len(), at_once = at_once.len(), "parts");
            let shares = Shares::new(at_once.len());
            let build = |(at, (_, part)): (usize, &(usize, &[u32]))| {
                let tick = |f| tick((done as f32 + shares.with(at, f)) / parts.len() as f32);
                if part.len() > 1 { self.build(executors[at], part, &tick).map(Some) } else { Ok(None) }
            };
            let built = match at_once {
                [one] => vec![build((0, one))],
                _ => at_once.par_iter().enumerate().map(build).collect(),
            };
            // In the order of the parts, so that the rows are the same on any number of devices.
            for (at, (built, (cutting, part))) in built.into_iter().zip(at_once).enumerate() {
                let Some(built) = built? else { continue };
                merged.merge(part, &built.graph, *cutting > 0);
                distances += built.distances;
                device.add(&built.device);
                if ran.len() == at {
                    ran.push(built.ran);
                }
            }
            done += at_once.len();
        }
        merged.complete(init_graph);
        tick(1.0)?;
        let built_on = ExecutorInfo::together(ran).expect("there is at least one part");
        Ok(MergedSession { session: merged, distances, device, built_on, parts: parts.len(), max_rows: self.most })
    }

    /// Assigns every point to one part, together with points near it.
    fn cut(&self, merged: &CpuSession, cutting: u64) -> Vec<Vec<u32>> {
        let (space, order): (&dyn ReducedDistances, &[u32]) = merged.working_order();
        let leaves = forest::tree(space, self.most, hash(self.plan.seed, CUT, 0, 0), cutting);
        let mut parts: Vec<Vec<u32>> = Vec::new();
        for leaf in leaves.iter() {
            let points = leaf.iter().map(|&place| order[place as usize]);
            // Consecutive leaves are siblings or near each other: a part takes as many as fit.
            match parts.last_mut().filter(|part| part.len() + leaf.len() <= self.most) {
                Some(part) => part.extend(points),
                None => parts.push(points.collect()),
            }
        }
        parts
    }

    fn build(&self, executor: &dyn Executor, part: &[u32], tick: Tick) -> Result<BuiltPart, BuildError> {
        let (dense, direct) = self.problem.dense().expect("parts are of dense rows");
        with_rows!(dense.rows(), x => {
            self.build_values(executor, (&gathered(x, dense.dim(), part), part.len()), direct, tick)
        })
    }

    fn build_values<E: Element>(
        &self,
        executor: &dyn Executor,
        (values, m): (&[E], usize),
        direct: KernelMetric,
        tick: Tick,
    ) -> Result<BuiltPart, BuildError> {
        let metric = Metric::from(direct);
        let part = Problem::of_part(Dense::trusted(E::rows(values), m, values.len() / m), direct, &metric);
        let plan = part_plan(self.plan, m);
        let mut session = executor.open(&part, &plan, None, &|f| tick(0.5 * f))?;
        let rounds_at_most = plan.n_iters.max(1) as f32;
        let in_round = |round: usize, _, f: f32| tick(0.5 + 0.5 * (round as f32 - 1.0 + f) / rounds_at_most);
        let mut rounds = Vec::new();
        descend(&mut *session, &plan, m, &in_round, &mut rounds)?;
        let distances = session.init_distances() + rounds.iter().map(|r| r.distances).sum::<u64>();
        let (device, ran) = (session.device_work(), session.info());
        Ok(BuiltPart { graph: session.finish(&|_| tick(1.0))?, distances, device, ran })
    }
}

/// The shares done of parts that are built at the same time, as bits.
struct Shares(Vec<AtomicU32>);

impl Shares {
    fn new(parts: usize) -> Self {
        Self((0..parts).map(|_| AtomicU32::new(0)).collect())
    }

    /// The sum, after the share of one is set.
    fn with(&self, part: usize, share: f32) -> f32 {
        self.0[part].store(share.to_bits(), Relaxed);
        self.0.iter().map(|share| f32::from_bits(share.load(Relaxed))).sum()
    }
}

struct BuiltPart {
    graph: KnnGraph,
    distances: u64,
    device: DeviceWork,
    ran: ExecutorInfo,
}

/// Rows merged from parts, refined on the CPU.
struct MergedSession<'p> {
    session: CpuSession<'p>,
    /// Distances evaluated in the parts.
    distances: u64,
    /// What a device did for them.
    device: DeviceWork,
    /// What built the parts, how many, and of how many rows at most.
    built_on: ExecutorInfo,
    parts: usize,
    max_rows: usize,
}

impl Session for MergedSession<'_> {
    fn init_distances(&self) -> u64 {
        self.distances + self.session.init_distances()
    }

    fn info(&self) -> ExecutorInfo {
        ExecutorInfo::Parts {
            parts: self.parts,
            max_rows: self.max_rows,
            built_on: Box::new(self.built_on.clone()),
            merged_on: Box::new(self.session.info()),
        }
    }

    fn device_work(&self) -> DeviceWork {
        self.device.clone()
    }

    fn plan(&self) -> &Plan {
        self.session.plan()
    }

    fn round(&mut self, tick: Tick) -> Result<RoundStats, BuildError> {
        self.session.round(tick)
    }

    fn widen(&mut self, plan: &Plan, tick: Tick) -> Result<(), BuildError> {
        self.session.widen(plan, tick)
    }

    fn peek(&self, points: &[u32]) -> Result<KnnGraph, BuildError> {
        self.session.peek(points)
    }

    fn finish(self: Box<Self>, tick: Tick) -> Result<KnnGraph, BuildError> {
        Box::new(self.session).finish(tick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::cpu::CpuExecutor;
    use crate::params::Params;
    use crate::points::Points;

    /// A device with memory for so many rows.
    struct Small(usize);

    impl Executor for Small {
        fn open<'p>(
            &self,
            problem: &Problem<'p>,
            plan: &Plan,
            init_graph: Option<&InitGraph>,
            tick: Tick,
        ) -> Result<Box<dyn Session + 'p>, BuildError> {
            if problem.n() > self.0 {
                return Err(GpuError::OutOfMemory { during: "data", bytes: problem.n() as u64 }.into());
            }
            CpuExecutor.open(problem, plan, init_graph, tick)
        }

        fn exact(&self, problem: &Problem, plan: &Plan, tick: Tick) -> Result<(KnnGraph, ExecutorInfo), BuildError> {
            CpuExecutor.exact(problem, plan, tick)
        }
    }

    const N: usize = 3000;

    fn opened(rows: usize) -> Result<String, BuildError> {
        let data: Vec<f32> = (0..N as u64 * 4).map(|i| (hash(1, 2, i, 0) % 1000) as f32).collect();
        let points = Points::dense(&data, N, 4).unwrap();
        let problem = Problem::of_dense(&points, &Metric::Euclidean);
        let plan = Plan::new(&Metric::Euclidean, &Params::default(), &points).unwrap();
        open(&Small(rows), &problem, &plan, None, &|_| Ok(())).map(|session| session.info().to_string())
    }

    #[test]
    fn parts_are_halved_until_there_is_memory_for_them() {
        assert!(!opened(N).unwrap().contains("parts"));
        assert!(opened(1500).unwrap().contains("parts of at most 1500 rows; merged on cpu"));
        assert!(opened(800).unwrap().contains("parts of at most 750 rows"));
        // 375 rows would be fewer than four leaves.
        assert!(matches!(opened(740), Err(BuildError::Gpu(GpuError::OutOfMemory { .. }))));
    }

    /// Every point is in one part of each cutting, parts are no larger than asked, and the cuttings differ.
    #[test]
    fn cuttings_are_partitions() {
        let data: Vec<f32> = (0..N as u64 * 4).map(|i| (hash(1, 2, i, 0) % 1000) as f32).collect();
        let points = Points::dense(&data, N, 4).unwrap();
        let problem = Problem::of_dense(&points, &Metric::Euclidean);
        let plan = Plan::new(&Metric::Euclidean, &Params::default(), &points).unwrap();
        let merged = CpuSession::empty(&problem, &plan, arrange(&problem, &plan));
        let parts = Parts { executor: &CpuExecutor, problem: &problem, plan: &plan, most: 700 };
        let cuttings = [0, 1].map(|cutting| parts.cut(&merged, cutting));
        for parts in &cuttings {
            assert!(parts.iter().all(|part| part.len() <= 700));
            assert!(parts.windows(2).all(|two| two[0].len() + two[1].len() > 350), "parts are filled");
            let mut all: Vec<u32> = parts.concat();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..N as u32));
        }
        assert_ne!(cuttings[0], cuttings[1]);
    }
}
