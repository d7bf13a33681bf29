//! Sparse rows: compressed sparse row (CSR) matrices, borrowed and owned.

use super::{MAX_POINTS, PointsError};

/// The most columns a sparse matrix may have: their numbers are 32 bits wide.
pub(super) const MAX_COLUMNS: usize = u32::MAX as usize;

/// A checked, borrowed CSR matrix of finite values.
///
/// Row `i` has the columns `indices[indptr[i]..indptr[i + 1]]`, strictly ascending, with the `values` at the same
/// places; all other columns are zero. Rows may be empty, and a stored zero is the same as none.
#[derive(Debug, Clone, Copy)]
pub struct Csr<'a> {
    dim: usize,
    indptr: &'a [usize],
    indices: &'a [u32],
    values: &'a [f32],
}

/// The entries of a sparse row, columns ascending.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SparseRow<'a> {
    /// Columns.
    pub indices: &'a [u32],
    /// The value of each.
    pub values: &'a [f32],
}

impl<'a> SparseRow<'a> {
    /// Columns and values that are not zero.
    pub(crate) fn entries(self) -> impl Iterator<Item = (u32, f32)> + Clone + use<'a> {
        self.indices.iter().copied().zip(self.values.iter().copied()).filter(|(_, v)| *v != 0.0)
    }
}

impl<'a> Csr<'a> {
    /// A matrix of `indptr.len() - 1` rows and `dim` columns. Columns must be strictly ascending within every row;
    /// [`CsrMatrix::new`] sorts them.
    ///
    /// # Errors
    /// `indptr` does not begin at 0, decreases, or does not end at `indices.len()`; `values` and `indices` differ in
    /// length; a row with columns out of range, out of order or repeated, or a value that is not finite; no
    /// columns, or too many rows or columns.
    ///
    /// # Complexity
    /// One pass over the arrays.
    pub fn new(dim: usize, indptr: &'a [usize], indices: &'a [u32], values: &'a [f32]) -> Result<Self, PointsError> {
        let csr = Self { dim, indptr, indices, values };
        check_frame(dim, indptr, indices.len(), values.len())?;
        for row in 0..csr.n() {
            check_row(row, csr.row(row), dim)?;
        }
        Ok(csr)
    }

    /// Where the entries of every row begin, and where the last ends.
    #[must_use]
    pub fn indptr(&self) -> &'a [usize] {
        self.indptr
    }

    /// The columns of all entries.
    #[must_use]
    pub fn indices(&self) -> &'a [u32] {
        self.indices
    }

    /// The values of all entries.
    #[must_use]
    pub fn values(&self) -> &'a [f32] {
        self.values
    }

    /// Number of rows.
    #[must_use]
    pub fn n(&self) -> usize {
        self.indptr.len() - 1
    }

    /// Number of columns.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Number of stored entries.
    #[must_use]
    pub fn nnz(&self) -> usize {
        self.indices.len()
    }

    /// Row `i`.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn row(&self, i: usize) -> SparseRow<'a> {
        let range = self.indptr[i]..self.indptr[i + 1];
        SparseRow { indices: &self.indices[range.clone()], values: &self.values[range] }
    }
}

/// Checks lengths, and what `indptr` says.
fn check_frame(dim: usize, indptr: &[usize], indices: usize, values: usize) -> Result<(), PointsError> {
    let Some((&first, rest)) = indptr.split_first() else { return Err(PointsError::NoIndptr) };
    let n = rest.len();
    if first != 0 {
        return Err(PointsError::IndptrStart { first });
    }
    if n > MAX_POINTS {
        return Err(PointsError::TooMany { n });
    }
    if dim == 0 {
        return Err(PointsError::NoColumns { n });
    }
    if dim > MAX_COLUMNS {
        return Err(PointsError::TooManyColumns { dim });
    }
    if let Some(row) = indptr.windows(2).position(|w| w[0] > w[1]) {
        return Err(PointsError::IndptrDecreases { row, from: indptr[row], to: indptr[row + 1] });
    }
    if indptr[n] != indices {
        return Err(PointsError::IndptrEnd { last: indptr[n], indices });
    }
    if values != indices {
        return Err(PointsError::UnevenEntries { indices, values });
    }
    Ok(())
}

fn check_row(row: usize, entries: SparseRow, dim: usize) -> Result<(), PointsError> {
    for (at, (&column, &value)) in entries.indices.iter().zip(entries.values).enumerate() {
        if column as usize >= dim {
            return Err(PointsError::ColumnOutOfRange { row, column, dim });
        }
        if !value.is_finite() {
            return Err(PointsError::NotFinite { row, column: column as usize, value });
        }
        let before = at.checked_sub(1).map(|at| entries.indices[at]);
        match before.map(|before| before.cmp(&column)) {
            Some(std::cmp::Ordering::Equal) => return Err(PointsError::DuplicateColumn { row, column }),
            Some(std::cmp::Ordering::Greater) => {
                return Err(PointsError::UnsortedColumns { row, column, before: before.unwrap_or_default() });
            }
            _ => {}
        }
    }
    Ok(())
}

