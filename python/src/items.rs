//! Rows under a function of Python, as the crate keeps them.

use std::sync::Arc;

use nndescent::custom::{BitValues, Custom, RowValues};
use nndescent::{CsrMatrix, Points, SparseRow};
use pyo3::exceptions::PyTypeError;

use crate::errors::Raised;
use crate::metric::Callable;
use crate::rows::{Values, View};

type OfRows = Box<dyn Fn(&[f32], &[f32]) -> f32 + Send + Sync>;
type OfBits = Box<dyn Fn(&[u8], &[u8]) -> f32 + Send + Sync>;
type OfSparse = Box<dyn Fn(SparseRow<'_>, SparseRow<'_>) -> f32 + Send + Sync>;

/// Rows with a function that compares them.
pub enum Items {
    Dense(Custom<RowValues, OfRows>),
    Bits(Custom<BitValues, OfBits>),
    Sparse(Custom<CsrMatrix, OfSparse>),
}

impl Items {
    /// A copy of the rows, compared by `callable`.
    pub fn new(rows: View<'_>, callable: &Arc<Callable>) -> Result<Self, Raised> {
        let callable = Arc::clone(callable);
        match rows.values {
            Values::F32(values) => {
                let distance: OfRows = Box::new(move |x: &[f32], y: &[f32]| callable.of_rows(x, y));
                Ok(Self::Dense(Custom::rows(values.to_vec(), rows.dim, distance)?))
            }
            Values::Bits(bytes) => {
                let distance: OfBits = Box::new(move |x: &[u8], y: &[u8]| callable.of_bits(x, y));
                Ok(Self::Bits(Custom::bits(bytes.to_vec(), rows.dim, distance)?))
            }
            _ => {
                let matrix = rows.to_csr()?.ok_or_else(unsuitable)?;
                let distance: OfSparse = Box::new(move |x: SparseRow<'_>, y: SparseRow<'_>| callable.of_sparse(x, y));
                Ok(Self::Sparse(Custom::sparse(matrix, distance)))
            }
        }
    }

    /// Other rows under the same function.
    pub fn others(&self, rows: View<'_>) -> Result<Self, Raised> {
        match (self, rows.values) {
            (Self::Dense(items), Values::F32(values)) => Ok(Self::Dense(items.others(values.to_vec())?)),
            (Self::Bits(items), Values::Bits(bytes)) => Ok(Self::Bits(items.others(bytes.to_vec())?)),
            (Self::Sparse(items), _) => Ok(Self::Sparse(items.others(rows.to_csr()?.ok_or_else(unsuitable)?))),
            _ => Err(unsuitable()),
        }
    }

    /// As points, for the metric `Custom`.
    pub fn points(&self) -> Result<Points<'_>, Raised> {
        Ok(match self {
            Self::Dense(items) => Points::items(items)?,
            Self::Bits(items) => Points::items(items)?,
            Self::Sparse(items) => Points::items(items)?,
        })
    }
}

fn unsuitable() -> Raised {
    PyTypeError::new_err("a metric that is a function compares float32 rows, sparse rows or packed bits").into()
}
