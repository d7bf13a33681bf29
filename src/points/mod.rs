//! Checked, borrowed views of the rows a graph is built on.
//!
//! Values keep their type (f32, f16, u8, i8); kernels widen them in registers.

mod bits;
pub mod custom;
mod dense;
mod element;
#[cfg(feature = "sprs")]
mod from_sprs;
mod owned;
mod sparse;

pub(crate) use bits::Bits;
#[cfg(feature = "gpu")]
pub(crate) use custom::GpuRows;
pub(crate) use custom::{Items, ItemsRef, Kept};
pub(crate) use dense::Dense;
pub use dense::DenseValues;
pub(crate) use dense::with_rows;
pub use element::Element;
#[cfg(feature = "io")]
pub(crate) use sparse::merge_entries;
pub use sparse::{Csr, CsrMatrix, SparseRow};

use thiserror::Error;

/// See [`Points::MAX_ROWS`].
pub(crate) const MAX_POINTS: usize = Points::MAX_ROWS;

/// Why a matrix cannot be used as points.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum PointsError {
    /// No rows to build a graph or an index of. Batches of queries may be empty.
    #[error("no points: the matrix has 0 rows")]
    NoRows,
    /// No columns.
    #[error("no dimensions: the matrix has {n} rows of 0 columns")]
    NoColumns {
        /// Rows given.
        n: usize,
    },
    /// The slice is not n x dim long.
    #[error("{len} values do not make {n} rows of {dim} columns ({})", expected(*n, *dim))]
    Ragged {
        /// Values given.
        len: usize,
        /// Rows given.
        n: usize,
        /// Columns given.
        dim: usize,
    },
    /// More rows than ids.
    #[error("{n} rows: at most {} are supported", Points::MAX_ROWS)]
    TooMany {
        /// Rows given.
        n: usize,
    },
    /// NaN or an infinity.
    #[error("row {row}, column {column} is {value}: every value must be finite")]
    NotFinite {
        /// Row of the first such value.
        row: usize,
        /// Its column.
        column: usize,
        /// NaN, inf or -inf.
        value: f32,
    },
    /// A value that the type it is to be converted to cannot hold.
    #[error("row {row}, column {column} is {value:?}, which {dtype} cannot hold")]
    DoesNotFit {
        /// Row of the first such value.
        row: usize,
        /// Its column.
        column: usize,
        /// The value as it was given.
        value: f64,
        /// numpy's name of the type.
        dtype: &'static str,
    },
    /// There is not as much memory as values of another type would take.
    #[error("out of memory: {bytes} bytes are needed at once")]
    Memory {
        /// Bytes asked for.
        bytes: usize,
    },
    /// Bits beyond the width of a row are set.
    #[error("row {row} has bits set beyond its {dim}")]
    BitsBeyond {
        /// The first such row.
        row: usize,
        /// Bits of a row.
        dim: usize,
    },
    /// An `ndarray` view whose rows are not contiguous.
    #[error("the array of shape {n} x {dim} is not contiguous in row-major order: call `.as_standard_layout()` first")]
    NotRowMajor {
        /// Rows given.
        n: usize,
        /// Columns given.
        dim: usize,
    },
    /// A sparse matrix's `indptr` without its first number.
    #[error("indptr is empty: it has one number more than there are rows")]
    NoIndptr,
    /// A sparse matrix's `indptr` begins in the middle.
    #[error("indptr begins with {first}, not with 0")]
    IndptrStart {
        /// Its first number.
        first: usize,
    },
    /// A sparse row that would end before it begins.
    #[error("row {row}: indptr decreases from {from} to {to}")]
    IndptrDecreases {
        /// The row.
        row: usize,
        /// Where it begins.
        from: usize,
        /// Where it ends.
        to: usize,
    },
    /// A sparse matrix's rows do not end where its entries do.
    #[error("indptr ends with {last}, but there are {indices} indices")]
    IndptrEnd {
        /// The last of `indptr`.
        last: usize,
        /// Indices given.
        indices: usize,
    },
    /// Columns and values of a sparse matrix differ in number.
    #[error("{indices} indices but {values} values")]
    UnevenEntries {
        /// Indices given.
        indices: usize,
        /// Values given.
        values: usize,
    },
    /// More columns than numbers for them.
    #[error("{dim} columns: at most {} are supported", u32::MAX)]
    TooManyColumns {
        /// Columns given.
        dim: usize,
    },
    /// An entry beside the matrix.
    #[error("row {row} has an entry in column {column}: there are {dim} columns, from 0")]
    ColumnOutOfRange {
        /// The row.
        row: usize,
        /// The entry's column.
        column: u32,
        /// Columns there are.
        dim: usize,
    },
    /// Columns out of order.
    #[error("row {row}: column {column} comes after column {before}; sort the row's columns")]
    UnsortedColumns {
        /// The row.
        row: usize,
        /// The first column that is smaller than the one before it.
        column: u32,
        /// The one before it.
        before: u32,
    },
    /// Two entries in one place.
    #[error("row {row} has column {column} twice")]
    DuplicateColumn {
        /// The row.
        row: usize,
        /// The column.
        column: u32,
    },
    /// A `sprs` matrix that is stored by columns.
    #[error("the matrix of {n} x {dim} is stored by columns: call `.to_csr()` first")]
    StoredByColumns {
        /// Rows given.
        n: usize,
        /// Columns given.
        dim: usize,
    },
    /// Rows with another number of columns than the rows they are appended to.
    #[error("rows of {dim} columns cannot join rows of {expected}")]
    OtherColumns {
        /// Columns given.
        dim: usize,
        /// Columns needed.
        expected: usize,
    },
}

