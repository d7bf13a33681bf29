//! Exact search on a device.

use super::proof::proven;
use super::{Fullness, GpuSession, OF_EXACT_SEARCH};
use crate::dataset::Problem;
use crate::error::{BuildError, GpuError};
use crate::executor::device_work::DeviceWork;
use crate::executor::finish::with_self;
use crate::executor::gpu::blocks::{Block, Stretch, disjoint_blocks};
use crate::executor::gpu::device::Gpu;
use crate::executor::gpu::device_rows::DeviceRows;
use crate::executor::gpu::encoding::Encoding;
use crate::executor::gpu::executor::most_rows_of;
use crate::executor::gpu::kernels::{Kernel, Slot};
use crate::executor::gpu::layout::FOUND;
use crate::executor::proof::SLACK;
use crate::executor::{Session, Tick};
use crate::graph::KnnGraph;
use crate::graph::rows::RowTable;
use crate::params::Plan;
use crate::report::ExecutorInfo;

/// Exact search gives up when memory does not suffice for this many points at once.
const LEAST_HELD: usize = 1024;

/// For messages.
const DURING: &str = "exact search";

/// What a device finds: rows in the order of the points.
pub(in super::super) struct FoundRows {
    pub rows: RowTable,
    pub encoding: Encoding,
    pub info: ExecutorInfo,
}

impl<'p> GpuSession<'p> {
    /// The exact graph.
    pub(in super::super) fn exact(
        gpu: &Gpu,
        problem: &Problem<'p>,
        plan: &Plan,
        tick: Tick,
    ) -> Result<(KnnGraph, ExecutorInfo), BuildError> {
        let found = Self::exact_rows(gpu, problem, plan, tick)?;
        let graph = proven(problem, &found.rows, (found.encoding, plan.others()), tick)?;
        let graph = if plan.include_self { with_self(problem, graph.all_ids(), graph.all_distances()) } else { graph };
        Ok((graph, found.info))
    }

    /// The rows of the exact graph as the device finds them, a few neighbours longer.
    pub(in super::super) fn exact_rows(
        gpu: &Gpu,
        problem: &Problem<'p>,
        plan: &Plan,
        tick: Tick,
    ) -> Result<FoundRows, BuildError> {
        // A few more than are asked for, as the final distances may swap some.
        let width = (plan.others() + SLACK).min(problem.n() - 1);
        let plan = Plan { width, ..plan.clone() };
        let mut held = problem.n().min(most_rows_of(problem, &plan, gpu.limits)?);
        loop {
            match Self::exact_of_parts(gpu.again(), problem, &plan, held, tick) {
                Err(BuildError::Gpu(GpuError::OutOfMemory { .. })) if held / 2 >= LEAST_HELD => held /= 2,
                done => return done,
            }
        }
    }

    /// The exact graph on a device that holds `held` points at once: the rows of one half stay, and all other points
    /// pass through the other half.
    fn exact_of_parts(
        gpu: Gpu,
        problem: &Problem<'p>,
        plan: &Plan,
        held: usize,
        tick: Tick,
    ) -> Result<FoundRows, BuildError> {
        let (n, order) = (problem.n() as u32, (0..problem.n() as u32).collect());
        // A device that cannot hold two points fails in the layout.
        let held = held.max(2);
        let rows = DeviceRows::of(problem)?;
        let mut session = Self::with_room(gpu, problem, rows, plan, (held, &OF_EXACT_SEARCH, &DeviceWork::default()))?;
        session.place_points(order);
        let part = if held == n as usize { n } else { held as u32 / 2 };
        let steps = n.div_ceil(part).pow(2) as f32;
        let ids: Vec<u32> = (0..held as u32).collect();
        session.write_slot(Slot::ListIds, bytemuck::cast_slice(&ids))?;
        let (mut rows, mut done) = (RowTable { width: plan.width, slots: Vec::new() }, 0.0);
        for first in (0..n).step_by(part as usize) {
            let own = Stretch::of_points(first, part.min(n - first), 0);
            session.bring(&own)?;
            if first > 0 {
                session.empty_rows()?;
            }
            // Itself first, which fills the rows.
            let others = (0..n).step_by(part as usize).filter(|&other| other != first);
            for other in std::iter::once(first).chain(others) {
                let columns = if other == first { own } else { Stretch::of_points(other, part.min(n - other), part) };
                if other != first {
                    session.bring(&columns)?;
                }
                session.compare(&own, &columns, &|f| tick((done + f) / steps))?;
                done += 1.0;
            }
            session.read_counters(DURING)?;
            if first == 0 {
                session.check_first_rows(own.count as usize, session.pair_kernel())?;
            }
            rows.slots.extend(session.read_first_rows(own.count as usize)?.slots);
        }
        tick(1.0)?;
        let mut info = session.info();
        if let ExecutorInfo::Gpu { rows_at_once, .. } = &mut info
            && held < n as usize
        {
            *rows_at_once = Some(part as usize);
        }
        Ok(FoundRows { rows, encoding: session.encoding, info })
    }

