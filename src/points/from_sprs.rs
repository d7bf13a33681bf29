//! `sprs` matrices as sparse rows (feature `sprs`).

use sprs::{CsMatViewI, SpIndex};

use super::sparse::MAX_COLUMNS;
use super::{Csr, CsrMatrix, PointsError};

impl<'a> Csr<'a> {
    /// A `sprs` view in CSR storage, without a copy.
    ///
    /// # Errors
    /// Those of [`Csr::new`], and [`PointsError::StoredByColumns`]. A view of some rows of a larger matrix begins in the middle of
    /// its arrays and is refused; [`CsrMatrix::from_sprs`] takes it.
    pub fn from_sprs(view: CsMatViewI<'a, f32, u32, usize>) -> Result<Self, PointsError> {
        let (n, dim) = view.shape();
        if !view.is_csr() {
            return Err(PointsError::StoredByColumns { n, dim });
        }
        let (indptr, indices, values) = view.into_raw_storage();
        Self::new(dim, indptr, indices, values)
    }
}

impl CsrMatrix {
    /// A copy of a `sprs` view, of any storage and types of indices.
    ///
    /// # Errors
    /// Those of [`CsrMatrix::new`].
    pub fn from_sprs<I: SpIndex, P: SpIndex>(view: CsMatViewI<f32, I, P>) -> Result<Self, PointsError> {
        if view.is_csc() {
            return Self::from_sprs(view.to_csr().view());
        }
        let dim = view.cols();
        if dim > MAX_COLUMNS {
            return Err(PointsError::TooManyColumns { dim });
        }
        let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
        for row in view.outer_iterator() {
            indices.extend(row.indices().iter().map(|i| i.index() as u32));
            values.extend_from_slice(row.data());
            indptr.push(indices.len());
        }
        Self::new(dim, indptr, indices, values)
    }
}

#[cfg(test)]
mod tests {
    use sprs::{CsMatI, TriMatI};

    use super::*;

    fn triplets<I: SpIndex>() -> TriMatI<f32, I> {
        let mut triplets = TriMatI::new((3, 5));
        triplets.add_triplet(2, 4, 3.0);
        triplets.add_triplet(0, 1, 1.0);
        triplets.add_triplet(0, 3, -2.0);
        triplets
    }

    fn expected() -> CsrMatrix {
        CsrMatrix::new(5, vec![0, 2, 2, 3], vec![1, 3, 4], vec![1.0, -2.0, 3.0]).unwrap()
    }

    #[test]
    fn sprs_matrices_are_rows() {
        let matrix: CsMatI<f32, u32, usize> = triplets::<u32>().to_csr();
        let csr = Csr::from_sprs(matrix.view()).unwrap();
        let expected = expected();
        assert_eq!((csr.n(), csr.dim(), csr.nnz()), (3, 5, 3));
        assert!((0..3).all(|i| csr.row(i) == expected.view().row(i)));
        assert_eq!(CsrMatrix::from_sprs(matrix.view()), Ok(expected.clone()));
        let wide: CsMatI<f32, usize> = triplets::<usize>().to_csr();
        assert_eq!(CsrMatrix::from_sprs(wide.view()), Ok(expected.clone()));
        let columns: CsMatI<f32, u32, usize> = triplets::<u32>().to_csc();
        assert_eq!(CsrMatrix::from_sprs(columns.view()), Ok(expected));
        let message = Csr::from_sprs(columns.view()).unwrap_err().to_string();
        assert_eq!(message, "the matrix of 3 x 5 is stored by columns: call `.to_csr()` first");
    }

    #[test]
    fn views_of_some_rows_are_copied() {
        let matrix: CsMatI<f32, u32, usize> = triplets::<u32>().to_csr();
        let last = matrix.slice_outer(1..3);
        assert_eq!(CsrMatrix::from_sprs(last), Ok(expected().select(&[1, 2])));
        assert_eq!(Csr::from_sprs(last).unwrap_err(), PointsError::IndptrStart { first: 2 });
    }
}