/// A CSR matrix that owns its arrays: columns sorted within rows, no zeros stored.
#[derive(Debug, Clone, PartialEq)]
pub struct CsrMatrix {
    dim: usize,
    indptr: Vec<usize>,
    indices: Vec<u32>,
    values: Vec<f32>,
}

impl CsrMatrix {
    /// A matrix of `indptr.len() - 1` rows and `dim` columns. Rows are sorted by column, entries of the same column are
    /// added, as scipy does, and zeros left out.
    ///
    /// # Errors
    /// Same as [`Csr::new`], except that columns may be in any order and repeated.
    ///
    /// # Complexity
    /// O(entries) if rows are sorted; otherwise each is sorted.
    pub fn new(
        dim: usize,
        mut indptr: Vec<usize>,
        mut indices: Vec<u32>,
        mut values: Vec<f32>,
    ) -> Result<Self, PointsError> {
        merge_entries(dim, &mut indptr, &mut indices, &mut values)?;
        let mut matrix = Self { dim, indptr, indices, values };
        for row in 0..matrix.indptr.len() - 1 {
            check_row(row, matrix.trusted().row(row), dim)?;
        }
        matrix.drop_zeros();
        Ok(matrix)
    }

    /// The entries of a dense row-major matrix that are not zero.
    ///
    /// # Errors
    /// Same as [`crate::Points::dense`].
    pub fn from_dense(values: &[f32], n: usize, dim: usize) -> Result<Self, PointsError> {
        super::Dense::new(values, n, dim)?;
        let mut matrix = Self::empty(dim);
        for row in values.chunks_exact(dim) {
            matrix.push_row((0..).zip(row.iter().copied()).filter(|(_, v)| *v != 0.0));
        }
        Ok(matrix)
    }

    pub(crate) fn empty(dim: usize) -> Self {
        Self { dim, indptr: vec![0], indices: Vec::new(), values: Vec::new() }
    }

    /// The matrix as a view.
    #[must_use]
    pub fn view(&self) -> Csr<'_> {
        self.trusted()
    }

    /// The rows `rows`, in that order; rows may be named several times.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn select(&self, rows: &[u32]) -> Self {
        let mut selected = Self::empty(self.dim);
        for &row in rows {
            selected.push_row(self.trusted().row(row as usize).entries());
        }
        selected
    }

    /// Appends the rows of another matrix.
    ///
    /// # Errors
    /// Another number of columns, or more than [`Points::MAX_ROWS`](super::Points::MAX_ROWS) rows together.
    pub fn push(&mut self, rows: Csr) -> Result<(), PointsError> {
        if rows.dim != self.dim {
            return Err(PointsError::OtherColumns { dim: rows.dim, expected: self.dim });
        }
        let n = self.indptr.len() - 1 + rows.n();
        if n > MAX_POINTS {
            return Err(PointsError::TooMany { n });
        }
        self.push_rows(rows);
        Ok(())
    }

    /// Appends rows of the same columns.
    pub(crate) fn push_rows(&mut self, rows: Csr) {
        (0..rows.n()).for_each(|i| self.push_row(rows.row(i).entries()));
    }

    /// Appends a row of sorted entries without zeros.
    pub(crate) fn push_row(&mut self, entries: impl Iterator<Item = (u32, f32)>) {
        for (column, value) in entries {
            self.indices.push(column);
            self.values.push(value);
        }
        self.indptr.push(self.indices.len());
    }

    fn trusted(&self) -> Csr<'_> {
        Csr { dim: self.dim, indptr: &self.indptr, indices: &self.indices, values: &self.values }
    }

    fn drop_zeros(&mut self) {
        if self.values.iter().all(|v| *v != 0.0) {
            return;
        }
        let (mut start, mut kept) = (0, 0);
        for end in &mut self.indptr[1..] {
            for at in start..*end {
                if self.values[at] != 0.0 {
                    (self.indices[kept], self.values[kept]) = (self.indices[at], self.values[at]);
                    kept += 1;
                }
            }
            (start, *end) = (*end, kept);
        }
        self.indices.truncate(kept);
        self.values.truncate(kept);
    }
}

