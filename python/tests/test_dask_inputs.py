"""What goes into builds on several workers, and what comes out."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

distributed = pytest.importorskip("distributed")
pytest.importorskip("dask.array")

import dask.array as da  # noqa: E402
from conftest import grouped  # noqa: E402
from nndescent_rs import Graph, NarrowingWarning, exact_knn, knn_graph  # noqa: E402
from nndescent_rs.dask import Index, knn_graph as dask_graph  # noqa: E402
from nndescent_rs.dask._index import _without_single_rows  # noqa: E402

OPTIONS = {"part_rows": 700, "seed": 5, "recall_sample": 0}


@pytest.fixture(scope="module")
def client():
    with distributed.LocalCluster(2, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
        with distributed.Client(cluster) as client:
            yield client


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return grouped(10, 1500, 8)


def test_blocks_that_are_not_what_the_array_says(client, rows: np.ndarray, tmp_path: Path) -> None:
    blocks = da.from_array(rows, chunks=(400, 8))
    for wrong in (lambda block: block[:-1], lambda block: block[:1], lambda block: block[:, :1]):
        with pytest.raises(ValueError, match="the block has shape"):
            dask_graph(blocks.map_blocks(wrong, dtype="f4"), 10, folder=tmp_path, client=client, **OPTIONS)
    with pytest.raises(TypeError, match="float32, which uint8 cannot hold"):
        dask_graph(blocks.map_blocks(lambda block: block, dtype="u1"), 10, folder=tmp_path, client=client, **OPTIONS)
    assert not list(tmp_path.glob("nndescent-*"))


def test_unknown_chunks_are_computed_once(client, rows: np.ndarray, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    # Other sizes each time that they are computed.
    blocks = da.from_array(rows, chunks=(400, 8)).map_blocks(
        lambda block: block[: rng.integers(200, 300)], dtype="f4", chunks=((np.nan,) * 4, (8,))
    )
    found = dask_graph(blocks, 10, folder=tmp_path, client=client, **OPTIONS)
    distances = found.distances.compute()
    assert 800 <= len(distances) < 1200 and (distances > 0).all()


def test_values_that_float32_does_not_hold(client, rows: np.ndarray, tmp_path: Path) -> None:
    far = rows.astype(np.float64) + 1e8
    for X in (far, da.from_array(far, chunks=(400, 8))):
        with pytest.warns(NarrowingWarning, match="too coarsely"):
            dask_graph(X, 10, folder=tmp_path, client=client, **OPTIONS)
    np.save(tmp_path / "far.npy", far)  # pieces read it as it is
    for build in (dask_graph, Index.build):
        with pytest.warns(NarrowingWarning, match=r"far\.npy too coarsely") as said:
            build(tmp_path / "far.npy", 10, folder=tmp_path, client=client, part_rows=700, seed=5)
        assert [warning.filename for warning in said if warning.category is NarrowingWarning] == [__file__]
    far[1234, 5] = 1e300
    with pytest.raises(ValueError, match=r"X\[1234, 5\] is 1e\+300"):
        dask_graph(da.from_array(far, chunks=(400, 8)), 10, folder=tmp_path, client=client, **OPTIONS)


def test_hdf5_is_read_in_place(client, tmp_path: Path) -> None:
    file = Path(__file__).parents[2] / "tests/fixtures/ann-benchmarks-contiguous.hdf5"
    if not file.exists():
        pytest.skip("the crate's fixtures are not there")
    found = dask_graph(file, 5, folder=tmp_path, client=client, recall_sample=0)
    expected = exact_knn(np.arange(80, dtype=np.float32).reshape(20, 4), k=5)
    np.testing.assert_allclose(found.distances.compute(), expected.distances, rtol=1e-6)


def test_nulls_in_parquet(client, rows: np.ndarray, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    lists = (rows * 10).astype(np.uint8).tolist()
    of_value = [1, None] + [0] * 6
    for name, bad, error in (("list", None, "row 5 is null"), ("value", of_value, "row 5, column 1 is null")):
        lists[5] = bad
        column = pyarrow.array(lists, pyarrow.list_(pyarrow.uint8(), 8))
        pyarrow.parquet.write_table(pyarrow.table({"vector": column}), tmp_path / f"{name}.parquet")
        with pytest.raises(ValueError, match=f"{name}.parquet: {error}"):
            dask_graph(tmp_path / f"{name}.parquet", 10, folder=tmp_path, client=client, **OPTIONS)


def test_files_that_are_none(client, rows: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", rows)
    (tmp_path / "empty.npy").touch()
    (tmp_path / "cut.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-1])
    for name, error in (("empty.npy", "empty.npy: "), ("cut.npy", "cut.npy: "), ("x.txt", "x.txt: .npy, .zarr or .parq")):
        with pytest.raises(ValueError, match=error):
            dask_graph([tmp_path / "a.npy", tmp_path / name], 10, folder=tmp_path, client=client, **OPTIONS)
    for missing in (tmp_path / "none.npy", [tmp_path / "none.npy"]):
        with pytest.raises(FileNotFoundError, match="none.npy"):
            dask_graph(missing, 10, folder=tmp_path, client=client, **OPTIONS)


def test_output_is_checked_before_the_build(client, rows: np.ndarray, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file.parquet").touch()
    with pytest.raises(ValueError, match="must end with"):
        dask_graph(None, 10, folder=tmp_path, client=client, output=tmp_path / "graph.txt")
    with pytest.raises(FileExistsError, match="file.parquet"):
        dask_graph(None, 10, folder=tmp_path, client=client, output=tmp_path / "file.parquet")
    found = dask_graph(rows, 10, folder=tmp_path, client=client, output=tmp_path / "made/here.npz", **OPTIONS)
    np.testing.assert_array_equal(found.indices.compute(), Graph.load(tmp_path / "made/here.npz").indices)


@pytest.mark.parametrize("kind", ["npz", "zarr", "parquet"])
def test_an_output_that_is_replaced(kind: str, client, rows: np.ndarray, tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip({"npz": "numpy", "zarr": "zarr", "parquet": "pyarrow"}[kind])
    monkeypatch.setattr("nndescent_rs.dask._output.BLOCK_ROWS", 400)
    to = {"folder": tmp_path, "client": client, "output": tmp_path / f"graph.{kind}"}
    first = dask_graph(rows, 10, **to, **OPTIONS).indices.persist()
    first.compute()
    for X in (rows[::-1], rows[:600]):
        found = dask_graph(X, 10, **to, **OPTIONS)
        # The cluster still holds what the file of the same name and shape held.
        apart = np.linalg.norm(X[found.indices.compute()[:, 0]] - X, axis=1)
        np.testing.assert_allclose(apart, found.distances.compute()[:, 0], rtol=1e-4)
    assert kind != "parquet" or len(list((tmp_path / "graph.parquet").iterdir())) == 2


@pytest.mark.parametrize(
    ("option", "error"),
    [
        ({"overlap": 2.5}, "overlap = 2.5"),
        ({"part_rows": -1}, "part_rows = -1"),
        ({"refine_rounds": -1}, "refine_rounds = -1"),
        ({"recall_sample": -1}, "recall_sample = -1"),
        ({"memory": "1.2.3GiB"}, "memory = '1.2.3GiB'"),
        ({"memory": None}, "memory = None"),
    ],
)
def test_options_that_are_wrong(option: dict, error: str, client, rows: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises((TypeError, ValueError), match=error):
        dask_graph(rows, 10, folder=tmp_path, client=client, **{**OPTIONS, **option})


def test_parts_of_one_row_go_to_the_nearest_that_is_larger() -> None:
    plan = SimpleNamespace(part_sizes=[5, 1, 7, 0], centers=np.array([[0, 0], [9, 9], [10, 10], [8, 8]], np.float32))
    assert _without_single_rows(plan) == ([0, 2], [[0], [2, 1]])


def test_a_row_far_from_all_others(client, rows: np.ndarray, tmp_path: Path) -> None:
    # It takes no part for itself.
    X = np.vstack([np.full_like(rows[:1], 1e5), rows[:1300]])
    options = {"part_rows": 1300, "seed": 5, "client": client}
    expected = knn_graph(X, 10, algorithm="exact")
    for overlap in (1, 2):
        found = dask_graph(X, 10, folder=tmp_path, overlap=overlap, **options)
        assert found.parts > 1
    np.testing.assert_allclose(found.distances.compute()[0], expected.distances[0], rtol=1e-5)

    index = Index.build(X, 15, folder=tmp_path / "index", **options)
    assert index.parts == 2
    ids, distances = index.query(X[:1], 3)
    assert ids[0, 0] == 0 and distances[0, 0] == 0
    held = np.concatenate([np.load(path) for path in (tmp_path / "index").glob("part-*.npy")])
    np.testing.assert_array_equal(np.sort(held), np.arange(len(X)))


def test_an_index_is_replaced_whole(client, rows: np.ndarray, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    build = {"client": client, "part_rows": 500, "folder": "index"}
    index = Index.build(rows, 15, **build)
    monkeypatch.chdir("/")  # The folder was absolute from the first on.
    before = index.query(rows[:50], 5)
    bad = rows.copy()
    bad[7, 0] = np.nan
    build["folder"] = tmp_path / "index"
    for X, options in ((bad, {}), (rows, {"device": "nonsense"})):
        with pytest.raises((ValueError, RuntimeError)):
            Index.build(X, 15, **build, **options)
        np.testing.assert_array_equal(index.query(rows[:50], 5)[0], before[0])
    assert Index.build(rows[:400], 15, **build).parts == 1
    assert sorted(path.name for path in (tmp_path / "index").iterdir()) == ["centers.npy", "part-00000.nnd", "part-00000.npy"]


def test_parts_are_probed_by_the_metric(client, rows: np.ndarray, tmp_path: Path) -> None:
    # Of some directions, and of lengths that differ by far: centres are directions.
    X = rows * np.geomspace(1, 1000, len(rows), dtype=np.float32)[:, None]
    index = Index.build(X, 15, folder=tmp_path, client=client, metric="cosine", part_rows=300)
    truth = exact_knn(X, X[:300], 10, metric="cosine")
    found, _ = index.query(X[:300], 10, n_probe=2)
    assert np.mean([np.isin(a, b).mean() for a, b in zip(truth.indices, found, strict=True)]) > 0.85


def test_queries_that_are_wrong(client, rows: np.ndarray, tmp_path: Path) -> None:
    index = Index.build(rows, 15, folder=tmp_path, client=client, part_rows=700)
    for queries, k, error in (
        (rows[0], 5, "shape"),
        (rows[:5, :3], 5, "3 columns"),
        (rows[:5], -1, "k = -1"),
        (rows[:5], 0, "k = 0"),
        (np.where(np.arange(40).reshape(5, 8) == 17, np.nan, rows[:5]), 5, "row 2, column 1"),
    ):
        for probe in (1, None):
            with pytest.raises(ValueError, match=error):
                index.query(queries, k, n_probe=probe)
    with pytest.raises(TypeError, match="n_probe"):
        index.query(rows[:5], n_probe=1.0)
    np.testing.assert_array_equal(index.query(da.from_array(rows[:9], chunks=4), 3)[0], index.query(rows[:9], 3)[0])
