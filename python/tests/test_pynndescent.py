"""PyNNDescent's conventions. COMPATIBILITY.md lists where the class differs."""

import importlib.util
import pickle
import sys
import warnings

import nndescent_rs
import numpy as np
import pytest
from nndescent_rs import NNDescent, PyNNDescentTransformer

from conftest import exact


def test_rows_are_their_own_first_neighbours(points: np.ndarray) -> None:
    index = NNDescent(points, n_neighbors=10, random_state=1)
    ids, distances = index.neighbor_graph
    assert ids.dtype == np.int32 and distances.dtype == np.float32 and ids.shape == (1200, 10)
    np.testing.assert_array_equal(ids[:, 0], np.arange(1200))
    truth, far = exact(points, points, 9, own=True)
    np.testing.assert_allclose(np.sort(distances[:, 1:]), far, rtol=1e-5)
    assert (ids[:, 1:] == truth).mean() > 0.999
    copies = np.repeat(points[:30], 10, axis=0)
    np.testing.assert_array_equal(NNDescent(copies, n_neighbors=5).neighbor_graph[0][:, 0], np.arange(300))


def test_defaults_and_attributes(points: np.ndarray) -> None:
    index = NNDescent(points)
    assert index.neighbor_graph[0].shape == (1200, 30) and index.dim == 12
    assert index.n_trees == 6 and index.n_iters == 10 and index.n_trees_after_update == 2
    assert index.n_neighbors == 30 and index.metric == "euclidean" and index.delta == 0.001
    np.testing.assert_array_equal(index._raw_data, points)
    assert not index._angular_trees and NNDescent(points, metric="cosine")._angular_trees


def test_random_state(points: np.ndarray) -> None:
    def build(state: object) -> np.ndarray:
        return NNDescent(points, n_neighbors=10, random_state=state).query(points + 0.2, 5)[0]

    np.testing.assert_array_equal(build(3), build(3))
    np.testing.assert_array_equal(build(np.random.RandomState(3)), build(3))
    np.testing.assert_array_equal(build(np.int64(3)), build(3))
    build(np.random.default_rng(3))
    np.random.seed(5)
    first = build(None)
    np.random.seed(5)
    np.testing.assert_array_equal(build(None), first)
    with pytest.raises(ValueError, match="cannot be used to seed"):
        build("3")


def test_few_rows(points: np.ndarray) -> None:
    with pytest.warns(UserWarning, match="only 4 rows"):
        ids, distances = NNDescent(points[:4], n_neighbors=6).neighbor_graph
    assert ids.shape == (4, 6) and (ids[:, 4:] == -1).all() and np.isinf(distances[:, 4:]).all()
    one = NNDescent(points[:1], n_neighbors=3)
    assert one.neighbor_graph[0].tolist() == [[0, -1, -1]]
    assert one.query(points[:2], k=2)[0].tolist() == [[0, -1], [0, -1]]
    one.update(xs_fresh=points[1:20])
    assert one.neighbor_graph[0].shape == (20, 3) and (one.neighbor_graph[0] >= 0).all()


def test_queries(points: np.ndarray) -> None:
    index = NNDescent(points[200:], n_neighbors=15, random_state=0)
    truth, far = exact(points[200:], points[:200], 10)
    ids, distances = index.query(points[:200])
    assert ids.shape == (200, 10) and ids.dtype == np.int32 and (ids == truth).mean() > 0.98
    np.testing.assert_array_equal(index.query_indices(points[:200]), ids)
    np.testing.assert_array_equal(index.query(points[:200], return_distances=False), ids)
    assert [a.shape for a in index.query(points[:3], k=0)] == [(3, 0)] * 2
    assert [a.shape for a in index.query(points[:0])] == [(0, 10)] * 2
    assert (index.query(points[:3], epsilon=np.inf)[0] == truth[:3]).all()
    assert index.query(points[:3], epsilon=-0.5)[0].shape == (3, 10)
    padded, infinite = index.query(points[:3], k=1005)
    assert (padded[:, 1000:] == -1).all() and np.isinf(infinite[:, 1000:]).all()
    assert np.unique(padded[0, :1000]).size == 1000
    with pytest.raises(ValueError, match="pre_normalized"):
        index.query(points[:3], pre_normalized=True)
    with pytest.raises(ValueError, match="12 features"):
        index.query(points[:3, :5])
    with pytest.raises(ValueError, match="2-D|matrix"):
        index.query(points[0])


