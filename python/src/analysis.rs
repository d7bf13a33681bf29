//! What graphs are built for: shared neighbours, outlier scores, clusters, weights of layouts.
//!
//! Every function takes a graph as ids and distances, n x k, and sparse matrices as indptr, indices and values.

use nndescent::KnnGraph;
use nndescent::analysis::cluster::{self, ClusterSelection, Hdbscan};
use nndescent::analysis::outliers::{self, Combination, Score, Sod};
use nndescent::analysis::{self as rooms, CheckedGraph, FuzzySet, Overlap, SharedNeighbors, Symmetry};
use numpy::{IntoPyArray, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::arrays::{self, Array1, CsrArrays, GraphArrays};
use crate::errors::Raised;
use crate::index::Index;
use crate::run::{Run, in_pool};

type Ids<'py> = PyReadonlyArray2<'py, u32>;
type Distances<'py> = PyReadonlyArray2<'py, f32>;

/// One of several named choices.
fn choice<T: Copy>(name: &str, given: &str, choices: &[(&str, T)]) -> PyResult<T> {
    let found = choices.iter().find(|(choice, _)| *choice == given);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(choice, _)| *choice).collect();
        PyValueError::new_err(format!("{name} = {given:?}, but it must be one of {}", names.join(", ")))
    })
}

/// `work` on the checked graph, without the GIL.
fn of_graph<T: Send>(
    py: Python<'_>,
    (ids, distances): (&Ids<'_>, &Distances<'_>),
    run: &Run,
    work: impl FnOnce(&CheckedGraph<'_>) -> Result<T, Raised> + Send,
) -> PyResult<T> {
    let graph = arrays::to_graph(ids, distances)?;
    run.watched(py, |_| work(&CheckedGraph::new(&graph)?))
}

/// Which neighbours two rows share, and how that is counted.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct SharedOptions {
    k: usize,
    k_mutual: Option<usize>,
    overlap: String,
}

impl SharedOptions {
    fn shared(&self) -> PyResult<SharedNeighbors> {
        let choices = [
            ("count", Overlap::Count),
            ("rank", Overlap::Rank),
            ("jaccard", Overlap::Jaccard),
            ("dice", Overlap::Dice),
        ];
        let shared = SharedNeighbors::new(self.k).overlap(choice("overlap", &self.overlap, &choices)?);
        Ok(self.k_mutual.map_or(shared, |k| shared.k_mutual(k)))
    }
}

/// Similarities of shared neighbours, or distances made of them.
#[pyfunction]
pub fn shared_neighbors<'py>(
    py: Python<'py>,
    ids: Ids<'py>,
    distances: Distances<'py>,
    options: SharedOptions,
    as_distance: bool,
    run: Run,
) -> PyResult<CsrArrays<'py>> {
    let shared = options.shared()?;
    let matrix = of_graph(py, (&ids, &distances), &run, |graph| {
        Ok(if as_distance { shared.distance(graph)? } else { shared.similarity(graph)? })
    })?;
    Ok(arrays::csr(py, matrix))
}

/// Outlier scores, higher for stranger rows.
#[pyfunction]
pub fn outlier_scores<'py>(
    py: Python<'py>,
    ids: Ids<'py>,
    distances: Distances<'py>,
    method: &str,
    k: usize,
    run: Run,
) -> PyResult<Array1<'py, f64>> {
    let score = score(method)?;
    let scores = of_graph(py, (&ids, &distances), &run, |graph| Ok(outliers::scores(graph, score, k)?))?;
    Ok(scores.into_pyarray(py))
}

fn score(method: &str) -> PyResult<Score> {
    let choices = [
        ("mean", Score::Mean),
        ("kth", Score::Kth),
        ("median", Score::Median),
        ("lof", Score::Lof),
        ("simplified_lof", Score::SimplifiedLof),
        ("loop", Score::Loop { lambda: 3.0 }),
        ("in_degree", Score::InDegree),
        ("snn", Score::Snn),
    ];
    choice("method", method, &choices)
}

/// Outlier scores of new points, from what queries found for them.
#[pyfunction]
pub fn outlier_scores_of_new<'py>(
    py: Python<'py>,
    graph: (Ids<'py>, Distances<'py>),
    found: (Ids<'py>, Distances<'py>),
    method: &str,
    k: usize,
    run: Run,
) -> PyResult<Array1<'py, f64>> {
    let score = score(method)?;
    let found = arrays::to_graph(&found.0, &found.1)?;
    let scores = of_graph(py, (&graph.0, &graph.1), &run, |graph| {
        let found = CheckedGraph::of_queries(&found, graph.n())?;
        Ok(outliers::scores_of_new(graph, &found, score, k)?)
    })?;
    Ok(scores.into_pyarray(py))
}

