//! Checked, borrowed views of the rows a graph is built on.
//!
//! Values stay as they come (f32, f16, u8, i8); kernels widen them in registers.

mod bits;
mod dense;
mod element;
#[cfg(feature = "sprs")]
mod from_sprs;
mod items;
mod own;
mod owned;
mod sparse;

pub use bits::Bits;
pub(crate) use dense::with_rows;
pub use dense::{Dense, DenseValues};
pub use element::Element;
pub use items::{GpuRows, Items, ItemsRef, items, row_items, row_items_with_wgsl};
pub use own::{Collection, Kept, KeptItems, Own, RowValues, own_items, own_rows, own_sparse_rows};
pub use sparse::{Csr, CsrMatrix, SparseRow};

use thiserror::Error;

/// The largest number of rows: ids carry one flag bit beside them while a graph is built.
pub const MAX_POINTS: usize = (1 << 31) - 1;

/// Why a matrix cannot be used as points.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum PointsError {
    /// No rows.
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
    #[error("{n} rows: at most {MAX_POINTS} are supported")]
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
    /// Rows of another number of columns than those they are to join.
    #[error("rows of {dim} columns cannot join rows of {expected}")]
    OtherColumns {
        /// Columns given.
        dim: usize,
        /// Columns needed.
        expected: usize,
    },
}

fn expected(n: usize, dim: usize) -> String {
    n.checked_mul(dim).map_or_else(|| "overflow".into(), |v| format!("{v} needed"))
}

/// The rows that a graph is built on, or queries are made with: a borrowed view, checked once.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Points<'a> {
    /// A dense matrix: [`Points::dense`].
    Dense(Dense<'a>),
    /// Sparse rows: [`Points::csr`].
    Sparse(Csr<'a>),
    /// Packed bits: [`Points::bits`].
    Bits(Bits<'a>),
    /// Whatever the user compares: [`Points::items`].
    Items(ItemsRef<'a>),
}

impl<'a> Points<'a> {
    /// A dense row-major matrix: `data[i * dim + j]` is column `j` of row `i`.
    ///
    /// # Errors
    /// `n` or `dim` zero, `data.len() != n * dim`, more than [`MAX_POINTS`] rows, or a value that is not finite (named
    /// by row and column).
    ///
    /// # Complexity
    /// One parallel pass over floating-point data; none over integers.
    pub fn dense<E: Element>(data: &'a [E], n: usize, dim: usize) -> Result<Self, PointsError> {
        Dense::new(data, n, dim).map(Self::Dense)
    }

    /// `n` rows of `dim` bits, each row `dim.div_ceil(8)` bytes: for the metrics of sets, `bit_hamming` and `bit_jaccard`. Words
    /// of other widths are given by `bytemuck::cast_slice`.
    ///
    /// # Errors
    /// `n` or `dim` zero, bytes that are not `n` rows, more than [`MAX_POINTS`] rows, a row with bits beyond `dim`.
    pub fn bits(bytes: &'a [u8], n: usize, dim: usize) -> Result<Self, PointsError> {
        Bits::new(bytes, n, dim).map(Self::Bits)
    }

    /// Compressed sparse rows: the entries of row `i` are `indptr[i]..indptr[i + 1]` of `indices` (columns, ascending) and
    /// `values`. A [`CsrMatrix`] sorts rows that are not.
    ///
    /// # Errors
    /// Those of [`Csr::new`].
    pub fn csr(dim: usize, indptr: &'a [usize], indices: &'a [u32], values: &'a [f32]) -> Result<Self, PointsError> {
        Csr::new(dim, indptr, indices, values).map(Self::Sparse)
    }

    /// Items that bring their own distance: for [`Metric::Custom`](crate::Metric::Custom).
    ///
    /// # Errors
    /// No items, or more than [`MAX_POINTS`].
    pub fn items(items: &'a dyn Items) -> Result<Self, PointsError> {
        match items.n() {
            0 => Err(PointsError::NoRows),
            n if n > MAX_POINTS => Err(PointsError::TooMany { n }),
            _ => Ok(Self::Items(ItemsRef(items))),
        }
    }

    /// A two-dimensional `ndarray` view in standard (row-major, contiguous) layout.
    ///
    /// # Errors
    /// Those of [`Points::dense`], and [`PointsError::NotRowMajor`].
    #[cfg(feature = "ndarray")]
    pub fn from_ndarray<E: Element>(view: ndarray::ArrayView2<'a, E>) -> Result<Self, PointsError> {
        let (n, dim) = view.dim();
        let data = view.to_slice().ok_or(PointsError::NotRowMajor { n, dim })?;
        Self::dense(data, n, dim)
    }

    /// Number of rows.
    #[must_use]
    pub fn n(&self) -> usize {
        match self {
            Self::Dense(dense) => dense.n(),
            Self::Sparse(rows) => rows.n(),
            Self::Bits(bits) => bits.n(),
            Self::Items(items) => items.0.n(),
        }
    }

    /// Number of columns, or bits; 1 for items.
    #[must_use]
    pub fn dim(&self) -> usize {
        match self {
            Self::Dense(dense) => dense.dim(),
            Self::Sparse(rows) => rows.dim(),
            Self::Bits(bits) => bits.dim(),
            Self::Items(_) => 1,
        }
    }

    /// The dense view, if they are dense.
    #[must_use]
    pub fn as_dense(&self) -> Option<&Dense<'a>> {
        match self {
            Self::Dense(dense) => Some(dense),
            _ => None,
        }
    }

    /// The type of the values, as numpy names it; `bits`.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Dense(dense) => dense.type_name(),
            Self::Sparse(_) => "sparse",
            Self::Bits(_) => "bits",
            Self::Items(_) => "items",
        }
    }

    /// Columns and type, in words: what queries and points must agree in.
    pub(crate) fn shape(&self) -> String {
        format!("{} columns of {}", self.dim(), self.type_name())
    }
}
