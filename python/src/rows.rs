//! Rows that Python hands over, without copies.

use half::f16;
use nndescent::{Csr, CsrMatrix, Points, PointsError};
use numpy::{PyReadonlyArray1, PyReadonlyArray2, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::errors::Raised;

/// A matrix in C order, `("bits", matrix)` of packed bits, or `(columns, indptr, indices, values)`: what `_arrays.py`
/// makes of any input.
pub enum Rows<'py> {
    F32(PyReadonlyArray2<'py, f32>),
    F16(PyReadonlyArray2<'py, f16>),
    F64(PyReadonlyArray2<'py, f64>),
    U8(PyReadonlyArray2<'py, u8>),
    I8(PyReadonlyArray2<'py, i8>),
    Bits(PyReadonlyArray2<'py, u8>),
    Csr(Sparse<'py>),
}

pub struct Sparse<'py> {
    dim: usize,
    indptr: Vec<usize>,
    indices: PyReadonlyArray1<'py, u32>,
    values: PyReadonlyArray1<'py, f32>,
}

impl<'py> FromPyObject<'_, 'py> for Rows<'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok((dim, indptr, indices, values)) =
            object.extract::<(usize, PyReadonlyArray1<i64>, PyReadonlyArray1<u32>, PyReadonlyArray1<f32>)>()
        {
            let indptr = indptr.as_array().iter().map(|&at| at as usize).collect();
            return Ok(Self::Csr(Sparse { dim, indptr, indices, values }));
        }
        if let Ok((kind, bytes)) = object.extract::<(String, PyReadonlyArray2<u8>)>()
            && kind == "bits"
        {
            return Ok(Self::Bits(bytes));
        }
        let array = object.cast::<PyUntypedArray>()?;
        if array.ndim() != 2 || !array.is_c_contiguous() {
            return Err(PyValueError::new_err(format!(
                "an array of shape {:?} is no matrix in C order",
                array.shape()
            )));
        }
        let rows = object.extract().map(Self::F32);
        let rows = rows.or_else(|_: PyErr| object.extract().map(Self::F16));
        let rows = rows.or_else(|_: PyErr| object.extract().map(Self::F64));
        let rows = rows.or_else(|_: PyErr| object.extract().map(Self::U8));
        let rows = rows.or_else(|_: PyErr| object.extract().map(Self::I8));
        rows.map_err(|_: PyErr| PyTypeError::new_err(format!("rows of type {}", array.dtype())))
    }
}

/// The memory of [`Rows`], which threads without the GIL read.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub n: usize,
    pub dim: usize,
    pub values: Values<'a>,
}

#[derive(Clone, Copy)]
pub enum Values<'a> {
    F32(&'a [f32]),
    F16(&'a [f16]),
    F64(&'a [f64]),
    U8(&'a [u8]),
    I8(&'a [i8]),
    Bits(&'a [u8]),
    Csr { indptr: &'a [usize], indices: &'a [u32], values: &'a [f32] },
}

impl Rows<'_> {
    /// The memory.
    pub fn view(&self) -> PyResult<View<'_>> {
        macro_rules! view {
            ($array:expr, $values:expr) => {{
                let (n, dim) = ($array.shape()[0], $array.shape()[1]);
                View { n, dim, values: $values($array.as_slice()?) }
            }};
        }
        Ok(match self {
            Self::F32(array) => view!(array, Values::F32),
            Self::F16(array) => view!(array, Values::F16),
            Self::F64(array) => view!(array, Values::F64),
            Self::Bits(array) => {
                let view = view!(array, Values::Bits);
                View { dim: 8 * view.dim, ..view }
            }
            Self::U8(array) => view!(array, Values::U8),
            Self::I8(array) => view!(array, Values::I8),
            Self::Csr(sparse) => View {
                n: sparse.indptr.len().saturating_sub(1),
                dim: sparse.dim,
                values: Values::Csr {
                    indptr: &sparse.indptr,
                    indices: sparse.indices.as_slice()?,
                    values: sparse.values.as_slice()?,
                },
            },
        })
    }
}

impl<'a> View<'a> {
    /// As points. Values are checked, in the pool that this is called from.
    pub fn points(self) -> Result<Points<'a>, Raised> {
        let Self { n, dim, values } = self;
        Ok(match values {
            Values::F32(values) => Points::dense(values, n, dim)?,
            Values::F16(values) => Points::dense(values, n, dim)?,
            Values::U8(values) => Points::dense(values, n, dim)?,
            Values::I8(values) => Points::dense(values, n, dim)?,
            Values::Bits(values) => Points::bits(values, n, dim)?,
            Values::Csr { indptr, indices, values } => Points::from(Csr::new(dim, indptr, indices, values)?),
            Values::F64(_) => return Err(PyTypeError::new_err("rows of type float64").into()),
        })
    }

    /// Whether values are f64.
    pub fn is_wide(self) -> bool {
        matches!(self.values, Values::F64(_))
    }

    /// A copy of dense values as f64, if that is their type or `any`.
    pub fn wide(self, any: bool) -> Option<Vec<f64>> {
        Some(match self.values {
            Values::F64(values) => values.to_vec(),
            Values::F32(values) if any => values.iter().map(|&v| v.into()).collect(),
            Values::F16(values) if any => values.iter().map(|&v| v.into()).collect(),
            Values::U8(values) if any => values.iter().map(|&v| v.into()).collect(),
            Values::I8(values) if any => values.iter().map(|&v| v.into()).collect(),
            _ => return None,
        })
    }

    /// A copy of sparse rows.
    pub fn to_csr(self) -> Result<Option<CsrMatrix>, PointsError> {
        let Values::Csr { indptr, indices, values } = self.values else { return Ok(None) };
        CsrMatrix::new(self.dim, indptr.to_vec(), indices.to_vec(), values.to_vec()).map(Some)
    }
}
