//! Reports of builds as dictionaries.

use nndescent::BuildReport;
use nndescent::io::PrecisionLoss;
use nndescent::recall::RecallEstimate;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// (estimate, low, high, sample).
pub type Recall = (f64, f64, f64, usize);

/// (column, row, value, error, standard deviation) of a column that float32 holds too coarsely.
pub type Coarse = (usize, usize, f64, f64, f64);

pub fn coarse(loss: Option<&PrecisionLoss>) -> Option<Coarse> {
    let loss = loss.filter(|loss| loss.is_coarse())?;
    let worst = loss.coarsest;
    Some((worst.column, worst.row, worst.value, worst.error, loss.spread))
}

pub fn recall(recall: RecallEstimate) -> Recall {
    (recall.estimate, recall.low, recall.high, recall.sample)
}

/// The keyword arguments of `nndescent_rs.BuildReport`.
pub fn report<'py>(py: Python<'py>, report: &BuildReport) -> PyResult<Bound<'py, PyDict>> {
    let seconds = PyDict::new(py);
    let times = report.times;
    let phases = [
        ("build", times.build()),
        ("init", times.init),
        ("descent", times.descent),
        ("finish", times.finish),
        ("recall", times.recall),
    ];
    for (phase, time) in phases {
        seconds.set_item(phase, time.as_secs_f64())?;
    }
    let settings = PyDict::new(py);
    for (name, value) in report.settings.entries() {
        settings.set_item(name, value)?;
    }
    let dict = PyDict::new(py);
    dict.set_item("algorithm", report.algorithm.to_string())?;
    dict.set_item("executor", report.executor.to_string())?;
    dict.set_item("on_gpu", report.executor.is_gpu())?;
    dict.set_item("reasons", report.reasons.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    dict.set_item("seconds", seconds)?;
    dict.set_item("predicted_seconds", report.predicted_seconds)?;
    dict.set_item("rounds", report.rounds.len())?;
    dict.set_item("distances", report.distances_evaluated)?;
    dict.set_item("stop", format!("{:?}", report.stop).to_lowercase())?;
    dict.set_item("recall", report.recall.map(recall))?;
    dict.set_item("target_reached", report.target.map(|target| target.reached))?;
    dict.set_item("settings", settings)?;
    Ok(dict)
}
