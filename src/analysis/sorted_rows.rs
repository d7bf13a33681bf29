//! Rows of ids in ascending order, so that two are merged in one pass.

use super::checked_graph::CheckedGraph;
use super::error::AnalysisError;

/// The nearest `k` of every row, each with its rank from 0, ascending by id.
pub(super) struct SortedRows {
    k: usize,
    neighbors: Vec<(u32, u32)>,
}

impl SortedRows {
    /// Of the first `k` neighbours of every row.
    pub(super) fn new(graph: &CheckedGraph, k: usize) -> Result<Self, AnalysisError> {
        graph.check_k(k)?;
        let rows = graph.map(|i| {
            let mut row: Vec<(u32, u32)> = graph.ids(i)[..k].iter().copied().zip(0..).collect();
            row.sort_unstable();
            row
        });
        Ok(Self { k, neighbors: rows.into_iter().flatten().collect() })
    }

    /// Ids and ranks of row `i`.
    pub(super) fn row(&self, i: usize) -> &[(u32, u32)] {
        &self.neighbors[i * self.k..(i + 1) * self.k]
    }

    /// The rank of `id` in row `i`.
    pub(super) fn rank(&self, i: usize, id: u32) -> Option<u32> {
        let row = self.row(i);
        row.binary_search_by_key(&id, |near| near.0).ok().map(|at| row[at].1)
    }
}

/// The sum of `weight(rank in a, rank in b)` over the ids that both hold.
pub(super) fn sum_of_shared(a: &[(u32, u32)], b: &[(u32, u32)], weight: impl Fn(u32, u32) -> u64) -> u64 {
    let (mut i, mut j, mut sum) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        let (x, y) = (a[i], b[j]);
        sum += u64::from(x.0 == y.0) * weight(x.1, y.1);
        i += usize::from(x.0 <= y.0);
        j += usize::from(y.0 <= x.0);
    }
    sum
}

/// How many ids both hold.
pub(super) fn n_shared(a: &[(u32, u32)], b: &[(u32, u32)]) -> usize {
    sum_of_shared(a, b, |_, _| 1) as usize
}
