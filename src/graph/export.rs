//! Graphs as other libraries take them: compressed sparse rows, `sprs` matrices, `ndarray` views.

use rayon::prelude::*;

use super::KnnGraph;

/// A graph as a sparse `n x n` matrix in compressed rows: the neighbours of row `i` are the columns
/// `indices[indptr[i]..indptr[i + 1]]`, ascending, with their distances in `values`. Distances of zero are stored.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CsrGraph {
    /// Where every row begins, and where the last ends: `n + 1` places.
    pub indptr: Vec<usize>,
    /// Ids of neighbours.
    pub indices: Vec<u32>,
    /// Their distances.
    pub values: Vec<f32>,
}

impl CsrGraph {
    /// Of the entries of each row, which are sorted here.
    pub(crate) fn of_rows(mut rows: Vec<Vec<(u32, f32)>>) -> Self {
        rows.par_iter_mut().with_min_len(256).for_each(|row| row.sort_unstable_by_key(|&(id, _)| id));
        let mut indptr = vec![0];
        indptr.extend(rows.iter().scan(0, |end, row| {
            *end += row.len();
            Some(*end)
        }));
        let (indices, values) = rows.into_iter().flatten().unzip();
        Self { indptr, indices, values }
    }

    /// Number of rows.
    #[must_use]
    pub fn n(&self) -> usize {
        self.indptr.len() - 1
    }

    /// The entries of row `i`, ascending by id.
    ///
    /// # Panics
    /// If there is no row `i`.
    pub fn row(&self, i: usize) -> impl Iterator<Item = (u32, f32)> {
        let row = self.indptr[i]..self.indptr[i + 1];
        self.indices[row.clone()].iter().copied().zip(self.values[row].iter().copied())
    }
}

impl KnnGraph {
    /// The graph as a sparse matrix, without the places where a row has no neighbour.
    ///
    /// ```
    /// use nndescent::{Metric, Points, exact};
    ///
    /// let points = Points::dense(&[0.0f32, 1.0, 3.0], 3, 1)?;
    /// let csr = exact::graph(&points, &Metric::Euclidean, 1, false)?.to_csr();
    /// assert_eq!((csr.indptr, csr.indices, csr.values), (vec![0, 1, 2, 3], vec![1, 0, 1], vec![1.0, 1.0, 2.0]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn to_csr(&self) -> CsrGraph {
        let row = |i: usize| self.neighbors(i).map(|neighbor| (neighbor.id, neighbor.distance)).collect();
        CsrGraph::of_rows((0..self.n()).into_par_iter().with_min_len(256).map(row).collect())
    }

    /// The graph as a `sprs` matrix: [`KnnGraph::to_csr`].
    #[cfg(feature = "sprs")]
    #[must_use]
    pub fn to_sprs(&self) -> sprs::CsMatI<f32, u32, usize> {
        let CsrGraph { indptr, indices, values } = self.to_csr();
        sprs::CsMatI::new((self.n(), self.n()), indptr, indices, values)
    }

    /// All ids, `n x k`, as an `ndarray` view.
    #[cfg(feature = "ndarray")]
    #[must_use]
    pub fn ids_array(&self) -> ndarray::ArrayView2<'_, u32> {
        view((self.n(), self.k()), self.all_ids())
    }

    /// All distances, `n x k`, as an `ndarray` view.
    #[cfg(feature = "ndarray")]
    #[must_use]
    pub fn distances_array(&self) -> ndarray::ArrayView2<'_, f32> {
        view((self.n(), self.k()), self.all_distances())
    }
}

#[cfg(feature = "ndarray")]
fn view<T>(shape: (usize, usize), values: &[T]) -> ndarray::ArrayView2<'_, T> {
    ndarray::ArrayView2::from_shape(shape, values).expect("a graph holds n * k entries")
}