def test_metrics(points: np.ndarray) -> None:
    x = np.abs(points)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    index = NNDescent(x, metric="dot", n_neighbors=5, random_state=0)
    ids, distances = index.neighbor_graph
    np.testing.assert_allclose(distances[:, 1], 1 - (unit * unit[ids[:, 1]]).sum(axis=1), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(index._raw_data, axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(index.query(3 * x[:5], 2)[1], index.query(x[:5], 2)[1], atol=1e-6)
    of_p = [NNDescent(x, metric="minkowski", metric_kwds=kwds, n_neighbors=5) for kwds in ({}, {"p": 2}, {"p": 1})]
    np.testing.assert_array_equal(of_p[0].neighbor_graph[1], of_p[1].neighbor_graph[1])
    assert (of_p[2].neighbor_graph[1][:, 1:] > of_p[1].neighbor_graph[1][:, 1:]).all()
    assert NNDescent(x, metric="proxy_wasserstein_1d", n_neighbors=5).neighbor_graph[0].shape == (1200, 5)


def test_bits(rng: np.random.Generator) -> None:
    bits = rng.integers(0, 256, size=(300, 8), dtype=np.uint8)
    ids, distances = NNDescent(bits, metric="bit_jaccard", n_neighbors=4).neighbor_graph
    a, b = np.unpackbits(bits, axis=1).astype(bool), np.unpackbits(bits[ids[:, 1]], axis=1).astype(bool)
    np.testing.assert_allclose(distances[:, 1], -np.log((a & b).sum(1) / (a | b).sum(1)), rtol=1e-5)
    ids, distances = NNDescent(bits, metric="bit_hamming", n_neighbors=4).neighbor_graph
    b = np.unpackbits(bits[ids[:, 1]], axis=1).astype(bool)
    np.testing.assert_allclose(distances[:, 1], (a ^ b).sum(axis=1), rtol=1e-5)


def test_functions_and_pickles(points: np.ndarray) -> None:
    index = NNDescent(points[:200], metric=absolute, metric_kwds={"weight": 2.0}, n_neighbors=5, random_state=0)
    ids, distances = index.query(points[:3], 2)
    again = pickle.loads(pickle.dumps(index))
    np.testing.assert_array_equal(again.query(points[:3], 2)[0], ids)
    np.testing.assert_allclose(
        distances[:, 1], 2 * np.abs(points[:3] - points[ids[:, 1]]).sum(axis=1), rtol=1e-5
    )


    index.compress_index()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(index)).query(points[:3], 2)[0], ids)


def absolute(x: np.ndarray, y: np.ndarray, weight: float) -> float:
    return float(weight * np.abs(x - y).sum())


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "dot"])
@pytest.mark.parametrize("prepared", [False, True])
def test_updates(points: np.ndarray, metric: str, prepared: bool) -> None:
    x = np.abs(points)
    index = NNDescent(x[:1000], metric=metric, n_neighbors=15, random_state=0)
    if prepared:
        index.prepare()
    index.update(xs_fresh=x[1000:], xs_updated=x[:100] + 1, updated_indices=np.arange(0, 200, 2))
    expected = x.copy()
    expected[np.arange(0, 200, 2)] = x[:100] + 1
    if metric != "dot":
        np.testing.assert_array_equal(index._raw_data, expected)
    truth = NNDescent(expected, metric=metric, n_neighbors=15, random_state=0)
    ids, distances = index.neighbor_graph
    assert ids.shape == (1200, 15)
    assert np.mean([np.isin(a, b).mean() for a, b in zip(truth.neighbor_graph[0], ids)]) > 0.97
    found = index.query(expected[:100], 5)[0]
    assert np.mean([np.isin(a, b).mean() for a, b in zip(truth.query(expected[:100], 5)[0], found)]) > 0.97
    with pytest.raises(ValueError, match="updated_indices"):
        index.update(xs_updated=x[:2])
    with pytest.raises(ValueError, match=r"\(3\).*\(2\)"):
        index.update(xs_updated=x[:2], updated_indices=[1, 2, 3])
    with pytest.raises(IndexError, match="5000"):
        index.update(xs_updated=x[:1], updated_indices=[5000])
    with pytest.raises(ValueError, match="3 columns"):
        index.update(xs_fresh=x[:2, :3])
    with pytest.warns(UserWarning, match="ignored"):
        index.update(updated_indices=[1])


def test_a_failed_update_changes_nothing(points: np.ndarray) -> None:
    index = NNDescent(points, n_neighbors=10, n_trees=6, random_state=0)
    expected = index.query(points[:50])[0]
    bad = points[:1].copy()
    bad[0, 0] = np.nan
    with pytest.raises(ValueError, match="xs_fresh: row 0, column 0 is nan"):
        index.update(xs_fresh=bad, xs_updated=points[:1] + 100, updated_indices=[7])
    np.testing.assert_array_equal(index.query(points[:50])[0], expected)
    assert index.n_trees == 6
    index.update(xs_fresh=points[:2] + 0.001)
    assert index.query(points[7:8], k=1)[0].tolist() == [[7]]


def test_init_graph(points: np.ndarray) -> None:
    start = NNDescent(points, n_neighbors=10, random_state=0).neighbor_graph[0]
    index = NNDescent(points, n_neighbors=10, init_graph=start, random_state=0)
    assert not index.tree_init and (index.neighbor_graph[0] == start).mean() > 0.99
    with pytest.raises(ValueError, match="Init graph size"):
        NNDescent(points, init_graph=start[:5])
    with pytest.raises(ValueError, match="shapes"):
        NNDescent(points, init_graph=start, init_dist=np.zeros((1200, 3)))


