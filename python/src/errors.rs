//! Errors of the crate as Python exceptions.

use std::io;
use std::path::Path;

use nndescent::analysis::{AnalysisError, ConnectError};
use nndescent::errors::{GpuError, GraphShapeError, IndexFileError, ParseChoiceError, UnknownLevelError};
use nndescent::io::IoError;
use nndescent::out_of_core::OutOfCoreError;
use nndescent::recall::RecallError;
use nndescent::{BuildError, IndexError, MetricError, PointsError, SearchError};
use pyo3::exceptions::{PyFileNotFoundError, PyMemoryError, PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;

pyo3::create_exception!(
    nndescent_rs,
    DeviceError,
    PyRuntimeError,
    "A GPU cannot be used: there is none, it is too small, it was lost, or its driver computes wrong distances."
);

/// A Python exception that an error of the crate converts into, inside functions without the GIL.
pub struct Raised(PyErr);

impl From<Raised> for PyErr {
    fn from(raised: Raised) -> Self {
        raised.0
    }
}

impl From<PyErr> for Raised {
    fn from(error: PyErr) -> Self {
        Self(error)
    }
}

fn value_error(error: impl std::fmt::Display) -> Raised {
    Raised(PyValueError::new_err(error.to_string()))
}

macro_rules! value_errors {
    ($($error:ty),+) => {$(
        impl From<$error> for Raised {
            fn from(error: $error) -> Self {
                value_error(error)
            }
        }
    )+};
}

value_errors!(AnalysisError, GraphShapeError, MetricError, ParseChoiceError, RecallError, UnknownLevelError);

impl From<GpuError> for Raised {
    fn from(error: GpuError) -> Self {
        Self(DeviceError::new_err(error.to_string()))
    }
}

impl From<PointsError> for Raised {
    fn from(error: PointsError) -> Self {
        match error {
            PointsError::Memory { .. } => Self(PyMemoryError::new_err(error.to_string())),
            error => value_error(error),
        }
    }
}

impl From<BuildError> for Raised {
    fn from(error: BuildError) -> Self {
        match error {
            BuildError::Gpu(error) => error.into(),
            BuildError::Points(error) => error.into(),
            error => value_error(error),
        }
    }
}

impl From<IndexError> for Raised {
    fn from(error: IndexError) -> Self {
        match error {
            IndexError::Build(error) => error.into(),
            IndexError::Points(error) => error.into(),
            error => value_error(error),
        }
    }
}

impl From<SearchError> for Raised {
    fn from(error: SearchError) -> Self {
        value_error(error)
    }
}

impl From<ConnectError> for Raised {
    fn from(error: ConnectError) -> Self {
        value_error(error)
    }
}

/// An error of the operating system. With a number, Python chooses the class: FileNotFoundError, PermissionError.
fn os_error(path: &Path, source: &io::Error) -> Raised {
    let text = source.to_string();
    Raised(match source.raw_os_error() {
        Some(number) => {
            let text = text.split(" (os error").next().unwrap_or_default().to_owned();
            PyOSError::new_err((number, text, path.display().to_string()))
        }
        None => PyOSError::new_err(format!("{}: {text}", path.display())),
    })
}

impl From<OutOfCoreError> for Raised {
    fn from(error: OutOfCoreError) -> Self {
        match error {
            OutOfCoreError::Build(error) => error.into(),
            OutOfCoreError::Os { path, source } | OutOfCoreError::Io(IoError::Os { path, source }) => {
                os_error(&path, &source)
            }
            OutOfCoreError::Missing { .. } => Self(PyFileNotFoundError::new_err(error.to_string())),
            error => value_error(error),
        }
    }
}

impl From<IndexFileError> for Raised {
    fn from(error: IndexFileError) -> Self {
        match &error {
            IndexFileError::Os { path, source } => os_error(path, source),
            IndexFileError::Stream { .. } => Self(PyOSError::new_err(error.to_string())),
            _ => value_error(error),
        }
    }
}
