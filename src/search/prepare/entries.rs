//! Where searches begin: one row in 64, and one of every part that they do not lead to, in groups, so that a search finds
//! the right part of the data even if the graph has many parts.

use rayon::prelude::*;

use crate::distances::direct::Query;
use crate::rng::stratified_sample;
use crate::search::rows::{IndexRows, SearchRows};
use crate::storage::Storage;

/// Rows per entry: docs/PERFORMANCE.md, "Entries".
const ROWS: usize = 64;
/// Least number of entries, if there are as many rows.
const FEWEST: usize = 256;
/// So few groups are all looked at.
pub(in crate::search) const FEW_GROUPS: usize = 16;

/// How entries are divided into groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grouping {
    /// As many groups as the square root of their number: a search looks at the nearest.
    ByRoot,
    /// So few that a search looks at all: where centers do not tell which group a row is in.
    Few,
}

/// Entries in groups: group `g` is `rows[starts[g]..starts[g + 1]]`, and its first row is its center: the center that
/// its rows are nearest to.
#[derive(Clone)]
pub(crate) struct Entries {
    pub rows: Storage<u32>,
    pub starts: Storage<u32>,
}

impl Entries {
    /// One row from each of equal ranges of rows: near rows are next to each other, so the entries are spread out.
    pub(crate) fn choose(rows: &SearchRows, n: usize) -> Self {
        Self::choose_among(rows, &(0..n as u32).collect::<Vec<u32>>())
    }

    /// The same of ranges of some rows, ascending.
    pub(crate) fn choose_among(rows: &SearchRows, some: &[u32]) -> Self {
        let count = some.len().div_ceil(ROWS).max(FEWEST).min(some.len());
        let all: Vec<u32> = stratified_sample(0, 0xe47, some.len(), count).map(|at| some[at]).collect();
        Self::of_rows(rows, &all, Grouping::ByRoot)
    }

    /// These and `more`.
    pub(super) fn with(&self, rows: &SearchRows, more: &[u32], grouping: Grouping) -> Self {
        let mut all = [&self.rows[..], more].concat();
        all.sort_unstable();
        all.dedup();
        Self::of_rows(rows, &all, grouping)
    }

    /// Entries `all`, distinct and ascending: near rows are next to each other. Groups lie around some of them.
    fn of_rows(rows: &SearchRows, all: &[u32], grouping: Grouping) -> Self {
        let by_root = (all.len() as f64).sqrt().ceil() as usize;
        let n_groups = if grouping == Grouping::Few { by_root.min(FEW_GROUPS) } else { by_root };
        let centers: Vec<u32> = (0..n_groups).map(|g| all[g * all.len() / n_groups]).collect();
        let group_of = |(query, distances): &mut (Query, Vec<f32>), &row: &u32| {
            if let Ok(own) = centers.binary_search(&row) {
                return (own, false, row);
            }
            rows.between(row, &centers, query, distances);
            let nearest = distances.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1));
            (nearest.map_or(0, |(g, _)| g), true, row)
        };
        let mut grouped: Vec<(usize, bool, u32)> = all.par_iter().map_init(Default::default, group_of).collect();
        // A group's center comes first.
        grouped.sort_unstable();
        let starts: Vec<u32> = (0..=n_groups).map(|g| grouped.partition_point(|entry| entry.0 < g) as u32).collect();
        Self { rows: grouped.into_iter().map(|entry| entry.2).collect::<Vec<u32>>().into(), starts: starts.into() }
    }

    /// How they are divided.
    pub(super) fn grouping(&self) -> Grouping {
        let is_root = self.n_groups() > FEW_GROUPS || self.rows.len() <= FEW_GROUPS * FEW_GROUPS;
        if is_root { Grouping::ByRoot } else { Grouping::Few }
    }

    pub(crate) fn n_groups(&self) -> usize {
        self.starts.len() - 1
    }

    /// The rows of a group, its center first. Out of range, as in a damaged file: empty.
    pub(crate) fn group(&self, g: usize) -> &[u32] {
        self.rows.get(self.starts[g] as usize..self.starts[g + 1] as usize).unwrap_or_default()
    }

    /// Whether there are fewer than half the entries that `n` rows should have.
    pub(crate) fn are_few_for(&self, n: usize) -> bool {
        self.rows.len() * ROWS * 2 < n
    }
}
