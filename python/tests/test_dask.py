"""Builds on several workers."""

import os
import signal
import threading
from pathlib import Path

import numpy as np
import pytest

distributed = pytest.importorskip("distributed")
pytest.importorskip("dask.array")

import dask.array as da  # noqa: E402
from conftest import grouped  # noqa: E402
from nndescent_rs import Graph, exact_knn, knn_graph, knn_graph_file  # noqa: E402
from nndescent_rs.dask import Index, knn_graph as dask_graph  # noqa: E402


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def client(cluster):
    with distributed.Client(cluster) as client:
        yield client


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return grouped(30, 6000, 16)


OPTIONS = {"part_rows": 2500, "seed": 5}


@pytest.fixture(scope="module")
def expected(rows: np.ndarray, tmp_path_factory) -> Graph:
    """The same build in this process."""
    folder = tmp_path_factory.mktemp("file")
    np.save(folder / "x.npy", rows)
    report = knn_graph_file(folder / "x.npy", folder / "graph.npz", 10, **OPTIONS)
    assert report.shape == (6000, 10) and report.parts > 2 and report.recall is not None
    return Graph.load(folder / "graph.npz")


def check(found, expected: Graph) -> None:
    np.testing.assert_array_equal(found.indices.compute(), expected.indices)
    np.testing.assert_array_equal(found.distances.compute(), expected.distances)


def test_recall(rows: np.ndarray, expected: Graph) -> None:
    assert expected.recall(knn_graph(rows, 10, algorithm="exact")) > 0.95


def test_the_same_graph_of_any_input(client, rows: np.ndarray, expected: Graph, tmp_path: Path) -> None:
    check(dask_graph(rows, 10, folder=tmp_path, client=client, **OPTIONS), expected)
    blocks = da.from_array(rows, chunks=(1700, 5))
    found = dask_graph(blocks, 10, folder=tmp_path, client=client, output=tmp_path / "graph.zarr", **OPTIONS)
    check(found, expected)
    assert found.recall is not None and found.recall.low > 0.9 and set(found.seconds) >= {"parts", "merge", "refine"}
    np.save(tmp_path / "a.npy", rows[:1000])
    np.save(tmp_path / "b.npy", rows[1000:])
    check(
        dask_graph(
            [tmp_path / "a.npy", tmp_path / "b.npy"],
            10,
            folder=tmp_path,
            client=client,
            output=tmp_path / "graph.parquet",
            **OPTIONS,
        ),
        expected,
    )
    assert not list(tmp_path.glob("nndescent-*")), "working files are left"


def test_zarr_and_parquet(client, rows: np.ndarray, expected: Graph, tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    pyarrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    zarr.save_array(str(tmp_path / "x.zarr"), rows)
    check(dask_graph(tmp_path / "x.zarr", 10, folder=tmp_path, client=client, **OPTIONS), expected)
    column = pyarrow.FixedSizeListArray.from_arrays(rows.ravel(), 16)
    pyarrow.parquet.write_table(pyarrow.table({"vector": column}), tmp_path / "x.parquet")
    check(dask_graph(tmp_path / "x.parquet", 10, folder=tmp_path, client=client, **OPTIONS), expected)


@pytest.mark.parametrize("delay", [0.05, 0.15, 0.3])
def test_a_worker_is_killed(delay: float, rows: np.ndarray, expected: Graph, tmp_path: Path) -> None:
    # A cluster of its own: whether a worker comes back is the nanny's business.
    with distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=None) as cluster:
        with distributed.Client(cluster) as client:
            pid = next(iter(client.run(os.getpid).values()))
            timer = threading.Timer(delay, os.kill, (pid, signal.SIGKILL))
            timer.start()
            found = dask_graph(rows, 10, folder=tmp_path, client=client, **OPTIONS)
            timer.join()
    check(found, expected)


def test_errors(client, rows: np.ndarray, tmp_path: Path) -> None:
    bad = rows.copy()
    bad[4000, 3] = np.nan
    with pytest.raises(ValueError, match="row 4000, column 3"):
        dask_graph(bad, 10, folder=tmp_path, client=client, **OPTIONS)
    np.save(tmp_path / "a.npy", rows[:100])
    np.save(tmp_path / "b.npy", rows[:100, :5])
    with pytest.raises(ValueError, match="5 columns"):
        dask_graph([tmp_path / "a.npy", tmp_path / "b.npy"], 10, folder=tmp_path, client=client)
    with pytest.raises(ValueError, match="n_neighbors|k = "):
        dask_graph(rows, 6000, folder=tmp_path, client=client)
    with pytest.raises(ValueError, match="memory"):
        dask_graph(rows, 10, folder=tmp_path, client=client, memory="much")
    assert not list(tmp_path.glob("nndescent-*"))


def test_an_index_of_parts(client, rows: np.ndarray, tmp_path: Path) -> None:
    index = Index.build(rows, 15, folder=tmp_path / "index", client=client, **OPTIONS)
    queries = rows[:200] + 0.1
    truth = exact_knn(rows, queries, 10)
    found, distances = Index(tmp_path / "index", client).query(queries, 10)
    recall = np.mean([np.isin(a, b).mean() for a, b in zip(truth.indices, found)])
    assert recall > 0.97 and (np.diff(distances, axis=1) >= 0).all()
    near, _ = index.query(queries, 10, n_probe=1)
    assert np.mean([np.isin(a, b).mean() for a, b in zip(truth.indices, near)]) > 0.6
    with pytest.raises(ValueError, match="n_probe"):
        index.query(queries, 10, n_probe=99)
    with pytest.raises(FileNotFoundError, match="centers"):
        Index(tmp_path, client)
