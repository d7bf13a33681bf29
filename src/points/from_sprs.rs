//! `sprs` matrices as sparse rows (feature `sprs`).

use sprs::{CsMatViewI, SpIndex};

use super::sparse::MAX_COLUMNS;
use super::{Csr, CsrMatrix, PointsError};

impl<'a> Csr<'a> {
    /// A `sprs` view in CSR storage, without a copy.
    ///
    /// # Errors
    /// Same as [`Csr::new`], and [`PointsError::StoredByColumns`]. A view of some rows of a larger matrix begins in the
    /// middle of its arrays and is refused; [`CsrMatrix::from_sprs`] takes it.
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
    /// Same as [`CsrMatrix::new`].
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
