//! Rows of the graph: to the device, back, and their final distances.

use std::time::Instant;

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
    pub(super) fn read_rows_at(&self, places: &[usize]) -> Result<RowTable, GpuError> {
        const DURING: &str = "reading some rows";
        let (width, row_bytes) = (self.plan.width, 4 * self.plan.width as u64);
        let half = places.len() as u64 * row_bytes;
        let both = self.gpu.buffer(DURING, 2 * half)?;
        let mut encoder = self.gpu.encoder(DURING)?;
        for (&place, to) in places.iter().zip(0..) {
            for (slot, start) in [(Slot::RowIds, 0), (Slot::RowDistances, half)] {
                let from = (&self.resources.buffers[&slot], place as u64 * row_bytes);
                encoder.copy_buffer_to_buffer(from.0, from.1, &both, start + to * row_bytes, row_bytes);
            }
        }
        let mut words = vec![0u32; 2 * places.len() * width];
        self.gpu.submit_and_read(DURING, encoder, (&both, 0, 2 * half), |bytes| {
            words.copy_from_slice(bytemuck::cast_slice(bytes));
        })?;
        let (ids, distances) = words.split_at(words.len() / 2);
        Ok(RowTable { width, slots: ids.iter().zip(distances).map(|(&id, &d)| slot_of(id, d)).collect() })
    }

    pub(in super::super) fn write_rows(&self, rows: &RowTable) -> Result<(), GpuError> {
        let bits = |s: u64| if s == EMPTY { FAR.to_bits() } else { distance(s).to_bits() };
        let flagged = |s: u64| if s == EMPTY { NO_NEIGHBOR } else { id(s) << 1 | u32::from(is_new(s)) };
        let words = |of: &(dyn Fn(u64) -> u32 + Sync)| rows.slots.par_iter().map(|&s| of(s)).collect::<Vec<u32>>();
        for (slot, words) in [(Slot::RowDistances, words(&bits)), (Slot::RowIds, words(&flagged))] {
            self.gpu.write(&self.resources.buffers[&slot], 0, bytemuck::cast_slice(&words))?;
        }
        Ok(())
    }

    /// The nearest of every point with their true distances, ranked on the device.
    pub(super) fn recompute(&mut self) -> Result<(Vec<u32>, Vec<f32>), GpuError> {
        let (n, start) = (self.order.len(), Instant::now());
        let places = n * self.plan.others();
        // Makes room by dropping what only rounds need.
        self.resources.buffers.retain(|slot, _| !matches!(slot, Slot::Near | Slot::EdgeDistances | Slot::EdgeIds));
        let order = std::mem::take(&mut self.order);
        self.write_slot(Slot::Order, bytemuck::cast_slice(&order))?;
        self.order = order;
        self.make_room(Slot::FinalDistances, 4 * places as u64)?;
        self.make_room(Slot::FinalPoints, 4 * places as u64)?;
        self.run("final distances", |this, encoder| this.record(encoder, Kernel::Recompute, n))?;
        self.work.add_phase(DevicePhase::Recompute, start.elapsed());
        let start = Instant::now();
        let (mut points, mut distances) = (vec![0; places], vec![0.0; places]);
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
        self.work.add_phase(DevicePhase::ReadBack, start.elapsed());
        Ok((points, distances))
    }
}
