//! Options of searches, as dictionaries of Python.

use nndescent::SearchOptions;
use numpy::PyReadonlyArray1;
use pyo3::prelude::*;

/// How queries are answered.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct SearchSettings<'py> {
    epsilon: Option<f32>,
    exact: bool,
    pad: bool,
    /// An entry for every id.
    mask: Option<PyReadonlyArray1<'py, bool>>,
    /// A label for every id, and one for every query.
    labels: Option<(PyReadonlyArray1<'py, u32>, PyReadonlyArray1<'py, u32>)>,
}

/// The same, without Python's objects.
pub struct Search<'a> {
    epsilon: Option<f32>,
    exact: bool,
    pad: bool,
    mask: Option<&'a [bool]>,
    labels: Option<(&'a [u32], &'a [u32])>,
}

impl SearchSettings<'_> {
    pub fn search(&self) -> PyResult<Search<'_>> {
        let mask = self.mask.as_ref().map(PyReadonlyArray1::as_slice).transpose()?;
        let labels = match &self.labels {
            Some((labels, wanted)) => Some((labels.as_slice()?, wanted.as_slice()?)),
            None => None,
        };
        Ok(Search { epsilon: self.epsilon, exact: self.exact, pad: self.pad, mask, labels })
    }
}

impl<'a> Search<'a> {
    pub fn options(&self) -> SearchOptions<'a> {
        let options = SearchOptions::new().exact(self.exact).pad(self.pad).counters(false);
        let options = match self.epsilon {
            Some(epsilon) => options.epsilon(epsilon),
            None => options,
        };
        let options = match self.mask {
            Some(mask) => options.filter_mask(mask),
            None => options,
        };
        match self.labels {
            Some((labels, wanted)) => options.filter_labels(labels, wanted),
            None => options,
        }
    }

    /// Whether all points may be found, by a search that may miss some.
    pub fn is_plain(&self) -> bool {
        !self.exact && self.mask.is_none() && self.labels.is_none()
    }
}
