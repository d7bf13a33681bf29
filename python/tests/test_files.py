"""Graphs of files that do not fit in memory."""

from pathlib import Path

import numpy as np
import pytest
from nndescent_rs import Graph, NarrowingWarning, knn_graph, knn_graph_file
from nndescent_rs._files import bytes_of


@pytest.fixture
def rows(rng: np.random.Generator, tmp_path: Path) -> Path:
    centers = rng.normal(size=(20, 8)) * 4
    np.save(tmp_path / "x.npy", (centers[np.arange(4000) % 20] + rng.normal(size=(4000, 8))).astype(np.float32))
    return tmp_path / "x.npy"


def test_parts_give_the_graph_of_the_whole(rows: Path, tmp_path: Path) -> None:
    told = []
    report = knn_graph_file(
        rows, tmp_path / "g.npz", 10, part_rows=1500, seed=3, progress=lambda *progress: told.append(progress)
    )
    assert report.shape == (4000, 10) and report.parts > 2 and report.overlap == 2 and report.resumed == 0
    assert report.recall is not None and report.recall.low > 0.9 and report.seconds["parts"] > 0
    graph = Graph.load(tmp_path / "g.npz")
    assert graph.recall(knn_graph(np.load(rows), 10, algorithm="exact")) > 0.97
    knn_graph_file(rows, tmp_path / "again.npz", 10, part_rows=1500, seed=3, n_jobs=1, scratch=tmp_path / "s")
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "g.npz").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"x.npy", "g.npz", "again.npz"}


def test_sizes_in_words() -> None:
    assert bytes_of("4GiB") == 4 << 30 and bytes_of("500 MB") == 500_000_000 and bytes_of("1.5k") == 1536
    assert bytes_of(12345) == 12345 and bytes_of("64m") == 64 << 20
    for wrong in ("much", "-4GiB", "4XiB", 0, -1):
        with pytest.raises(ValueError, match="memory"):
            bytes_of(wrong)


def test_errors(rows: Path, tmp_path: Path) -> None:
    def build(input: Path = rows, k: int = 10, **options: object) -> None:
        knn_graph_file(input, tmp_path / "g.npz", k, **options)

    x = np.load(rows)
    x[700, 3] = np.nan
    np.save(tmp_path / "nan.npy", x)
    (tmp_path / "short.npy").write_bytes(rows.read_bytes()[:-5])
    for error, match, call in [
        (FileNotFoundError, "none.npy", lambda: build(tmp_path / "none.npy")),
        (ValueError, "row 700, column 3", lambda: build(tmp_path / "nan.npy", part_rows=1500)),
        (ValueError, "short.npy", lambda: build(tmp_path / "short.npy")),
        (ValueError, "4000", lambda: build(k=4000)),
        (ValueError, "memory", lambda: build(memory=1000)),
        (ValueError, "overlap = 9", lambda: build(overlap=9)),
        (ValueError, "part_rows = 5", lambda: build(part_rows=5)),
        (TypeError, "function", lambda: build(metric=lambda x, y: 0.0)),
        (ValueError, "euclidean", lambda: build(metric="euclidaen")),
    ]:
        with pytest.raises(error, match=match):
            call()


def test_values_that_float32_does_not_hold(rows: Path, tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    x = np.load(rows)
    np.save(tmp_path / "far.npy", (x * 100).astype(np.int64) + (1 << 60))
    with pytest.warns(NarrowingWarning, match="column . of .*far.npy too coarsely") as said:
        knn_graph_file(tmp_path / "far.npy", tmp_path / "g.npz", part_rows=1500, recall_sample=0)
    assert [warning.filename for warning in said] == [__file__]
    np.save(tmp_path / "wide.npy", x.astype(np.float64))
    recwarn.clear()
    knn_graph_file(tmp_path / "wide.npy", tmp_path / "g.npz", part_rows=1500, recall_sample=0)
    assert not recwarn


def test_hdf5(tmp_path: Path) -> None:
    fixtures = Path(__file__).parents[2] / "tests" / "fixtures"
    if not fixtures.is_dir():
        pytest.skip("the crate's fixtures are not there")
    np.save(tmp_path / "x.npy", np.arange(80, dtype=np.float32).reshape(20, 4))
    for name, of in (("h.npz", fixtures / "ann-benchmarks-contiguous.hdf5"), ("n.npz", tmp_path / "x.npy")):
        knn_graph_file(of, tmp_path / name, 5)
    assert (tmp_path / "h.npz").read_bytes() == (tmp_path / "n.npz").read_bytes()
    with pytest.raises(ValueError, match="`train` is in chunks"):
        knn_graph_file(fixtures / "ann-benchmarks-chunked.hdf5", tmp_path / "c.npz", 5)
