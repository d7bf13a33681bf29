"""Workers that cannot do their work, and clients that leave."""

import asyncio
import os
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

distributed = pytest.importorskip("distributed")
pytest.importorskip("dask.array")

import dask.array as da  # noqa: E402
from nndescent_rs.dask import Index, knn_graph  # noqa: E402
from nndescent_rs.dask._pieces import Pieces  # noqa: E402


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def client(cluster):
    # Not the default: whatever goes to that does not go to the cluster.
    with distributed.Client(cluster, set_as_default=False) as client:
        yield client


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(1000, 8)).astype(np.float32)


HIDE = "import sys; sys.hidden = sys.modules.get('nndescent_rs'); sys.modules['nndescent_rs'] = None"
SHOW = "import sys; sys.modules.pop('nndescent_rs'); sys.hidden and sys.modules.update(nndescent_rs=sys.hidden)"


def test_a_worker_without_the_package(client, rows: np.ndarray, tmp_path: Path) -> None:
    worker = list(client.nthreads())[1]
    index = Index.build(rows, 5, folder=tmp_path, client=client)
    client.run(exec, HIDE, workers=[worker])
    try:
        for X in (rows, da.from_array(rows, chunks=(300, 8))):
            with pytest.raises(ModuleNotFoundError, match=rf"worker {worker} .*Install nndescent-rs\[dask\]"):
                knn_graph(X, 5, folder=tmp_path, client=client)
        with pytest.raises(ModuleNotFoundError, match=worker):
            Index.build(rows, 5, folder=tmp_path, client=client)
        with pytest.raises(ModuleNotFoundError, match=worker):
            index.query(rows[:5], 3)
    finally:
        client.run(exec, SHOW, workers=[worker])
    assert not list(tmp_path.glob("nndescent-*"))


def test_a_worker_of_another_version(client, rows: np.ndarray, tmp_path: Path) -> None:
    worker = list(client.nthreads())[1]
    change = "import nndescent_rs as m; m.was = m.__version__; m.__version__ = '0.0.1'"
    client.run(exec, change, workers=[worker])
    try:
        with pytest.raises(RuntimeError, match=f"worker {worker} has nndescent-rs 0.0.1, but the client has"):
            knn_graph(rows, 5, folder=tmp_path, client=client)
    finally:
        client.run(exec, "import nndescent_rs as m; m.__version__ = m.was", workers=[worker])


@pytest.mark.skipif(sys.platform != "linux", reason="folders of a process are Linux's")
def test_a_folder_that_workers_do_not_see(client, rows: np.ndarray, tmp_path: Path) -> None:
    own = os.open(tmp_path, os.O_RDONLY)
    seen_here = Path(f"/proc/self/fd/{own}")
    try:
        for folder, output in ((seen_here, None), (tmp_path, seen_here / "there" / "graph.npz")):
            with pytest.raises(FileNotFoundError, match="worker tcp.* does not see /proc"):
                knn_graph(rows, 5, folder=folder, output=output, client=client)
        np.save(tmp_path / "rows.npy", rows)
        for X in (seen_here / "rows.npy", [seen_here / "rows.npy"]):
            with pytest.raises(FileNotFoundError, match=r"worker tcp.* does not see /proc.*rows\.npy"):
                knn_graph(X, 5, folder=tmp_path, client=client)
    finally:
        os.close(own)
    assert not list(tmp_path.glob("nndescent-*"))


def test_another_client_than_the_default(client, rows: np.ndarray, tmp_path: Path) -> None:
    pytest.importorskip("zarr")
    blocks = da.from_array(rows, chunks=(300, 5))
    found = knn_graph(blocks[blocks[:, 0] > -9], 5, folder=tmp_path, client=client, output=tmp_path / "graph.zarr")
    assert found.indices.shape == (1000, 5)
    stages = client.run_on_scheduler(lambda dask_scheduler: set(dask_scheduler.task_prefixes))
    assert stages >= {f"nndescent_{stage}" for stage in ("copy", "partition", "build", "merge", "recall", "write")}


def test_clients_that_are_none(rows: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no client"):
        knn_graph(rows, 5, folder=tmp_path)
    with pytest.raises(TypeError, match="str"):
        knn_graph(rows, 5, folder=tmp_path, client="tcp://127.0.0.1:1")

    async def waits() -> None:
        async with distributed.Client(processes=False, dashboard_address=None, asynchronous=True) as client:
            with pytest.raises(TypeError, match="asynchronous"):
                knn_graph(rows, 5, folder=tmp_path, client=client)
            with pytest.raises(TypeError, match="asynchronous"):
                Index.build(rows, 5, folder=tmp_path, client=client)

    asyncio.run(waits())


def test_ctrl_c_ends_the_work(client, tmp_path: Path) -> None:
    # Minutes of work.
    X = np.random.default_rng(0).normal(size=(300_000, 64)).astype(np.float32)
    timer = threading.Timer(2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        knn_graph(X, 100, folder=tmp_path, client=client)
    timer.join()
    end = time.monotonic() + 30
    while any(client.processing().values()):
        assert time.monotonic() < end, "workers go on"
        time.sleep(0.1)
    assert not list(tmp_path.iterdir())


def test_a_piece_that_kills_its_workers(client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nndescent_rs.dask._pieces.AGAIN", 0)
    with Pieces(client, tmp_path, "64MiB") as pieces:
        with pytest.raises(RuntimeError, match=r"build, piece 1 of 2: .* the last was tcp:.* 64 MiB"):
            pieces.spread("build", lambda folder, memory, part: part == 1 and os._exit(1), [(0,), (1,)])
    assert not list(tmp_path.iterdir())
