"""Threads, forks, other processes, and Ctrl-C."""

import multiprocessing
import os
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest
from nndescent_rs import DeviceError, Index, NNDescent, knn_graph


@pytest.fixture
def many(rng: np.random.Generator) -> np.ndarray:
    """Rows that take some seconds to build."""
    return rng.normal(size=(120_000, 64)).astype(np.float32)


def build(x: np.ndarray) -> np.ndarray:
    return knn_graph(x, 5, algorithm="nndescent").indices


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_process_builds_and_queries(points: np.ndarray) -> None:
    expected = build(points)
    index = Index.build(points)
    found = index.query(points[:20], 3)[0]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        for other in pool.map_async(build, [points] * 4).get(timeout=60):
            np.testing.assert_array_equal(other, expected)
        for other in pool.map_async(Query(index), [points[:20]] * 4).get(timeout=60):
            np.testing.assert_array_equal(other, found)


def build_on_a_gpu(x: np.ndarray) -> str:
    try:
        knn_graph(x, 5, device="0")
    except DeviceError as error:
        return str(error)
    return ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_process_refuses_gpus(points: np.ndarray) -> None:
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert "a forked process cannot use a GPU" in pool.map_async(build_on_a_gpu, [points]).get(timeout=60)[0]


class Query:
    def __init__(self, index: Index) -> None:
        self.index = index

    def __call__(self, queries: np.ndarray) -> np.ndarray:
        return self.index.query(queries, 3)[0]


def test_a_spawned_process_builds(points: np.ndarray) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        np.testing.assert_array_equal(pool.map_async(build, [points]).get(timeout=60)[0], build(points))


def test_joblib(points: np.ndarray) -> None:
    joblib = pytest.importorskip("joblib")
    index = NNDescent(points, n_neighbors=10, random_state=0)
    expected = index.query(points[:20], 3)[0]
    found = joblib.Parallel(2)(joblib.delayed(NNDescent.query)(index, points[:20], 3) for _ in range(3))
    for ids, _ in found:
        np.testing.assert_array_equal(ids, expected)


def test_other_threads_run_during_a_build(many: np.ndarray) -> None:
    ticks, done = 0, threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not done.wait(0.005):
            ticks += 1

    thread = threading.Thread(target=tick)
    thread.start()
    knn_graph(many[:40_000], 10, algorithm="nndescent", recall_sample=0)
    done.set()
    thread.join()
    assert ticks > 10


CTRL_C = """
import os, signal, sys, threading, time
import numpy as np
from nndescent_rs import DeviceError, Index, knn_graph
signal.signal(signal.SIGINT, signal.default_int_handler)  # which shells turn off for what runs in the background
x = np.random.default_rng(0).normal(size=(120_000, 64)).astype(np.float32)
index = Index.build(x[:20_000], recall_sample=0) if sys.argv[1] == "query" else None
sent = []
def interrupt():
    time.sleep(float(sys.argv[2]))
    sent.append(time.perf_counter())
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt).start()
try:
    if index is None:
        knn_graph(x, 15, algorithm=sys.argv[1])
    else:
        while True:
            index.query(x, 10)
except KeyboardInterrupt:
    print(time.perf_counter() - sent[0])
assert knn_graph(x[:500], 5).shape == (500, 5)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize(("kind", "after"), [("nndescent", 0.1), ("nndescent", 0.8), ("exact", 0.3), ("query", 0.3)])
def test_ctrl_c_ends_work_soon(kind: str, after: float) -> None:
    out = subprocess.run(
        [sys.executable, "-c", CTRL_C, kind, str(after)], capture_output=True, text=True, timeout=120, check=True
    )
    # Some hundredths of a second on an idle machine. A busy one may be late, but does not finish the work.
    assert float(out.stdout) < 1.0


def test_import_is_light() -> None:
    code = "import sys, nndescent_rs; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    modules = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert not {"scipy", "sklearn", "numba", "pandas", "tqdm"} & set(modules)


def test_the_class_is_pickled(points: np.ndarray) -> None:
    index = NNDescent(points, n_neighbors=10, random_state=0)
    again = pickle.loads(pickle.dumps(index))
    for a, b in zip(again.query(points[:50] + 0.1), index.query(points[:50] + 0.1)):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(again.neighbor_graph, index.neighbor_graph):
        np.testing.assert_array_equal(a, b)
    again.update(xs_fresh=points[:5] + 50)
    assert again.query(points[:1] + 50, 1)[0].tolist() == [[1200]]


def test_numpy_is_all_that_is_needed() -> None:
    code = """
import sys
sys.modules.update(dict.fromkeys(["scipy", "sklearn", "tqdm", "numba"]))
from nndescent_rs import *
import numpy as np
X = np.random.default_rng(0).normal(size=(300, 4))
graph = knn_graph(X, 5, progress=True)
assert graph.hdbscan()[0].shape == graph.outlier_scores().shape == (300,)
assert Index.build(X).query(X, 3)[0][:, 0].tolist() == NNDescent(X).query(X, 1)[0][:, 0].tolist() == list(range(300))
try:
    from nndescent_rs import NearestNeighbors
except ModuleNotFoundError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "scipy" in done.stdout or "sklearn" in done.stdout
