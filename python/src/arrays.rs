//! Results as numpy arrays, without copies.

use nndescent::{CsrGraph, KnnGraph};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;

use crate::errors::Raised;

pub type Array1<'py, T> = Bound<'py, PyArray1<T>>;
pub type Array2<'py, T> = Bound<'py, PyArray2<T>>;
/// Ids and distances, n x k.
pub type GraphArrays<'py> = (Array2<'py, u32>, Array2<'py, f32>);
/// indptr, indices and values of a sparse matrix.
pub type CsrArrays<'py> = (Array1<'py, i64>, Array1<'py, i32>, Array1<'py, f32>);

pub fn graph(py: Python<'_>, graph: KnnGraph) -> PyResult<GraphArrays<'_>> {
    let shape = [graph.n(), graph.k()];
    let (ids, distances) = graph.into_parts();
    Ok((ids.into_pyarray(py).reshape(shape)?, distances.into_pyarray(py).reshape(shape)?))
}

pub fn csr(py: Python<'_>, graph: CsrGraph) -> CsrArrays<'_> {
    (
        PyArray1::from_iter(py, graph.indptr.iter().map(|&at| at as i64)),
        PyArray1::from_iter(py, graph.indices.iter().map(|&id| id as i32)),
        graph.values.into_pyarray(py),
    )
}

/// A graph of the crate, of a copy of the arrays.
pub fn to_graph(ids: &PyReadonlyArray2<'_, u32>, distances: &PyReadonlyArray2<'_, f32>) -> Result<KnnGraph, Raised> {
    let (n, k) = (ids.shape()[0], ids.shape()[1]);
    let (ids, distances) = (ids.as_slice().map_err(PyErr::from)?, distances.as_slice().map_err(PyErr::from)?);
    Ok(KnnGraph::from_parts(n, k, ids.to_vec(), distances.to_vec())?)
}
