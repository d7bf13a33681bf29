//! Exact search on a device.

use super::proof::proven;
use super::{Fullness, GpuSession, OF_EXACT_SEARCH};
use crate::dataset::Problem;
use crate::error::{BuildError, GpuError};
use crate::executor::device_work::DeviceWork;
use crate::executor::finish::with_self;
use crate::executor::gpu::blocks::{Block, Stretch};
use crate::executor::gpu::device::Gpu;
use crate::executor::gpu::device_rows::DeviceRows;
use crate::executor::gpu::encoding::Encoding;
use crate::executor::gpu::executor::most_rows_of;
use crate::executor::gpu::kernels::Slot;
use crate::executor::proof::SLACK;
use crate::executor::{Session, Tick};
use crate::graph::KnnGraph;
use crate::graph::rows::RowTable;
use crate::params::Plan;
use crate::report::ExecutorInfo;

/// Exact search gives up when memory does not suffice for this many points at once.
const LEAST_HELD: usize = 1024;

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
            for other in (0..n).step_by(part as usize) {
                let columns = if other == first { own } else { Stretch::of_points(other, part.min(n - other), part) };
                if other != first {
                    session.bring(&columns)?;
                }
                session.compare(&own, &columns, &|f| tick((done + f) / steps))?;
                done += 1.0;
            }
            session.read_counters("exact search")?;
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

    /// Compares rows with columns, and offers the distances to the rows.
    fn compare(&mut self, rows: &Stretch, columns: &Stretch, tick: Tick) -> Result<(), BuildError> {
        let all = self.resources.layout.exact_blocks(rows, columns);
        let mut written = (Vec::new(), (0, 0));
        for (done, blocks) in all.iter().enumerate() {
            tick(done as f32 / all.len() as f32)?;
            // Most blocks have the same tiles.
            let shape: Vec<_> = blocks.iter().map(Block::shape).collect();
            if written.0 != shape {
                written = (shape, self.write_tiles(blocks)?);
            }
            self.join_blocks("exact search", blocks, written.1, false)?;
        }
        self.fullness = Fullness::NotFull(0);
        Ok(())
    }
}
