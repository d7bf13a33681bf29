//! Reverse edges.

use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU32, AtomicU64};

use super::order::{EMPTY, Neighbor, id};
use super::rows::RowTable;
use crate::parallel::for_indices;

/// For a range of rows, the rows that have them as neighbours: (distance, id of that row, flag), in no particular
/// order.
pub(crate) struct ReverseEdges {
    /// The first of those rows.
    first: usize,
    starts: Vec<u32>,
    edges: Vec<AtomicU64>,
}

impl ReverseEdges {
    /// From the first `forward` places of every row, for the rows `held`: counts first, then places. Threads race only
    /// for places within one row, and readers sort these.
    pub(crate) fn collect(rows: &RowTable, forward: usize, held: Range<usize>) -> Self {
        let next: Vec<AtomicU32> = (0..=held.len()).map(|_| AtomicU32::new(0)).collect();
        let place = |s: Neighbor| {
            (id(s) as usize).checked_sub(held.start).filter(|_| s != EMPTY && (id(s) as usize) < held.end)
        };
        for_indices(
            rows.n(),
            64,
            || (),
            |(), holder| {
                for at in rows.row(holder)[..forward].iter().filter_map(|&s| place(s)) {
                    next[at].fetch_add(1, Relaxed);
                }
            },
        );
        let mut total = 0;
        let starts: Vec<u32> = next
            .iter()
            .map(|count| {
                let start = total;
                total += count.swap(start, Relaxed);
                start
            })
            .collect();
        let edges: Vec<AtomicU64> = (0..total).map(|_| AtomicU64::new(0)).collect();
        for_indices(
            rows.n(),
            64,
            || (),
            |(), holder| {
                for (s, at) in rows.row(holder)[..forward].iter().filter_map(|&s| Some((s, place(s)?))) {
                    let edge = next[at].fetch_add(1, Relaxed);
                    edges[edge as usize].store(s >> 32 << 32 | (holder as u64) << 1 | s & 1, Relaxed);
                }
            },
        );
        Self { first: held.start, starts, edges }
    }

    /// The reverse edges of row `i` of the range.
    pub(crate) fn of(&self, i: usize) -> impl ExactSizeIterator<Item = Neighbor> {
        let i = i - self.first;
        self.edges[self.starts[i] as usize..self.starts[i + 1] as usize].iter().map(|e| e.load(Relaxed))
    }
}
