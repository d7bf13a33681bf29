//! The session on a GPU: data and rows on the device, trees on the CPU, a few counters back after every round.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::adapter;
use super::data::DeviceRows;
use super::device::Gpu;
use super::error::GpuError;
use super::layout::{Allowed, Block, Layout, Params, Stretch, Wanted, block_places, most_rows, pair_bytes};
use super::matrices;
use super::shaders::{Body, Kernel, Slot, source};
use super::stored::Stored;
use super::timer::{STAMPS, Timer};
use crate::error::BuildError;
use crate::executor::cpu::session::{Settled, settle};
use crate::executor::finish::{self, Finishing};
use crate::executor::{Executor, KernelTime, RoundStats, Session, Tick, Traffic};
use crate::forest;
use crate::graph::locality::places;
use crate::graph::order::{EMPTY, distance, fresh, id, is_new, joined};
use crate::graph::rows::RowTable;
use crate::graph::{KnnGraph, UNKNOWN};
use crate::metric::Direct;
use crate::params::{GpuSelector, Plan};
use crate::points::{Dense, Rows};
use crate::problem::Problem;
use crate::space::Space;

/// Runs distances, joins and row updates on a GPU.
pub(crate) struct GpuExecutor {
    adapter: GpuSelector,
    /// The device, once it is open: the parts of a build share it.
    gpu: OnceCell<Rc<Gpu>>,
}

impl GpuExecutor {
    pub(crate) fn new(adapter: GpuSelector) -> Self {
        Self { adapter, gpu: OnceCell::new() }
    }

    /// On a device that is open.
    #[cfg(test)]
    pub(super) fn on(gpu: Gpu) -> Self {
        Self { adapter: GpuSelector::Any, gpu: Rc::new(gpu).into() }
    }

    fn gpu(&self) -> Result<Rc<Gpu>, GpuError> {
        if let Some(gpu) = self.gpu.get() {
            return Ok(Rc::clone(gpu));
        }
        let gpu = Rc::new(Gpu::open(&adapter::select(&self.adapter)?)?);
        Ok(Rc::clone(self.gpu.get_or_init(|| gpu)))
    }

    /// What the device allows, which need not be open for it.
    fn allowed(&self) -> Result<Allowed, GpuError> {
        match self.gpu.get() {
            Some(gpu) => Ok(gpu.allowed),
            None => adapter::select(&self.adapter).map(|adapter| Allowed::of(&adapter)),
        }
    }
}

impl Executor for GpuExecutor {
    fn open<'p>(
        &self,
        problem: &Problem<'p>,
        plan: &Plan,
        init_graph: Option<&KnnGraph>,
        tick: Tick,
    ) -> Result<Box<dyn Session + 'p>, BuildError> {
        Ok(Box::new(GpuSession::open(self.gpu()?, problem, plan, init_graph, tick)?))
    }

    fn most_rows(&self, problem: &Problem, plan: &Plan) -> Result<usize, BuildError> {
        Ok(most_rows_of(problem, plan, self.allowed()?)?)
    }

    fn exact(&self, problem: &Problem, plan: &Plan, tick: Tick) -> Result<(KnnGraph, String), BuildError> {
        GpuSession::exact(&self.gpu()?, problem, plan, tick)
    }
}

pub(super) struct GpuSession<'p> {
    problem: Problem<'p>,
    rows: DeviceRows<'p>,
    plan: Plan,
    /// For the trees; exact search needs none.
    space: Option<Box<dyn Space + 'p>>,
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

/// The most of these points that a device takes at once.
fn most_rows_of(problem: &Problem, plan: &Plan, allowed: Allowed) -> Result<usize, GpuError> {
    let rows = DeviceRows::of(problem)?;
    let most = most_rows(rows.wanted(plan, rows.stored(allowed.native_f16)), allowed);
    if most >= problem.n() {
        return Ok(most);
    }
    Ok(rows.whole_bytes().map_or(most, |(_, stored)| most_rows(rows.wanted(plan, stored), allowed)))
}

/// What kernels counted.
struct Counted {
    updates: u64,
    distances: u64,
    /// Rows with unused places, after lists were offered.
    not_full: u32,
}

/// Everything whose size or text hangs on the plan.
struct Stage {
    layout: Layout,
    buffers: HashMap<Slot, wgpu::Buffer>,
    pipelines: HashMap<Kernel, wgpu::ComputePipeline>,
    /// By the first workgroup of a dispatch.
    params: HashMap<u32, wgpu::Buffer>,
}

/// Whether the neighbours in `rows` count as new when a plan is widened.
const NEW: u64 = 1;

