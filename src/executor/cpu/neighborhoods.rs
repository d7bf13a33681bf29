//! Who is next to whom at the start of a round: neighbours and reverse neighbours of every row, new ones first.

use rayon::prelude::*;

use crate::graph::order::{EMPTY, id, is_new, joined};
use crate::graph::rows::RowTable;

/// Neighbourhoods of at most `forward + reverse` points each.
pub(crate) struct Neighborhoods {
    stride: usize,
    ids: Vec<u32>,
    /// Points in a neighbourhood, and how many of them, from the front, are new.
    counts: Vec<(u16, u16)>,
}

/// How many neighbours, and how many reverse neighbours, a neighbourhood takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caps {
    pub forward: usize,
    pub reverse: usize,
}

impl Neighborhoods {
    /// Takes the nearest `caps.forward` neighbours of every row, and of the rows that hold it in theirs the
    /// `caps.reverse` nearest; marks the neighbours taken as joined.
    pub(crate) fn take(rows: &mut RowTable, caps: Caps) -> Self {
        let forward = caps.forward.min(rows.width);
        let n = rows.slots.len() / rows.width;
        let reverse = ReverseEdges::collect(rows, forward);
        let stride = forward + caps.reverse;
        let mut this = Self { stride, ids: vec![0; n * stride], counts: vec![(0, 0); n] };
        let per_row = this.ids.par_chunks_mut(stride).zip(&mut this.counts).zip(rows.slots.par_chunks_mut(rows.width));
        per_row.enumerate().with_min_len(64).for_each_init(
            || (Vec::new(), Vec::new()),
            |(near, back), (i, ((ids, counts), row))| {
                near.clear();
                near.extend(row[..forward].iter().filter(|s| **s != EMPTY));
                row[..forward].iter_mut().filter(|s| **s != EMPTY).for_each(|s| *s = joined(*s));
                back.clear();
                back.extend(reverse.of(i).iter().filter(|r| !near.iter().any(|s| id(*s) == id(**r))));
                if back.len() > caps.reverse {
                    back.select_nth_unstable(caps.reverse);
                    back.truncate(caps.reverse);
                }
                near.append(back);
                near.sort_unstable_by_key(|s| (!is_new(*s), *s));
                *counts = (near.len() as u16, near.iter().filter(|s| is_new(**s)).count() as u16);
                ids.iter_mut().zip(near.iter()).for_each(|(to, s)| *to = id(*s));
            },
        );
        this
    }

    /// All points of the neighbourhood of `i`, new ones first.
    #[inline(always)]
    pub(crate) fn all(&self, i: u32) -> &[u32] {
        &self.ids[i as usize * self.stride..][..self.counts[i as usize].0 as usize]
    }

    /// The new points of the neighbourhood of `i`.
    #[inline(always)]
    pub(crate) fn fresh(&self, i: u32) -> &[u32] {
        &self.ids[i as usize * self.stride..][..self.counts[i as usize].1 as usize]
    }
}

/// For every row, the rows that hold it, as neighbours (distance, id of the holder, flag).
struct ReverseEdges {
    starts: Vec<u32>,
    edges: Vec<u64>,
}

impl ReverseEdges {
    fn collect(rows: &RowTable, forward: usize) -> Self {
        let n = rows.slots.len() / rows.width;
        let mut starts = vec![0u32; n + 1];
        let edges = || rows.slots.chunks_exact(rows.width).map(|row| row[..forward].iter().filter(|s| **s != EMPTY));
        edges().flatten().for_each(|s| starts[id(*s) as usize + 1] += 1);
        for i in 0..n {
            starts[i + 1] += starts[i];
        }
        let mut next = starts.clone();
        let mut sorted = vec![0u64; starts[n] as usize];
        for (holder, row) in edges().enumerate() {
            for &s in row {
                let place = &mut next[id(s) as usize];
                sorted[*place as usize] = s >> 32 << 32 | (holder as u64) << 1 | s & 1;
                *place += 1;
            }
        }
        Self { starts, edges: sorted }
    }

    fn of(&self, i: usize) -> &[u64] {
        &self.edges[self.starts[i] as usize..self.starts[i + 1] as usize]
    }
}
