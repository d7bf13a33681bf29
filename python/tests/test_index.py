"""The search index."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from nndescent_rs import NO_NEIGHBOR, Index

from conftest import exact


@pytest.fixture
def index(points: np.ndarray) -> Index:
    return Index.build(points, 15)


def recall(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.mean([np.isin(a, b).mean() for a, b in zip(truth, found)]))


def test_queries(points: np.ndarray, index: Index) -> None:
    truth, distances = exact(points, points[:100] + 0.1, 10)
    found, found_distances = index.query(points[:100] + 0.1, 10)
    assert found.dtype == np.uint32 and found_distances.dtype == np.float32
    assert recall(found, truth) > 0.99
    np.testing.assert_array_equal(index.query(points[:100] + 0.1, 10, exact=True)[0], truth)
    one, one_distance = index.query(points[3] + 0.1, 10)
    np.testing.assert_array_equal(one, found[3])
    np.testing.assert_array_equal(one_distance, found_distances[3])
    assert index.query(points[:0], 10)[0].shape == (0, 10)
    np.testing.assert_array_equal(index.query((points[:100] + 0.1).astype(np.float64), 10)[0], found)
    assert len(index) == 1200 and index.dim == 12 and index.metric == "euclidean" and index.value_type == "float32"
    own, _ = index.query_ids([5, 6], 3)
    np.testing.assert_array_equal(own, exact(points, points, 3, own=True)[0][5:7])


def test_filters(points: np.ndarray, index: Index) -> None:
    even = np.arange(1200) % 2 == 0
    truth = exact(points[::2], points[:50] + 0.1, 5)[0] * 2
    found, _ = index.query(points[:50] + 0.1, 5, filter=even)
    assert recall(found, truth) > 0.95
    np.testing.assert_array_equal(index.query(points[:50] + 0.1, 5, filter=np.flatnonzero(even))[0], found)
    labels = np.arange(1200) % 8
    found, _ = index.query(points[:50], 5, labels=labels, query_labels=labels[:50])
    assert (labels[found] == labels[:50, None]).all()
    few, distances = index.query(points[:2], 5, filter=[3, 4], pad=True)
    assert (few[:, 2:] == NO_NEIGHBOR).all() and np.isinf(distances[:, 2:]).all()
    with pytest.raises(ValueError, match="id 1200"):
        index.query(points[:2], 5, filter=[1200])
    with pytest.raises(ValueError, match="7 entries"):
        index.query(points[:2], 5, filter=np.ones(7, bool))
    with pytest.raises(ValueError, match="query_labels"):
        index.query(points[:2], 5, labels=labels)


def test_radius(points: np.ndarray, index: Index) -> None:
    offsets, ids, distances = index.radius(points[:20], 3.0, epsilon=0.3)
    assert offsets.shape == (21,) and len(ids) == len(distances) == offsets[-1]
    truth = [np.flatnonzero(np.linalg.norm(points - q, axis=1) <= 3.0) for q in points[:20]]
    found = [ids[offsets[i] : offsets[i + 1]] for i in range(20)]
    assert np.mean([np.isin(a, b).mean() for a, b in zip(truth, found)]) > 0.98
    assert (distances <= 3.0).all()


def test_changes(points: np.ndarray, index: Index) -> None:
    assert index.graph is not None
    new = index.add(points[:10] + 100)
    assert new.tolist() == list(range(1200, 1210)) and index.graph is None
    assert index.query(points[3] + 100, 1)[0].tolist() == [1203]
    index.update([1203], points[3:4] - 100)
    assert index.query(points[3] - 100, 1)[0].tolist() == [1203]
    index.remove(new)
    assert len(index) == 1200 and 1203 not in index and 5 in index
    index.compact()
    assert index.query(points[:50], 1)[0].ravel().tolist() == list(range(50))
    with pytest.raises(ValueError, match="1203"):
        index.remove([1203])
    np.testing.assert_array_equal(index.vectors([4, 2]), points[[4, 2]])
    assert index.ids.tolist() == list(range(1200))


def test_files(points: np.ndarray, index: Index, tmp_path: Path) -> None:
    path = tmp_path / "index.nnd"
    index.save(path)
    opened = Index.open(path)
    for other in (opened, pickle.loads(pickle.dumps(index))):
        np.testing.assert_array_equal(other.query(points[:9], 5)[0], index.query(points[:9], 5)[0])
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="index.nnd"):
        Index.open(path)
    with pytest.raises(FileNotFoundError, match="nothing"):
        Index.open(tmp_path / "nothing")
    (tmp_path / "text").write_text("not an index at all, by any means")
    with pytest.raises(ValueError, match="not an index"):
        Index.open(tmp_path / "text")
    with pytest.raises(OSError, match="nowhere"):
        index.save(tmp_path / "nowhere" / "index.nnd")


def test_tuning(points: np.ndarray, index: Index) -> None:
    tuned = index.tune(0.9, k=10, sample=300)
    assert tuned.reached and tuned.recall.estimate >= 0.9 and index.epsilon == tuned.epsilon


@pytest.mark.parametrize("dtype", ["uint8", "int8", "float16", "float64"])
def test_types(points: np.ndarray, dtype: str) -> None:
    x = np.round(points * 4).astype(dtype) if dtype == "int8" else np.abs(np.round(points * 4)).astype(dtype)
    index = Index.build(x, 15)
    truth, _ = exact(x, x[:40], 5)
    for queries in (x[:40], x[:40].astype(np.float32), x[:40].astype(np.float64)):
        found, distances = index.query(queries, 5)
        np.testing.assert_allclose(distances, exact(x, x[:40], 5)[1], rtol=1e-5, atol=1e-5)
    ids = index.add(x[:3].astype(np.float64))
    np.testing.assert_array_equal(index.vectors(ids), x[:3].astype(np.float32))
    if dtype == "uint8":
        with pytest.raises(TypeError, match=r"X\[0, 0\] is .*uint8"):
            index.add(x[:3] + 0.5)


def test_a_centre_is_kept() -> None:
    x = np.column_stack([np.full(500, 4_500_000.0), 500_000.0 + 0.02 * np.arange(500)])
    index = Index.build(x, 15)
    assert index.query(x[[250]] + [0, 0.001], 3)[0].tolist() == [[250, 251, 249]]
    assert index.query(x[250], 1)[0].tolist() == [250]


def test_sparse_and_bits(rng: np.random.Generator) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    x = sparse.random(400, 60, 0.2, format="csr", random_state=0, dtype=np.float32)
    index = Index.build(x, 15, metric="cosine")
    found, _ = index.query(x[:20], 3)
    assert (found[:, 0] == np.arange(20)).mean() > 0.9
    np.testing.assert_array_equal(index.query(x[:20].toarray(), 3)[0], found)
    bits = rng.integers(0, 256, size=(400, 16), dtype=np.uint8)
    index = Index.build(bits, 15, metric="jaccard", bits=True)
    assert index.dim == 128 and (index.query(bits[:20], 3)[0][:, 0] == np.arange(20)).all()


def test_functions(points: np.ndarray) -> None:
    calls = 0

    def distance(x: np.ndarray, y: np.ndarray) -> float:
        nonlocal calls
        calls += 1
        if fails:
            raise KeyError("from the function")
        return float(np.abs(x - y).sum())

    fails = False
    index = Index.build(points[:200], 10, metric=distance)
    expected = index.query(points[:3], 2)[0]
    assert expected[:, 0].tolist() == [0, 1, 2] and index.metric == "custom"
    fails = True
    with pytest.raises(KeyError, match="from the function"):
        index.query(points[:3], 2)
    fails = False
    np.testing.assert_array_equal(index.query(points[:3], 2)[0], expected)
    with pytest.raises(TypeError, match="function"):
        pickle.dumps(index)


def test_threads_may_query_at_once(points: np.ndarray, index: Index) -> None:
    expected = [index.query(points[i : i + 50], 5)[0] for i in range(0, 1000, 50)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: index.query(points[i : i + 50], 5)[0], range(0, 1000, 50)))
    for a, b in zip(expected, found):
        np.testing.assert_array_equal(a, b)


def test_bad_queries(points: np.ndarray, index: Index) -> None:
    nan = points[:2].copy()
    nan[1, 3] = np.nan
    for error, match, query in [
        (ValueError, "5 columns", lambda: index.query(points[:2, :5])),
        (ValueError, "row 1, column 3", lambda: index.query(nan)),
        (ValueError, "k = 0", lambda: index.query(points[:2], 0)),
        (ValueError, "k = 1201", lambda: index.query(points[:2], 1201)),
        (ValueError, "k = -1", lambda: index.query(points[:2], -1)),
        (TypeError, "integer", lambda: index.query(points[:2], 2.5)),
        (ValueError, "epsilon = -2", lambda: index.query(points[:2], 2, epsilon=-2)),
        (ValueError, r"\(2, 3, 4\)", lambda: index.query(np.ones((2, 3, 4)))),
        (TypeError, "dtype", lambda: index.query(np.array([["a"] * 12]))),
        (TypeError, "Index.build", lambda: Index(points)),
    ]:
        with pytest.raises(error, match=match):
            query()


@pytest.mark.parametrize("change", ["add", "update", "remove", "tune"])
def test_searches_and_changes_at_once(points: np.ndarray, change: str) -> None:
    index = Index.build(points, 10, recall_sample=0)
    changes = {
        "add": lambda i: index.add(points[i : i + 1] + 9),
        "update": lambda i: index.update([i], points[i : i + 1]),
        "remove": lambda i: index.remove([i]),
        "tune": lambda i: index.tune(0.5, 5, 50),
    }
    with ThreadPoolExecutor(3) as pool:
        searches = [pool.submit(index.query, points[:200], 5) for _ in range(60)]
        for i in range(20):
            changes[change](i)
        for search in searches:
            assert search.result(timeout=60)[0].shape == (200, 5)


def test_a_failed_change_leaves_the_index(points: np.ndarray, index: Index) -> None:
    bad = points[:2].copy()
    bad[1, 4] = np.nan
    expected = index.query(points[:20], 3)[0]
    for change in (lambda: index.add(bad), lambda: index.update([3, 4], bad), lambda: index.remove([3, 5000])):
        with pytest.raises(ValueError):
            change()
    assert len(index) == 1200
    np.testing.assert_array_equal(index.query(points[:20], 3)[0], expected)


def test_rows_of_wider_types_are_rounded(rng: np.random.Generator) -> None:
    x = rng.normal(size=(200, 8))
    index = Index.build(x, 10)
    ids = index.add(x[:1])
    index.update(ids, x[:1].tolist())
    assert set(index.query(x[:1], 2)[0].ravel()) == {0, 200}


def test_many_neighbours_of_few_points(points: np.ndarray) -> None:
    index = Index.build(points[:20])
    assert index.query(points[0], 50, pad=True)[0].tolist().count(NO_NEIGHBOR) == 30
    with pytest.raises((MemoryError, ValueError)):
        index.query(points[0], 2**40, pad=True)
    index.remove([18, 19])
    assert index.query(points[:3], 2, filter=np.ones(18, bool))[0].shape == (3, 2)
    labels = np.full(20, -1)
    labels[:9] = 4
    assert index.query(points[:1], 9, labels=labels, query_labels=[4])[0].max() < 9


def test_a_metric_cannot_call_back(points: np.ndarray) -> None:
    def nested(x: np.ndarray, y: np.ndarray) -> float:
        Index.build(points[:50], 5)
        return 0.0

    with pytest.raises(RuntimeError, match="cannot call nndescent_rs"):
        Index.build(points[:50], 5, metric=nested)

    held: list[Index] = []

    def of_index(x: np.ndarray, y: np.ndarray) -> float:
        if held:
            len(held[0])
        return float(np.abs(x - y).sum())

    held.append(Index.build(points[:50], 5, metric=of_index))
    with pytest.raises(RuntimeError, match="cannot call nndescent_rs"):
        held[0].add(points[50:60])
