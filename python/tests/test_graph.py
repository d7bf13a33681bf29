"""Graphs, exact search, and what graphs are for."""

from pathlib import Path

import numpy as np
import pytest
from nndescent_rs import (
    NO_NEIGHBOR,
    DeviceError,
    Graph,
    Index,
    combined_scores,
    devices,
    exact_knn,
    instructions,
    knn_graph,
    metrics,
    outlier_threshold,
)

from nndescent_rs._numba import callback

from conftest import exact


@pytest.fixture
def graph(points: np.ndarray) -> Graph:
    return knn_graph(points, 10, algorithm="nndescent", seed=1)


def test_graph_and_report(points: np.ndarray, graph: Graph) -> None:
    truth = exact(points, points, 10, own=True)
    assert graph.indices.dtype == np.uint32 and graph.distances.dtype == np.float32
    assert graph.shape == (1200, 10) and len(graph) == 1200
    assert graph.recall(Graph(*truth)) > 0.99
    assert not (graph.indices == np.arange(1200)[:, None]).any()
    assert (np.diff(graph.distances, axis=1) >= 0).all()
    report = graph.report
    assert report is not None and report.algorithm == "nndescent" and not report.on_gpu
    assert report.recall is not None and report.recall.low <= report.recall.estimate <= report.recall.high
    assert report.recall.low <= graph.recall(Graph(*truth)) <= report.recall.high
    assert report.seconds["build"] > 0 and report.settings["n_neighbors"] == "10"
    assert "recall" in repr(graph)


def test_exact_search(points: np.ndarray) -> None:
    ids, distances = exact(points, points[:50] + 0.1, 7)
    found = exact_knn(points, points[:50] + 0.1, 7)
    np.testing.assert_array_equal(found.indices, ids)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-6)
    np.testing.assert_array_equal(exact_knn(points, k=7).indices, exact(points, points, 7, own=True)[0])


def test_the_same_at_any_number_of_threads(points: np.ndarray) -> None:
    of = [knn_graph(points, 10, algorithm="nndescent", seed=3, n_jobs=jobs) for jobs in (1, 2, 5, None, -1)]
    for other in of[1:]:
        np.testing.assert_array_equal(other.indices, of[0].indices)
        np.testing.assert_array_equal(other.distances, of[0].distances)
    assert (knn_graph(points, 10, algorithm="nndescent", seed=4, n_trees=1, n_iters=1).indices != of[0].indices).any()


def test_options(points: np.ndarray, graph: Graph) -> None:
    with_self = knn_graph(points, 10, include_self=True)
    np.testing.assert_array_equal(with_self.indices[:, 0], np.arange(1200))
    np.testing.assert_array_equal(with_self.indices[:, 1:], knn_graph(points, 9).indices)
    wanted = knn_graph(points, 10, algorithm="nndescent", target_recall=0.95)
    assert wanted.report is not None and wanted.report.target_reached
    assert knn_graph(points, 10, recall_sample=0, algorithm="nndescent").report.recall is None
    started = knn_graph(points, 10, init_graph=graph, algorithm="nndescent", n_trees=0)
    assert started.recall(graph) > 0.99


def test_progress_is_told(points: np.ndarray) -> None:
    told = []
    x = np.tile(points, (25, 1)) + np.random.default_rng(0).normal(size=(30_000, 12)).astype(np.float32)
    knn_graph(x, 15, algorithm="nndescent", progress=lambda *progress: told.append(progress))
    assert {phase for phase, *_ in told} & {"init", "descent"}
    assert all(0 <= fraction <= 1 for *_, fraction in told)
    pytest.importorskip("tqdm")
    knn_graph(x, 15, algorithm="nndescent", progress=True)


def test_an_exception_in_progress_ends_the_build(points: np.ndarray) -> None:
    def fail(*progress: object) -> None:
        raise RuntimeError("enough")

    x = np.tile(points, (50, 1)) + np.random.default_rng(0).normal(size=(60_000, 12)).astype(np.float32)
    with pytest.raises(RuntimeError, match="enough"):
        knn_graph(x, 15, algorithm="nndescent", progress=fail)


