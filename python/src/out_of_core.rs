//! Builds beyond memory, and the pieces that they are made of.

use std::path::PathBuf;

use nndescent::Device;
use nndescent::io::Values;
use nndescent::out_of_core::{self, OutOfCore, PartSize, Step};
use numpy::{IntoPyArray, PyArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{Array1, Array2};
use crate::errors::Raised;
use crate::metric::{Kind, Metric};
use crate::options::BuildOptions;
use crate::report::{self, Coarse, Recall};
use crate::run::Run;

/// How rows are divided.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Division {
    /// Bytes that a build may take.
    memory: u64,
    /// Rows of a part at most, in place of what memory allows.
    part_rows: Option<usize>,
    /// Parts that every row is in.
    overlap: usize,
}

impl Division {
    fn size(&self) -> PartSize {
        self.part_rows.map_or(PartSize::Memory(self.memory), PartSize::Rows)
    }
}

fn named(metric: &Metric) -> Result<nndescent::Metric, Raised> {
    match &metric.kind {
        Kind::Named(metric) => Ok(metric.clone()),
        Kind::Custom(_) => Err(PyTypeError::new_err("a metric that is a function has no builds beyond memory").into()),
    }
}

/// The plan of a build, in a folder.
#[pyclass(frozen, module = "nndescent_rs._core")]
pub struct Plan {
    plan: out_of_core::Plan,
}

#[pymethods]
impl Plan {
    /// Divides the rows of a file.
    #[staticmethod]
    fn partition(
        py: Python<'_>,
        input: PathBuf,
        folder: PathBuf,
        metric: &Metric,
        options: BuildOptions,
        division: Division,
        run: Run,
    ) -> PyResult<Self> {
        let metric = named(metric)?;
        let plan = run.watched(py, |watch| {
            let builder = options.plain(metric)?;
            let share = |fraction: f32| watch.note_share(fraction);
            Ok(out_of_core::partition(&input, &folder, &builder, division.size(), division.overlap, &share)?)
        })?;
        Ok(Self { plan })
    }

    /// Opens the plan in a folder.
    #[new]
    fn new(py: Python<'_>, folder: PathBuf) -> PyResult<Self> {
        let plan = crate::run::alone(py, || Ok(out_of_core::Plan::open(folder)?))?;
        Ok(Self { plan })
    }

    /// Builds the graph of a part: seconds, or None of a part of one row.
    fn build_part(&self, py: Python<'_>, part: usize, device: &str, run: Run) -> PyResult<Option<f64>> {
        let report = run.watched(py, |watch| {
            let Ok(device): Result<Device, _> = device.parse();
            let builder = self.plan.builder().device(device).progress(|progress| watch.note(progress));
            Ok(out_of_core::build_part(&self.plan, part, &builder)?)
        })?;
        Ok(report.map(|report| report.times.build().as_secs_f64()))
    }

    /// Merges the graphs of parts.
    fn merge(&self, py: Python<'_>, memory: u64, run: Run) -> PyResult<()> {
        run.watched(py, |watch| Ok(out_of_core::merge(&self.plan, memory, &|share| watch.note_share(share))?))
    }

    /// Refines the rows of a part: how many changed.
    fn refine_part(&self, py: Python<'_>, part: usize, memory: u64, run: Run) -> PyResult<u64> {
        run.watched(py, |watch| {
            Ok(out_of_core::refine_part(&self.plan, part, memory, &|share| watch.note_share(share))?)
        })
    }

    /// Merges what was refined.
    fn merge_refined(&self, py: Python<'_>, memory: u64, run: Run) -> PyResult<()> {
        run.watched(py, |watch| Ok(out_of_core::merge_refined(&self.plan, memory, &|share| watch.note_share(share))?))
    }

    /// Writes the graph.
    fn write_graph(&self, py: Python<'_>, output: PathBuf, run: Run) -> PyResult<()> {
        run.watched(py, |watch| Ok(out_of_core::write_graph(&self.plan, &output, &|share| watch.note_share(share))?))
    }

