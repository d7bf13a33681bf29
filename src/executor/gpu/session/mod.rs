//! The session on a GPU: data and rows on the device, trees on the CPU, a few counters back after every round.

mod exact;
mod leaves;
mod self_test;

use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::data::DeviceRows;
use super::device::Gpu;
use super::layout::{Layout, Wanted};
use super::shaders::{Kernel, Slot};
use super::stage::Stage;
use super::stored::Stored;
use super::timer::{STAMPS, Timer};
use crate::dataset::Problem;
use crate::error::BuildError;
use crate::error::GpuError;
use crate::executor::arrange::{Arranged, arrange};
use crate::executor::finish::{self, Finisher};
use crate::executor::{Session, Tick};
use crate::graph::locality::places;
use crate::graph::order::{EMPTY, distance, fresh, id, is_new, joined};
use crate::graph::rows::RowTable;
use crate::graph::{InitGraph, KnnGraph};
use crate::params::Plan;
use crate::report::{ExecutorInfo, KernelTime, Matrices, RoundStats, Traffic};
use crate::rows::ReducedDistances;

pub(super) struct GpuSession<'p> {
    problem: Problem<'p>,
    rows: DeviceRows<'p>,
    plan: Plan,
    /// For the trees; exact search needs none.
    space: Option<Box<dyn ReducedDistances + 'p>>,
    /// The point that stands at each place of the working order.
    order: Vec<u32>,
    /// The place of each point.
    place: Vec<u32>,
    /// Whole numbers that stand for the values, until all are on the device.
    bytes: Option<Vec<u8>>,
    stored: Stored,
    gpu: Rc<Gpu>,
    data: Vec<wgpu::Buffer>,
    stage: Stage,
    init_distances: u64,
    trees_grown: u64,
    /// Rows with unused places.
    rows_not_full: u32,
    dispatches: u64,
    timer: Option<Timer>,
    /// What became of cooperative matrices, where rows are multiplied by them: what their rows are, or why there are none.
    matrices: Option<Result<u32, String>>,
}

/// What kernels counted.
struct Counted {
    updates: u64,
    distances: u64,
    /// Rows with unused places, after lists were offered.
    not_full: u32,
}

/// Whether the neighbours in `rows` count as new when a plan is widened.
const NEW: u64 = 1;

impl<'p> GpuSession<'p> {
    pub(super) fn open(
        gpu: Rc<Gpu>,
        problem: &Problem<'p>,
        plan: &Plan,
        init_graph: Option<&InitGraph>,
        tick: Tick,
    ) -> Result<Self, BuildError> {
        let rows = DeviceRows::of(problem)?;
        let Arranged { space, order, bounds, .. } = arrange(problem, plan);
        let mut session = Self::with_room(gpu, problem, rows, plan, order, problem.n())?;
        session.choose_matrices();
        session.upload(0, &session.order)?;
        session.bytes = None;
        session.write_rows(&RowTable::new(problem.n(), plan.width))?;
        session.space = Some(space);
        if let Some(bounds) = bounds {
            let ids: Vec<u32> = (0..problem.n() as u32).collect();
            session.join_leaves(&ids, &bounds)?;
            session.trees_grown = 1;
        }
        init_graph.map_or(Ok(()), |graph| session.take_over(graph))?;
        session.grow_trees(tick)?;
        session.fill_random()?;
        session.check_rows()?;
        Ok(session)
    }