def test_metrics_have_pynndescents_names(points: np.ndarray) -> None:
    for names in (names for name, more in metrics().items() for names in [name, *more]):
        if names in ("haversine",) or names.startswith("bit"):
            continue
        arguments = {
            "seuclidean": {"sigma": np.ones(12)},
            "wminkowski": {"w": np.ones(12), "p": 3},
            "mahalanobis": {"vinv": np.eye(12)},
            "kantorovich": {"cost": 1 - np.eye(12)},
            "sinkhorn": {"cost": 1 - np.eye(12)},
        }
        kind = next(name for name, more in metrics().items() if names in (name, *more))
        graph = knn_graph(np.abs(points[:100]), 3, metric=names, metric_kwds=arguments.get(kind))
        assert graph.shape == (100, 3), names
    assert knn_graph(points, 3, metric="minkowski", metric_kwds={"p": 1}).recall(knn_graph(points, 3, metric="l1")) == 1


def test_functions_as_metrics(points: np.ndarray) -> None:
    expected = knn_graph(points[:300], 4, metric="manhattan")
    calls = 0

    def plain(x: np.ndarray, y: np.ndarray) -> float:
        nonlocal calls
        calls += 1
        return float(np.abs(x - y).sum())

    np.testing.assert_array_equal(knn_graph(points[:300], 4, metric=plain).indices, expected.indices)
    assert calls > 300
    weighted = knn_graph(points[:300], 4, metric=lambda x, y, w: float(np.abs(x - y).sum() * w), metric_kwds={"w": 2})
    np.testing.assert_allclose(weighted.distances, 2 * expected.distances, rtol=1e-5)


def test_functions_of_sparse_rows_and_bits(rng: np.random.Generator) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    x = sparse.random(200, 20, 0.3, format="csr", random_state=0, dtype=np.float32)

    def of_sparse(ind1: np.ndarray, data1: np.ndarray, ind2: np.ndarray, data2: np.ndarray) -> float:
        a, b = np.zeros(20), np.zeros(20)
        a[ind1], b[ind2] = data1, data2
        return float(np.abs(a - b).sum())

    np.testing.assert_allclose(
        knn_graph(x, 3, metric=of_sparse).distances, knn_graph(x, 3, metric="manhattan").distances, rtol=1e-5
    )
    bits = rng.integers(0, 256, size=(200, 4), dtype=np.uint8)
    count = lambda a, b: float(np.unpackbits(a ^ b).sum())  # noqa: E731
    np.testing.assert_allclose(
        knn_graph(bits, 3, metric=count, bits=True).distances,
        32 * knn_graph(bits, 3, metric="hamming", bits=True).distances,
        rtol=1e-5,
    )


def test_numba_functions(points: np.ndarray) -> None:
    numba = pytest.importorskip("numba")

    @numba.njit
    def distance(x, y, w):
        total = 0.0
        for i in range(x.shape[0]):
            total += w * abs(x[i] - y[i])
        return total

    found = knn_graph(points, 4, metric=distance, metric_kwds={"w": 3.0})
    expected = knn_graph(points, 4, metric="manhattan")
    np.testing.assert_allclose(found.distances, 3 * expected.distances, rtol=1e-5)

    assert callback(distance, (3.0,), bits=False) is not None, "the function runs without the GIL"

    @numba.njit
    def failing(x, y):
        if x[0] > y[0]:
            raise ValueError("no")
        return 1.0

    with pytest.raises(ValueError, match="not finite"):
        knn_graph(points, 4, metric=failing)

    @numba.njit
    def nothing(x, y):
        x[0] + y[0]

    with pytest.raises(TypeError, match="returns none"):
        knn_graph(points, 4, metric=nothing)

    @numba.njit("f8(f8[:], f8[:])")
    def of_float64(x, y):
        return np.abs(x - y).sum()

    assert callback(of_float64, (), bits=False) is not None
    np.testing.assert_allclose(knn_graph(points, 4, metric=of_float64).distances, expected.distances, rtol=1e-5)


