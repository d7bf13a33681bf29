//! A second working order, from the graph that the trees gave: rows that are neighbours come to lie together in memory, so
//! that what a row's join reads is still in cache from the row before.

use rayon::prelude::*;

use super::space::permute_rows;
use crate::graph::order::{EMPTY, id};
use crate::graph::rows::RowTable;

/// Neighbours followed from every row.
const FOLLOWED: usize = 8;

/// Rows collected from one start: with those that their joins read, about what the second-level cache of a core holds.
const GROUP: usize = 1024;

/// The row to stand at each place: breadth-first groups over the nearest neighbours, begun at the first row left.
pub(crate) fn graph_order(rows: &RowTable) -> Vec<u32> {
    let n = rows.slots.len() / rows.width;
    let mut order: Vec<u32> = Vec::with_capacity(n);
    let mut placed = vec![false; n];
    for start in 0..n {
        if placed[start] {
            continue;
        }
        placed[start] = true;
        let mut at = order.len();
        let end = at + GROUP;
        order.push(start as u32);
        while at < order.len() && order.len() < end {
            let near = &rows.row(order[at] as usize)[..FOLLOWED.min(rows.width)];
            for &slot in near.iter().filter(|s| **s != EMPTY) {
                let p = id(slot);
                if !placed[p as usize] {
                    placed[p as usize] = true;
                    order.push(p);
                }
            }
            at += 1;
        }
    }
    order
}

/// Puts row `order[i]` in place `i`, and says so in all rows.
pub(crate) fn renumber_rows(rows: &mut RowTable, order: &[u32]) {
    let mut place = vec![0u32; order.len()];
    order.iter().enumerate().for_each(|(at, &row)| place[row as usize] = at as u32);
    permute_rows(&mut rows.slots, rows.width, order);
    rows.slots.par_chunks_mut(rows.width).with_min_len(64).for_each(|row| {
        for slot in row.iter_mut().filter(|s| **s != EMPTY) {
            *slot = *slot >> 32 << 32 | u64::from(place[id(*slot) as usize]) << 1 | *slot & 1;
        }
        row.sort_unstable();
    });
}