    /// Estimates the recall of the graph on so many rows.
    fn estimate_recall(&self, py: Python<'_>, rows: usize, memory: u64, run: Run) -> PyResult<Recall> {
        let estimate = run.watched(py, |watch| {
            Ok(out_of_core::estimate_recall(&self.plan, rows, memory, &|share| watch.note_share(share))?)
        })?;
        Ok(report::recall(estimate))
    }

    /// Ids and rows of a part.
    fn read_part<'py>(
        &self,
        py: Python<'py>,
        part: usize,
        run: Run,
    ) -> PyResult<(Array1<'py, u32>, Bound<'py, PyAny>)> {
        let (ids, matrix) = run.watched(py, |_| Ok(out_of_core::read_part(&self.plan, part)?))?;
        let shape = [matrix.n, matrix.dim];
        let rows = match matrix.values {
            Values::F32(values) => values.into_pyarray(py).reshape(shape)?.into_any(),
            Values::F16(values) => values.into_pyarray(py).reshape(shape)?.into_any(),
            Values::U8(values) => values.into_pyarray(py).reshape(shape)?.into_any(),
            Values::I8(values) => values.into_pyarray(py).reshape(shape)?.into_any(),
            _ => return Err(PyTypeError::new_err("rows of a type that is not known here")),
        };
        Ok((ids.into_pyarray(py), rows))
    }

    #[getter]
    fn folder(&self) -> PathBuf {
        self.plan.folder().into()
    }

    #[getter]
    fn n(&self) -> usize {
        self.plan.n()
    }

    #[getter]
    fn dim(&self) -> usize {
        self.plan.dim()
    }

    #[getter]
    fn k(&self) -> usize {
        self.plan.k()
    }

    #[getter]
    fn overlap(&self) -> usize {
        self.plan.overlap()
    }

    /// Rows of every part.
    #[getter]
    fn part_sizes(&self) -> Vec<u64> {
        self.plan.part_sizes().to_vec()
    }

    /// The centre of every part, parts x dim.
    #[getter]
    fn centers<'py>(&self, py: Python<'py>) -> PyResult<Array2<'py, f32>> {
        let columns = self.plan.dim();
        let centers = self.plan.centers().to_vec();
        let rows = centers.len() / columns.max(1);
        centers.into_pyarray(py).reshape([rows, columns])
    }

    /// What float32 holds too coarsely.
    #[getter]
    fn coarse(&self) -> Option<Coarse> {
        report::coarse(self.plan.precision_loss())
    }

    #[getter]
    fn metric(&self) -> Metric {
        Metric { kind: Kind::Named(self.plan.metric().clone()) }
    }
}

/// Builds the graph of a file within a limit of memory, and writes it: a report.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "two files, a builder, a division, and where they work")]
pub fn graph_of_file<'py>(
    py: Python<'py>,
    input: PathBuf,
    output: PathBuf,
    metric: &Metric,
    options: BuildOptions,
    division: Division,
    rounds: usize,
    scratch: Option<PathBuf>,
    resume: bool,
    run: Run,
) -> PyResult<Bound<'py, PyDict>> {
    let metric = named(metric)?;
    let report = run.watched(py, |watch| {
        let builder = options.plain(metric)?;
        let build = OutOfCore::new(&builder)
            .memory_limit(division.memory)
            .overlap(division.overlap)
            .refine_rounds(rounds)
            .resume(resume)
            .progress(|step: &Step| watch.note_step(step));
        let build = division.part_rows.map_or(build.clone(), |rows| build.part_rows(rows));
        let build = match scratch {
            Some(folder) => build.scratch(folder),
            None => build,
        };
        Ok(build.graph(&input, &output)?)
    })?;
    let seconds = PyDict::new(py);
    for (stage, time) in &report.times {
        seconds.set_item(stage.name(), time.as_secs_f64())?;
    }
    let dict = PyDict::new(py);
    dict.set_item("shape", (report.n, report.k))?;
    dict.set_item("parts", report.parts)?;
    dict.set_item("overlap", report.overlap)?;
    dict.set_item("resumed", report.resumed)?;
    dict.set_item("refined", report.refined)?;
    dict.set_item("seconds", seconds)?;
    dict.set_item("recall", report.recall.map(report::recall))?;
    dict.set_item("coarse", report::coarse(report.precision_loss.as_ref()))?;
    Ok(dict)
}
