//! float64 as float32, and what that loses.

use numpy::{IntoPyArray, PyArrayMethods, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;
use rayon::prelude::*;

use crate::arrays::{Array1, Array2};
use crate::run::in_pool;

/// Values that one task narrows.
const GRAIN: usize = 1 << 16;

/// Of every column: the most that a value loses, the least value, the largest.
#[derive(Clone)]
struct Losses {
    lost: Vec<f64>,
    low: Vec<f64>,
    high: Vec<f64>,
}

impl Losses {
    fn none(columns: usize) -> Self {
        Self { lost: vec![0.0; columns], low: vec![f64::INFINITY; columns], high: vec![f64::NEG_INFINITY; columns] }
    }

    /// Narrows rows, noting their finite values.
    fn narrow(mut self, rows: &[f64], out: &mut [f32]) -> Self {
        let columns = self.lost.len();
        for (row, out) in rows.chunks_exact(columns).zip(out.chunks_exact_mut(columns)) {
            for (j, (&value, out)) in row.iter().zip(out).enumerate() {
                *out = value as f32;
                if value.is_finite() {
                    self.lost[j] = self.lost[j].max((value - f64::from(*out)).abs());
                    self.low[j] = self.low[j].min(value);
                    self.high[j] = self.high[j].max(value);
                }
            }
        }
        self
    }

    fn with(mut self, other: &Self) -> Self {
        let each = |a: &mut [f64], b: &[f64], f: fn(f64, f64) -> f64| {
            a.iter_mut().zip(b).for_each(|(a, b)| *a = f(*a, *b));
        };
        each(&mut self.lost, &other.lost, f64::max);
        each(&mut self.low, &other.low, f64::min);
        each(&mut self.high, &other.high, f64::max);
        self
    }
}

/// float32 of a matrix, and of every column what is lost at most, the least value and the largest.
#[pyfunction]
#[expect(clippy::type_complexity, reason = "a matrix and three vectors")]
pub fn narrowed<'py>(
    py: Python<'py>,
    values: PyReadonlyArray2<'py, f64>,
) -> PyResult<(Array2<'py, f32>, Array1<'py, f64>, Array1<'py, f64>, Array1<'py, f64>)> {
    let shape = [values.shape()[0], values.shape()[1]];
    let (values, columns) = (values.as_slice()?, shape[1].max(1));
    let (out, losses) = in_pool(py, || {
        let mut out = vec![0f32; values.len()];
        let block = (GRAIN / columns).max(1) * columns;
        let losses = values
            .par_chunks(block)
            .zip(out.par_chunks_mut(block))
            .fold(|| Losses::none(columns), |losses, (rows, out)| losses.narrow(rows, out))
            .reduce(|| Losses::none(columns), |a, b| a.with(&b));
        Ok((out, losses))
    })?;
    let Losses { lost, low, high } = losses;
    Ok((out.into_pyarray(py).reshape(shape)?, lost.into_pyarray(py), low.into_pyarray(py), high.into_pyarray(py)))
}
