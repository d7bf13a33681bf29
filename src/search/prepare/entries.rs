//! Where searches begin: one row in 64, and one of every part that they do not lead to, in groups, so that a search
//! finds the right part of the data even if the graph has many parts.

use rayon::prelude::*;

use crate::distances::direct::Query;
use crate::graph::order::{Neighbor, fresh, id};
use crate::rng::stratified_sample;
use crate::search::rows::{IndexRows, SearchRows};
use crate::storage::Storage;

/// Rows per entry: docs/PERFORMANCE.md, "Entries".
const ROWS: usize = 64;
/// Least number of entries, if there are as many rows.
const FEWEST: usize = 256;
/// So few groups are all looked at.
pub(in crate::search) const FEW_GROUPS: usize = 16;
/// Groups that are looked at where there are more.
pub(in crate::search) const GROUPS: usize = 6;
/// The same where these lead searches to all rows of a sample: in data of one part.
pub(super) const FEWER_GROUPS: usize = 2;

/// How entries are divided into groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grouping {
    /// As many groups as the square root of their number: a search looks at the nearest.
    ByRoot,
    /// So few that a search looks at all: where centers do not tell which group a row is in.
    Few,
}

/// More groups than so many times the square root of the number of entries are too many to look at the center of each.
const MOST_GROUPS: usize = 4;

/// Entries in groups: group `g` is `rows[starts[g]..starts[g + 1]]`, and its first row is its center: the center that
/// its rows are nearest to.
#[derive(Clone)]
pub(crate) struct Entries {
    pub rows: Storage<u32>,
    pub starts: Storage<u32>,
    /// Rows there were when all were chosen.
    pub chosen_for: usize,
    /// Groups, of more than [`FEW_GROUPS`], whose rows a search compares: those with the nearest centers.
    pub looked_at: usize,
}

impl Default for Entries {
    /// None, of no rows.
    fn default() -> Self {
        Self { rows: Vec::new().into(), starts: vec![0].into(), chosen_for: 0, looked_at: GROUPS }
    }
}

impl Entries {
    /// One row from each of equal ranges of rows: near rows are next to each other, so the entries are spread out.
    pub(crate) fn choose(rows: &SearchRows, n: usize) -> Self {
        Self::choose_among(rows, &(0..n as u32).collect::<Vec<u32>>(), n)
    }

    /// The same of ranges of `some` of `n` rows, ascending.
    pub(crate) fn choose_among(rows: &SearchRows, some: &[u32], n: usize) -> Self {
        let count = some.len().div_ceil(ROWS).max(FEWEST).min(some.len());
        let all: Vec<u32> = stratified_sample(0, 0xe47, some.len(), count).map(|at| some[at]).collect();
        Self { chosen_for: n, ..Self::of_rows(rows, &all, Grouping::ByRoot) }
    }

    /// These and the rows of the largest norms, which are the nearest to most queries under inner products; all are
    /// looked at, as the center with the largest product is seldom the one that a row is near to.
    pub(super) fn with_largest(&self, rows: &SearchRows) -> Self {
        let norm = |(query, out): &mut (Query, Vec<f32>), row: u32| {
            rows.between(row, &[row], query, out);
            fresh(out[0], row)
        };
        let n = rows.n() as u32;
        let mut norms: Vec<Neighbor> = (0..n).into_par_iter().map_init(Default::default, norm).collect();
        norms.sort_unstable();
        let largest: Vec<u32> = norms.iter().take(2 * rows.n().isqrt()).map(|&norm| id(norm)).collect();
        self.with(rows, &largest, Grouping::Few)
    }

    /// These and `more`.
    pub(super) fn with(&self, rows: &SearchRows, more: &[u32], grouping: Grouping) -> Self {
        let mut all = [&self.rows[..], more].concat();
        all.sort_unstable();
        all.dedup();
        Self { chosen_for: self.chosen_for, looked_at: self.looked_at, ..Self::of_rows(rows, &all, grouping) }
    }

