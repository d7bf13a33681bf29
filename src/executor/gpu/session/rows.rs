//! Rows of the graph: to the device, back, and their final distances.

use rayon::prelude::*;

use super::GpuSession;
use crate::error::GpuError;
use crate::executor::gpu::kernels::{Kernel, Slot};
use crate::graph::order::{EMPTY, distance, fresh, id, is_new};
use crate::graph::rows::RowTable;
use crate::report::DevicePhase;

/// `FAR` and `NO_NEIGHBOR` of shaders/shared/nearest.wgsl: the contents of unused places.
const FAR: f32 = f32::MAX;
const NO_NEIGHBOR: u32 = u32::MAX;

/// A slot of a row as the device keeps it: an id with its flag, and the bits of a distance.
fn slot_of(flagged: u32, distance: u32) -> u64 {
    let kept = fresh(f32::from_bits(distance), flagged >> 1) & !1 | u64::from(flagged & 1);
    if flagged == NO_NEIGHBOR { EMPTY } else { kept }
}

/// Points and distances of the finished graph, in its order.
pub(super) type Ranked = (Vec<u32>, Vec<f32>);

impl GpuSession<'_> {
    /// Empties every row.
    pub(super) fn empty_rows(&mut self) -> Result<(), GpuError> {
        let n = self.resources.layout.sizes.n;
        self.submit("empty rows", |this, encoder| this.record(encoder, Kernel::EmptyRows, n))
    }

    /// The rows as they are on the device.
    pub(in super::super) fn read_rows(&self) -> Result<RowTable, GpuError> {
        self.read_first_rows(self.order.len())
    }

    pub(super) fn read_first_rows(&self, count: usize) -> Result<RowTable, GpuError> {
        let mut rows = RowTable { width: self.plan.width, slots: vec![0; count * self.plan.width] };
        let buffer = |slot| &self.resources.buffers[&slot];
        self.gpu.read_words("reading rows", buffer(Slot::RowIds), &mut rows.slots, |slots, ids| {
            slots.iter_mut().zip(ids).for_each(|(slot, &id)| *slot = u64::from(id));
        })?;
        self.gpu.read_words("reading rows", buffer(Slot::RowDistances), &mut rows.slots, |slots, distances| {
            slots.iter_mut().zip(distances).for_each(|(slot, &d)| *slot = slot_of(*slot as u32, d));
        })?;
        Ok(rows)
    }

    /// The rows at these places.
    pub(in super::super) fn read_rows_at(&self, places: &[u32]) -> Result<RowTable, GpuError> {
        let width = self.plan.width;
        let [ids, distances] = [Slot::RowIds, Slot::RowDistances].map(|slot| {
            let (mut words, from) = (Vec::new(), (&self.resources.buffers[&slot], 4 * width as u64));
            self.gpu
                .read_some_rows("reading rows", from, places, |bytes| words = bytemuck::pod_collect_to_vec(bytes))?;
            Ok::<Vec<u32>, GpuError>(words)
        });
        let slots = ids?.into_iter().zip(distances?).map(|(id, distance)| slot_of(id, distance)).collect();
        Ok(RowTable { width, slots })
    }

    /// Some rows, each with its neighbours.
    pub(super) fn read_neighbors(&self, rows: Vec<u32>) -> Result<impl Iterator<Item = (u32, Vec<u32>)>, GpuError> {
        let (width, mut neighbors) = (self.plan.width, Vec::with_capacity(rows.len()));
        let from = (&self.resources.buffers[&Slot::RowIds], 4 * width as u64);
        self.gpu.read_some_rows("reading rows", from, &rows, |bytes| {
            let words: &[u32] = bytemuck::cast_slice(bytes);
            let ids = |row: &[u32]| row.iter().filter(|id| **id != NO_NEIGHBOR).map(|id| id >> 1).collect();
            neighbors.extend(words.chunks_exact(width).map(ids));
        })?;
        Ok(rows.into_iter().zip(neighbors))
    }

    pub(in super::super) fn write_rows(&self, rows: &RowTable) -> Result<(), GpuError> {
        let bits = |s: u64| if s == EMPTY { FAR.to_bits() } else { distance(s).to_bits() };
        let flagged = |s: u64| if s == EMPTY { NO_NEIGHBOR } else { id(s) << 1 | u32::from(is_new(s)) };
        let words = |of: &(dyn Fn(u64) -> u32 + Sync)| rows.slots.par_iter().map(|&s| of(s)).collect::<Vec<u32>>();
        for (slot, words) in [(Slot::RowDistances, words(&bits)), (Slot::RowIds, words(&flagged))] {
            self.gpu.write(&self.resources.buffers[&slot], bytemuck::cast_slice(&words))?;
        }
        Ok(())
    }

    /// The nearest of every point with their true distances, ranked on the device.
    pub(super) fn recompute(&mut self) -> Result<Ranked, GpuError> {
        self.timed(DevicePhase::Recompute, Self::rank)?;
        self.timed(DevicePhase::ReadBack, Self::read_ranked)
    }

    fn rank(&mut self) -> Result<(), GpuError> {
        let n = self.order.len();
        // Makes room by dropping what only rounds need.
        self.resources.buffers.retain(|slot, _| !matches!(slot, Slot::Near | Slot::EdgeDistances | Slot::EdgeIds));
        let order = std::mem::take(&mut self.order);
        self.write_slot(Slot::Order, bytemuck::cast_slice(&order))?;
        self.order = order;
        for slot in [Slot::FinalDistances, Slot::FinalPoints] {
            self.make_room(slot, self.resources.layout.sizes.table_bytes(slot))?;
        }
        self.run("final distances", |this, encoder| this.record(encoder, Kernel::Recompute, n))?;
        Ok(())
    }

    fn ranked_places(&self) -> usize {
        self.order.len() * self.plan.others()
    }

    /// Memory for the finished graph. Its pages are written to, for the first write to a page takes longer than a copy
    /// into it.
    pub(super) fn room_for_ranked(&self) -> Ranked {
        fn touch<T: Copy + Default + Send>(words: &mut [T]) {
            const PAGE: usize = 1024;
            let touch = |part: &mut [T]| part.iter_mut().step_by(PAGE).for_each(|word| *word = T::default());
            words.par_chunks_mut(256 * PAGE).for_each(touch);
        }
        let (mut points, mut distances) = (vec![0; self.ranked_places()], vec![0.0; self.ranked_places()]);
        touch(&mut points);
        touch(&mut distances);
        (points, distances)
    }

    fn read_ranked(&mut self) -> Result<Ranked, GpuError> {
        let (mut points, mut distances) = self.ranked.take().unwrap_or_else(|| self.room_for_ranked());
        let buffer = |slot| &self.resources.buffers[&slot];
        self.gpu.read_words("reading points", buffer(Slot::FinalPoints), &mut points, |points, words| {
            points.copy_from_slice(words);
        })?;
        self.gpu.read_words(
            "reading distances",
            buffer(Slot::FinalDistances),
            &mut distances,
            |distances, words| {
                let reduced = words.iter().map(|&d| f32::from_bits(d));
                distances.iter_mut().zip(reduced).for_each(|(to, d)| *to = self.rows.to_true(d));
            },
        )?;
        Ok((points, distances))
    }
}
