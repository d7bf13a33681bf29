//! Shared nearest neighbours: how alike two points are by the neighbours that they have in common.

use super::checked_graph::CheckedGraph;
use super::error::AnalysisError;
use super::sorted_rows::{Marks, SortedRows, sum_of_shared};
use crate::graph::CsrGraph;

/// How the neighbours that two points have in common are counted. `k` is the length of their lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Overlap {
    /// Their number: 0 to `k`.
    #[default]
    Count,
    /// Each counts `(k - r) · (k - s)`, where `r` and `s` are its ranks from 0 in both lists, so that lists in the same
    /// order are more alike: 0 to `k · (k + 1) · (2k + 1) / 6` (Ertöz, Steinbach and Kumar 2003, section 3).
    Rank,
    /// Number in common by number in either list: 0 to 1.
    Jaccard,
    /// Twice the number in common by the lengths of both lists, which is their number by `k`: 0 to 1.
    Dice,
}

impl Overlap {
    /// The similarity of lists that are the same, in the same order.
    #[must_use]
    pub fn most(self, k: usize) -> f32 {
        match self {
            Self::Count => k as f32,
            Self::Rank => (k * (k + 1) * (2 * k + 1) / 6) as f32,
            Self::Jaccard | Self::Dice => 1.0,
        }
    }

    /// Of two lists, of which the first is marked.
    fn of(self, marks: &Marks, a: &[(u32, u32)], b: &[(u32, u32)]) -> f32 {
        let k = a.len();
        match self {
            Self::Rank => sum_of_shared(a, b, |r, s| (k as u64 - u64::from(r)) * (k as u64 - u64::from(s))) as f32,
            Self::Count => marks.n_shared(b) as f32,
            Self::Jaccard => {
                let shared = marks.n_shared(b);
                shared as f32 / (2 * k - shared) as f32
            }
            Self::Dice => marks.n_shared(b) as f32 / k as f32,
        }
    }
}

/// Shared nearest neighbours on the edges of a graph.
///
/// Two points have an edge if each is among the other's nearest `k_mutual` (mutual sparsification: Jarvis and Patrick
/// 1973); its weight tells how far their nearest `k` agree. A point is not in its own list: who counts it there, as
/// some do, has 2 more for each edge.
///
/// ```
/// use nndescent::analysis::{CheckedGraph, SharedNeighbors};
/// use nndescent::{Metric, Points, exact};
///
/// let data: Vec<f32> = (0..20).map(|i| (i * i) as f32).collect();
/// let graph = exact::graph(&Points::dense(&data, 20, 1)?, &Metric::Euclidean, 4, false)?;
/// let similarity = SharedNeighbors::new(4).similarity(&CheckedGraph::new(&graph)?)?;
/// assert!(similarity.values.iter().all(|&shared| shared <= 4.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedNeighbors {
    k: usize,
    k_mutual: usize,
    overlap: Overlap,
}

impl SharedNeighbors {
    /// Lists of the nearest `k`, of which each other's members have an edge; counted plainly.
    #[must_use]
    pub fn new(k: usize) -> Self {
        Self { k, k_mutual: k, overlap: Overlap::Count }
    }

    /// Edges between points that are among each other's nearest `k`, which may be fewer or more than those compared.
    #[must_use]
    pub fn k_mutual(self, k: usize) -> Self {
        Self { k_mutual: k, ..self }
    }

    /// How neighbours in common are counted.
    #[must_use]
    pub fn overlap(self, overlap: Overlap) -> Self {
        Self { overlap, ..self }
    }

    /// The similarity of every pair with an edge: a symmetric `n x n` matrix without a diagonal. Edges of points that
    /// share no neighbour are stored as zeros.
    ///
    /// # Errors
    /// `k` or `k_mutual` zero, or more than the neighbours of a row.
    ///
    /// # Complexity
    /// O(n · k_mutual · k).
    pub fn similarity(&self, graph: &CheckedGraph) -> Result<CsrGraph, AnalysisError> {
        let lists = SortedRows::new(graph, self.k)?;
        let more = if self.k_mutual == self.k { None } else { Some(SortedRows::new(graph, self.k_mutual)?) };
        let edges = more.as_ref().unwrap_or(&lists);
        let of_row = |marks: &mut Marks, i: usize| {
            let ids = edges.row(i).iter().map(|near| near.0);
            let mutual = ids.filter(|&other| edges.rank(other as usize, i as u32).is_some());
            let list = lists.row(i);
            marks.marked(list, |marks| {
                let weighted = |other: u32| (other, self.overlap.of(marks, list, lists.row(other as usize)));
                mutual.map(weighted).collect::<Vec<(u32, f32)>>()
            })
        };
        let rows = graph.map_init(|| Marks::new(graph.n()), of_row);
        Ok(CsrGraph::of_rows(rows))
    }

    /// [`SharedNeighbors::similarity`] turned into a distance: the most it can be, less what it is (`k - count`).
    ///
    /// # Errors
    /// Same as [`SharedNeighbors::similarity`].
    pub fn distance(&self, graph: &CheckedGraph) -> Result<CsrGraph, AnalysisError> {
        let mut matrix = self.similarity(graph)?;
        let most = self.overlap.most(self.k);
        matrix.values.iter_mut().for_each(|value| *value = most - *value);
        Ok(matrix)
    }
}
