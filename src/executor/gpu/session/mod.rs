//! The session on a GPU: data and rows on the device, trees on the CPU, and a few counters read back after every round.

mod exact;
mod fill;
mod proof;
mod rows;
mod self_test;
mod submit;

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use self::submit::Counted;
use super::device::Gpu;
use super::device_rows::DeviceRows;
use super::encoding::Encoding;
use super::kernels::{Kernel, Slot};
use super::layout::{Layout, Sizes};
use super::resources::Resources;
use super::timer::Timer;
use crate::dataset::Problem;
use crate::error::{BuildError, GpuError};
use crate::executor::arrange::{Arranged, arrange};
use crate::executor::device_work::DeviceWork;
use crate::executor::finish::{self, Finisher};
use crate::executor::steps::Steps;
use crate::executor::{Session, Tick};
use crate::forest::Leaves;
use crate::graph::locality::places;
use crate::graph::order::{EMPTY, joined};
use crate::graph::rows::RowTable;
use crate::graph::{InitGraph, KnnGraph};
use crate::params::Plan;
use crate::report::{DevicePhase, ExecutorInfo, Matrices, RoundStats, Traffic};
use crate::rows::ReducedDistances;

pub(super) struct GpuSession<'p> {
    problem: Problem<'p>,
    rows: DeviceRows<'p>,
    plan: Plan,
    /// For the trees. Exact search has none.
    space: Option<Box<dyn ReducedDistances + 'p>>,
    /// The point that stands at each place of the working order.
    order: Vec<u32>,
    /// The place of each point.
    place: Vec<u32>,
    /// The values as bytes, where they are integers that fit, until all are on the device.
    bytes: Option<Vec<u8>>,
    encoding: Encoding,
    gpu: Gpu,
    data: Vec<wgpu::Buffer>,
    resources: Resources,
    /// Submissions that nothing has waited for yet.
    pending: VecDeque<wgpu::SubmissionIndex>,
    init_distances: u64,
    trees_grown: u64,
    fullness: Fullness,
    /// The rows that were checked when the session opened, and what entered rows since then.
    checked: Option<RowTable>,
    updates: u64,
    /// Whether the metric itself was seen to leave the range of f32.
    may_overflow: bool,
    dispatches: u64,
    timer: Option<Timer>,
    work: DeviceWork,
    /// The side of the cooperative matrices in use, or the reason why none are, if they were asked for.
    matrices: Option<Result<u32, String>>,
}

/// The number of rows with unused places.
enum Fullness {
    /// Known.
    NotFull(u32),
    /// Counted on the device, and not read yet.
    Counted,
}

/// Whether the neighbours in `rows` count as new when a plan is widened.
const NEW: u64 = 1;

/// The kernels of a build and of exact search, beside those for the distances of pairs.
const OF_BUILDS: [Kernel; 8] = [
    Kernel::EmptyRows,
    Kernel::OfferPairs,
    Kernel::CountEdges,
    Kernel::GiveRoom,
    Kernel::PutEdges,
    Kernel::Neighborhoods,
    Kernel::LocalJoin,
    Kernel::Recompute,
];
const OF_EXACT_SEARCH: [Kernel; 2] = [Kernel::EmptyRows, Kernel::OfferPairs];

impl<'p> GpuSession<'p> {
    pub(super) fn open(
        gpu: Gpu,
        problem: &Problem<'p>,
        plan: &Plan,
        init_graph: Option<&InitGraph>,
        tick: Tick,
    ) -> Result<Self, BuildError> {
        let rows = DeviceRows::of(problem)?;
        let (work, n) = (DeviceWork::default(), problem.n());
        // Buffers and pipelines are made while the first tree grows.
        let (arranged, session) = rayon::join(
            || work.time(DevicePhase::Arrange, || arrange(problem, plan)),
            || work.time(DevicePhase::Prepare, || Self::with_room(gpu, problem, rows, plan, (n, &OF_BUILDS, &work))),
        );
        let (Arranged { space, order, bounds, .. }, mut session) = (arranged, session?);
        session.place_points(order);
        work.time(DevicePhase::Upload, || session.upload(0, &session.order))?;
        session.bytes = None;
        session.space = Some(space);
        init_graph.map_or(Ok(()), |graph| session.take_over(graph))?;
        let first = bounds.map(|bounds| Leaves { ids: (0..n as u32).collect(), bounds });
        session.grow_trees(first, tick)?;
        // Before random neighbours are looked for, which takes long where rows do not fill.
        session.count_not_full()?;
        session.check_rows(session.pair_kernel())?;
        if session.fill_random()? {
            session.check_rows(Kernel::FillRandom)?;
        }
        session.checked = Some(session.read_checked(n)?);
        Ok(session)
    }

