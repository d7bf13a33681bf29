//! A second working order, from the graph that the trees gave: neighbours become adjacent in memory, so that most of
//! what a row's join reads is still in cache from the row before.

use crate::graph::locality::{breadth_first_groups, places};
use crate::graph::order::{EMPTY, id};
use crate::graph::rows::RowTable;
use crate::parallel::for_rows;
use crate::rows::permute_rows;

/// Neighbours followed from every row.
const FOLLOWED: usize = 8;

/// The row for each place.
pub(crate) fn graph_order(rows: &RowTable) -> Vec<u32> {
    breadth_first_groups(rows.n(), |row| {
        let near = &rows.row(row as usize)[..FOLLOWED.min(rows.width)];
        near.iter().filter(|s| **s != EMPTY).map(|&s| id(s))
    })
}

/// Moves row `order[i]` to place `i`, and renumbers the ids in all rows.
pub(crate) fn renumber_rows(rows: &mut RowTable, order: &[u32]) {
    permute_rows(&mut rows.slots, rows.width, order);
    rename(rows, &places(order));
}

/// Replaces id `i` by `names[i]` in all rows.
pub(crate) fn rename(rows: &mut RowTable, names: &[u32]) {
    for_rows(&mut rows.slots, rows.width, 64, |_, row| {
        for slot in row.iter_mut().filter(|s| **s != EMPTY) {
            *slot = *slot >> 32 << 32 | u64::from(names[id(*slot) as usize]) << 1 | *slot & 1;
        }
        row.sort_unstable();
    });
}
