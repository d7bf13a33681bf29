//! Rows that were removed: left in the graph as tombstones (FreshDiskANN; Singh et al. 2021), and dropped together.

use std::sync::Arc;

use rayon::prelude::*;

use crate::graph::KnnGraph;
use crate::graph::order::id;
use crate::progress::Phase;

use super::Index;
use super::adjacency::Adjacency;
use super::error::IndexError;
use super::link::Linker;
use super::prepare::entries::Entries;
use super::rows::IndexRows;
use super::ticker::Ticker;

/// One in so many rows may be a tombstone before all are dropped.
const MOST_REMOVED: usize = 5;
/// If fewer than one in so many rows are left, these are linked anew: their neighbours' neighbours are gone, too.
const FEW_LEFT: usize = 4;

impl Index {
    pub(super) fn mark_removed(&mut self, rows: &[u32]) {
        let words = self.graph.n().div_ceil(64);
        self.removed.edit(|bits| {
            bits.resize(words, 0);
            rows.iter().for_each(|&row| bits[row as usize / 64] |= 1 << (row % 64));
        });
        self.n_removed += rows.len();
    }

    pub(super) fn drop_tombstones_if_many(&mut self) -> Result<(), IndexError> {
        if self.are_many_tombstones(0) { self.drop_tombstones() } else { Ok(()) }
    }

    /// Whether so many tombstones more would be too many.
    pub(super) fn are_many_tombstones(&self, more: usize) -> bool {
        (self.n_removed + more) * MOST_REMOVED > self.graph.n()
    }

    /// Drops removed rows. Rows that led to them take over their neighbours.
    pub(super) fn drop_tombstones(&mut self) -> Result<(), IndexError> {
        let kept: Vec<u32> = self.present_rows().collect();
        let mut place = vec![KnnGraph::NO_NEIGHBOR; self.graph.n()];
        kept.iter().enumerate().for_each(|(at, &row)| place[row as usize] = at as u32);
        let few = kept.len() * FEW_LEFT < self.graph.n();
        let lists = if few { vec![Vec::new(); kept.len()] } else { self.bypassed(&kept, &place) };
        let too_many = IndexError::TooManyEdges { n: kept.len(), max_degree: self.max_degree };
        self.graph = Adjacency::of_lists(lists.iter().map(|list| &list[..])).ok_or(too_many)?;
        Arc::make_mut(&mut self.rows).select(&kept);
        self.order = kept.iter().map(|&row| self.order[row as usize]).collect::<Vec<u32>>().into();
        self.removed = Vec::new().into();
        self.n_removed = 0;
        let n = kept.len() as u32;
        if few {
            self.entries = Entries::default();
            return self.link_all(0..n, &Ticker::new(None, Phase::Add, kept.len()));
        }
        self.entries = Entries::choose(&self.rows, kept.len());
        self.connect();
        self.settle(0..n);
        Ok(())
    }

    /// The edges of the rows `kept`, numbered by `place`, around removed rows.
    fn bypassed(&self, kept: &[u32], place: &[u32]) -> Vec<Vec<u32>> {
        let around = |linker: &mut Linker, &row: &u32| {
            let edges = self.graph.neighbors(row);
            if edges.iter().any(|&to| self.is_removed(to)) {
                linker.bypass(self, row);
                return linker.found.iter().map(|&n| place[id(n) as usize]).collect();
            }
            edges.iter().filter_map(|&to| place.get(to as usize).copied()).collect()
        };
        kept.par_iter().with_min_len(16).map_init(Linker::default, around).collect()
    }
}