/// Subspace outlier degrees of `values`, n x dim.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "a graph, a run, and the options of Python's method")]
pub fn subspace_outlier_degrees<'py>(
    py: Python<'py>,
    ids: Ids<'py>,
    distances: Distances<'py>,
    values: PyReadonlyArray2<'py, f32>,
    k: usize,
    reference: usize,
    alpha: f64,
    run: Run,
) -> PyResult<Array1<'py, f64>> {
    let (dim, values) = (values.shape()[1], values.as_slice()?);
    let sod = Sod::default().k(k).reference(reference).alpha(alpha);
    let scores = of_graph(py, (&ids, &distances), &run, |graph| Ok(sod.scores(graph, values, dim)?))?;
    Ok(scores.into_pyarray(py))
}

/// Scores of several methods as one.
#[pyfunction]
pub fn combined_scores<'py>(py: Python<'py>, scores: Vec<Vec<f64>>, method: &str) -> PyResult<Array1<'py, f64>> {
    let choices = [("mean_rank", Combination::MeanRank), ("standardized_maximum", Combination::StandardizedMaximum)];
    let combination = choice("method", method, &choices)?;
    Ok(in_pool(py, || Ok(outliers::combined(&scores, combination)?))?.into_pyarray(py))
}

/// The score that a share of `contamination` reaches.
#[pyfunction]
pub fn outlier_threshold(py: Python<'_>, scores: PyReadonlyArray1<'_, f64>, contamination: f64) -> PyResult<f64> {
    let scores = scores.as_slice()?;
    in_pool(py, || Ok(outliers::threshold(scores, contamination)?))
}

/// Labels of DBSCAN.
#[pyfunction]
pub fn dbscan<'py>(
    py: Python<'py>,
    ids: Ids<'py>,
    distances: Distances<'py>,
    eps: f32,
    min_samples: usize,
    run: Run,
) -> PyResult<Array1<'py, i32>> {
    let clusters = of_graph(py, (&ids, &distances), &run, |graph| Ok(cluster::dbscan(graph, eps, min_samples)?))?;
    Ok(clusters.into_labels().into_pyarray(py))
}

/// Labels of clusters of shared neighbours: Jarvis and Patrick's, or with `min_samples` DBSCAN's.
#[pyfunction]
pub fn shared_neighbor_clusters<'py>(
    py: Python<'py>,
    ids: Ids<'py>,
    distances: Distances<'py>,
    options: SharedOptions,
    least_overlap: f32,
    min_samples: Option<usize>,
    run: Run,
) -> PyResult<Array1<'py, i32>> {
    let shared = options.shared()?;
    let clusters = of_graph(py, (&ids, &distances), &run, |graph| {
        let similarity = shared.similarity(graph)?;
        Ok(match min_samples {
            Some(min_samples) => cluster::snn_dbscan(&similarity, least_overlap, min_samples)?,
            None => cluster::jarvis_patrick(&similarity, least_overlap)?,
        })
    })?;
    Ok(clusters.into_labels().into_pyarray(py))
}

/// Options of HDBSCAN.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct HdbscanOptions {
    min_cluster_size: usize,
    min_samples: Option<usize>,
    cluster_selection_method: String,
    cluster_selection_epsilon: f64,
    allow_single_cluster: bool,
}

/// Labels and probabilities of HDBSCAN. With an index of the points, clusters that the graph does not connect are.
#[pyfunction]
pub fn hdbscan<'py>(
    py: Python<'py>,
    ids: Ids<'py>,
    distances: Distances<'py>,
    options: HdbscanOptions,
    index: Option<&Index>,
    run: Run,
) -> PyResult<(Array1<'py, i32>, Array1<'py, f32>)> {
    let choices = [("eom", ClusterSelection::ExcessOfMass), ("leaf", ClusterSelection::Leaf)];
    let hdbscan = Hdbscan::new(options.min_cluster_size)
        .selection(choice("cluster_selection_method", &options.cluster_selection_method, &choices)?)
        .cluster_selection_epsilon(options.cluster_selection_epsilon)
        .allow_single_cluster(options.allow_single_cluster);
    let hdbscan = options.min_samples.map_or(hdbscan, |samples| hdbscan.min_samples(samples));
    let found = match index {
        Some(index) => {
            let graph = arrays::to_graph(&ids, &distances)?;
            index.reading(py, &run, |index, _| Ok(hdbscan.run_with_index(&CheckedGraph::new(&graph)?, index)?))
        }
        None => of_graph(py, (&ids, &distances), &run, |graph| Ok(hdbscan.run(graph, &[])?)),
    }?;
    Ok((found.clustering.into_labels().into_pyarray(py), found.probabilities.into_pyarray(py)))
}

