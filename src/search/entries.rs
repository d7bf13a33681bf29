//! Where searches begin: a row for every 64, in groups around some of them, so that the right part of the data is found even
//! where the graph has many parts.

use rayon::prelude::*;

use crate::distances::direct::Query;
use crate::rng::stratified_sample;
use crate::storage::Storage;

use super::rows::SearchRows;

/// Rows for every entry: docs/PERFORMANCE.md, "Entries".
const ROWS: usize = 64;
/// At least so many, if there are as many rows.
const FEWEST: usize = 256;

/// Entries in groups: group `g` is `rows[starts[g]..starts[g + 1]]`, and its first row is what the others are nearest to.
pub(crate) struct Entries {
    pub rows: Storage<u32>,
    pub starts: Storage<u32>,
}

impl Entries {
    /// One row from each of as many equal ranges as there are entries: rows lie in an order of neighbourhoods, so these are
    /// spread. As many groups as the root of their number, each around one of them.
    pub(crate) fn choose(rows: &SearchRows, n: usize) -> Self {
        let count = n.div_ceil(ROWS).max(FEWEST).min(n);
        let all: Vec<u32> = stratified_sample(0, 0xe47, n, count).map(|row| row as u32).collect();
        let n_groups = (count as f64).sqrt().ceil() as usize;
        let centers: Vec<u32> = (0..n_groups).map(|g| all[g * count / n_groups]).collect();
        let group_of = |(query, distances): &mut (Query, Vec<f32>), &row: &u32| {
            if let Some(own) = centers.iter().position(|&center| center == row) {
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

    pub(crate) fn n_groups(&self) -> usize {
        self.starts.len() - 1
    }

    /// The rows of a group, its center first. A group that a damaged file puts elsewhere is empty.
    pub(crate) fn group(&self, g: usize) -> &[u32] {
        self.rows.get(self.starts[g] as usize..self.starts[g + 1] as usize).unwrap_or_default()
    }

    /// Whether there are fewer than half as many as `n` rows should have.
    pub(crate) fn are_few_for(&self, n: usize) -> bool {
        self.rows.len() * ROWS * 2 < n
    }
}
