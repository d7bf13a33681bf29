//! Graphs: NN-Descent and exact search.

use nndescent::analysis::truncated;
use nndescent::io::{Center, Matrix, Refined, WideMatrix};
use nndescent::{BuildReport, InitGraph, KnnGraph, NnDescent, Points};
use numpy::PyReadonlyArray2;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{self, GraphArrays};
use crate::errors::Raised;
use crate::items::Items;
use crate::metric::{Kind, Metric};
use crate::options::{BuildOptions, init_graph};
use crate::report;
use crate::rows::{Rows, Values, View};
use crate::run::{Run, Watch};

/// Builds a graph: ((ids, distances), report).
#[pyfunction]
pub fn graph<'py>(
    py: Python<'py>,
    rows: Rows<'py>,
    metric: &Metric,
    options: BuildOptions,
    start: Option<PyReadonlyArray2<'py, u32>>,
    run: Run,
) -> PyResult<(GraphArrays<'py>, Bound<'py, PyDict>)> {
    let (rows, start) = (rows.view()?, init_graph(start.as_ref())?);
    let kind = metric.kind.clone();
    let built = run.watched(py, |watch| built(rows, &kind, &options, start, watch));
    let (graph, report) = built.map_err(|error| caused(&kind, error))?;
    Ok((arrays::graph(py, graph)?, report::report(py, &report)?))
}

/// The exception of a Python function, where that is why `error` came to be.
pub fn caused(kind: &Kind, error: PyErr) -> PyErr {
    match kind {
        Kind::Named(_) => error,
        Kind::Custom(callable) => callable.cause(error),
    }
}

fn built(
    rows: View<'_>,
    kind: &Kind,
    options: &BuildOptions,
    start: Option<InitGraph<'_>>,
    watch: &Watch,
) -> Result<(KnnGraph, BuildReport), Raised> {
    let builder = |metric| options.builder(metric, start, |progress| watch.note(progress));
    match kind {
        Kind::Custom(callable) => {
            let items = Items::new(rows, callable)?;
            let built = builder(nndescent::Metric::Custom)?.graph(&items.points()?)?;
            Ok((built.graph, built.report))
        }
        Kind::Named(metric) if let Values::F64(values) = rows.values => {
            let wide = Wide::new(values, rows, metric)?;
            wide.graph(builder(metric.clone())?, metric, options)
        }
        Kind::Named(metric) => {
            let built = builder(metric.clone())?.graph(&rows.points()?)?;
            Ok((built.graph, built.report))
        }
    }
}

/// f64 rows, and what f32 holds of them.
pub struct Wide {
    values: WideMatrix,
    pub center: Center,
    pub matrix: Matrix,
}

impl Wide {
    /// Rows whose columns are moved, where the metric allows it and f32 needs it.
    pub fn new(values: &[f64], rows: View<'_>, metric: &nndescent::Metric) -> Result<Self, Raised> {
        let wide = WideMatrix::new(values.to_vec(), rows.n, rows.dim)?;
        let center = wide.center(metric);
        let matrix = wide.narrowed(&center)?;
        Ok(Self { values: wide, center, matrix })
    }

    pub fn points(&self) -> Result<Points<'_>, Raised> {
        Ok(self.matrix.points()?)
    }

    /// Whether f32 lost digits that decide between neighbours.
    fn is_lossy(&self) -> bool {
        self.matrix.narrowing.is_some_and(|narrowing| narrowing.error > 0.0)
    }

    /// The graph by f64 distances. Where columns have much in common, more candidates are found by f32 and the nearest
    /// of them by f64; exact rows are searched until they are proven.
    fn graph(
        &self,
        builder: NnDescent<'_>,
        metric: &nndescent::Metric,
        options: &BuildOptions,
    ) -> Result<(KnnGraph, BuildReport), Raised> {
        let points = self.points()?;
        if !self.is_lossy() {
            let built = builder.graph(&points)?;
            return Ok((built.graph, built.report));
        }
        let has_common_part =
            self.center != Center::None || self.values.center(&nndescent::Metric::Euclidean) != Center::None;
        let k = options.n_neighbors;
        let most = (points.n() + usize::from(options.include_self)).saturating_sub(1);
        let is_wider = options.is_exact() || has_common_part;
        let candidates = if is_wider { WideMatrix::candidates(k).min(most).max(k) } else { k };
        let built = builder.n_neighbors(candidates).graph(&points)?;
        let Some(found) = self.values.refined(None, &self.center, metric, &built.graph, k) else {
            return Ok((truncated(&built.graph, k)?, built.report));
        };
        let Refined { graph, .. } = match options.is_exact() {
            true => self.values.settled(None, &self.matrix, &self.center, metric, found)?,
            false => found,
        };
        Ok((graph, built.report))
    }
}

/// The exact nearest `k` of `base` to every query: ids and distances.
#[pyfunction]
pub fn exact_query<'py>(
    py: Python<'py>,
    base: Rows<'py>,
    queries: Rows<'py>,
    metric: &Metric,
    k: usize,
    run: Run,
) -> PyResult<GraphArrays<'py>> {
    let (base, queries) = (base.view()?, queries.view()?);
    let kind = metric.kind.clone();
    let found = run.watched(py, |watch| {
        let note = |progress: &nndescent::Progress| watch.note(progress);
        let search = |base: &Points<'_>, queries: &Points<'_>, metric: &nndescent::Metric| {
            nndescent::exact::query_with_progress(base, queries, metric, k, note)
        };
        Ok(match &kind {
            Kind::Named(metric) if base.is_wide() || queries.is_wide() => {
                exact_of_wide(base, queries, metric, k, watch)?
            }
            Kind::Named(metric) => search(&base.points()?, &queries.points()?, metric)?,
            Kind::Custom(callable) => {
                let items = Items::new(base, callable)?;
                search(&items.points()?, &items.others(queries)?.points()?, &nndescent::Metric::Custom)?
            }
        })
    });
    arrays::graph(py, found.map_err(|error| caused(&kind, error))?)
}

/// The same of rows of which one kind is f64: ranked by f64 distances, until rows are proven.
fn exact_of_wide(
    base: View<'_>,
    queries: View<'_>,
    metric: &nndescent::Metric,
    k: usize,
    watch: &Watch,
) -> Result<KnnGraph, Raised> {
    let wide = |rows: View<'_>| -> Result<WideMatrix, Raised> {
        let values = rows.wide(true).ok_or_else(|| PyTypeError::new_err("float64 and rows that are not dense"))?;
        Ok(WideMatrix::new(values, rows.n, rows.dim)?)
    };
    let (base, queries) = (wide(base)?, wide(queries)?);
    let center = base.center(metric);
    let (narrow_base, narrow_queries) = (base.narrowed(&center)?, queries.narrowed(&center)?);
    let candidates = WideMatrix::candidates(k).min(base.n()).max(k);
    let note = |progress: &nndescent::Progress| watch.note(progress);
    let (points, asked) = (narrow_base.points()?, narrow_queries.points()?);
    let found = nndescent::exact::query_with_progress(&points, &asked, metric, candidates, note)?;
    let Some(refined) = base.refined(Some(&queries), &center, metric, &found, k) else {
        return Ok(truncated(&found, k)?);
    };
    Ok(base.settled(Some((&queries, &narrow_queries)), &narrow_base, &center, metric, refined)?.graph)
}
