//! New rows in the graph: how they find their neighbours, and how searches find them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use rayon::prelude::*;

use crate::distances::direct::Query;
use crate::graph::order::{Neighbor, distance, fresh, id};

use super::Index;
use super::beam::{BeamParams, BeamScratch};
use super::error::IndexError;
use super::options::SLACK;
use super::prepare::diversify::{Diversify, DiversifyScratch};
use super::prepare::entries::Entries;
use super::rows::IndexRows;
use super::ticker::Ticker;

/// Rows added to the graph at once. The rows of a batch do not find each other by searching: all are compared.
const BATCH: usize = 512;
/// Epsilon of the searches for the neighbours of new rows.
const EPSILON: f32 = 0.2;
/// How edges are chosen after changes, whatever the index was made with.
const DIVERSIFY: Diversify = Diversify { probability: 1.0, slack: SLACK, seed: 0, factors: &[] };
/// Rows that no search finds get entries, and are searched for again, so many times at most.
const ROUNDS: usize = 8;
/// The square of how many times longer than all entries a row is far longer.
const FAR_LONGER: f32 = 4.0;
/// Rows per entry in a region that searches did not find.
const ROWS_PER_ENTRY: usize = 64;

impl Index {
    /// Links the rows `new`, the last ones, which have no edges yet.
    pub(super) fn link_all(&mut self, new: Range<u32>, ticker: &Ticker) -> Result<(), IndexError> {
        for first in new.clone().step_by(BATCH) {
            let batch = first..new.end.min(first + BATCH as u32);
            self.link(batch.clone())?;
            self.enter(batch.clone());
            if !ticker.advance(batch.len()) {
                return Err(IndexError::Cancelled);
            }
        }
        self.connect();
        Ok(())
    }

    /// Links new rows: edges from them, and back.
    fn link(&mut self, new: Range<u32>) -> Result<(), IndexError> {
        let lists: Vec<Vec<Neighbor>> = new
            .clone()
            .into_par_iter()
            .map_init(Linker::default, |linker, row| {
                linker.find(self, row, new.clone());
                linker.prune(self, row);
                linker.found.clone()
            })
            .collect();
        // Searches go beyond the nearest by a share of what it is beyond the smallest distance.
        let nearest = lists.iter().filter_map(|list| list.first()).map(|&n| distance(n)).reduce(f32::min);
        let is_first = new.start == 0;
        self.nearest = nearest.map_or(self.nearest, |d| if is_first { d } else { d.min(self.nearest) });
        let mut back: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (row, list) in new.clone().zip(&lists) {
            self.set(row, list)?;
            list.iter().for_each(|&to| back.entry(id(to)).or_default().push(row));
        }
        let merged: Vec<(u32, Vec<Neighbor>)> = back
            .into_par_iter()
            .map_init(Linker::default, |linker, (row, more)| {
                linker.rank(self, row, self.graph.neighbors(row).iter().copied().chain(more));
                if linker.found.len() > self.max_degree {
                    linker.prune(self, row);
                }
                (row, linker.found.clone())
            })
            .collect();
        merged.iter().try_for_each(|(row, list)| self.set(*row, list))
    }

    fn set(&mut self, row: u32, list: &[Neighbor]) -> Result<(), IndexError> {
        let ids: Vec<u32> = list.iter().map(|&n| id(n)).collect();
        let too_many = IndexError::TooManyEdges { n: self.graph.n(), max_degree: self.max_degree };
        self.graph.set(row, &ids).then_some(()).ok_or(too_many)
    }

    /// Sees to it that searches find a batch just linked, also where there were no rows before.
    fn enter(&mut self, batch: Range<u32>) {
        let n = batch.end as usize;
        if self.entries.are_stale_for(n) {
            self.entries = Entries::choose(&self.rows, n);
            self.settle(0..batch.end);
        } else {
            self.settle(batch);
        }
    }

    /// Makes entries of rows that a search for them does not find.
    pub(super) fn settle(&mut self, rows: Range<u32>) {
        let mut lost: Vec<u32> = rows.filter(|&row| !self.is_removed(row)).collect();
        let long = self.far_longer(&lost);
        self.entries.add(&self.rows, long.iter());
        for _ in 0..ROUNDS {
            lost = self.lost(&lost);
            if lost.is_empty() {
                return;
            }
            let regions = self.regions(&lost);
            self.entries.add(&self.rows, regions.iter().flat_map(|region| region.iter().step_by(ROWS_PER_ENTRY)));
        }
    }

