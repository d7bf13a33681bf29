//! The session on a GPU: data and rows on the device, trees on the CPU, and a few counters read back after every round.

mod exact;
mod fill;
mod proof;
mod rows;
mod self_test;
mod submit;
mod values;

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use self::rows::Ranked;
use self::submit::Counted;
use self::values::Values;
use super::bindings::Bindings;
use super::device::Gpu;
use super::device_rows::{Compared, DeviceRows, upload_codes};
use super::encoding::Encoding;
use super::kernels::{Kernel, Slot};
use super::kind::AdapterKind;
use super::layout::Layout;
use super::resources::Resources;
use super::sizes::Sizes;
use super::timer::Timer;
use crate::dataset::Problem;
use crate::error::{BuildError, GpuError};
use crate::executor::arrange::{Arranged, arrange, plan_for, round_to_halves};
use crate::executor::cpu::leaf_mates::LeafMates;
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
use crate::report::{DevicePhase, DevicePhaseTime, ExecutorInfo, Matrices, RoundStats, Traffic};
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
    /// Whether rows are compared by codes of their values, or as floats of fewer bits.
    rounded: bool,
    /// The values that these were rounded from, where final distances are computed on the device.
    values: Option<Values>,
    /// Memory of the finished graph.
    ranked: Option<Ranked>,
    gpu: Gpu,
    data: Vec<wgpu::Buffer>,
    resources: Resources,
    /// Submissions that nothing has waited for yet.
    pending: VecDeque<wgpu::SubmissionIndex>,
    init_distances: u64,
    trees_grown: u64,
    /// Until it is known whether more trees pay.
    mates: Option<LeafMates>,
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
    /// Opens a session on this device.
    #[cfg(test)]
    pub(super) fn open(
        gpu: Gpu,
        problem: &Problem<'p>,
        plan: &Plan,
        init_graph: Option<&InitGraph>,
        tick: Tick,
    ) -> Result<Self, BuildError> {
        Self::open_on(|| Ok(gpu), problem, plan, init_graph, tick)
    }

    /// Opens a session on the device that `gpu` opens.
    pub(super) fn open_on(
        gpu: impl FnOnce() -> Result<Gpu, GpuError> + Send,
        problem: &Problem<'p>,
        plan: &Plan,
        init_graph: Option<&InitGraph>,
        tick: Tick,
    ) -> Result<Self, BuildError> {
        let rows = DeviceRows::of(problem)?;
        let (work, n) = (DeviceWork::default(), problem.n());
        // The device is opened, and buffers and pipelines are made, while the first tree grows.
        let prepare = || {
            let gpu = gpu()?;
            let expected = rows.expected(plan, gpu.limits.native_f16);
            Self::with_room_for(gpu, problem, rows, plan, expected, (n, &OF_BUILDS, &work))
        };
        let (arranged, session) = rayon::join(
            || work.time(DevicePhase::Arrange, || arrange(problem, plan)),
            || work.time(DevicePhase::Prepare, prepare),
        );
        let (mut arranged, session) = (arranged, session?);
        let mut session = work.time(DevicePhase::Prepare, || session.fitted(problem, plan, &mut arranged))?;
        let Arranged { space, order, bounds, .. } = arranged;
        session.place_points(order);
        session.timed(DevicePhase::Upload, |this| match space.codes() {
            Some(codes) if this.rounded => upload_codes(&this.gpu, codes, (&this.resources.layout, &this.data)),
            _ => this.upload(0, &this.order),
        })?;
        session.bytes = None;
        session.space = Some(space);
        if let Some(graph) = init_graph {
            session.timed(DevicePhase::Fill, |this| this.take_over(graph))?;
        }
        session.mates = (plan.adaptive && plan.more_trees > 0).then(|| LeafMates::new(n, plan.n_trees));
        let first = bounds.map(|bounds| Leaves { ids: (0..n as u32).collect(), bounds });
        session.grow_trees(first, tick)?;
        // Before random neighbours are looked for, which takes long where rows do not fill.
        session.count_not_full()?;
        let pairs = session.pair_kernel();
        session.timed(DevicePhase::Check, |this| this.check_rows(pairs))?;
        if session.fill_random()? {
            session.timed(DevicePhase::Check, |this| this.check_rows(Kernel::FillRandom))?;
        }
        session.checked = Some(session.timed(DevicePhase::Check, |this| this.read_checked(n))?);
        Ok(session)
    }

    /// The session, or another if points are compared otherwise than was expected.
    fn fitted(self, problem: &Problem<'p>, plan: &Plan, arranged: &mut Arranged) -> Result<Self, GpuError> {
        let rounded = arranged.rounded && self.bytes.is_none();
        let fit = match arranged.space.codes().filter(|_| rounded) {
            Some(codes) => Compared::by_codes(codes.are_signed()),
            None if self.rounded => self.without_codes(problem, plan, arranged),
            None => return Ok(self),
        };
        if (self.encoding, self.rounded) == (fit.encoding, fit.rounded) {
            return Ok(self);
        }
        let Self { gpu, rows, work, .. } = self;
        Self::with_room_for(gpu, problem, rows, plan, fit, (problem.n(), &OF_BUILDS, &work))
    }

    /// What points are compared by where codes do not serve: f16 on hardware, where these do, else the values. Software
    /// reads f32 as fast.
    fn without_codes(&self, problem: &Problem<'p>, plan: &Plan, arranged: &mut Arranged) -> Compared {
        let limits = self.gpu.limits;
        let halves = Compared::by_halves(limits.native_f16);
        let sizes = self.rows.sizes(&plan_for(plan, true, problem.n()), halves.encoding);
        let is_possible = limits.kind != AdapterKind::Software && Bindings::of(&sizes, limits).is_ok();
        if is_possible && round_to_halves(problem, arranged) { halves } else { self.rows.as_given(limits.native_f16) }
    }

    /// A session with room for `held` points on the device, as they were given, and with these kernels compiled.
    fn with_room(
        gpu: Gpu,
        problem: &Problem<'p>,
        rows: DeviceRows<'p>,
        plan: &Plan,
        room: (usize, &[Kernel], &DeviceWork),
    ) -> Result<Self, GpuError> {
        // Integers that fit a byte are stored as bytes: the same distances from a quarter of the memory.
        let compared = match rows.whole_bytes() {
            Some((bytes, encoding)) => Compared { bytes: Some(bytes), encoding, rounded: false },
            None => rows.as_given(gpu.limits.native_f16),
        };
        Self::with_room_for(gpu, problem, rows, plan, compared, room)
    }

    fn with_room_for(
        mut gpu: Gpu,
        problem: &Problem<'p>,
        rows: DeviceRows<'p>,
        plan: &Plan,
        Compared { bytes, encoding, rounded }: Compared,
        (held, kernels, work): (usize, &[Kernel], &DeviceWork),
    ) -> Result<Self, GpuError> {
        let plan = plan_for(plan, rounded, problem.n());
        gpu.keeps_pipelines = plan.pipeline_cache;
        let layout = Layout::new(Sizes { n: held, ..rows.sizes(&plan, encoding) }, gpu.limits)?;
        let values = if rounded { Values::of(problem, &rows, &plan, gpu.limits) } else { None };
        gpu.bytes.store(layout.sizes.bytes(), Relaxed);
        let matrices = Self::choose_matrices(&gpu, problem, &plan, encoding);
        let side = matrices.clone().and_then(Result::ok).unwrap_or_default();
        let layout = layout.with_matrices(side);
        let mut session = Self {
            problem: *problem,
            space: None,
            order: Vec::new(),
            place: Vec::new(),
            bytes,
            encoding,
            rounded,
            values,
            ranked: None,
            resources: Resources::new(&gpu, layout)?,
            data: DeviceRows::buffers(&gpu, &layout)?,
            timer: if plan.time_kernels { Timer::new(&gpu, work)? } else { None },
            plan,
            gpu,
            rows,
            pending: VecDeque::new(),
            init_distances: 0,
            trees_grown: 0,
            mates: None,
            fullness: Fullness::NotFull(held as u32),
            checked: None,
            updates: 0,
            may_overflow: false,
            dispatches: 0,
            work: work.clone(),
            matrices,
        };
        session.compile(kernels)?;
        session.gpu.keep_pipelines();
        session.timed(DevicePhase::EmptyRows, Self::empty_rows)?;
        Ok(session)
    }

    /// Compiles the kernels of a step, and those for the distances of pairs.
    fn compile(&mut self, kernels: &[Kernel]) -> Result<(), GpuError> {
        let (encoding, layout) = (self.encoding, self.resources.layout);
        let finishes = self.finishes();
        let wanted = kernels.iter().copied().filter(|kernel| *kernel != Kernel::Recompute || finishes);
        let needed: Vec<_> = [self.pair_kernel()]
            .into_iter()
            .chain(wanted)
            .map(|kernel| match &self.values {
                Some(values) if kernel == Kernel::Recompute => (kernel, values.encoding, values.layout),
                _ => (kernel, encoding, layout),
            })
            .collect();
        self.resources.compile(&self.gpu, &needed, self.rows.metric_source())
    }

    /// Whether the device computes final distances.
    fn finishes(&self) -> bool {
        if self.rounded { self.values.is_some() } else { self.rows.finishes(&self.problem, self.encoding) }
    }

    /// Does `work`, and adds what it took to a part of the build.
    fn timed<T>(&mut self, phase: DevicePhase, work: impl FnOnce(&mut Self) -> T) -> T {
        let (start, waited) = (Instant::now(), self.gpu.waited());
        let done = work(self);
        let waited = self.gpu.waited() - waited;
        self.work.add_phase(&DevicePhaseTime { phase, elapsed: start.elapsed(), waited, device: None });
        done
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

    /// How rows are compared, for the report.
    fn described_rows(&self) -> String {
        let what = match (self.rounded, self.encoding.is_half()) {
            (false, _) => "",
            (true, false) => "codes as ",
            (true, true) => "f32 as ",
        };
        format!("{what}{}", self.encoding.name())
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
    pub(super) fn layout(&self) -> &Layout {
        &self.resources.layout
    }

    #[cfg(test)]
    pub(super) fn gpu(&self) -> &Gpu {
        &self.gpu
    }
}

impl GpuSession<'_> {
    /// The kernels of a round, over all rows.
    fn join_all(&mut self) -> Result<Counted, GpuError> {
        let n = self.order.len();
        let record = |this: &mut Self, encoder: &mut wgpu::CommandEncoder| {
            encoder.clear_buffer(this.resources.buffers[&Slot::Counts].only(), 0, None);
            encoder.clear_buffer(this.resources.buffers[&Slot::Total].only(), 0, None);
            let kernels =
                [Kernel::CountEdges, Kernel::GiveRoom, Kernel::PutEdges, Kernel::Neighborhoods, Kernel::LocalJoin];
            kernels.into_iter().try_for_each(|kernel| this.record(encoder, kernel, n))
        };
        let makes_room = self.ranked.is_none() && self.finishes();
        if !makes_room && !self.has_values_to_send() {
            return self.run("round", record);
        }
        self.submit("round", |this, encoder| {
            this.clear_counters(encoder);
            record(this, encoder)
        })?;
        self.timed(DevicePhase::BesideRounds, |this| {
            if makes_room {
                this.ranked = Some(this.room_for_ranked());
            }
            this.send_values()
        })?;
        self.read_counters("round")
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
            rows: self.described_rows(),
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
        let (before, dispatches) = (self.gpu.traffic(), self.dispatches);
        let on_device = |this: &Self| this.work.on_device(DevicePhase::Rounds).unwrap_or_default();
        let device = on_device(self);
        let counted = self.timed(DevicePhase::Rounds, Self::join_all)?;
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
        let device = self.timer.is_some().then(|| on_device(self) - device);
        Ok(RoundStats { updates, distances, elapsed: start.elapsed(), device, traffic: Some(traffic) })
    }

    fn widen(&mut self, plan: &Plan, tick: Tick) -> Result<(), BuildError> {
        let old = self.read_rows()?;
        let side = self.resources.layout.matrix_side;
        let layout = Layout::new(self.rows.sizes(plan, self.encoding), self.gpu.limits)?.with_matrices(side);
        self.gpu.bytes.store(layout.sizes.bytes(), Relaxed);
        self.resources = Resources::new(&self.gpu, layout)?;
        self.values = self.values.take().and_then(|values| values.widened(&self.rows, plan, self.gpu.limits));
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
        self.timed(DevicePhase::Check, |this| this.check_rows(Kernel::LocalJoin))?;
        self.timed(DevicePhase::Check, |this| this.check_changes())?;
        let graph = if self.prepare_values()? {
            let (points, distances) = self.recompute()?;
            self.timed(DevicePhase::Check, |this| this.check_finished(&points, &distances))?;
            let (problem, plan) = (&self.problem, &self.plan);
            self.work.time(DevicePhase::Finish, || finish::of_ranked(problem, plan, points, distances))
        } else {
            let rows = self.timed(DevicePhase::ReadBack, |this| this.read_rows())?;
            let steps = Steps::new(tick, self.order.len());
            let finisher = Finisher::new(&self.problem, &self.plan, &self.order, &rows);
            let graph = self.work.time(DevicePhase::Finish, || finisher.graph(&steps));
            steps.end()?;
            graph
        };
        tick(1.0)?;
        Ok(graph)
    }
}