    /// Brings the points of a stretch to its places.
    fn bring(&self, stretch: &Stretch) -> Result<(), GpuError> {
        let point = stretch.first.wrapping_add(stretch.id) as usize;
        self.upload(stretch.first as usize, &self.order[point..point + stretch.count as usize])
    }

    /// Compares rows with columns. While rows fill, they are offered all distances; then those that are near enough.
    fn compare(&mut self, rows: &Stretch, columns: &Stretch, tick: Tick) -> Result<(), BuildError> {
        let all = self.resources.layout.exact_blocks(rows, columns);
        let (count, width) = (all.len() as f32, self.plan.width as u32);
        let by_bounds = self.resources.layout.matrix_side == 0 && rows.count > width;
        let (near, whole): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|blocks| by_bounds && blocks[0].is_larger_than(width));
        self.compare_blocks(&whole, Self::offer_all, &|done| tick(done / count))?;
        if !near.is_empty() {
            let mut encoder = self.gpu.encoder(DURING)?;
            self.clear_counters(&mut encoder);
            self.pending.push_back(self.gpu.submit(DURING, encoder, 1)?);
            let batches = disjoint_blocks(near.clone());
            let share = near.len() as f32 / batches.len() as f32;
            self.compare_blocks(&batches, Self::offer_near, &|done| tick((whole.len() as f32 + share * done) / count))?;
            // Where a list was too short, all are offered after all.
            if self.read_counters(DURING)?.not_full > 0 {
                tracing::debug!("more near pairs than lists hold: all distances are offered");
                self.compare_blocks(&near, Self::offer_all, &|_| tick(1.0))?;
            }
        }
        self.fullness = Fullness::NotFull(0);
        Ok(())
    }

    fn compare_blocks(
        &mut self,
        all: &[Vec<Block>],
        offer: impl Fn(&mut Self, &[Block], (usize, usize)) -> Result<(), GpuError>,
        tick: Tick,
    ) -> Result<(), BuildError> {
        let mut written = (Vec::new(), (0, 0));
        for (done, blocks) in all.iter().enumerate() {
            tick(done as f32)?;
            // Most blocks have the same tiles.
            let shape: Vec<_> = blocks.iter().map(Block::shape).collect();
            if written.0 != shape {
                written = (shape, self.write_tiles(blocks)?);
            }
            offer(self, blocks, written.1)?;
        }
        Ok(())
    }

    fn offer_all(&mut self, blocks: &[Block], sizes: (usize, usize)) -> Result<(), GpuError> {
        self.join_blocks(DURING, blocks, sizes, false)
    }

    /// Computes the distances of blocks, and offers those that are near enough to their rows, which are full.
    fn offer_near(&mut self, blocks: &[Block], (tiles, places): (usize, usize)) -> Result<(), GpuError> {
        self.write_slot(Slot::Blocks, bytemuck::cast_slice(blocks))?;
        self.make_room(Slot::Found, 8 * u64::from(FOUND) * places as u64)?;
        self.make_room(Slot::FoundCounts, 4 * places as u64)?;
        self.submit(DURING, |this, encoder| {
            this.record(encoder, Kernel::NearPairs, tiles)?;
            this.record(encoder, Kernel::OfferFound, places)
        })?;
        self.compared(Kernel::NearPairs, blocks, tiles);
        Ok(())
    }
}