    /// A session with room for `held` points on the device, and with these kernels compiled.
    fn with_room(
        gpu: Gpu,
        problem: &Problem<'p>,
        rows: DeviceRows<'p>,
        plan: &Plan,
        (held, kernels, work): (usize, &[Kernel], &DeviceWork),
    ) -> Result<Self, GpuError> {
        // Integers that fit a byte are stored as bytes: the same distances from a quarter of the memory.
        let (bytes, encoding) = match rows.whole_bytes() {
            Some((bytes, encoding)) => (Some(bytes), encoding),
            None => (None, rows.encoding(gpu.limits.native_f16)),
        };
        let layout = Layout::new(Sizes { n: held, ..rows.sizes(plan, encoding) }, gpu.limits)?;
        gpu.bytes.store(layout.sizes.bytes(), Relaxed);
        let matrices = Self::choose_matrices(&gpu, problem, plan, encoding);
        let side = matrices.clone().and_then(Result::ok).unwrap_or_default();
        let layout = layout.with_matrices(side);
        let mut session = Self {
            problem: *problem,
            plan: plan.clone(),
            space: None,
            order: Vec::new(),
            place: Vec::new(),
            bytes,
            encoding,
            resources: Resources::new(&gpu, layout)?,
            data: DeviceRows::buffers(&gpu, &layout)?,
            timer: if plan.time_kernels { Timer::new(&gpu, work)? } else { None },
            gpu,
            rows,
            pending: VecDeque::new(),
            init_distances: 0,
            trees_grown: 0,
            fullness: Fullness::NotFull(held as u32),
            checked: None,
            updates: 0,
            may_overflow: false,
            dispatches: 0,
            work: work.clone(),
            matrices,
        };
        let finishes = session.rows.finishes(problem, encoding);
        let wanted = |kernel: &Kernel| *kernel != Kernel::Recompute || finishes;
        let pairs = session.pair_kernel();
        let kernels: Vec<Kernel> = [pairs].into_iter().chain(kernels.iter().copied().filter(wanted)).collect();
        let metric = session.rows.metric_source();
        session.resources.compile(&session.gpu, &kernels, metric, encoding)?;
        session.empty_rows()?;
        Ok(session)
    }

    /// Puts the points in this order.
    fn place_points(&mut self, order: Vec<u32>) {
        self.place = places(&order);
        self.order = order;
    }

    fn upload(&self, first: usize, points: &[u32]) -> Result<(), GpuError> {
        let how = (self.bytes.as_deref(), self.encoding);
        self.rows.upload(&self.gpu, how, (&self.resources.layout, &self.data), first, points)
    }

    /// The kernel that computes the distances of blocks.
    fn pair_kernel(&self) -> Kernel {
        if self.resources.layout.matrix_side > 0 { Kernel::BlockProducts } else { Kernel::BlockPairs }
    }

    /// The point at each place.
    #[cfg(test)]
    pub(super) fn order(&self) -> &[u32] {
        &self.order
    }

    #[cfg(test)]
    pub(super) fn gpu(&self) -> &Gpu {
        &self.gpu
    }
}

