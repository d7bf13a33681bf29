//! Metrics: of the crate by name, or functions of Python.

use std::panic::catch_unwind;
use std::sync::{Arc, Mutex, PoisonError};

use nndescent::{MetricArgument, SparseRow};
use numpy::{PyArray1, PyArrayLike1, PyReadonlyArray1, TypeMustMatch};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::errors::Raised;
use crate::run::alone;

/// A metric with its arguments.
#[pyclass(frozen, module = "nndescent_rs._core")]
pub struct Metric {
    pub kind: Kind,
}

#[derive(Clone)]
pub enum Kind {
    Named(nndescent::Metric),
    Custom(Arc<Callable>),
}

#[pymethods]
impl Metric {
    /// A metric of the crate, by name, with arguments that are numbers or flat float32 arrays.
    #[new]
    fn new(name: &str, arguments: &Bound<'_, PyDict>) -> PyResult<Self> {
        let mut given = Vec::with_capacity(arguments.len());
        for (argument, value) in arguments {
            let argument: String = argument.extract()?;
            let value = if let Ok(number) = value.extract::<f32>() {
                number.into()
            } else {
                let values: PyArrayLike1<'_, f32, TypeMustMatch> = value.extract()?;
                MetricArgument::from(values.as_slice()?)
            };
            given.push((argument, value));
        }
        let given: Vec<_> = given.iter().map(|(argument, value)| (argument.as_str(), value.clone())).collect();
        let metric = nndescent::Metric::parse_with(name, &given).map_err(Raised::from)?;
        Ok(Self { kind: Kind::Named(metric) })
    }

    /// A Python function of two rows: float32 arrays, uint8 arrays of bits, or `(indices, values)` of two sparse rows.
    #[staticmethod]
    fn of_function(function: Py<PyAny>) -> Self {
        Self { kind: Kind::Custom(Arc::new(Callable::new(Function::Python(function)))) }
    }

    /// A C function `float (*)(const T *, const T *, intptr_t)` of two rows and their length, at `address`, where T is
    /// float or, for bits, uint8_t. It must be callable from any thread as long as `owner` lives.
    #[staticmethod]
    fn of_address(address: usize, owner: Py<PyAny>) -> PyResult<Self> {
        if address == 0 {
            return Err(PyValueError::new_err("address = 0: no function is there"));
        }
        Ok(Self { kind: Kind::Custom(Arc::new(Callable::new(Function::Native { address, _owner: owner }))) })
    }

    /// The canonical name; "custom" for functions.
    #[getter]
    fn name(&self) -> &'static str {
        match &self.kind {
            Kind::Named(metric) => metric.name(),
            Kind::Custom(_) => "custom",
        }
    }

    /// The distance of two dense rows of one length, by definition.
    fn distance(&self, py: Python<'_>, x: PyReadonlyArray1<'_, f32>, y: PyReadonlyArray1<'_, f32>) -> PyResult<f64> {
        let (x, y) = (x.as_slice()?, y.as_slice()?);
        if x.len() != y.len() {
            return Err(PyValueError::new_err(format!("rows of {} and {} values", x.len(), y.len())));
        }
        match &self.kind {
            // Arguments for rows of another length make it panic.
            Kind::Named(metric) => catch_unwind(|| metric.distance(x, y)).map_err(|_| {
                PyValueError::new_err(format!(
                    "metric {metric} has arguments for rows of another length than {}",
                    x.len()
                ))
            }),
            Kind::Custom(callable) => alone(py, || Ok(callable.of_rows(x, y).into())),
        }
    }

    /// Every name, as a list of aliases for each metric, the canonical name first.
    #[staticmethod]
    fn names() -> Vec<Vec<&'static str>> {
        nndescent::Metric::names().map(<[_]>::to_vec).collect()
    }
}

enum Function {
    Python(Py<PyAny>),
    Native { address: usize, _owner: Py<PyAny> },
}

/// A function of two rows, and the exception it ended with.
pub struct Callable {
    function: Function,
    raised: Mutex<Option<PyErr>>,
}

impl Callable {
    fn new(function: Function) -> Self {
        Self { function, raised: Mutex::new(None) }
    }

    /// `error`, or the exception that caused it.
    pub fn cause(&self, error: PyErr) -> PyErr {
        self.raised.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or(error)
    }

    /// The distance of dense rows.
    pub fn of_rows(&self, x: &[f32], y: &[f32]) -> f32 {
        match &self.function {
            // SAFETY: `of_address` is called with the address of a function of two float rows, which lives as long as
            // its owner, and both rows have `x.len()` values.
            Function::Native { address, .. } => unsafe { native(*address, x, y) },
            Function::Python(function) => self.call(|py| {
                function.bind(py).call1((PyArray1::from_slice(py, x), PyArray1::from_slice(py, y)))?.extract()
            }),
        }
    }

    /// The distance of rows of packed bits.
    pub fn of_bits(&self, x: &[u8], y: &[u8]) -> f32 {
        match &self.function {
            // SAFETY: as above, of a function of two rows of bytes.
            Function::Native { address, .. } => unsafe { native(*address, x, y) },
            Function::Python(function) => self.call(|py| {
                function.bind(py).call1((PyArray1::from_slice(py, x), PyArray1::from_slice(py, y)))?.extract()
            }),
        }
    }

    /// The distance of sparse rows.
    pub fn of_sparse(&self, x: SparseRow<'_>, y: SparseRow<'_>) -> f32 {
        self.call(|py| {
            let Function::Python(function) = &self.function else {
                return Err(PyTypeError::new_err("a C function cannot compare sparse rows"));
            };
            let indices = |row: SparseRow<'_>| {
                PyArray1::from_iter(py, row.indices.iter().map(|&column| column as i32)).into_any()
            };
            let values = |row: SparseRow<'_>| PyArray1::from_slice(py, row.values).into_any();
            let arguments = PyTuple::new(py, [indices(x), values(x), indices(y), values(y)])?;
            function.bind(py).call1(arguments)?.extract()
        })
    }

    /// What `call` returns. After an exception all distances are NaN, so that the work ends soon.
    fn call(&self, call: impl FnOnce(Python<'_>) -> PyResult<f32>) -> f32 {
        let raised = || self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        if raised().is_some() {
            return f32::NAN;
        }
        match Python::attach(call) {
            Ok(distance) => distance,
            Err(error) => {
                raised().get_or_insert(error);
                f32::NAN
            }
        }
    }
}

/// # Safety
/// At `address` is an `extern "C"` function that reads `x.len()` values behind each of two pointers, and may be called
/// from any thread.
unsafe fn native<T>(address: usize, x: &[T], y: &[T]) -> f32 {
    type Distance<T> = unsafe extern "C" fn(*const T, *const T, isize) -> f32;
    debug_assert_eq!(x.len(), y.len());
    // SAFETY: the caller's promise; a data pointer of such an address is a function pointer on all platforms of Python.
    unsafe {
        let distance = std::mem::transmute::<*const (), Distance<T>>(std::ptr::with_exposed_provenance(address));
        distance(x.as_ptr(), y.as_ptr(), x.len() as isize)
    }
}