impl<'p> GpuSession<'p> {
    pub(super) fn open(
        gpu: Rc<Gpu>,
        problem: &Problem<'p>,
        plan: &Plan,
        init_graph: Option<&KnnGraph>,
        tick: Tick,
    ) -> Result<Self, BuildError> {
        let rows = DeviceRows::of(problem)?;
        let Settled { space, order, bounds, .. } = settle(problem, plan);
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

    /// The exact graph.
    pub(super) fn exact(
        gpu: &Rc<Gpu>,
        problem: &Problem<'p>,
        plan: &Plan,
        tick: Tick,
    ) -> Result<(KnnGraph, String), BuildError> {
        // A few more than are wanted, whose order the final distances may exchange.
        let width = (plan.others() + EXACT_SLACK).min(problem.n() - 1);
        let plan = Plan { width, ..plan.clone() };
        let mut held = problem.n().min(most_rows_of(problem, &plan, gpu.allowed)?);
        loop {
            match Self::exact_of_parts(Rc::clone(gpu), problem, &plan, held, tick) {
                Err(BuildError::Gpu(GpuError::OutOfMemory { .. })) if held / 2 >= LEAST_HELD => held /= 2,
                done => return done,
            }
        }
    }

    /// The exact graph by a device that holds so many points at once: one half of them owns its rows and stays, while all others
    /// come by in the other.
    fn exact_of_parts(
        gpu: Rc<Gpu>,
        problem: &Problem<'p>,
        plan: &Plan,
        held: usize,
        tick: Tick,
    ) -> Result<(KnnGraph, String), BuildError> {
        let (n, order) = (problem.n() as u32, (0..problem.n() as u32).collect());
        // What cannot hold two points says so when it is laid out.
        let held = held.max(2);
        let mut session = Self::with_room(gpu, problem, DeviceRows::of(problem)?, plan, order, held)?;
        session.choose_matrices();
        let part = if held == n as usize { n } else { held as u32 / 2 };
        let steps = n.div_ceil(part).pow(2) as f32;
        let ids: Vec<u32> = (0..held as u32).collect();
        session.write_slot(Slot::ListIds, bytemuck::cast_slice(&ids))?;
        let (mut rows, mut done) = (RowTable { width: plan.width, slots: Vec::new() }, 0.0);
        for first in (0..n).step_by(part as usize) {
            let own = Stretch::of_points(first, part.min(n - first), 0);
            session.bring(&own)?;
            session.write_rows(&RowTable::new(held, plan.width))?;
            for other in (0..n).step_by(part as usize) {
                let columns = if other == first { own } else { Stretch::of_points(other, part.min(n - other), part) };
                if other != first {
                    session.bring(&columns)?;
                }
                session.compare(&own, &columns, &|f| tick((done + f) / steps))?;
                done += 1.0;
            }
            if first == 0 {
                session.check_rows()?;
            }
            rows.slots.extend(session.read_first_rows(own.count as usize)?.slots);
        }
        tick(1.0)?;
        let over = if held < n as usize { format!(", {part} rows at a time") } else { String::new() };
        let ran = session.describe() + &over;
        Ok((Finishing::new(&session.problem, &session.plan, &session.order, &rows).graph(), ran))
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

    /// Takes cooperative matrices for the rows that they serve, where the device has passed the self-test.
    fn choose_matrices(&mut self) {
        let (true, Some((_, direct))) = (self.stored.is_dots(), self.problem.dense()) else { return };
        let known = self.gpu.matrices.borrow().get(&self.stored).cloned();
        let found = known.unwrap_or_else(|| {
            let found = self.gpu.allowed.matrices.map_err(str::to_owned);
            found.and_then(|side| self.test_matrices(direct, side).map(|()| side))
        });
        self.gpu.matrices.borrow_mut().insert(self.stored, found.clone());
        // The self-test's sessions had their own.
        self.gpu.bytes.store(self.stage.layout.wanted.bytes(), Relaxed);
        self.stage.layout = self.stage.layout.with_matrices(found.clone().unwrap_or_default());
        self.matrices = Some(found);
    }

    /// Compares the distances of a few rows, computed by cooperative matrices, with those of the plain kernel.
    fn test_matrices(&self, direct: Direct, side: u32) -> Result<(), String> {
        let values = matrices::tested_rows(self.stored);
        let rows = match self.stored {
            Stored::I8Dots => Rows::I8(bytemuck::cast_slice(&values)),
            _ => Rows::U8(&values),
        };
        let rows = Dense::trusted(rows, matrices::TESTED_ROWS, matrices::TESTED_COLUMNS);
        let problem = Problem::of_part(rows, direct, self.problem.metric);
        let plan = Plan { time_kernels: false, ..self.plan.clone() };
        let pairs = |side| {
            let (n, rows) = (problem.n(), DeviceRows::of(&problem)?);
            let order = (0..n as u32).collect();
            let mut session = GpuSession::with_room(Rc::clone(&self.gpu), &problem, rows, &plan, order, n)?;
            session.stage.layout = session.stage.layout.with_matrices(side);
            session.upload(0, &session.order)?;
            session.all_pairs()
        };
        let compared = pairs(0).and_then(|plain| Ok(plain == pairs(side)?));
        match compared.map_err(|e| e.to_string())? {
            true => Ok(()),
            false => Err("they compute other distances than the plain kernel".into()),
        }
    }

    /// The distances of all rows to all.
    fn all_pairs(&mut self) -> Result<Vec<f32>, GpuError> {
        let n = self.order.len();
        let all = Stretch::of_points(0, n as u32, 0);
        let blocks = self.stage.layout.exact_blocks(&all, &all);
        let (tiles, _) = self.write_tiles(&blocks)?;
        self.write_slot(Slot::ListIds, bytemuck::cast_slice(&self.order.clone()))?;
        self.write_slot(Slot::Blocks, bytemuck::cast_slice(&blocks))?;
        self.make_room(Slot::Pairs, 4 * n.pow(2) as u64)?;
        self.run("a self-test", |this, encoder| this.record(encoder, this.pair_kernel(), tiles))?;
        let mut pairs = Vec::new();
        self.gpu.read("a self-test", &self.stage.buffers[&Slot::Pairs], 4 * n.pow(2) as u64, |_, piece| {
            pairs.extend(bytemuck::pod_collect_to_vec::<u8, f32>(piece));
        })?;
        Ok(pairs)
    }

    fn upload(&self, first: usize, points: &[u32]) -> Result<(), GpuError> {
        let how = (self.bytes.as_deref(), self.stored);
        self.rows.upload(&self.gpu, how, (&self.stage.layout, &self.data), first, points)
    }

    /// Brings the points of a stretch to its places.
    fn bring(&self, stretch: &Stretch) -> Result<(), GpuError> {
        let point = stretch.first.wrapping_add(stretch.id) as usize;
        self.upload(stretch.first as usize, &self.order[point..point + stretch.count as usize])
    }

    /// Compares distances of a few rows with the CPU's: a driver that computes something else is found before it matters.
    pub(super) fn check_rows(&self) -> Result<(), GpuError> {
        let checked = CHECKED.min(self.order.len());
        let rows = self.read_first_rows(checked)?;
        let truth = self.rows.truth();
        let mut right = Vec::new();
        for i in 0..checked {
            let known = || rows.row(i).iter().filter(|s| **s != EMPTY);
            let ids: Vec<u32> = known().map(|&s| self.order[id(s) as usize]).collect();
            truth.distances(self.order[i] as usize, &ids, &mut right);
            let got = known().map(|&s| self.rows.to_true(distance(s)));
            let wrong = got.zip(&right).find(|(got, right)| (got - *right).abs() > TOLERANCE * right.abs().max(1.0));
            if let Some((got, right)) = wrong {
                let (got, expected) = (format!("a distance of {got}"), right.to_string());
                return Err(GpuError::WrongResult { adapter: self.gpu.name.clone(), got, expected });
            }
        }
        Ok(())
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

    /// Joins the leaves of a tree, as many at a time as there is room for the distances of.
    fn join_leaves(&mut self, ids: &[u32], bounds: &[u32]) -> Result<(), GpuError> {
        self.write_slot(Slot::ListIds, bytemuck::cast_slice(ids))?;
        self.rows_not_full = 0;
        for blocks in self.stage.layout.leaf_batches(bounds)? {
            let (tiles, places) = self.write_tiles(&blocks)?;
            self.rows_not_full += self.join_blocks("leaves", &blocks, tiles, places)?;
        }
        Ok(())
    }

    /// Rows against columns, whose distances are offered to the rows.
    fn compare(&mut self, rows: &Stretch, columns: &Stretch, tick: Tick) -> Result<(), BuildError> {
        let blocks = self.stage.layout.exact_blocks(rows, columns);
        let mut written = (None, (0, 0));
        for (done, block) in blocks.iter().enumerate() {
            tick(done as f32 / blocks.len() as f32)?;
            // Most blocks have the same tiles.
            let size = Some((block.x_count, block.y_count));
            if written.0 != size {
                written = (size, self.write_tiles(std::slice::from_ref(block))?);
            }
            let (tiles, places) = written.1;
            self.join_blocks("exact search", std::slice::from_ref(block), tiles, places)?;
        }
        self.rows_not_full = 0;
        Ok(())
    }

    /// Writes the tiles and the rows of blocks; how many there are.
    fn write_tiles(&mut self, blocks: &[Block]) -> Result<(usize, usize), GpuError> {
        let (tiles, places) = (self.stage.layout.tiles(blocks), block_places(blocks));
        self.write_slot(Slot::Tiles, bytemuck::cast_slice(&tiles))?;
        self.write_slot(Slot::Places, bytemuck::cast_slice(&places))?;
        Ok((tiles.len(), places.len()))
    }

    /// Computes the distances of blocks and offers them to their rows; how many of these are not full.
    fn join_blocks(
        &mut self,
        during: &'static str,
        blocks: &[Block],
        tiles: usize,
        places: usize,
    ) -> Result<u32, GpuError> {
        self.write_slot(Slot::Blocks, bytemuck::cast_slice(blocks))?;
        let pairs = blocks.iter().map(Block::pairs).sum::<usize>();
        self.make_room(Slot::Pairs, 4 * pairs as u64)?;
        let kernel = self.pair_kernel();
        let counted = self.run(during, |this, encoder| {
            this.record(encoder, kernel, tiles)?;
            this.record(encoder, Kernel::OfferPairs, places)
        })?;
        let distances = blocks.iter().map(Block::distances).sum::<u64>();
        self.init_distances += distances;
        self.worked(kernel, distances, tiles as u64 * self.stage.layout.tile.rows());
        Ok(counted.not_full)
    }

    /// What computes the distances of blocks.
    fn pair_kernel(&self) -> Kernel {
        if self.stage.layout.matrix_side > 0 { Kernel::BlockProducts } else { Kernel::BlockPairs }
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

    /// Offers to every one of `owners` those at its span of `ids`, which names the owner itself, and nobody twice.
    fn offer_lists(
        &mut self,
        during: &'static str,
        ids: &[u32],
        owners: &[u32],
        spans: &[[u32; 2]],
    ) -> Result<(), GpuError> {
        self.write_slot(Slot::ListIds, bytemuck::cast_slice(ids))?;
        self.write_slot(Slot::Owners, bytemuck::cast_slice(owners))?;
        self.write_slot(Slot::Spans, bytemuck::cast_slice(spans))?;
        let counted = self.run(during, |this, encoder| this.record(encoder, Kernel::OfferLists, owners.len()))?;
        self.init_distances += counted.distances;
        self.worked(Kernel::OfferLists, counted.distances, counted.distances);
        self.rows_not_full = counted.not_full;
        Ok(())
    }

    /// Puts the known entries of a graph into the rows.
    fn take_over(&mut self, graph: &KnnGraph) -> Result<(), GpuError> {
        let owners: Vec<u32> = (0..self.order.len() as u32).collect();
        let (mut ids, mut spans) = (Vec::new(), Vec::new());
        for &owner in &owners {
            let start = ids.len();
            let known = graph.neighbors(self.order[owner as usize] as usize).iter().filter(|p| **p != UNKNOWN);
            ids.extend(known.map(|&p| self.place[p as usize]));
            ids.push(owner);
            ids[start..].sort_unstable();
            let mut kept = start;
            for at in start..ids.len() {
                if at == start || ids[at] != ids[kept - 1] {
                    ids[kept] = ids[at];
                    kept += 1;
                }
            }
            ids.truncate(kept);
            spans.push([start as u32, kept as u32]);
        }
        self.offer_lists("init_graph", &ids, &owners, &spans)
    }

    /// Grows trees until there are as many as planned, each joined on the device.
    fn grow_trees(&mut self, tick: Tick) -> Result<(), BuildError> {
        while self.trees_grown < self.plan.n_trees as u64 {
            tick(self.trees_grown as f32 / self.plan.n_trees as f32)?;
            let Some(space) = &self.space else { break };
            let leaves = forest::tree(&**space, self.plan.leaf_size, self.plan.seed, self.trees_grown);
            self.join_leaves(&leaves.ids, &leaves.bounds)?;
            self.trees_grown += 1;
        }
        tick(1.0)
    }

    fn fill_random(&mut self) -> Result<(), GpuError> {
        if self.rows_not_full == 0 {
            return Ok(());
        }
        let n = self.order.len();
        let counted = self.run("random neighbours", |this, encoder| this.record(encoder, Kernel::FillRandom, n))?;
        self.init_distances += counted.distances;
        self.worked(Kernel::FillRandom, counted.distances, counted.distances);
        self.rows_not_full = 0;
        Ok(())
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

/// Neighbours kept beyond those wanted by exact search: sums in another order can exchange near ties.
const EXACT_SLACK: usize = 8;

/// Points at once below which exact search gives up for want of memory.
const LEAST_HELD: usize = 1024;

/// Rows that are compared with the CPU's.
const CHECKED: usize = 16;

/// Relative difference of two sums in f32, in whatever order; absolute below 1, where subtraction cancels.
const TOLERANCE: f32 = 1e-3;

/// `FAR` of shaders/shared/nearest.wgsl: the distance of an unused place.
const FAR: f32 = f32::MAX;

impl Session for GpuSession<'_> {
    fn init_distances(&self) -> u64 {
        self.init_distances
    }

    fn describe(&self) -> String {
        let shards = self.data.len();
        let over = if shards > 1 { format!(" over {shards} bindings") } else { String::new() };
        let by = match &self.matrices {
            Some(Ok(side)) => format!(", pairs by matrices of {side} x {side}"),
            Some(Err(why)) => format!(", no matrices: {why}"),
            None => String::new(),
        };
        format!("gpu: {}, {}{by}{over}", self.gpu.name, self.stored.name())
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
        Ok(RoundStats { updates, distances, seconds: start.elapsed().as_secs_f64(), traffic: Some(traffic) })
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
        Ok(Finishing::new(&self.problem, &self.plan, &self.order, &rows).rows_of(points, &self.place))
    }

    fn finish(mut self: Box<Self>, tick: Tick) -> Result<KnnGraph, BuildError> {
        tick(0.0)?;
        let graph = if self.rows.finishes(&self.problem, self.stored) {
            let (points, distances) = self.recompute()?;
            finish::of_ranked(&self.problem, &self.plan, points, distances)
        } else {
            let rows = self.read_rows()?;
            Finishing::new(&self.problem, &self.plan, &self.order, &rows).graph()
        };
        tick(1.0)?;
        Ok(graph)
    }
}

impl Stage {
    fn new(gpu: &Gpu, layout: Layout) -> Result<Self, GpuError> {
        let mut buffers = HashMap::new();
        let slots = [
            Slot::RowDistances,
            Slot::RowIds,
            Slot::Near,
            Slot::EdgeDistances,
            Slot::EdgeIds,
            Slot::Counts,
            Slot::Cursors,
        ];
        for (slot, (label, bytes)) in slots.into_iter().zip(layout.wanted.buffers()) {
            buffers.insert(slot, gpu.buffer(label, bytes)?);
        }
        for (slot, bytes) in [(Slot::Counters, Timer::BUFFER), (Slot::Total, 4)] {
            buffers.insert(slot, gpu.buffer("counters", bytes)?);
        }
        Ok(Self { layout, buffers, pipelines: HashMap::new(), params: HashMap::new() })
    }

    /// Makes the parameters of every dispatch of `groups` workgroups, once.
    fn prepare_params(&mut self, gpu: &Gpu, plan: &Plan, groups: u32) -> Result<(), GpuError> {
        for (first, _) in self.layout.dispatches(groups) {
            if let Entry::Vacant(entry) = self.params.entry(first) {
                entry.insert(gpu.uniform(bytemuck::bytes_of(&parameters(&self.layout, plan, first)))?);
            }
        }
        Ok(())
    }

    /// Compiles a kernel when it is first used.
    fn prepare(&mut self, gpu: &Gpu, kernel: Kernel, body: Body, stored: Stored) -> Result<(), GpuError> {
        if !self.pipelines.contains_key(&kernel) {
            let text = source(kernel, body, stored, &self.layout);
            self.pipelines.insert(kernel, gpu.pipeline(kernel.name(), kernel.entry(), text)?);
        }
        Ok(())
    }
}

fn parameters(layout: &Layout, plan: &Plan, first: u32) -> Params {
    let wanted = layout.wanted;
    Params {
        n: wanted.n as u32,
        first,
        forward: wanted.forward as u32,
        others: plan.others() as u32,
        quads: wanted.quads as u32,
        shard_rows: layout.shard_rows as u32,
        seed: (plan.seed ^ plan.seed >> 32) as u32,
        rows: wanted.n as u32,
    }
}

/// Bytes that a build takes on the device.
pub(crate) fn estimate_memory(problem: &Problem, plan: &Plan) -> Result<u64, GpuError> {
    let rows = DeviceRows::of(problem)?;
    Ok(rows.wanted(plan, rows.stored(false)).bytes() + pair_bytes(problem.n(), plan.leaf_size))
}
