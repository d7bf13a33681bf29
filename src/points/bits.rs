//! Rows of packed bits.

use super::{MAX_POINTS, PointsError};

/// A checked matrix of bits: `n` rows of `dim` bits, each row `dim.div_ceil(8)` bytes, bit `j` of a row being bit `j %
/// 8` of its byte `j / 8` (numpy's `packbits` with `bitorder="little"`; other orders give the same distances).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bits<'a> {
    bytes: &'a [u8],
    n: usize,
    dim: usize,
}

impl<'a> Bits<'a> {
    pub(crate) fn new(bytes: &'a [u8], n: usize, dim: usize) -> Result<Self, PointsError> {
        if dim == 0 {
            return Err(PointsError::NoColumns { n });
        }
        let row_bytes = dim.div_ceil(8);
        if n.checked_mul(row_bytes) != Some(bytes.len()) {
            return Err(PointsError::Ragged { len: bytes.len(), n, dim: row_bytes });
        }
        if n > MAX_POINTS {
            return Err(PointsError::TooMany { n });
        }
        let spare = dim % 8;
        let beyond = |row: &[u8]| spare != 0 && row[row_bytes - 1] >> spare != 0;
        match bytes.chunks_exact(row_bytes).position(beyond) {
            Some(row) => Err(PointsError::BitsBeyond { row, dim }),
            None => Ok(Self { bytes, n, dim }),
        }
    }

    /// Rows that were checked before.
    pub(crate) fn trusted(bytes: &'a [u8], n: usize, dim: usize) -> Self {
        debug_assert_eq!(bytes.len(), n * dim.div_ceil(8));
        Self { bytes, n, dim }
    }

    /// Number of rows.
    pub(crate) fn n(&self) -> usize {
        self.n
    }

    /// Bits of a row.
    pub(crate) fn dim(&self) -> usize {
        self.dim
    }

    /// Bytes of a row.
    pub(crate) fn row_bytes(&self) -> usize {
        self.dim.div_ceil(8)
    }

    /// All rows, one after the other.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The bytes of row `i`.
    pub(crate) fn row(&self, i: usize) -> &'a [u8] {
        &self.bytes[i * self.row_bytes()..][..self.row_bytes()]
    }
}