    /// Of `rows`, those that are far longer than all entries that searches begin with, and than those before: under
    /// inner products they are neighbours of rows everywhere, which do not know them yet.
    fn far_longer(&self, rows: &[u32]) -> Vec<u32> {
        let (mut query, mut distances) = (Query::default(), Vec::new());
        // The distance of a row from itself is its squared length, negative, or nothing.
        let mut own = |row: u32| {
            self.rows.between(row, &[row], &mut query, &mut distances);
            distances[0]
        };
        let centers = (0..self.entries.n_groups()).filter_map(|g| self.entries.group(g).first());
        let mut least = centers.map(|&center| own(center)).fold(0.0, f32::min);
        rows.iter()
            .copied()
            .filter(|&row| {
                let own = own(row);
                let is_longer = own < FAR_LONGER * least;
                least = if is_longer { own } else { least };
                is_longer
            })
            .collect()
    }

    /// Ascending `rows` in groups that edges connect.
    fn regions(&self, rows: &[u32]) -> Vec<Vec<u32>> {
        let mut left: BTreeSet<u32> = rows.iter().copied().collect();
        let mut regions = Vec::new();
        while let Some(row) = left.pop_first() {
            let mut region = vec![row];
            let mut at = 0;
            while let Some(&row) = region.get(at) {
                region.extend(self.graph.neighbors(row).iter().filter(|to| left.remove(to)));
                at += 1;
            }
            regions.push(region);
        }
        regions
    }
}

/// Memory for finding one row's neighbours after another's.
#[derive(Default)]
pub(super) struct Linker {
    beam: BeamScratch,
    diversify: DiversifyScratch,
    query: Query,
    ids: Vec<u32>,
    distances: Vec<f32>,
    /// What was found for a row, ascending by distance.
    pub found: Vec<Neighbor>,
}

impl Linker {
    /// Finds the rows near `row`: by searching, and among the `new` ones by comparing with each.
    fn find(&mut self, index: &Index, row: u32, new: Range<u32>) {
        self.search(index, row);
        self.ids.extend(new.filter(|&other| other != row));
        let ids = std::mem::take(&mut self.ids);
        self.rank(index, row, ids.iter().copied());
        self.ids = ids;
        // The nearest, whichever found them.
        self.found.truncate(2 * index.max_degree);
    }

    /// Searches for `row`: `ids` become what is found.
    fn search(&mut self, index: &Index, row: u32) {
        self.ids.clear();
        if index.entries.rows.is_empty() {
            return;
        }
        index.rows.set_own_query(row, index.by_values, &mut self.beam.query);
        let present = |row: u32| !index.is_removed(row);
        let eligible: Option<&(dyn Fn(u32) -> bool + Sync)> = if index.n_removed > 0 { Some(&present) } else { None };
        let (k, width) = (index.max_degree.min(index.len()), index.max_degree);
        let params = BeamParams { k, width, epsilon: EPSILON, eligible, ..BeamParams::default() };
        let starts = index.search_graph().starts(&mut self.beam);
        self.ids.extend(index.search_graph().search(&starts, params, &mut self.beam).iter().map(|&n| id(n)));
    }

    /// Prunes what was found for `row`.
    fn prune(&mut self, index: &Index, row: u32) {
        DIVERSIFY.prune(&index.rows, row, &mut self.found, index.max_degree, &mut self.diversify);
    }

    /// Finds the present neighbours of `row`, and those of its removed neighbours; if most of its neighbours were
    /// removed, what a search finds as well, because theirs may have been, too.
    pub(super) fn bypass(&mut self, index: &Index, row: u32) {
        let edges = index.graph.neighbors(row);
        let removed = edges.iter().copied().filter(|&to| index.is_removed(to));
        let behind = removed.clone().flat_map(|to| index.graph.neighbors(to).iter().copied());
        let present = edges.iter().copied().filter(|&to| !index.is_removed(to));
        let mut near: Vec<u32> = present.clone().chain(behind.filter(|&to| !index.is_removed(to))).collect();
        if 2 * removed.count() > edges.len() {
            self.search(index, row);
            near.append(&mut self.ids);
        }
        self.rank(index, row, near.into_iter());
        self.found.truncate(2 * index.max_degree);
        self.prune(index, row);
        let kept: Vec<u32> = self.found.iter().map(|&n| id(n)).collect();
        let both = present.clone().chain(kept);
        self.rank(index, row, both);
        if self.found.len() > index.max_degree {
            self.prune(index, row);
        }
    }

    /// Sorts `others`, each once and without `row`, by their distance from it.
    fn rank(&mut self, index: &Index, row: u32, others: impl Iterator<Item = u32>) {
        let mut ids: Vec<u32> = others.filter(|&other| other != row && (other as usize) < index.graph.n()).collect();
        ids.sort_unstable();
        ids.dedup();
        index.rows.between(row, &ids, &mut self.query, &mut self.distances);
        self.found.clear();
        self.found.extend(ids.iter().zip(&self.distances).map(|(&other, &d)| fresh(d, other)));
        self.found.sort_unstable();
    }
}
