//! Points that are kept: read from files, or put together.

use super::{CsrMatrix, Points, PointsError};

/// Points of any kind, owned.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum OwnedPoints {
    Dense { values: Vec<f32>, n: usize, dim: usize },
    Sparse(CsrMatrix),
    Bits { bytes: Vec<u8>, n: usize, dim: usize },
}

impl OwnedPoints {
    pub(crate) fn view(&self) -> Result<Points<'_>, PointsError> {
        match self {
            Self::Dense { values, n, dim } => Points::dense(values, *n, *dim),
            Self::Sparse(matrix) => Ok(Points::Sparse(matrix.view())),
            Self::Bits { bytes, n, dim } => Points::bits(bytes, *n, *dim),
        }
    }
}

impl Points<'_> {
    /// These points and, after them, others of the same shape; none of items.
    pub(crate) fn joined(&self, others: &Points) -> Option<OwnedPoints> {
        let n = self.n() + others.n();
        Some(match (self, others) {
            (Points::Bits(a), Points::Bits(b)) => {
                OwnedPoints::Bits { bytes: [a.bytes(), b.bytes()].concat(), n, dim: a.dim() }
            }
            (Points::Sparse(a), Points::Sparse(b)) => {
                let mut rows = CsrMatrix::empty(a.dim());
                for row in (0..a.n()).map(|i| a.row(i)).chain((0..b.n()).map(|i| b.row(i))) {
                    rows.push_row(row.entries());
                }
                OwnedPoints::Sparse(rows)
            }
            (Points::Dense(a), Points::Dense(b)) => {
                let dim = a.dim();
                let mut values = vec![0.0; n * dim];
                for (i, row) in values.chunks_exact_mut(dim).enumerate() {
                    if i < a.n() { a.widen_row(i, row) } else { b.widen_row(i - a.n(), row) }
                }
                OwnedPoints::Dense { values, n, dim }
            }
            _ => return None,
        })
    }
}