    /// A session with room for so many points on the device, in this order.
    fn with_room(
        gpu: Rc<Gpu>,
        problem: &Problem<'p>,
        rows: DeviceRows<'p>,
        plan: &Plan,
        order: Vec<u32>,
        held: usize,
    ) -> Result<Self, GpuError> {
        // Whole numbers that fit a byte are read as bytes: the same distances from a quarter of the memory.
        let (bytes, stored) = match rows.whole_bytes() {
            Some((bytes, stored)) => (Some(bytes), stored),
            None => (None, rows.stored(gpu.allowed.native_f16)),
        };
        let layout = Layout::new(Wanted { n: held, ..rows.wanted(plan, stored) }, gpu.allowed)?;
        gpu.bytes.store(layout.wanted.bytes(), Relaxed);
        let stage = Stage::new(&gpu, layout)?;
        let timer = if plan.time_kernels { Timer::new(&gpu)? } else { None };
        let place = places(&order);
        let data = DeviceRows::buffers(&gpu, &layout)?;
        Ok(Self {
            problem: *problem,
            rows,
            plan: plan.clone(),
            space: None,
            order,
            place,
            bytes,
            stored,
            gpu,
            data,
            stage,
            init_distances: 0,
            trees_grown: 0,
            rows_not_full: problem.n() as u32,
            dispatches: 0,
            timer,
            matrices: None,
        })
    }

    fn upload(&self, first: usize, points: &[u32]) -> Result<(), GpuError> {
        let how = (self.bytes.as_deref(), self.stored);
        self.rows.upload(&self.gpu, how, (&self.stage.layout, &self.data), first, points)
    }

