"""Any array that holds numbers is taken, and none is copied without need."""

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from nndescent_rs import NarrowingWarning, NNDescent, exact_knn, knn_graph
from nndescent_rs import _arrays as arrays

from conftest import exact


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8", "int8"])
def test_own_types_are_not_copied(dtype: str) -> None:
    x = np.ones((5, 3), dtype)
    assert np.shares_memory(arrays.rows(x), x)
    x.flags.writeable = False
    assert np.shares_memory(arrays.rows(x), x)


def test_a_memory_map_is_not_copied(tmp_path: Path, points: np.ndarray) -> None:
    np.save(tmp_path / "x.npy", points)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert np.shares_memory(arrays.rows(mapped), mapped)
    np.testing.assert_array_equal(knn_graph(mapped, 5).indices, knn_graph(points, 5).indices)


@pytest.mark.parametrize(
    "change",
    [
        lambda x: np.asfortranarray(x),
        lambda x: np.repeat(x, 2, axis=0)[::2],
        lambda x: np.repeat(x, 2, axis=1)[:, ::2],
        lambda x: x.astype(np.float64),
        lambda x: x.astype(">f4"),
        lambda x: x.astype(np.longdouble),
        lambda x: x.tolist(),
        lambda x: x.astype(object),
        lambda x: np.lib.stride_tricks.as_strided(np.concatenate([np.zeros(1, np.uint8), x.view(np.uint8).ravel()])[1:])
        .view(np.float32)
        .reshape(x.shape),
    ],
    ids=["fortran", "rows", "columns", "float64", "big-endian", "longdouble", "list", "object", "unaligned"],
)
def test_every_layout_gives_the_same_graph(points: np.ndarray, change) -> None:
    expected = knn_graph(points, 5)
    found = knn_graph(change(points), 5)
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_allclose(found.distances, expected.distances, rtol=1e-6)
    np.testing.assert_array_equal(
        NNDescent(change(points), n_neighbors=6, random_state=0).neighbor_graph[0][:, 1:], expected.indices
    )


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_integers_are_exact(rng: np.random.Generator, dtype: str) -> None:
    high = 2 if dtype == "bool" else 100
    x = rng.integers(0, high, size=(300, 40)).astype(dtype)
    found = knn_graph(x, 4)
    np.testing.assert_allclose(found.distances, exact(x, x, 4, own=True)[1], rtol=1e-6)


def test_float64_is_ranked_by_its_own_values() -> None:
    # A map grid in metres: float32 holds steps of half a metre there.
    x = np.column_stack([np.full(200, 4_500_000.0), 500_000.0 + 0.02 * np.arange(200)])
    graph = knn_graph(x, 2)
    assert graph.indices[50].tolist() == [49, 51]
    np.testing.assert_allclose(graph.distances[50], [0.02, 0.02], atol=1e-8)
    with pytest.warns(NarrowingWarning, match="column 1 of data.*500000.0 in row 0"):
        NNDescent(x, n_neighbors=3)


def test_ordinary_float64_is_silent(rng: np.random.Generator) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NNDescent(rng.normal(size=(200, 5)), n_neighbors=3)
        knn_graph(rng.normal(size=(200, 5)), 3)
        constant = rng.normal(size=(200, 5))
        constant[:, 2] = 0.1
        NNDescent(constant, n_neighbors=3)


def test_what_float32_cannot_hold_is_refused() -> None:
    x = np.ones((50, 3))
    x[7, 2] = 1e300
    with pytest.raises(ValueError, match=r"data\[7, 2\] is 1e\+300"):
        NNDescent(x, n_neighbors=3)
    with pytest.raises(ValueError, match=r"X\[7, 2\] is 1e\+300"):
        knn_graph(x, 3)


def test_frames() -> None:
    pandas = pytest.importorskip("pandas")
    x = np.arange(60, dtype=np.float32).reshape(20, 3) ** 1.5
    frame = pandas.DataFrame(x, columns=["a", "b", "c"])
    np.testing.assert_array_equal(knn_graph(frame, 3).indices, knn_graph(x, 3).indices)
    mixed = pandas.DataFrame({"a": range(20), "b": ["x"] * 20})
    with pytest.raises(TypeError, match="could not convert string"):
        knn_graph(mixed, 3)


def test_sparse_input_of_any_form(rng: np.random.Generator) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    dense = (rng.random((300, 30)) * (rng.random((300, 30)) < 0.2)).astype(np.float32)
    expected = knn_graph(dense, 4, metric="cosine")
    csr = sparse.csr_matrix(dense)
    wide = csr.copy()
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    halves = sparse.vstack([csr, csr]).tocoo()
    twice = sparse.coo_matrix((halves.data / 2, (halves.row % 300, halves.col)), shape=csr.shape)
    backwards = csr[:, ::-1][:, ::-1]
    for x in (csr, sparse.csr_array(dense), csr.tocsc(), csr.tocoo(), csr.astype(np.float64), wide, twice, backwards):
        before = x.copy()
        found = knn_graph(x, 4, metric="cosine")
        np.testing.assert_allclose(found.distances, expected.distances, atol=1e-6)
        assert (x != before).nnz == 0
    duplicates = sparse.csr_matrix(
        (np.repeat(csr.data / 2, 2), np.repeat(csr.indices, 2), csr.indptr * 2), shape=csr.shape
    )
    entries = duplicates.nnz
    np.testing.assert_allclose(knn_graph(duplicates, 4, metric="cosine").distances, expected.distances, atol=1e-6)
    assert duplicates.nnz == entries, "the caller's matrix was changed"


def test_queries_of_another_type_than_the_base(points: np.ndarray) -> None:
    x = np.clip(points * 4 + 64, 0, 255).astype(np.uint8)
    expected = exact_knn(x.astype(np.float32), x[:5].astype(np.float32), 3)
    for queries in (x[:5], x[:5].astype(np.float64), x[:5].astype(np.int32)):
        np.testing.assert_array_equal(exact_knn(x, queries, 3).indices, expected.indices)


PEAK = """
import sys
import numpy as np
from nndescent_rs import knn_graph
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
x = np.load(sys.argv[1])
knn_graph(x[:100], 5)
before = peak()
kept = [x.copy()] if sys.argv[2] == "copy" else []
knn_graph(x, 5, algorithm="nndescent", recall_sample=0)
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="kilobytes on Linux only")
def test_no_copy_of_the_array_is_held(tmp_path: Path, rng: np.random.Generator) -> None:
    x = rng.normal(size=(20_000, 512)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)

    def bytes_of(kind: str) -> int:
        return 1024 * int(subprocess.check_output([sys.executable, "-c", PEAK, str(tmp_path / "x.npy"), kind]))

    # What the build itself keeps: bytes for the values, and lists of neighbours. A copy would be 4 bytes a value more.
    assert bytes_of("none") < 0.75 * x.nbytes < bytes_of("copy")


def test_masked_values_are_refused(points: np.ndarray) -> None:
    masked = np.ma.masked_greater(points, 8.0)
    assert np.ma.count_masked(masked) > 0
    with pytest.raises(ValueError, match=f"{np.ma.count_masked(masked)} masked values"):
        knn_graph(masked, 5)
    assert np.array_equal(knn_graph(masked.filled(8.0), 5).indices, knn_graph(np.minimum(points, 8.0), 5).indices)
    assert np.array_equal(knn_graph(np.ma.array(points), 5).indices, knn_graph(points, 5).indices)
