//! The processors of this machine.

use nndescent::gpu::adapters;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::errors::Raised;
use crate::run::alone;

/// The GPUs that builds may use, one dictionary each.
#[pyfunction]
pub fn devices(py: Python<'_>) -> PyResult<Bound<'_, PyList>> {
    let found = alone(py, || Ok(adapters()))?;
    let list = PyList::empty(py);
    for adapter in found {
        let dict = PyDict::new(py);
        dict.set_item("index", adapter.index)?;
        dict.set_item("name", adapter.name)?;
        dict.set_item("backend", adapter.backend)?;
        dict.set_item("kind", adapter.kind.to_string())?;
        dict.set_item("driver", adapter.driver)?;
        dict.set_item("left_out", adapter.left_out)?;
        list.append(dict)?;
    }
    Ok(list)
}

/// The instruction set that distances are computed with.
#[pyfunction]
pub fn instructions() -> PyResult<String> {
    nndescent::cpu::instructions().map_err(|error| Raised::from(error).into())
}
