//! Neighbours before the first round: from the leaves of trees, a graph handed over, or random.

use std::collections::HashMap;

use rayon::prelude::*;

use super::{Fullness, GpuSession};
use crate::error::{BuildError, GpuError};
use crate::executor::Tick;
use crate::executor::cpu::leaf_mates::LeafMates;
use crate::executor::cpu::session::{FEWEST_TREES, HARD};
use crate::executor::gpu::blocks::{Block, block_places};
use crate::executor::gpu::kernels::{Kernel, Slot};
use crate::forest::{self, Leaves};
use crate::graph::{InitGraph, KnnGraph};
use crate::report::DevicePhase;
use crate::rows::ReducedDistances;

/// Trees that grow at once, as one tree leaves threads idle near its root.
const GROWN_AT_ONCE: u64 = 2;

/// Entries of a graph that are taken over at a time: 64 MiB, so that they fit a binding.
const TAKEN_OVER: usize = 16 << 20;

impl GpuSession<'_> {
    /// Submits the joins of a tree's leaves, in batches whose distances fit. Does not wait for them.
    pub(super) fn join_leaves(&mut self, ids: &[u32], bounds: &[u32]) -> Result<(), GpuError> {
        self.mates.iter_mut().for_each(|mates| mates.add(ids, bounds));
        self.write_slot(Slot::ListIds, bytemuck::cast_slice(ids))?;
        for (batch, blocks) in self.resources.layout.leaf_batches(bounds)?.iter().enumerate() {
            let (tiles, places) = self.write_tiles(blocks)?;
            self.join_blocks("leaves", blocks, (tiles, places), batch == 0)?;
        }
        self.fullness = Fullness::Counted;
        Ok(())
    }

    /// Writes the tiles and the rows of blocks. Returns how many there are of each.
    pub(super) fn write_tiles(&mut self, blocks: &[Block]) -> Result<(usize, usize), GpuError> {
        let (tiles, places) = (self.resources.layout.tiles(blocks), block_places(blocks));
        self.write_slot(Slot::Tiles, bytemuck::cast_slice(&tiles))?;
        self.write_slot(Slot::Places, bytemuck::cast_slice(&places))?;
        Ok((tiles.len(), places.len()))
    }

    /// Computes the distances of blocks and offers them to their rows. `is_first` clears the count of rows that are not
    /// full.
    pub(super) fn join_blocks(
        &mut self,
        during: &'static str,
        blocks: &[Block],
        (tiles, places): (usize, usize),
        is_first: bool,
    ) -> Result<(), GpuError> {
        self.write_slot(Slot::Blocks, bytemuck::cast_slice(blocks))?;
        let pairs = blocks.iter().map(Block::pairs).sum::<usize>();
        self.make_room(Slot::Pairs, 4 * pairs as u64)?;
        let kernel = self.pair_kernel();
        self.submit(during, |this, encoder| {
            if is_first {
                this.clear_counters(encoder);
            }
            this.record(encoder, kernel, tiles)?;
            this.record(encoder, Kernel::OfferPairs, places)
        })?;
        self.compared(kernel, blocks, tiles);
        Ok(())
    }

    /// Counts the distances of blocks.
    pub(super) fn compared(&mut self, kernel: Kernel, blocks: &[Block], tiles: usize) {
        let distances = blocks.iter().map(Block::distances).sum::<u64>();
        self.init_distances += distances;
        self.worked(kernel, distances, tiles as u64 * self.resources.layout.tile.rows());
    }

    /// Offers to each of `owners` the points in its span of `ids`, which are distinct and include the owner. Returns
    /// how many of these rows are not full.
    pub(super) fn offer_lists(
        &mut self,
        during: &'static str,
        ids: &[u32],
        owners: &[u32],
        spans: &[[u32; 2]],
    ) -> Result<u32, GpuError> {
        self.write_slot(Slot::ListIds, bytemuck::cast_slice(ids))?;
        self.write_slot(Slot::Owners, bytemuck::cast_slice(owners))?;
        self.write_slot(Slot::Spans, bytemuck::cast_slice(spans))?;
        let counted = self.run(during, |this, encoder| this.record(encoder, Kernel::OfferLists, owners.len()))?;
        self.init_distances += counted.distances;
        self.worked(Kernel::OfferLists, counted.distances, counted.distances);
        Ok(counted.not_full)
    }

    /// Puts the known entries of a graph into the rows.
    pub(super) fn take_over(&mut self, graph: &InitGraph) -> Result<(), GpuError> {
        let owners: Vec<u32> = (0..self.order.len() as u32).collect();
        let mut not_full = 0;
        for owners in owners.chunks((TAKEN_OVER / (graph.k() + 1)).max(1)) {
            let (ids, spans) = self.known_of(graph, owners);
            not_full += self.offer_lists("init_graph", &ids, owners, &spans)?;
        }
        self.fullness = Fullness::NotFull(not_full);
        Ok(())
    }

    /// The known entries of these rows and the rows themselves, ascending, and their spans.
    fn known_of(&self, graph: &InitGraph, owners: &[u32]) -> (Vec<u32>, Vec<[u32; 2]>) {
        let (mut ids, mut spans) = (Vec::new(), Vec::new());
        for &owner in owners {
            let start = ids.len();
            let known = graph.row(self.order[owner as usize] as usize).iter().filter(|p| **p != KnnGraph::NO_NEIGHBOR);
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
        (ids, spans)
    }

    /// Grows the planned trees, and more where these left much to find. The device joins each while the next ones grow.
    /// `leaves` are those of the tree that the points were arranged by.
    pub(super) fn grow_trees(&mut self, leaves: Option<Leaves>, tick: Tick) -> Result<(), BuildError> {
        let Some(space) = self.space.take() else { return tick(1.0) };
        let planned = self.plan.n_trees as u64;
        self.grow_until(&*space, planned, leaves, tick)?;
        if self.timed(DevicePhase::Join, Self::are_few_met)? {
            self.grow_until(&*space, planned + self.plan.more_trees as u64, None, tick)?;
        }
        self.space = Some(space);
        tick(1.0)
    }

    fn grow_until(
        &mut self,
        space: &dyn ReducedDistances,
        n_trees: u64,
        leaves: Option<Leaves>,
        tick: Tick,
    ) -> Result<(), BuildError> {
        let (leaf_size, seed, work) = (self.plan.leaf_size, self.plan.seed, self.work.clone());
        let mut grown: Vec<Leaves> = leaves.into_iter().collect();
        loop {
            tick(self.trees_grown as f32 / n_trees.max(1) as f32)?;
            let next = self.trees_grown + grown.len() as u64;
            let next = next..n_trees.min(next + GROWN_AT_ONCE);
            if grown.is_empty() && next.is_empty() {
                return Ok(());
            }
            let grow = || next.into_par_iter().map(|tree| forest::tree(space, leaf_size, seed, tree)).collect();
            let join =
                |this: &mut Self| grown.iter().try_for_each(|leaves| this.join_leaves(&leaves.ids, &leaves.bounds));
            let (joined, next) =
                rayon::join(|| self.timed(DevicePhase::Join, join), || work.time(DevicePhase::Trees, grow));
            joined?;
            self.trees_grown += grown.len() as u64;
            grown = next;
        }
    }

    /// Whether so few neighbours of neighbours shared a leaf that more trees pay, as on the CPU. Looks at rows once.
    fn are_few_met(&mut self) -> Result<bool, GpuError> {
        let Some(mates) = self.mates.take().filter(|_| self.trees_grown >= FEWEST_TREES) else { return Ok(false) };
        let (n, seed) = (self.order.len(), self.plan.seed);
        let sampled: Vec<u32> = LeafMates::sampled(n, seed).collect();
        let mut known: HashMap<u32, Vec<u32>> = self.read_neighbors(sampled)?.collect();
        let mut middles: Vec<u32> = known.values().flatten().copied().collect();
        middles.sort_unstable();
        middles.dedup();
        known.extend(self.read_neighbors(middles)?);
        Ok(mates.share_met(n, seed, |row| known[&row].iter().copied()) <= HARD)
    }

    /// The rows with unused places, after all submissions are done.
    pub(super) fn count_not_full(&mut self) -> Result<u32, GpuError> {
        let not_full = match self.fullness {
            Fullness::NotFull(rows) => rows,
            Fullness::Counted => self.timed(DevicePhase::Join, |this| this.read_counters("leaves"))?.not_full,
        };
        self.fullness = Fullness::NotFull(not_full);
        Ok(not_full)
    }

    /// Completes rows with random points, after all submissions are done. Whether there were any to complete.
    pub(super) fn fill_random(&mut self) -> Result<bool, GpuError> {
        if self.count_not_full()? == 0 {
            return Ok(false);
        }
        self.fullness = Fullness::NotFull(0);
        let fill = |this: &mut Self| {
            let n = this.order.len();
            this.run("random neighbours", |this, encoder| this.record(encoder, Kernel::FillRandom, n))
        };
        let counted = self.timed(DevicePhase::Fill, fill)?;
        self.init_distances += counted.distances;
        self.worked(Kernel::FillRandom, counted.distances, counted.distances);
        Ok(true)
    }
}
