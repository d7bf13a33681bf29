//! Who holds whom: the edges of rows, turned around.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU32, AtomicU64};

use rayon::prelude::*;

use super::order::{EMPTY, Neighbor, id};
use super::rows::RowTable;

/// For every row, the rows that hold it, as neighbours (distance, id of the holder, flag), in no order.
pub(crate) struct ReverseEdges {
    starts: Vec<u32>,
    edges: Vec<AtomicU64>,
}

impl ReverseEdges {
    /// Of the first `forward` places of every row. Counts, then places. Threads race for places of one row only: who reads them sorts them.
    pub(crate) fn collect(rows: &RowTable, forward: usize) -> Self {
        let n = rows.n();
        let per_row = || rows.slots.par_chunks_exact(rows.width).enumerate().with_min_len(64);
        let next: Vec<AtomicU32> = (0..=n).map(|_| AtomicU32::new(0)).collect();
        per_row().for_each(|(_, row)| {
            for &s in row[..forward].iter().filter(|s| **s != EMPTY) {
                next[id(s) as usize].fetch_add(1, Relaxed);
            }
        });
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
        per_row().for_each(|(holder, row)| {
            for &s in row[..forward].iter().filter(|s| **s != EMPTY) {
                let place = next[id(s) as usize].fetch_add(1, Relaxed);
                edges[place as usize].store(s >> 32 << 32 | (holder as u64) << 1 | s & 1, Relaxed);
            }
        });
        Self { starts, edges }
    }

    /// Those that hold row `i`.
    pub(crate) fn of(&self, i: usize) -> impl ExactSizeIterator<Item = Neighbor> {
        self.edges[self.starts[i] as usize..self.starts[i + 1] as usize].iter().map(|e| e.load(Relaxed))
    }
}
