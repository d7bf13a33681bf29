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
use crate::graph::disjoint_sets::DisjointSets;

/// Rows that are searched for first: only if one of them is not found, all are.
const SAMPLE: usize = 512;
/// Neighbours that make a part: those of a group, if it is one.
const NEAREST: usize = 3;
/// Lost rows that a new entry may lead to, round by round.
const COVERED: [usize; 4] = [16, 16, 4, 1];
/// One in so many of the rows tried may still be lost before searches look at all entries.
const MANY_LOST: usize = 200;
/// Parts of the rows that are tried one after the other.
const WAVES: usize = 8;
/// Rows in a part, if there are as many.
const FEWEST_TRIED: usize = 8192;
/// One in so many of the rows of a part may be lost at first, if no more are tried.
const FEW_LOST: usize = 500;
/// So many rows before and after a lost one in the order of rows are tried, too.
const BESIDE: u32 = 8;

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
        let mut parts = DisjointSets::new(place.len());
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

    /// Makes searches find these rows, in waves that each try some of them and what is around the lost ones, until a
    /// wave finds few lost.
    fn cover(&mut self, rows: &[u32]) {
        let mut is_left = vec![false; self.graph.n()];
        rows.iter().for_each(|&row| is_left[row as usize] = true);
        let waves = (rows.len() / FEWEST_TRIED).clamp(1, WAVES);
        for wave in 0..waves {
            let every = rows.iter().copied().skip(wave).step_by(waves);
            let tried: Vec<u32> = every.filter(|&row| std::mem::take(&mut is_left[row as usize])).collect();
            let lost = self.lost(&tried);
            let are_few = lost.len() * FEW_LOST <= tried.len();
            let lost = self.with_lost_around(lost, &mut is_left);
            self.enter_near(lost, rows.len() / waves);
            if are_few {
                return;
            }
        }
    }

    /// These lost rows, and those around them that are lost and left to try: rows that are lost lie together.
    fn with_lost_around(&self, lost: Vec<u32>, is_left: &mut [bool]) -> Vec<u32> {
        let mut all = lost.clone();
        let mut open = lost;
        while !open.is_empty() {
            let beside = |row: u32| row.saturating_sub(BESIDE)..=row.saturating_add(BESIDE);
            let around = open.iter().flat_map(|&row| self.graph.neighbors(row).iter().copied().chain(beside(row)));
            let left = |row: &u32| is_left.get_mut(*row as usize).is_some_and(std::mem::take);
            open = self.lost(&around.filter(left).collect::<Vec<u32>>());
            all.extend(&open);
        }
        all.sort_unstable();
        all
    }

    /// Makes rows of `lost` entries, each for those that it leads to, until searches find all. They join the groups of
    /// entries that there are, so that what other searches find stays found.
    fn enter_near(&mut self, mut lost: Vec<u32>, tried: usize) {
        for (round, &covered) in COVERED.iter().enumerate() {
            if lost.is_empty() {
                return;
            }
            let heads = self.heads(&lost, covered);
            let are_many = round >= COVERED.len() / 2 && lost.len() * MANY_LOST > tried;
            self.entries = match are_many {
                true => self.entries.with(&self.rows, &heads, Grouping::Few),
                false => self.entries.joined_by(&self.rows, &heads),
            };
            lost = self.lost(&lost);
        }
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