    /// Runs a kernel over all rows (or places).
    fn record(&mut self, encoder: &mut wgpu::CommandEncoder, kernel: Kernel, rows: usize) -> Result<(), GpuError> {
        self.stage.prepare(&self.gpu, kernel, self.rows.body(), self.stored)?;
        let groups = (rows as u32).div_ceil(kernel.rows_per_group(self.stage.layout.group));
        self.stage.prepare_params(&self.gpu, &self.plan, groups)?;
        let stage = &self.stage;
        let pipeline = &stage.pipelines[&kernel];
        for (first, count) in stage.layout.dispatches(groups) {
            let slots = kernel.bindings().iter().map(|&(binding, slot)| {
                let buffer = if slot == Slot::Params { &stage.params[&first] } else { &stage.buffers[&slot] };
                wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() }
            });
            let slots: Vec<_> = slots.collect();
            let data = self
                .data
                .iter()
                .zip(0..)
                .map(|(buffer, binding)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() });
            let data: Vec<_> = data.collect();
            let bind = |index: u32, entries: &[wgpu::BindGroupEntry]| {
                self.gpu.checked(kernel.name(), |device| {
                    let layout = pipeline.get_bind_group_layout(index);
                    device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout: &layout, entries })
                })
            };
            let slots = bind(0, &slots)?;
            let data = if kernel.reads_data() { Some(bind(1, &data)?) } else { None };
            let timestamp_writes = self.timer.as_mut().and_then(|timer| timer.time(kernel));
            let pass = wgpu::ComputePassDescriptor { label: Some(kernel.name()), timestamp_writes };
            let mut pass = encoder.begin_compute_pass(&pass);
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, &slots, &[]);
            if let Some(data) = &data {
                pass.set_bind_group(1, data, &[]);
            }
            pass.dispatch_workgroups(count, 1, 1);
            self.dispatches += 1;
        }
        Ok(())
    }

    /// Submits what `record` records, and returns what it counted.
    fn run(
        &mut self,
        during: &'static str,
        record: impl FnOnce(&mut Self, &mut wgpu::CommandEncoder) -> Result<(), GpuError>,
    ) -> Result<Counted, GpuError> {
        let mut encoder = self.gpu.encoder(during)?;
        encoder.clear_buffer(&self.stage.buffers[&Slot::Counters], 0, None);
        record(self, &mut encoder)?;
        let mut counters = [0u32; 4];
        let buffer = &self.stage.buffers[&Slot::Counters];
        let bytes = self.timer.as_ref().map_or(16, |timer| timer.resolve(&mut encoder, buffer));
        let mut stamps = Vec::new();
        self.gpu.submit_and_read(during, encoder, (buffer, 0, bytes), |bytes| {
            bytemuck::bytes_of_mut(&mut counters).copy_from_slice(&bytes[..16]);
            stamps = bytemuck::pod_collect_to_vec(bytes.get(STAMPS as usize..).unwrap_or_default());
        })?;
        if let Some(timer) = &mut self.timer {
            timer.add_times(&stamps);
        }
        let [updates, low, high, not_full] = counters;
        Ok(Counted { updates: updates.into(), distances: u64::from(low) | u64::from(high) << 32, not_full })
    }

    /// Counts the work of a kernel that is timed: distances, and rows of the data read for them.
    fn worked(&mut self, kernel: Kernel, distances: u64, rows: u64) {
        let row_bytes = self.stage.layout.wanted.row_bytes;
        if let Some(timer) = &mut self.timer {
            timer.add_work(kernel, distances, rows, row_bytes);
        }
    }

    fn make_room(&mut self, slot: Slot, bytes: u64) -> Result<(), GpuError> {
        if self.stage.buffers.get(&slot).is_none_or(|buffer| buffer.size() < bytes) {
            self.stage.buffers.insert(slot, self.gpu.buffer("lists", bytes)?);
        }
        Ok(())
    }

    fn write_slot(&mut self, slot: Slot, contents: &[u8]) -> Result<(), GpuError> {
        self.make_room(slot, contents.len() as u64)?;
        self.gpu.write(&self.stage.buffers[&slot], 0, contents)
    }

    /// The rows as they are on the device.
    pub(super) fn read_rows(&self) -> Result<RowTable, GpuError> {
        self.read_first_rows(self.order.len())
    }

    fn read_first_rows(&self, count: usize) -> Result<RowTable, GpuError> {
        let mut rows = RowTable::new(count, self.plan.width);
        let bytes = 4 * rows.slots.len() as u64;
        let buffer = |slot| &self.stage.buffers[&slot];
        self.gpu.read("reading rows", buffer(Slot::RowIds), bytes, |offset, piece| {
            let ids = bytemuck::pod_collect_to_vec::<u8, u32>(piece);
            rows.slots[offset as usize / 4..].iter_mut().zip(ids).for_each(|(slot, id)| *slot = u64::from(id));
        })?;
        self.gpu.read("reading rows", buffer(Slot::RowDistances), bytes, |offset, piece| {
            let distances = bytemuck::pod_collect_to_vec::<u8, f32>(piece);
            for (slot, d) in rows.slots[offset as usize / 4..].iter_mut().zip(distances) {
                let flagged = *slot as u32;
                *slot = if flagged == u32::MAX { EMPTY } else { fresh(d, flagged >> 1) & !1 | u64::from(flagged & 1) };
            }
        })?;
        Ok(rows)
    }

    pub(super) fn write_rows(&self, rows: &RowTable) -> Result<(), GpuError> {
        for (piece, slots) in rows.slots.chunks(1 << 22).enumerate() {
            let of =
                |s: u64| if s == EMPTY { (FAR, u32::MAX) } else { (distance(s), id(s) << 1 | u32::from(is_new(s))) };
            let (distances, ids): (Vec<f32>, Vec<u32>) = slots.iter().map(|&s| of(s)).unzip();
            let offset = (piece as u64) << 24;
            self.gpu.write(&self.stage.buffers[&Slot::RowDistances], offset, bytemuck::cast_slice(&distances))?;
            self.gpu.write(&self.stage.buffers[&Slot::RowIds], offset, bytemuck::cast_slice(&ids))?;
        }
        Ok(())
    }

    /// The nearest of every point with their true distances, ranked on the device.
    pub(super) fn recompute(&mut self) -> Result<(Vec<u32>, Vec<f32>), GpuError> {
        let n = self.order.len();
        let places = n * self.plan.others();
        // The room of what only rounds need.
        self.stage.buffers.retain(|slot, _| !matches!(slot, Slot::Near | Slot::EdgeDistances | Slot::EdgeIds));
        let order = std::mem::take(&mut self.order);
        self.write_slot(Slot::Order, bytemuck::cast_slice(&order))?;
        self.order = order;
        self.make_room(Slot::FinalDistances, 4 * places as u64)?;
        self.make_room(Slot::FinalPoints, 4 * places as u64)?;
        self.run("final distances", |this, encoder| this.record(encoder, Kernel::Recompute, n))?;
        let (mut points, mut distances) = (Vec::with_capacity(places), Vec::with_capacity(places));
        let bytes = 4 * places as u64;
        self.gpu.read("reading points", &self.stage.buffers[&Slot::FinalPoints], bytes, |_, piece| {
            points.extend(bytemuck::pod_collect_to_vec::<u8, u32>(piece));
        })?;
        self.gpu.read("reading distances", &self.stage.buffers[&Slot::FinalDistances], bytes, |_, piece| {
            let reduced = bytemuck::pod_collect_to_vec::<u8, f32>(piece);
            distances.extend(reduced.into_iter().map(|d| self.rows.to_true(d)));
        })?;
        Ok((points, distances))
    }

    #[cfg(test)]
    pub(super) fn gpu(&self) -> &Gpu {
        &self.gpu
    }
}