    /// Entries `all`, distinct and ascending: near rows are next to each other. Groups lie around some of them.
    fn of_rows(rows: &SearchRows, all: &[u32], grouping: Grouping) -> Self {
        let by_root = (all.len() as f64).sqrt().ceil() as usize;
        let n_groups = if grouping == Grouping::Few { by_root.min(FEW_GROUPS) } else { by_root };
        let centers: Vec<u32> = (0..n_groups).map(|g| all[g * all.len() / n_groups]).collect();
        Self::around(rows, &centers, all)
    }

    /// These and `more`, in the same groups: searches that begin elsewhere begin where they did.
    pub(super) fn joined_by(&self, rows: &SearchRows, more: &[u32]) -> Self {
        let mut all = [&self.rows[..], more].concat();
        all.sort_unstable();
        all.dedup();
        let mut centers: Vec<u32> = (0..self.n_groups()).filter_map(|g| self.group(g).first().copied()).collect();
        centers.sort_unstable();
        Self { chosen_for: self.chosen_for, looked_at: self.looked_at, ..Self::around(rows, &centers, &all) }
    }

    /// Entries `all` in groups around `centers`, which are some of them: both ascending.
    fn around(rows: &SearchRows, centers: &[u32], all: &[u32]) -> Self {
        let group_of = |(query, distances): &mut (Query, Vec<f32>), &row: &u32| {
            if let Ok(own) = centers.binary_search(&row) {
                return (own, false, row);
            }
            rows.between(row, centers, query, distances);
            (nearest(distances).map_or(0, |(g, _)| g), true, row)
        };
        let mut grouped: Vec<(usize, bool, u32)> = all.par_iter().map_init(Default::default, group_of).collect();
        // A group's center comes first.
        grouped.sort_unstable();
        let starts: Vec<u32> =
            (0..=centers.len()).map(|g| grouped.partition_point(|entry| entry.0 < g) as u32).collect();
        let all: Vec<u32> = grouped.into_iter().map(|entry| entry.2).collect();
        Self { rows: all.into(), starts: starts.into(), chosen_for: 0, looked_at: GROUPS }
    }

    /// Adds entries, without dividing all anew: to the group of the nearest center or, where they lie beyond the rows
    /// of that group, as groups of their own.
    pub(crate) fn add<'a>(&mut self, rows: &SearchRows, new: impl Iterator<Item = &'a u32>) {
        new.for_each(|&row| {
            self.add_one(rows, row);
            // There is more than one part now.
            self.looked_at = GROUPS;
        });
        if self.n_groups() > MOST_GROUPS * self.rows.len().isqrt() {
            *self = self.with(rows, &[], Grouping::ByRoot);
        }
    }

    fn add_one(&mut self, rows: &SearchRows, row: u32) {
        let (mut query, mut distances) = (Query::default(), Vec::new());
        let centers: Vec<u32> = (0..self.n_groups()).filter_map(|g| self.group(g).first().copied()).collect();
        rows.between(row, &centers, &mut query, &mut distances);
        let (group, distance) = nearest(&distances).unwrap_or((0, f32::INFINITY));
        // Under inner products, a row's distance from itself is the less, the longer it is.
        rows.between(row, &[row], &mut query, &mut distances);
        let beyond = distance - distances[0];
        rows.between(centers.get(group).copied().unwrap_or(row), self.group(group), &mut query, &mut distances);
        let farthest = distances.iter().skip(1).copied().fold(f32::NEG_INFINITY, f32::max);
        let is_alone = distances.first().is_none_or(|own| beyond > farthest - own);
        if is_alone && self.grouping() == Grouping::ByRoot {
            self.rows.edit(|all| all.push(row));
            self.starts.edit(|starts| starts.push(starts.last().map_or(0, |end| end + 1)));
        } else {
            let end = self.starts[group + 1] as usize;
            self.rows.edit(|all| all.insert(end, row));
            self.starts.edit(|starts| starts[group + 1..].iter_mut().for_each(|start| *start += 1));
        }
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

    /// Whether `n` rows are so many more than there were that entries should be chosen anew.
    pub(crate) fn are_stale_for(&self, n: usize) -> bool {
        n > 2 * self.chosen_for
    }
}

/// The place and the value of the least of these.
fn nearest(distances: &[f32]) -> Option<(usize, f32)> {
    distances.iter().copied().enumerate().min_by(|a, b| a.1.total_cmp(&b.1))
}
