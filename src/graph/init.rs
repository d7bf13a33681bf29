//! Neighbours to start a build from.

use super::KnnGraph;

/// A borrowed graph to start a build from: `n` rows of `k` ids, unchecked until the build, in any order, with
/// [`KnnGraph::NO_NEIGHBOR`] where a row has fewer. Made of a [`KnnGraph`] or of `(n, k, ids)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InitGraph<'a> {
    n: usize,
    k: usize,
    ids: &'a [u32],
}

impl<'a> InitGraph<'a> {
    pub(crate) fn n(&self) -> usize {
        self.n
    }

    pub(crate) fn k(&self) -> usize {
        self.k
    }

    pub(crate) fn ids(&self) -> &'a [u32] {
        self.ids
    }

    /// Ids of row `i`.
    pub(crate) fn row(&self, i: usize) -> &'a [u32] {
        &self.ids[i * self.k..][..self.k]
    }
}

impl<'a> From<&'a KnnGraph> for InitGraph<'a> {
    fn from(graph: &'a KnnGraph) -> Self {
        Self { n: graph.n(), k: graph.k(), ids: graph.all_ids() }
    }
}

impl<'a> From<(usize, usize, &'a [u32])> for InitGraph<'a> {
    fn from((n, k, ids): (usize, usize, &'a [u32])) -> Self {
        Self { n, k, ids }
    }
}
