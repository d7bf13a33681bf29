//! Directed edges made undirected.

use rayon::prelude::*;

use crate::graph::CsrGraph;

/// How an edge that two rows give differently, or only one of them gives, becomes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Symmetry {
    /// An edge that either gives; the smaller value where both do. For distances.
    Union,
    /// An edge that both give, with the smaller value.
    Mutual,
    /// The larger value, zero where there is no edge. For similarities.
    Max,
    /// The mean of both, zero where there is no edge. For similarities and connectivities.
    Mean,
}

impl Symmetry {
    /// The value of an edge that one gives, and the other too or not; none if there is to be no edge.
    fn of(self, one: f32, other: Option<f32>) -> Option<f32> {
        match self {
            Self::Union => Some(other.map_or(one, |other| one.min(other))),
            Self::Mutual => other.map(|other| one.min(other)),
            Self::Max => Some(one.max(other.unwrap_or(0.0))),
            Self::Mean => Some((one + other.unwrap_or(0.0)) / 2.0),
        }
    }
}

impl CsrGraph {
    /// The matrix with rows and columns exchanged.
    ///
    /// # Panics
    /// If a column is not a row of a square matrix.
    ///
    /// # Complexity
    /// O(edges).
    #[must_use]
    pub fn transposed(&self) -> Self {
        let n = self.n();
        let mut indptr = vec![0; n + 1];
        self.indices.iter().for_each(|&column| indptr[column as usize + 1] += 1);
        (0..n).for_each(|i| indptr[i + 1] += indptr[i]);
        let mut next = indptr.clone();
        let (mut indices, mut values) = (vec![0; self.indices.len()], vec![0.0; self.values.len()]);
        for i in 0..n {
            for (column, value) in self.row(i) {
                let at = &mut next[column as usize];
                (indices[*at], values[*at]) = (i as u32, value);
                *at += 1;
            }
        }
        Self { indptr, indices, values }
    }

    /// The symmetric matrix that this and its transpose make.
    ///
    /// ```
    /// use nndescent::analysis::Symmetry;
    /// use nndescent::{Metric, Points, exact};
    ///
    /// let graph = exact::graph(&Points::dense(&[0.0f32, 1.0, 3.0], 3, 1)?, &Metric::Euclidean, 1, false)?;
    /// assert_eq!(graph.to_csr().symmetrized(Symmetry::Union).indices, [1, 0, 2, 1]);
    /// assert_eq!(graph.to_csr().symmetrized(Symmetry::Mutual).indices, [1, 0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    /// If a column is not a row of a square matrix.
    ///
    /// # Complexity
    /// O(edges).
    #[must_use]
    pub fn symmetrized(&self, symmetry: Symmetry) -> Self {
        self.combined(|one, other| symmetry.of(one.or(other)?, one.and(other)))
    }

    /// The symmetric matrix of what `combine` makes of a value and that of the transpose, where either is stored.
    pub(super) fn combined(&self, combine: impl Fn(Option<f32>, Option<f32>) -> Option<f32> + Sync) -> Self {
        let back = self.transposed();
        let rows = (0..self.n()).into_par_iter().with_min_len(256).map(|i| {
            let (mut ones, mut others) = (self.row(i).peekable(), back.row(i).peekable());
            let mut row = Vec::with_capacity(ones.size_hint().0 + others.size_hint().0);
            loop {
                let column = match (ones.peek(), others.peek()) {
                    (Some(one), Some(other)) => one.0.min(other.0),
                    (Some(one), None) => one.0,
                    (None, Some(other)) => other.0,
                    (None, None) => break row,
                };
                let one = ones.next_if(|one| one.0 == column).map(|one| one.1);
                let other = others.next_if(|other| other.0 == column).map(|other| other.1);
                row.extend(combine(one, other).map(|value| (column, value)));
            }
        });
        Self::of_rows(rows.collect())
    }

    /// The entries as three arrays: rows, columns and values.
    #[must_use]
    pub fn to_coo(&self) -> (Vec<u32>, Vec<u32>, Vec<f32>) {
        let rows = (0..self.n()).flat_map(|i| std::iter::repeat_n(i as u32, self.indptr[i + 1] - self.indptr[i]));
        (rows.collect(), self.indices.clone(), self.values.clone())
    }
}
