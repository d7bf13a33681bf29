//! Makes searches find every row.
//!
//! That a way leads to a row does not mean that a search goes it: where data fall into many small groups, no row of
//! another group tells where the right one is. Such rows are found by searching for them, and become entries.

use rayon::prelude::*;

use crate::graph::KnnGraph;
use crate::graph::locality::places;
use crate::graph::order::{distance, id};
use crate::rng::stratified_sample;
use crate::search::beam::{BeamParams, BeamScratch};
use crate::search::rows::IndexRows;
use crate::search::searcher::NEAR;
use crate::search::{EPSILON, Index};

use super::entries::{FEWER_GROUPS, GROUPS, Grouping};
use super::sets::Sets;

/// Rows that are searched for first: only if one of them is not found, all are.
const SAMPLE: usize = 512;
/// Of more rows than searches fail to find one of a sample of, one in so many is searched for.
const PROBED: usize = 8;
/// At least so many are, if there are as many.
const FEWEST_PROBES: usize = 8192;
/// Neighbours that make a part: those of a group, if it is one.
const NEAREST: usize = 3;
/// Lost rows that a new entry may lead to, round by round.
const COVERED: [usize; 4] = [16, 16, 4, 1];
/// One in so many rows may be lost before searches look at all entries.
const LOST: usize = 200;

impl Index {
    /// Makes searches find all of `rows`, if they do not find all of a sample. Where they find it from fewer groups
    /// of entries, they look at fewer from now on. `graph` is what the index is made of.
    pub(in crate::search) fn cover_if_needed(&mut self, rows: &[u32], graph: &KnnGraph) {
        let sample = stratified_sample(0, 0xc0e, rows.len(), SAMPLE.min(rows.len())).map(|at| rows[at]);
        let sample: Vec<u32> = sample.collect();
        self.entries.looked_at = FEWER_GROUPS;
        if self.lost(&sample).is_empty() {
            return;
        }
        self.entries.looked_at = GROUPS;
        if !self.lost(&sample).is_empty() {
            let islands = self.islands(graph);
            self.entries = self.entries.with(&self.rows, &islands, self.entries.grouping());
            self.cover(rows);
        }
    }

    /// One row of each part without an entry, of those that the very nearest neighbours make.
    fn islands(&self, graph: &KnnGraph) -> Vec<u32> {
        let place = places(&self.order);
        let mut parts = Sets::new(place.len());
        for point in 0..place.len() {
            let near = graph.neighbors(point).filter(|near| near.id as usize != point).take(NEAREST);
            near.for_each(|near| parts.join(place[point], place[near.id as usize]));
        }
        let mut has_entry = vec![false; place.len()];
        self.entries.rows.iter().for_each(|&row| has_entry[parts.of(row) as usize] = true);
        (0..place.len() as u32)
            .filter(|&row| !std::mem::replace(&mut has_entry[parts.of(row) as usize], true))
            .collect()
    }

    /// Makes searches find these rows: those that they do not find, or others near them, become entries. One row in
    /// [`PROBED`] is searched for, and what is around the lost ones.
    fn cover(&mut self, rows: &[u32]) {
        let count = rows.len().div_ceil(PROBED).max(FEWEST_PROBES).min(rows.len());
        let probes: Vec<u32> = stratified_sample(0, 0xc0f, rows.len(), count).map(|at| rows[at]).collect();
        let (mut lost, tried) = self.lost_around(probes, rows);
        for (round, &covered) in COVERED.iter().enumerate() {
            if lost.is_empty() {
                return;
            }
            let many = round >= COVERED.len() / 2 && lost.len() * LOST > tried;
            let grouping = if many { Grouping::Few } else { self.entries.grouping() };
            self.entries = self.entries.with(&self.rows, &self.heads(&lost, covered), grouping);
            lost = self.lost(&lost);
        }
    }

    /// Those of `rows` that searches do not find, among `probes` and the neighbours of those that are lost, of these
    /// and so on; and how many were searched for. Rows that are lost lie together, as searches do not come there.
    fn lost_around(&self, mut probes: Vec<u32>, rows: &[u32]) -> (Vec<u32>, usize) {
        let mut is_left = vec![false; self.graph.n()];
        rows.iter().for_each(|&row| is_left[row as usize] = true);
        probes.iter().for_each(|&row| is_left[row as usize] = false);
        let (mut all, mut tried) = (Vec::new(), 0);
        while !probes.is_empty() {
            tried += probes.len();
            let lost = self.lost(&probes);
            let around = lost.iter().flat_map(|&row| self.graph.neighbors(row));
            let mut left = |&row: &u32| is_left.get_mut(row as usize).is_some_and(std::mem::take);
            probes = around.copied().filter(&mut left).collect();
            all.extend(lost);
        }
        all.sort_unstable();
        (all, tried)
    }

    /// Those of `rows` that a search for them does not find, nor a row that is as near.
    pub(in crate::search) fn lost(&self, rows: &[u32]) -> Vec<u32> {
        let is_lost = |scratch: &mut BeamScratch, &row: &u32| {
            self.rows.set_own_query(row, self.by_values, &mut scratch.query);
            let mut own = Vec::new();
            self.rows.to_many(&scratch.query, &[row], &mut own);
            let k = NEAR.min(self.graph.n());
            let params = BeamParams { k, width: k, epsilon: EPSILON, enough: own[0], ..BeamParams::default() };
            let starts = self.search_graph().starts(scratch);
            let nearest = self.search_graph().search(&starts, params, scratch).first();
            nearest.is_none_or(|&nearest| id(nearest) != row && distance(nearest) > own[0])
        };
        let lost: Vec<bool> = rows.par_iter().with_min_len(16).map_init(BeamScratch::default, is_lost).collect();
        rows.iter().zip(lost).filter_map(|(&row, lost)| lost.then_some(row)).collect()
    }

    /// The first of `lost`, and of those that it does not lead to the first, and so on: each leads to at most
    /// `covered`.
    fn heads(&self, lost: &[u32], covered: usize) -> Vec<u32> {
        let mut left = vec![false; self.graph.n()];
        lost.iter().for_each(|&row| left[row as usize] = true);
        let mut heads = Vec::new();
        for &head in lost {
            if !std::mem::take(&mut left[head as usize]) {
                continue;
            }
            heads.push(head);
            let mut led_to = vec![head];
            let mut at = 0;
            while let Some(&row) = led_to.get(at).filter(|_| led_to.len() < covered) {
                let next = self
                    .graph
                    .neighbors(row)
                    .iter()
                    .copied()
                    .filter(|&next| left.get_mut(next as usize).is_some_and(std::mem::take));
                led_to.extend(next);
                at += 1;
            }
        }
        heads
    }
}