impl PointsError {
    /// The same of rows that follow `first` others.
    #[cfg(feature = "io")]
    pub(crate) fn of_later_rows(mut self, first: usize) -> Self {
        if let Self::NotFinite { row, .. } | Self::DoesNotFit { row, .. } = &mut self {
            *row += first;
        }
        self
    }
}

fn expected(n: usize, dim: usize) -> String {
    n.checked_mul(dim).map_or_else(|| "overflow".into(), |v| format!("{v} needed"))
}

/// The rows that a graph is built on, or queries: a borrowed view, checked once. Cheap to copy. A batch of queries may
/// be empty; what a graph or an index is built of may not.
///
/// ```
/// use nndescent::{CsrMatrix, Points};
///
/// let dense = Points::dense(&[0.5f32, 1.0, 2.0, 4.0, 8.0, 16.0], 3, 2)?; // f32, f16, u8 or i8, row-major
/// let sparse = Points::csr(5, &[0, 2, 3], &[0, 4, 1], &[1.0, 2.0, 3.0])?; // 2 rows of 5 columns
/// let bits = Points::bits(&[0b1010, 0b0110], 2, 4)?; // 2 rows of 4 bits, a byte each
/// let unsorted = CsrMatrix::new(5, vec![0, 2], vec![4, 0], vec![2.0, 1.0])?;
/// assert_eq!((dense.n(), sparse.dim(), bits.n(), Points::from(&unsorted).n()), (3, 5, 2, 1));
/// # Ok::<(), nndescent::PointsError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Points<'a> {
    kind: PointsKind<'a>,
}

/// The kinds of points there are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PointsKind<'a> {
    Dense(Dense<'a>),
    Sparse(Csr<'a>),
    Bits(Bits<'a>),
    Items(ItemsRef<'a>),
}

impl<'a> From<PointsKind<'a>> for Points<'a> {
    fn from(kind: PointsKind<'a>) -> Self {
        Self { kind }
    }
}

impl<'a> From<Dense<'a>> for Points<'a> {
    fn from(dense: Dense<'a>) -> Self {
        PointsKind::Dense(dense).into()
    }
}

impl<'a> From<Csr<'a>> for Points<'a> {
    fn from(rows: Csr<'a>) -> Self {
        PointsKind::Sparse(rows).into()
    }
}

impl<'a> From<&'a CsrMatrix> for Points<'a> {
    fn from(matrix: &'a CsrMatrix) -> Self {
        matrix.view().into()
    }
}

impl<'a> Points<'a> {
    /// The largest number of rows: while a graph is built, ids carry one flag bit.
    pub const MAX_ROWS: usize = (1 << 31) - 1;

    /// A dense row-major matrix: `data[i * dim + j]` is column `j` of row `i`.
    ///
    /// # Errors
    /// `dim` zero, `data.len() != n * dim`, more than [`Points::MAX_ROWS`] rows, or a value that is not finite
    /// (named by row and column).
    ///
    /// # Complexity
    /// One parallel pass over floating-point data; none over integers.
    pub fn dense<E: Element>(data: &'a [E], n: usize, dim: usize) -> Result<Self, PointsError> {
        Dense::new(data, n, dim).map(Self::from)
    }

