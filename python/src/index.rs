//! The search index.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard};

use nndescent::index::SearchScratch;
use nndescent::io::{Center, WideMatrix};
use nndescent::{KnnGraph, Points, SearchOptions};
use numpy::{IntoPyArray, PyArray1, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use rayon::ThreadPool;

use crate::arrays::{self, Array1, Array2, GraphArrays};
use crate::build::caused;
use crate::errors::Raised;
use crate::items::Items;
use crate::metric::{Kind, Metric};
use crate::options::{BuildOptions, IndexSettings, init_graph};
use crate::prepared::{Prepared, built, prepared};
use crate::report::{self, Recall};
use crate::rows::{Rows, Values, View};
use crate::run::{Run, Watch, alone, in_pool};
use crate::search::{Search, SearchSettings};

/// Batches of fewer queries are not watched for Ctrl-C.
const FEW: usize = 1024;

/// An index. Any number of threads may search it; one that changes it has it alone.
#[pyclass(frozen, module = "nndescent_rs._core")]
pub struct Index {
    /// Locked without the GIL only: who holds the lock may need the GIL.
    held: RwLock<nndescent::Index>,
    kind: Kind,
    /// The rows, where the metric is a function.
    items: Option<Items>,
    scratches: Mutex<Vec<SearchScratch>>,
}

impl Index {
    fn new(prepared: Prepared, kind: Kind) -> Self {
        let (index, items) = match prepared {
            Prepared::Named(index) => (index, None),
            Prepared::Custom(index, items) => (index, Some(items)),
        };
        Self { held: RwLock::new(index), kind, items, scratches: Mutex::default() }
    }

    fn read(&self) -> RwLockReadGuard<'_, nndescent::Index> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// `work` in the pool, with the index as it is. The lock is taken before: see [`Run::watched_outside`].
    fn read_in<T: Send>(&self, pool: &ThreadPool, work: impl FnOnce(&nndescent::Index) -> T + Send) -> T {
        let held = self.read();
        let index: &nndescent::Index = &held;
        pool.install(|| work(index))
    }

    /// The same with the index alone, to change it.
    fn change_in<T: Send>(&self, pool: &ThreadPool, work: impl FnOnce(&mut nndescent::Index) -> T + Send) -> T {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let index: &mut nndescent::Index = &mut held;
        pool.install(|| work(index))
    }

    /// Reads something small.
    fn get<T: Send>(&self, py: Python<'_>, get: impl FnOnce(&nndescent::Index) -> T + Send) -> PyResult<T> {
        alone(py, || Ok(get(&self.read())))
    }

    /// Work that reads the index.
    pub fn reading<T: Send>(
        &self,
        py: Python<'_>,
        run: &Run,
        work: impl FnOnce(&nndescent::Index, &Watch) -> Result<T, Raised> + Send,
    ) -> PyResult<T> {
        let done = run.watched_outside(py, |pool, watch| self.read_in(pool, |index| work(index, watch)));
        done.map_err(|error| caused(&self.kind, error))
    }

    /// Work that changes the index. Ctrl-C waits for its end, unless it can be cancelled.
    fn changing<T: Send>(
        &self,
        py: Python<'_>,
        run: &Run,
        work: impl FnOnce(&mut nndescent::Index, &Watch) -> Result<T, Raised> + Send,
    ) -> PyResult<T> {
        let done = run.watched_outside(py, |pool, watch| self.change_in(pool, |index| work(index, watch)));
        done.map_err(|error| caused(&self.kind, error))
    }

    /// Short work that changes the index as a whole, and is not cancelled.
    fn changing_unwatched<T: Send>(
        &self,
        py: Python<'_>,
        run: &Run,
        work: impl FnOnce(&mut nndescent::Index) -> Result<T, Raised> + Send,
    ) -> PyResult<T> {
        let done = run.unwatched(py, |pool| self.change_in(pool, work));
        done.map_err(|error| caused(&self.kind, error))
    }

    /// Calls `work` with rows as the index has them: moved by its centre, or with its function.
    fn with_points<T>(
        &self,
        (center, metric): (Option<&[f64]>, &nndescent::Metric),
        rows: View<'_>,
        work: impl FnOnce(&Points<'_>) -> Result<T, Raised>,
    ) -> Result<T, Raised> {
        if let Some(items) = &self.items {
            return work(&items.others(rows)?.points()?);
        }
        let Some(values) = rows.wide(center.is_some()) else { return work(&rows.points()?) };
        let wide = WideMatrix::new(values, rows.n, rows.dim)?;
        let center = match (center, wide.center(metric)) {
            (Some(center), _) => Center::Columns(center.to_vec()),
            (None, Center::Rows) => Center::Rows,
            _ => Center::None,
        };
        let matrix = wide.into_narrowed(&center)?;
        // A batch of queries may be empty.
        match &matrix.values {
            nndescent::io::Values::F32(values) => work(&Points::dense(values, matrix.n, matrix.dim)?),
            _ => work(&matrix.points()?),
        }
    }

    /// One query, on the thread that asks.
    fn nearest(&self, vector: &[f32], k: usize, search: &Search<'_>) -> Result<KnnGraph, Raised> {
        let scratch = self.scratches.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut scratch = scratch.unwrap_or_default();
        let index = self.read();
        let found = index.nearest_with(&mut scratch, vector, k, &search.options())?;
        let (mut ids, mut distances): (Vec<u32>, Vec<f32>) = found.iter().map(|n| (n.id, n.distance)).unzip();
        ids.resize(k, KnnGraph::NO_NEIGHBOR);
        distances.resize(k, f32::INFINITY);
        self.scratches.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
        Ok(KnnGraph::from_parts(1, k, ids, distances)?)
    }

    /// The same for work that changes the index. A clone of the index would make the change copy it.
    fn with_points_like<T>(
        &self,
        index: &mut nndescent::Index,
        rows: View<'_>,
        work: impl FnOnce(&mut nndescent::Index, &Points<'_>) -> Result<T, Raised>,
    ) -> Result<T, Raised> {
        let (center, metric) = (index.center().map(<[f64]>::to_vec), index.metric().clone());
        self.with_points((center.as_deref(), &metric), rows, |points| work(index, points))
    }
}

#[pymethods]
impl Index {
    /// Builds a graph and an index of it: (index, (ids, distances), report).
    #[staticmethod]
    fn build<'py>(
        py: Python<'py>,
        rows: Rows<'py>,
        metric: &Metric,
        options: BuildOptions,
        settings: IndexSettings,
        start: Option<PyReadonlyArray2<'py, u32>>,
        run: Run,
    ) -> PyResult<(Self, GraphArrays<'py>, Bound<'py, PyDict>)> {
        let (rows, start) = (rows.view()?, init_graph(start.as_ref())?);
        let kind = metric.kind.clone();
        let built = run.watched(py, |watch| built(rows, &kind, &options, &settings, start, watch));
        let (prepared, graph, report) = built.map_err(|error| caused(&kind, error))?;
        Ok((Self::new(prepared, kind), arrays::graph(py, graph)?, report::report(py, &report)?))
    }

    /// An index of a graph.
    #[staticmethod]
    fn of_graph<'py>(
        py: Python<'py>,
        rows: Rows<'py>,
        metric: &Metric,
        ids: PyReadonlyArray2<'py, u32>,
        distances: PyReadonlyArray2<'py, f32>,
        settings: IndexSettings,
        run: Run,
    ) -> PyResult<Self> {
        let rows = rows.view()?;
        let graph = arrays::to_graph(&ids, &distances)?;
        let kind = metric.kind.clone();
        let prepared = run.watched(py, |watch| prepared(rows, &kind, &settings, &graph, watch));
        Ok(Self::new(prepared.map_err(|error| caused(&kind, error))?, kind))
    }

    /// Opens a file, which is mapped, not read.
    #[staticmethod]
    fn open(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let index = in_pool(py, || Ok(nndescent::Index::open(path)?))?;
        let kind = Kind::Named(index.metric().clone());
        Ok(Self::new(Prepared::Named(index), kind))
    }

    #[staticmethod]
    fn from_bytes(py: Python<'_>, bytes: &[u8]) -> PyResult<Self> {
        let index = in_pool(py, || Ok(nndescent::Index::read_from(bytes)?))?;
        let kind = Kind::Named(index.metric().clone());
        Ok(Self::new(Prepared::Named(index), kind))
    }

    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.check_storable()?;
        let bytes = Run::default().unwatched(py, |pool| {
            let mut bytes = Vec::new();
            self.read_in(pool, |index| index.write_to(&mut bytes))?;
            Ok(bytes)
        })?;
        Ok(PyBytes::new(py, &bytes))
    }

    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        self.check_storable()?;
        Run::default().unwatched(py, |pool| Ok(self.read_in(pool, |index| index.save(path))?))
    }

    /// Ids and distances of the `k` nearest of every query.
    fn query<'py>(
        &self,
        py: Python<'py>,
        queries: Rows<'py>,
        k: usize,
        settings: SearchSettings<'py>,
        run: Run,
    ) -> PyResult<GraphArrays<'py>> {
        let (rows, search) = (queries.view()?, settings.search()?);
        let batch = |index: &nndescent::Index, options: SearchOptions<'_>| {
            let like = (index.center(), index.metric());
            self.with_points(like, rows, |points| Ok(index.query(points, k, &options)?.into_graph()))
        };
        let found = match rows.values {
            Values::F32(vector)
                if rows.n == 1
                    && search.is_plain()
                    && self.items.is_none()
                    && self.get(py, |index| index.center().is_none())? =>
            {
                alone(py, || self.nearest(vector, k, &search))
            }
            _ if rows.n <= FEW => {
                let found = run.unwatched(py, |pool| self.read_in(pool, |index| batch(index, search.options())));
                found.map_err(|error| caused(&self.kind, error))
            }
            _ => self.reading(py, &run, |index, watch| {
                batch(index, search.options().progress(|progress| watch.note(progress)))
            }),
        };
        arrays::graph(py, found?)
    }

    /// The same for points of the index, which are not among their own neighbours.
    fn query_ids<'py>(
        &self,
        py: Python<'py>,
        ids: PyReadonlyArray1<'py, u32>,
        k: usize,
        settings: SearchSettings<'py>,
        run: Run,
    ) -> PyResult<GraphArrays<'py>> {
        let (ids, search) = (ids.as_slice()?, settings.search()?);
        let found = self.reading(py, &run, |index, watch| {
            let options = search.options().progress(|progress| watch.note(progress));
            Ok(index.query_ids(ids, k, &options)?.into_graph())
        })?;
        arrays::graph(py, found)
    }

    /// All points within `radius` of every query: where each query's begin, ids, distances.
    fn query_radius<'py>(
        &self,
        py: Python<'py>,
        queries: Rows<'py>,
        radius: f32,
        settings: SearchSettings<'py>,
        run: Run,
    ) -> PyResult<(Array1<'py, i64>, Array1<'py, u32>, Array1<'py, f32>)> {
        let (rows, search) = (queries.view()?, settings.search()?);
        let found = self.reading(py, &run, |index, watch| {
            let options = search.options().progress(|progress| watch.note(progress));
            let like = (index.center(), index.metric());
            self.with_points(like, rows, |points| Ok(index.query_radius(points, radius, &options)?))
        })?;
        Ok((
            PyArray1::from_iter(py, found.offsets().iter().map(|&at| at as i64)),
            PyArray1::from_slice(py, found.all_ids()),
            PyArray1::from_slice(py, found.all_distances()),
        ))
    }

    /// Adds points: the first id, and the one after the last.
    fn add(&self, py: Python<'_>, rows: Rows<'_>, run: Run) -> PyResult<(u32, u32)> {
        let rows = rows.view()?;
        let ids = self.changing(py, &run, |index, watch| {
            let note = |progress: &nndescent::Progress| watch.note(progress);
            self.with_points_like(index, rows, |index, points| Ok(index.add_with_progress(points, note)?))
        })?;
        Ok((ids.start, ids.end))
    }

    /// Replaces points.
    fn update(&self, py: Python<'_>, ids: PyReadonlyArray1<'_, u32>, rows: Rows<'_>, run: Run) -> PyResult<()> {
        let (ids, rows) = (ids.as_slice()?, rows.view()?);
        self.changing_unwatched(py, &run, |index| {
            self.with_points_like(index, rows, |index, points| Ok(index.update(ids, points)?))
        })
    }

    fn remove(&self, py: Python<'_>, ids: PyReadonlyArray1<'_, u32>, run: Run) -> PyResult<()> {
        let ids = ids.as_slice()?;
        self.changing_unwatched(py, &run, |index| Ok(index.remove(ids)?))
    }

    fn compact(&self, py: Python<'_>, run: Run) -> PyResult<()> {
        self.changing_unwatched(py, &run, |index| Ok(index.compact()?))
    }

    /// (epsilon, recall, whether it was reached).
    fn tune(
        &self,
        py: Python<'_>,
        target_recall: f32,
        k: usize,
        sample: usize,
        run: Run,
    ) -> PyResult<(f32, Recall, bool)> {
        let tuned = self.changing(py, &run, |index, watch| {
            let note = |progress: &nndescent::Progress| watch.note(progress);
            Ok(index.tune_with_progress(target_recall, k, sample, note)?)
        })?;
        Ok((tuned.epsilon, report::recall(tuned.recall), tuned.reached))
    }

    /// A graph of the points brought up to date after changes.
    fn update_graph<'py>(
        &self,
        py: Python<'py>,
        ids: PyReadonlyArray2<'py, u32>,
        distances: PyReadonlyArray2<'py, f32>,
        replaced: PyReadonlyArray1<'py, u32>,
        run: Run,
    ) -> PyResult<GraphArrays<'py>> {
        let (mut graph, replaced) = (arrays::to_graph(&ids, &distances)?, replaced.as_slice()?);
        let updated = self.reading(py, &run, |index, _| {
            index.update_graph(&mut graph, replaced)?;
            Ok(graph)
        })?;
        arrays::graph(py, updated)
    }

    /// The values of points, n x dim.
    fn vectors<'py>(&self, py: Python<'py>, ids: PyReadonlyArray1<'py, u32>) -> PyResult<Array2<'py, f32>> {
        let ids = ids.as_slice()?;
        let found = |index: &nndescent::Index| index.vectors(ids).map(|values| (values, index.dim()));
        let (values, dim) = Run::default().unwatched(py, |pool| Ok(self.read_in(pool, found)?))?;
        values.into_pyarray(py).reshape([ids.len(), dim])
    }

    /// The ids of all points, ascending.
    fn ids<'py>(&self, py: Python<'py>) -> PyResult<Array1<'py, u32>> {
        Ok(self.get(py, nndescent::Index::ids)?.into_pyarray(py))
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        self.get(py, nndescent::Index::len)
    }

    fn __contains__(&self, py: Python<'_>, id: u32) -> PyResult<bool> {
        self.get(py, |index| index.contains(id))
    }

    /// One more than the largest id ever given.
    #[getter]
    fn id_bound(&self, py: Python<'_>) -> PyResult<usize> {
        self.get(py, nndescent::Index::id_bound)
    }

    #[getter]
    fn dim(&self, py: Python<'_>) -> PyResult<usize> {
        self.get(py, nndescent::Index::dim)
    }

    #[getter]
    fn metric(&self) -> Metric {
        Metric { kind: self.kind.clone() }
    }

    #[getter]
    fn epsilon(&self, py: Python<'_>) -> PyResult<f32> {
        self.get(py, nndescent::Index::epsilon)
    }

    /// numpy's name of the type of the values; "sparse", "bits" or "items" for others.
    #[getter]
    fn value_type(&self, py: Python<'_>) -> PyResult<&'static str> {
        self.get(py, nndescent::Index::value_type)
    }

    #[getter]
    fn quantization(&self, py: Python<'_>) -> PyResult<String> {
        self.get(py, |index| index.quantization().to_string())
    }

    /// What is subtracted from every column.
    #[getter]
    fn center<'py>(&self, py: Python<'py>) -> PyResult<Option<Array1<'py, f64>>> {
        let center = self.get(py, |index| index.center().map(<[f64]>::to_vec))?;
        Ok(center.map(|center| center.into_pyarray(py)))
    }

    #[getter]
    fn n_edges(&self, py: Python<'_>) -> PyResult<usize> {
        self.get(py, nndescent::Index::n_edges)
    }

    #[getter]
    fn max_degree(&self, py: Python<'_>) -> PyResult<usize> {
        self.get(py, nndescent::Index::max_degree)
    }

    /// Bytes (in memory, in a mapped file).
    #[getter]
    fn memory(&self, py: Python<'_>) -> PyResult<(usize, usize)> {
        let memory = self.get(py, nndescent::Index::memory)?;
        Ok((memory.owned, memory.mapped))
    }
}

impl Index {
    fn check_storable(&self) -> PyResult<()> {
        match self.items {
            Some(_) => Err(PyTypeError::new_err("an index under a function cannot be stored: the function is not")),
            None => Ok(()),
        }
    }
}
