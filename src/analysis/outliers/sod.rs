//! Subspace outlier degree.

use crate::analysis::checked_graph::CheckedGraph;
use crate::analysis::error::{AnalysisError, check_parameter};
use crate::analysis::sorted_rows::SortedRows;
use crate::graph::CsrGraph;

/// Subspace outlier degree (Kriegel, Kröger, Schubert and Zimek, PAKDD 2009): the distance of a point from the mean of
/// its reference set, in the columns in which that set varies little.
///
/// The reference set are the points that share most of their `k` nearest neighbours with it. As in PyOD, a point is not
/// in its own list, and any point may be a reference, not only a neighbour. Ties go to nearer neighbours, then to
/// smaller ids. A point with too few others that share a neighbour with it has a smaller reference set; without any,
/// its score is 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sod {
    k: usize,
    reference: usize,
    alpha: f64,
}

impl Default for Sod {
    fn default() -> Self {
        Self { k: 20, reference: 10, alpha: 0.8 }
    }
}

impl Sod {
    /// Lists of the nearest `k` (default 20).
    #[must_use]
    pub fn k(self, k: usize) -> Self {
        Self { k, ..self }
    }

    /// Points of a reference set (default 10).
    #[must_use]
    pub fn reference(self, reference: usize) -> Self {
        Self { reference, ..self }
    }

    /// A column counts where the variance of the reference set is less than this share of the mean over all columns
    /// (default 0.8).
    #[must_use]
    pub fn alpha(self, alpha: f64) -> Self {
        Self { alpha, ..self }
    }

    /// Scores of the rows of `values` (`n x dim`, row-major), of which `graph` is a neighbour graph.
    ///
    /// # Errors
    /// `k` zero or more than the neighbours of a row, no reference points, an `alpha` that is not in (0, 1], values
    /// that are not `n` rows.
    ///
    /// # Complexity
    /// O(n · (k · k + reference · dim)) where points are among the neighbours of about `k` others; more where there are
    /// hubs.
    pub fn scores(&self, graph: &CheckedGraph, values: &[f32], dim: usize) -> Result<Vec<f64>, AnalysisError> {
        check_parameter("reference", self.reference, self.reference > 0, "1 and more")?;
        check_parameter("alpha", self.alpha, self.alpha > 0.0 && self.alpha <= 1.0, "above 0, up to 1")?;
        check_parameter("dim", dim, dim > 0, "1 and more")?;
        if values.len() != graph.n() * dim {
            let found = values.len() / dim;
            return Err(AnalysisError::Rows { what: "values", found, expected: graph.n() });
        }
        let lists = SortedRows::new(graph, self.k)?;
        // For every point, those that have it among their nearest.
        let holders = graph.truncated(self.k)?.to_csr().transposed();
        let row = |i: usize| &values[i * dim..(i + 1) * dim];
        Ok(graph.map(|i| {
            let reference = self.reference_set(i, &lists, &holders);
            let rows: Vec<&[f32]> = reference.iter().map(|&other| row(other as usize)).collect();
            self.distance(row(i), &rows)
        }))
    }

    /// The points that share most neighbours with point `i`.
    fn reference_set(&self, i: usize, lists: &SortedRows, holders: &CsrGraph) -> Vec<u32> {
        let near = lists.row(i).iter().flat_map(|&(id, _)| holders.row(id as usize));
        let mut others: Vec<u32> = near.map(|(other, _)| other).filter(|&other| other as usize != i).collect();
        others.sort_unstable();
        let ranked = |same: &[u32]| {
            let rank = lists.rank(i, same[0]).unwrap_or(u32::MAX);
            (std::cmp::Reverse(same.len()), rank, same[0])
        };
        let mut counted: Vec<(std::cmp::Reverse<usize>, u32, u32)> =
            others.chunk_by(|a, b| a == b).map(ranked).collect();
        let most = self.reference.min(counted.len());
        if most < counted.len() {
            counted.select_nth_unstable(most);
        }
        let mut reference: Vec<u32> = counted[..most].iter().map(|counted| counted.2).collect();
        // Sums in f64 depend on the order.
        reference.sort_unstable();
        reference
    }

    /// The distance from the mean of the reference set, in the columns in which it varies little.
    fn distance(&self, point: &[f32], reference: &[&[f32]]) -> f64 {
        let count = reference.len() as f64;
        if reference.is_empty() {
            return 0.0;
        }
        let column = |j: usize| reference.iter().map(move |row| f64::from(row[j]));
        let moments = (0..point.len()).map(|j| {
            let mean = column(j).sum::<f64>() / count;
            (mean, column(j).map(|value| (value - mean).powi(2)).sum::<f64>() / count)
        });
        let moments: Vec<(f64, f64)> = moments.collect();
        let most = self.alpha * moments.iter().map(|moment| moment.1).sum::<f64>() / point.len() as f64;
        let kept = moments.iter().zip(point).filter(|(moment, _)| moment.1 < most);
        let squares: Vec<f64> = kept.map(|(moment, &value)| (f64::from(value) - moment.0).powi(2)).collect();
        if squares.is_empty() { 0.0 } else { (squares.iter().sum::<f64>() / squares.len() as f64).sqrt() }
    }
}