/// Labels of connected components, and their number.
#[pyfunction]
pub fn components<'py>(
    py: Python<'py>,
    ids: Ids<'py>,
    distances: Distances<'py>,
    run: Run,
) -> PyResult<(Array1<'py, u32>, usize)> {
    let found = of_graph(py, (&ids, &distances), &run, |graph| Ok(rooms::components(graph)))?;
    Ok((found.labels.into_pyarray(py), found.count))
}

/// How often every row is among the neighbours of others.
#[pyfunction]
pub fn in_degrees<'py>(
    py: Python<'py>,
    ids: Ids<'py>,
    distances: Distances<'py>,
    run: Run,
) -> PyResult<Array1<'py, u32>> {
    let degrees = of_graph(py, (&ids, &distances), &run, |graph| Ok(rooms::in_degrees(graph, None)))?;
    Ok(degrees.into_pyarray(py))
}

/// The graph as a sparse matrix of distances; with `symmetry`, symmetric.
#[pyfunction]
pub fn sparse_matrix<'py>(
    py: Python<'py>,
    ids: Ids<'py>,
    distances: Distances<'py>,
    symmetry: Option<&str>,
    run: Run,
) -> PyResult<CsrArrays<'py>> {
    let choices =
        [("union", Symmetry::Union), ("mutual", Symmetry::Mutual), ("max", Symmetry::Max), ("mean", Symmetry::Mean)];
    let symmetry = symmetry.map(|symmetry| choice("symmetry", symmetry, &choices)).transpose()?;
    let matrix = of_graph(py, (&ids, &distances), &run, |graph| {
        let matrix = graph.to_csr();
        Ok(symmetry.map_or_else(|| matrix.clone(), |symmetry| matrix.symmetrized(symmetry)))
    })?;
    Ok(arrays::csr(py, matrix))
}

/// umap-learn's fuzzy simplicial set.
#[pyfunction]
pub fn umap_weights<'py>(
    py: Python<'py>,
    ids: Ids<'py>,
    distances: Distances<'py>,
    local_connectivity: f32,
    bandwidth: f32,
    set_op_mix_ratio: f32,
    run: Run,
) -> PyResult<CsrArrays<'py>> {
    let set = FuzzySet::default()
        .local_connectivity(local_connectivity)
        .bandwidth(bandwidth)
        .set_op_mix_ratio(set_op_mix_ratio);
    let weights = of_graph(py, (&ids, &distances), &run, |graph| Ok(set.weights(graph)?))?;
    Ok(arrays::csr(py, weights))
}

/// The nearest `k` of two graphs of the same points.
#[pyfunction]
pub fn merged<'py>(
    py: Python<'py>,
    a: (Ids<'py>, Distances<'py>),
    b: (Ids<'py>, Distances<'py>),
    k: usize,
    run: Run,
) -> PyResult<GraphArrays<'py>> {
    let (a, b): (KnnGraph, KnnGraph) = (arrays::to_graph(&a.0, &a.1)?, arrays::to_graph(&b.0, &b.1)?);
    let merged = run.watched(py, |_| Ok(rooms::merged(&a, &b, k)?))?;
    arrays::graph(py, merged)
}

/// Recall of `found` against `truth`: shares of neighbours no farther than the k-th true one.
#[pyfunction]
pub fn recall<'py>(
    py: Python<'py>,
    found: (Ids<'py>, Distances<'py>),
    truth: (Ids<'py>, Distances<'py>),
    k: usize,
) -> PyResult<f64> {
    let (found, truth) = (arrays::to_graph(&found.0, &found.1)?, arrays::to_graph(&truth.0, &truth.1)?);
    in_pool(py, || Ok(nndescent::recall::recall(&found, &truth, k)?))
}