impl Session for GpuSession<'_> {
    fn init_distances(&self) -> u64 {
        self.init_distances
    }

    fn info(&self) -> ExecutorInfo {
        let matrices = match &self.matrices {
            Some(Ok(side)) => Matrices::Used(*side),
            Some(Err(why)) => Matrices::Rejected(why.clone()),
            None => Matrices::NotApplicable,
        };
        ExecutorInfo::Gpu {
            adapter: self.gpu.name().into(),
            rows: self.encoding.name().into(),
            matrices,
            bindings: self.data.len(),
            rows_at_once: None,
        }
    }

    fn device_work(&self) -> DeviceWork {
        self.work.clone()
    }

    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn round(&mut self, tick: Tick) -> Result<RoundStats, BuildError> {
        tick(0.0)?;
        let start = Instant::now();
        let (n, before, dispatches) = (self.order.len(), self.gpu.traffic(), self.dispatches);
        let counted = self.run("round", |this, encoder| {
            encoder.clear_buffer(&this.resources.buffers[&Slot::Counts], 0, None);
            encoder.clear_buffer(&this.resources.buffers[&Slot::Total], 0, None);
            let kernels =
                [Kernel::CountEdges, Kernel::GiveRoom, Kernel::PutEdges, Kernel::Neighborhoods, Kernel::LocalJoin];
            kernels.into_iter().try_for_each(|kernel| this.record(encoder, kernel, n))
        })?;
        tick(1.0)?;
        let after = self.gpu.traffic();
        let traffic = Traffic {
            submissions: after.0 - before.0,
            dispatches: self.dispatches - dispatches,
            read_bytes: after.1 - before.1,
        };
        let Counted { updates, distances, .. } = counted;
        self.updates += updates;
        self.worked(Kernel::LocalJoin, distances, distances);
        let elapsed = start.elapsed();
        self.work.add_phase(DevicePhase::Rounds, elapsed);
        Ok(RoundStats { updates, distances, elapsed, traffic: Some(traffic) })
    }

    fn widen(&mut self, plan: &Plan, tick: Tick) -> Result<(), BuildError> {
        let old = self.read_rows()?;
        let side = self.resources.layout.matrix_side;
        let layout = Layout::new(self.rows.sizes(plan, self.encoding), self.gpu.limits)?.with_matrices(side);
        self.gpu.bytes.store(layout.sizes.bytes(), Relaxed);
        self.resources = Resources::new(&self.gpu, layout)?;
        self.plan = plan.clone();
        let mut rows = RowTable::new(self.order.len(), plan.width);
        for (to, from) in rows.slots.chunks_exact_mut(plan.width).zip(old.slots.chunks_exact(old.width)) {
            for (to, &from) in to.iter_mut().zip(from) {
                *to = if from == EMPTY { EMPTY } else { joined(from) | NEW };
            }
        }
        self.write_rows(&rows)?;
        self.fullness = Fullness::NotFull(self.order.len() as u32);
        self.grow_trees(None, tick)?;
        self.fill_random()?;
        (self.checked, self.updates) = (Some(self.read_checked(self.order.len())?), 0);
        Ok(())
    }

    fn peek(&self, points: &[u32]) -> Result<KnnGraph, BuildError> {
        let rows = self.read_rows()?;
        Ok(Finisher::new(&self.problem, &self.plan, &self.order, &rows).rows_of(points, &self.place))
    }

    fn finish(mut self: Box<Self>, tick: Tick) -> Result<KnnGraph, BuildError> {
        tick(0.0)?;
        self.check_rows(Kernel::LocalJoin)?;
        self.check_changes()?;
        let graph = if self.rows.finishes(&self.problem, self.encoding) {
            let (points, distances) = self.recompute()?;
            self.check_finished(&points, &distances)?;
            finish::of_ranked(&self.problem, &self.plan, points, distances)
        } else {
            let rows = self.work.time(DevicePhase::ReadBack, || self.read_rows())?;
            let steps = Steps::new(tick, self.order.len());
            let graph = Finisher::new(&self.problem, &self.plan, &self.order, &rows).graph(&steps);
            steps.end()?;
            graph
        };
        tick(1.0)?;
        Ok(graph)
    }
}