/// `FAR` of shaders/shared/nearest.wgsl: the distance of an unused place.
const FAR: f32 = f32::MAX;

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
            adapter: self.gpu.name.clone(),
            rows: self.stored.name().into(),
            matrices,
            bindings: self.data.len(),
            rows_at_once: None,
        }
    }

    fn kernel_times(&self) -> Vec<KernelTime> {
        self.timer.as_ref().map_or_else(Vec::new, Timer::times)
    }

    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn round(&mut self, tick: Tick) -> Result<RoundStats, BuildError> {
        tick(0.0)?;
        let start = Instant::now();
        let (n, before, dispatches) = (self.order.len(), self.gpu.traffic(), self.dispatches);
        let counted = self.run("round", |this, encoder| {
            encoder.clear_buffer(&this.stage.buffers[&Slot::Counts], 0, None);
            encoder.clear_buffer(&this.stage.buffers[&Slot::Total], 0, None);
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
        self.worked(Kernel::LocalJoin, distances, distances);
        Ok(RoundStats { updates, distances, elapsed: start.elapsed(), traffic: Some(traffic) })
    }

    fn widen(&mut self, plan: &Plan, tick: Tick) -> Result<(), BuildError> {
        let old = self.read_rows()?;
        let side = self.stage.layout.matrix_side;
        let layout = Layout::new(self.rows.wanted(plan, self.stored), self.gpu.allowed)?.with_matrices(side);
        self.gpu.bytes.store(layout.wanted.bytes(), Relaxed);
        self.stage = Stage::new(&self.gpu, layout)?;
        self.plan = plan.clone();
        let mut rows = RowTable::new(self.order.len(), plan.width);
        for (to, from) in rows.slots.chunks_exact_mut(plan.width).zip(old.slots.chunks_exact(old.width)) {
            for (to, &from) in to.iter_mut().zip(from) {
                *to = if from == EMPTY { EMPTY } else { joined(from) | NEW };
            }
        }
        self.write_rows(&rows)?;
        self.rows_not_full = self.order.len() as u32;
        self.grow_trees(tick)?;
        Ok(self.fill_random()?)
    }

    fn peek(&self, points: &[u32]) -> Result<KnnGraph, BuildError> {
        let rows = self.read_rows()?;
        Ok(Finisher::new(&self.problem, &self.plan, &self.order, &rows).rows_of(points, &self.place))
    }

    fn finish(mut self: Box<Self>, tick: Tick) -> Result<KnnGraph, BuildError> {
        tick(0.0)?;
        let graph = if self.rows.finishes(&self.problem, self.stored) {
            let (points, distances) = self.recompute()?;
            finish::of_ranked(&self.problem, &self.plan, points, distances)
        } else {
            let rows = self.read_rows()?;
            Finisher::new(&self.problem, &self.plan, &self.order, &rows).graph()
        };
        tick(1.0)?;
        Ok(graph)
    }
}