def test_compression(points: np.ndarray) -> None:
    index = NNDescent(points, n_neighbors=10, random_state=0)
    expected = index.query(points[:5])[0]
    index.compress_index()
    np.testing.assert_array_equal(index.query(points[:5])[0], expected)
    with pytest.warns(UserWarning, match="Compressed"):
        assert index.neighbor_graph is None
    with pytest.raises(ValueError, match="compressed"):
        index.update(xs_fresh=points[:5])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(index)).query(points[:5])[0], expected)


def test_what_has_no_meaning_here_is_silent(points: np.ndarray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NNDescent(
            points,
            low_memory=False,
            max_rptree_depth=10,
            search_tree_leaf_size=5,
            max_search_tree_depth=9,
            parallel_batch_queries=True,
            search_tree_leaf_budget=2,
            angular_trees=True,
        )
    with pytest.warns(FutureWarning, match="n_search_trees"):
        NNDescent(points, n_search_trees=2)


@pytest.mark.parametrize("quantization", ["int8", "uint8", "uint4", "binary"])
def test_quantization(rng: np.random.Generator, quantization: str) -> None:
    x = rng.normal(size=(500, 64)).astype(np.float32)
    index = NNDescent(x, n_neighbors=20, quantization=quantization, random_state=0)
    assert (index.query(x[:20], 1)[0].ravel() == np.arange(20)).all()
    with pytest.raises(ValueError, match="candidate_width"):
        index.query(x[:2], candidate_width=5)
    with pytest.raises(ValueError, match="rerank_width"):
        index.query(x[:2], candidate_width=20, rerank_width=5)
    with pytest.raises(ValueError, match="Unrecognized quantization type int3"):
        NNDescent(x, quantization="int3").prepare()


def test_bad_input(points: np.ndarray) -> None:
    nan = points.copy()
    nan[5, 3] = np.nan
    infinite = points.copy()
    infinite[5, 3] = np.inf
    for error, match, build in [
        (ValueError, "row 5, column 3 is NaN", lambda: NNDescent(nan)),
        (ValueError, "row 5, column 3 is inf", lambda: NNDescent(infinite)),
        (ValueError, "did you mean `euclidean`", lambda: NNDescent(points, metric="euclidan")),
        (TypeError, "metric is of type int", lambda: NNDescent(points, metric=3)),
        (ValueError, r"shape \(12,\)", lambda: NNDescent(points[0])),
        (ValueError, r"shape \(2, 2, 2\)", lambda: NNDescent(np.ones((2, 2, 2)))),
        (ValueError, r"shape \(0, 12\)", lambda: NNDescent(points[:0])),
        (TypeError, "dtype <U1", lambda: NNDescent(np.array([["a", "b"]]))),
        (TypeError, "objects", lambda: NNDescent(np.array([[object()]]))),
        (TypeError, "complex", lambda: NNDescent(points * 1j)),
        (ValueError, "n_neighbors = 0", lambda: NNDescent(points, n_neighbors=0)),
        (ValueError, "`mahalanobis` needs the argument `vinv`", lambda: NNDescent(points, metric="mahalanobis")),
        (ValueError, "n_jobs = 0", lambda: NNDescent(points, n_jobs=0)),
        (ValueError, "search_tree_leaf_budget", lambda: NNDescent(points, search_tree_leaf_budget=0)),
        (ValueError, "leaf_size = 0|leaf_size = 1", lambda: NNDescent(np.tile(points, (9, 1)), leaf_size=0)),
    ]:
        with pytest.raises(error, match=match):
            build()
    with pytest.raises(NotImplementedError, match="Sparse"):
        scipy_sparse = pytest.importorskip("scipy.sparse")
        NNDescent(scipy_sparse.random(50, 9, 0.5, format="csr"), n_neighbors=3).update(xs_fresh=points[:2])


def test_verbose(points: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    NNDescent(points, n_trees=5, n_iters=2, verbose=True)
    out = capsys.readouterr().out
    assert "5 trees" in out and "2 iterations" in out
    NNDescent(points)
    assert capsys.readouterr().out == ""


def test_transformer(points: np.ndarray) -> None:
    transformer = PyNNDescentTransformer(n_neighbors=7, random_state=0)
    graph = transformer.fit_transform(points)
    assert graph.shape == (1200, 1200) and (np.diff(graph.indptr) == 8).all()
    other = transformer.transform(points[:10] + 0.1)
    assert other.shape == (10, 1200) and (np.diff(other.indptr) == 7).all()


def test_under_pynndescents_name() -> None:
    before = sys.modules.get("pynndescent")
    with nndescent_rs.as_pynndescent():
        import pynndescent
        from pynndescent.distances import named_distances
        from pynndescent.sparse import sparse_named_distances

        assert pynndescent.NNDescent is NNDescent
        assert pynndescent.PyNNDescentTransformer is PyNNDescentTransformer
        assert named_distances["euclidean"](np.array([0.0, 3.0]), np.array([4.0, 0.0])) == 5.0
        rows = np.array([0, 1]), np.array([3.0, 4.0]), np.array([2]), np.array([12.0])
        assert sparse_named_distances["euclidean"](*rows) == 13.0
        assert importlib.util.find_spec("pynndescent") is not None
    assert sys.modules.get("pynndescent") is before