    /// `n` rows of `dim` bits, each row `dim.div_ceil(8)` bytes, bit `j` in bit `j % 8` of byte `j / 8` (numpy's
    /// `packbits` with `bitorder="little"`; other orders give the same distances): for set metrics, `bit_hamming` and
    /// `bit_jaccard`. Cast words of other widths by `bytemuck::cast_slice`.
    ///
    /// # Errors
    /// `dim` zero, bytes that are not `n` rows, more than [`Points::MAX_ROWS`] rows, a row with bits beyond
    /// `dim`.
    pub fn bits(bytes: &'a [u8], n: usize, dim: usize) -> Result<Self, PointsError> {
        Bits::new(bytes, n, dim).map(|bits| PointsKind::Bits(bits).into())
    }

    /// Compressed sparse rows: the entries of row `i` are `indptr[i]..indptr[i + 1]` of `indices` (columns, ascending)
    /// and `values`. A [`CsrMatrix`] sorts rows that are not.
    ///
    /// # Errors
    /// Same as [`Csr::new`].
    pub fn csr(dim: usize, indptr: &'a [usize], indices: &'a [u32], values: &'a [f32]) -> Result<Self, PointsError> {
        Csr::new(dim, indptr, indices, values).map(Self::from)
    }

    /// Items with a custom distance ([`custom`](crate::custom)), for [`Metric::Custom`](crate::Metric::Custom).
    ///
    /// # Errors
    /// More than [`Points::MAX_ROWS`] items.
    pub fn items(items: &'a dyn Items) -> Result<Self, PointsError> {
        match items.n() {
            n if n > MAX_POINTS => Err(PointsError::TooMany { n }),
            _ => Ok(PointsKind::Items(ItemsRef(items)).into()),
        }
    }

    /// A two-dimensional `ndarray` view in standard (row-major, contiguous) layout.
    ///
    /// # Errors
    /// Same as [`Points::dense`], and [`PointsError::NotRowMajor`].
    #[cfg(feature = "ndarray")]
    pub fn from_ndarray<E: Element>(view: ndarray::ArrayView2<'a, E>) -> Result<Self, PointsError> {
        let (n, dim) = view.dim();
        let data = view.to_slice().ok_or(PointsError::NotRowMajor { n, dim })?;
        Self::dense(data, n, dim)
    }

    /// Number of rows.
    #[must_use]
    pub fn n(&self) -> usize {
        match self.kind {
            PointsKind::Dense(dense) => dense.n(),
            PointsKind::Sparse(rows) => rows.n(),
            PointsKind::Bits(bits) => bits.n(),
            PointsKind::Items(items) => items.0.n(),
        }
    }

    /// Number of columns, or bits; 1 for items.
    #[must_use]
    pub fn dim(&self) -> usize {
        match self.kind {
            PointsKind::Dense(dense) => dense.dim(),
            PointsKind::Sparse(rows) => rows.dim(),
            PointsKind::Bits(bits) => bits.dim(),
            PointsKind::Items(_) => 1,
        }
    }

    /// Fails if there are no rows: for what graphs and indexes are built of.
    pub(crate) fn check_not_empty(&self) -> Result<(), PointsError> {
        if self.n() == 0 { Err(PointsError::NoRows) } else { Ok(()) }
    }

    pub(crate) fn kind(&self) -> PointsKind<'a> {
        self.kind
    }

    /// The dense view, if they are dense.
    pub(crate) fn as_dense(&self) -> Option<&Dense<'a>> {
        match &self.kind {
            PointsKind::Dense(dense) => Some(dense),
            _ => None,
        }
    }

    /// Why a custom distance of these items failed, if they tell: [`Items::failure`].
    pub(crate) fn failure(&self) -> Option<String> {
        match self.kind {
            PointsKind::Items(items) => items.0.failure(),
            PointsKind::Dense(_) | PointsKind::Sparse(_) | PointsKind::Bits(_) => None,
        }
    }

    /// The type of the values as numpy names it, or the kind of rows.
    pub(crate) fn type_name(&self) -> &'static str {
        match self.kind {
            PointsKind::Dense(dense) => dense.type_name(),
            PointsKind::Sparse(_) => "sparse",
            PointsKind::Bits(_) => "bits",
            PointsKind::Items(_) => "items",
        }
    }

    /// Columns and type, in words: queries must have those of the points.
    pub(crate) fn shape(&self) -> String {
        format!("{} columns of {}", self.dim(), self.type_name())
    }
}