/// Sorts the rows of a matrix by column, and adds what is in the same place.
///
/// # Errors
/// Arrays that do not fit together.
pub(crate) fn merge_entries<T: Copy + std::ops::AddAssign>(
    dim: usize,
    indptr: &mut [usize],
    indices: &mut Vec<u32>,
    values: &mut Vec<T>,
) -> Result<(), PointsError> {
    check_frame(dim, indptr, indices.len(), values.len())?;
    let mut entries: Vec<(u32, T)> = Vec::new();
    let (mut start, mut kept) = (0, 0);
    for end in &mut indptr[1..] {
        let row = start..std::mem::replace(end, kept);
        start = row.end;
        if kept == row.start && indices[row.clone()].is_sorted_by(|a, b| a < b) {
            kept = row.end;
        } else {
            entries.clear();
            entries.extend(indices[row.clone()].iter().copied().zip(values[row].iter().copied()));
            entries.sort_by_key(|entry| entry.0);
            let first = kept;
            for &(column, value) in &entries {
                if kept > first && indices[kept - 1] == column {
                    values[kept - 1] += value;
                } else {
                    (indices[kept], values[kept]) = (column, value);
                    kept += 1;
                }
            }
        }
        *end = kept;
    }
    indices.truncate(kept);
    values.truncate(kept);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(dim: usize, indptr: &[usize], indices: &[u32], values: &[f32]) -> String {
        let error = Csr::new(dim, indptr, indices, values).unwrap_err();
        let owned = CsrMatrix::new(dim, indptr.to_vec(), indices.to_vec(), values.to_vec());
        assert!(
            matches!(&owned, Err(e) if e.to_string() == error.to_string())
                || matches!(error, PointsError::UnsortedColumns { .. } | PointsError::DuplicateColumn { .. }),
            "{error} and {owned:?}"
        );
        error.to_string()
    }

    #[test]
    fn wrong_arrays_are_told_apart() {
        let v = [1.0; 4];
        assert_eq!(error(3, &[], &[], &[]), "indptr is empty: it has one number more than there are rows");
        assert_eq!(error(3, &[1, 2], &[0, 1], &v[..2]), "indptr begins with 1, not with 0");
        assert_eq!(Csr::new(3, &[0], &[], &[]).map(|rows| rows.n()), Ok(0));
        assert_eq!(error(0, &[0, 0], &[], &[]), "no dimensions: the matrix has 1 rows of 0 columns");
        assert_eq!(error(3, &[0, 2, 1, 4], &[0, 1, 0, 1], &v), "row 1: indptr decreases from 2 to 1");
        assert_eq!(error(3, &[0, 2], &[0, 1, 2], &v[..3]), "indptr ends with 2, but there are 3 indices");
        assert_eq!(error(3, &[0, 2], &[0, 1], &v[..3]), "2 indices but 3 values");
        assert_eq!(
            error(3, &[0, 1, 2], &[2, 3], &v[..2]),
            "row 1 has an entry in column 3: there are 3 columns, from 0"
        );
        assert_eq!(
            error(3, &[0, 1, 3], &[2, 2, 0], &v[..3]),
            "row 1: column 0 comes after column 2; sort the row's columns"
        );
        assert_eq!(error(3, &[0, 1, 3], &[2, 1, 1], &v[..3]), "row 1 has column 1 twice");
        assert_eq!(error(3, &[0, 1], &[2], &[f32::NAN]), "row 0, column 2 is NaN: every value must be finite");
        assert!(error(1 << 32, &[0, 0], &[], &[]).contains("4294967296 columns"));
    }

    #[test]
    fn rows_without_entries_and_wide_rows_are_legal() {
        let csr = Csr::new(u32::MAX as usize, &[0, 0, 2, 2], &[0, u32::MAX - 1], &[1.0, 0.0]).unwrap();
        assert_eq!((csr.n(), csr.dim(), csr.nnz()), (3, u32::MAX as usize, 2));
        assert!(csr.row(0).indices.is_empty() && csr.row(2).indices.is_empty());
        assert_eq!(csr.row(1).entries().collect::<Vec<_>>(), [(0, 1.0)]);
    }

    #[test]
    fn an_owned_matrix_is_sorted_and_without_zeros() {
        let matrix = CsrMatrix::new(9, vec![0, 3, 3, 5], vec![7, 2, 4, 8, 0], vec![1.0, 2.0, 0.0, -0.0, 3.0]).unwrap();
        let view = matrix.view();
        assert_eq!(view.row(0), SparseRow { indices: &[2, 7], values: &[2.0, 1.0] });
        assert_eq!(view.row(1), SparseRow { indices: &[], values: &[] });
        assert_eq!(view.row(2), SparseRow { indices: &[0], values: &[3.0] });
    }

    #[test]
    fn entries_in_the_same_place_are_added() {
        let indptr = vec![0, 3, 5, 5, 8];
        let matrix =
            CsrMatrix::new(9, indptr, vec![7, 2, 7, 0, 1, 3, 3, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 1.0, 1.0, -2.0]);
        let expected = CsrMatrix::new(9, vec![0, 2, 4, 4, 4], vec![2, 7, 0, 1], vec![2.0, 4.0, 4.0, 5.0]);
        assert_eq!(matrix.unwrap(), expected.unwrap());
    }

    #[test]
    fn matrices_are_selected_from_and_appended_to() {
        let mut matrix = CsrMatrix::from_dense(&[0.0, 1.0, 2.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0], 3, 3).unwrap();
        let other = matrix.select(&[2, 0, 2]);
        assert_eq!(other, CsrMatrix::from_dense(&[3.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 0.0, 0.0], 3, 3).unwrap());
        matrix.push(other.view()).unwrap();
        assert_eq!(matrix.view().n(), 6);
        assert_eq!(matrix.view().row(4), matrix.view().row(0));
        let wide = CsrMatrix::from_dense(&[1.0; 4], 1, 4).unwrap();
        assert_eq!(matrix.push(wide.view()), Err(PointsError::OtherColumns { dim: 4, expected: 3 }));
    }
}