def test_forms(points: np.ndarray, graph: Graph, tmp_path) -> None:
    scipy_sparse = pytest.importorskip("scipy.sparse")
    matrix = graph.to_csr()
    assert scipy_sparse.issparse(matrix) and matrix.shape == (1200, 1200) and matrix.nnz == 12_000
    assert matrix[5, graph.indices[5, 3]] == graph.distances[5, 3]
    assert set(graph.to_csr("connectivity").data) == {1.0}
    symmetric = graph.to_csr(symmetry="max")
    assert abs(symmetric - symmetric.T).max() == 0
    graph.save(tmp_path / "graph.npz")
    np.testing.assert_array_equal(Graph.load(tmp_path / "graph.npz").indices, graph.indices)
    graph.save(tmp_path / "graph")
    np.testing.assert_array_equal(Graph.load(tmp_path / "graph").indices, graph.indices)
    indices, distances = graph.with_self()
    assert indices.shape == (1200, 11) and indices.dtype == np.int32 and (distances[:, 0] == 0).all()
    np.testing.assert_array_equal(graph.truncated(3).indices, graph.indices[:, :3])
    assert graph.merged(knn_graph(points, 10)).recall(knn_graph(points, 10)) == 1.0


def test_networkx_and_igraph(graph: Graph) -> None:
    pytest.importorskip("networkx")
    assert graph.to_networkx().number_of_edges() == 12_000
    pytest.importorskip("igraph")
    made = graph.to_igraph()
    assert made.ecount() == 12_000 and made.es[0]["distance"] == pytest.approx(graph.distances[0, 0])


def test_analyses(points: np.ndarray) -> None:
    x = points.copy()
    x[17] = 60.0
    graph = knn_graph(x, 20)
    for method in ("mean", "kth", "median", "lof", "simplified_lof", "loop"):
        assert graph.outlier_scores(method).argmax() == 17, method
    assert graph.outlier_scores("in_degree")[17] == graph.outlier_scores("in_degree").max()
    scores = [graph.outlier_scores("lof"), graph.outlier_scores("kth")]
    assert combined_scores(scores).argmax() == 17
    assert (scores[0] >= outlier_threshold(scores[0], 0.01)).sum() == 12
    assert graph.subspace_outlier_degrees(x).shape == (1200,)
    new = graph.outlier_scores_of_new(*exact_knn(x, x[:3] + 0.01, 10))
    assert new.shape == (3,) and np.isfinite(new).all()

    labels, probabilities = graph.hdbscan(20, index=Index.build(x, 20))
    assert labels.dtype == np.int32 and len(set(labels[labels >= 0])) == 8
    assert probabilities.shape == (1200,)
    truth = np.arange(1200) % 8
    kept = labels >= 0
    pairs = set(zip(truth[kept].tolist(), labels[kept].tolist()))
    assert len(pairs) == 8, "a cluster of HDBSCAN mixes kinds"
    assert len(set(graph.dbscan(3.5)) - {-1}) == 8
    assert graph.snn_dbscan(5).shape == graph.jarvis_patrick(8).shape == (1200,)
    labels, count = knn_graph(points, 5).components()
    assert labels.max() + 1 == count
    assert graph.in_degrees().sum() == graph.indices.size
    shared = graph.shared_neighbors()
    row, column = 5, int(shared[5].indices[0])
    assert shared[row, column] == np.intersect1d(graph.indices[row], graph.indices[column]).size
    assert graph.umap_weights().shape == (1200, 1200)


def test_missing_neighbours(points: np.ndarray) -> None:
    graph = Graph([[1, -1], [0, -1]], [[1.0, np.inf], [1.0, np.inf]])
    assert graph.indices[0, 1] == NO_NEIGHBOR
    assert graph.to_csr().nnz == 2
    with pytest.raises(ValueError, match=r"ids\[0, 1\] is -2"):
        Graph([[1, -2]], [[1.0, 2.0]])
    with pytest.raises(ValueError, match="shape"):
        Graph([[1, 2]], [[1.0]])


def test_devices() -> None:
    assert all(adapter.kind for adapter in devices())
    assert instructions()
    with pytest.raises(DeviceError, match="no such card"):
        knn_graph(np.eye(50, dtype=np.float32), 3, device="no such card")


def test_a_gpu_gives_the_same_graph(rng: np.random.Generator) -> None:
    found = devices()
    if not found:
        pytest.skip("no GPU adapter")
    x = rng.integers(0, 256, size=(3000, 32)).astype(np.uint8)
    of_cpu = knn_graph(x, 10, device="cpu", algorithm="nndescent")
    of_gpu = knn_graph(x, 10, device=str(found[0].index), algorithm="nndescent")
    assert of_gpu.report.on_gpu
    np.testing.assert_array_equal(of_gpu.distances, of_cpu.distances)


def test_files_that_are_no_graphs(tmp_path: Path, points: np.ndarray) -> None:
    np.save(tmp_path / "matrix.npy", points)
    np.savez(tmp_path / "other.npz", indices=points)
    (tmp_path / "text.npz").write_text("indices")
    wrong = {"matrix.npy": "no .npz file", "text.npz": "no .npz file", "other.npz": "no array distances"}
    for name, text in wrong.items():
        with pytest.raises(ValueError, match=text):
            Graph.load(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        Graph.load(tmp_path / "none.npz")


@pytest.mark.parametrize("settings", [{"seed": None}, {"seed": 1.5}, {"n_jobs": 2.5}, {"k": 5.0}])
def test_integers_are_integers(points: np.ndarray, settings: dict) -> None:
    with pytest.raises(TypeError, match="must be an integer"):
        knn_graph(points, **settings)


def test_wide_queries_are_exact() -> None:
    stamps = np.random.default_rng(0).integers(1_700_000_000_000_000, 1_700_000_000_001_000_000, (200, 2))
    truth = exact(stamps - stamps.min(), stamps - stamps.min(), 4)[0]
    np.testing.assert_array_equal(exact_knn(stamps, stamps, 4).indices, truth)
    np.testing.assert_array_equal(exact_knn(stamps, k=3).indices, truth[:, 1:])


def test_queries_of_other_kinds(rng: np.random.Generator) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    x = sparse.random(200, 30, 0.2, format="csr", random_state=0, dtype=np.float32)
    expected = exact_knn(x, x[:5], 3, metric="cosine")
    np.testing.assert_array_equal(exact_knn(x, x[:5].toarray(), 3, metric="cosine").indices, expected.indices)
    bits = rng.integers(0, 256, (100, 4), dtype=np.uint8)
    assert (exact_knn(bits, bits[:5], 1, metric="bit_hamming").indices.ravel() == np.arange(5)).all()


def test_graphs_that_begin_with_self(points: np.ndarray) -> None:
    plain, with_self = knn_graph(points, 20), knn_graph(points, 21, include_self=True)
    np.testing.assert_allclose(with_self.outlier_scores(), plain.outlier_scores())
    assert (with_self.shared_neighbors() != plain.shared_neighbors()).nnz == 0
    for a, b in zip(with_self.with_self(), plain.with_self()):
        np.testing.assert_array_equal(a, b)


def test_odd_arguments(points: np.ndarray, graph: Graph) -> None:
    for error, match, call in [
        (TypeError, "n_neighbors = None", lambda: knn_graph(points, None)),
        (ValueError, "n_neighbors = 1180591620717411303424", lambda: knn_graph(points, 2**70)),
        (TypeError, "seed = 1.5", lambda: knn_graph(points, 3, seed=1.5)),
        (TypeError, "progress = 'x'", lambda: knn_graph(points, 3, progress="x")),
        (TypeError, "metric_kwds is of type int", lambda: knn_graph(points, 3, metric_kwds=5)),
        (TypeError, "uint8", lambda: knn_graph(points > 0, 3, metric="hamming", bits=True)),
        (ValueError, "masked", lambda: knn_graph(np.ma.masked_less(points, 0), 3)),
        (ValueError, "hardly tells from 0", lambda: knn_graph(points.astype(np.float64) * 1e-60, 3)),
        (ValueError, "k = -1", lambda: graph.outlier_scores(k=-1)),
        (TypeError, "k = 2.0", lambda: graph.outlier_scores(k=2.0)),
        (ValueError, "min_samples = -1", lambda: graph.dbscan(1.0, -1)),
        (TypeError, "min_cluster_size = 2.5", lambda: graph.hdbscan(2.5)),
        (TypeError, "index is of type int", lambda: graph.hdbscan(index=3)),
        (TypeError, "other is of type int", lambda: graph.merged(3)),
        (ValueError, "k = 1000000000000", lambda: graph.merged(graph, 10**12)),
        (ValueError, r"shape \(2, 2\)", lambda: outlier_threshold(np.eye(2), 0.1)),
        (ValueError, "method = \"best\"", lambda: graph.outlier_scores("best")),
    ]:
        with pytest.raises(error, match=match):
            call()
