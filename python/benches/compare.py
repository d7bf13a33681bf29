"""
Measures this package beside PyNNDescent 0.7 and the crate's command, in turns, and prints medians.

    cargo build --release --no-default-features --features cli
    pip install ./python -r python/requirements-test.txt
    python python/benches/compare.py --data DATA --command target/release/nndescent

DATA holds fashion-mnist/{train,t10k}-images-idx3-ubyte.gz. Timings of fresh processes are those of the whole process
where that is said, else taken inside; what a process does first (compiling, above all) is not counted as warm.
"""

from __future__ import annotations

import argparse
import gzip
import json
import platform
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

#: Times that the same queries are asked at a turn.
BATCHES = 4

CODE = {
    # Prints seconds, taken inside: `import numpy` is not counted.
    "import": "import time, numpy; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)",
    # The whole process is timed.
    "first, nndescent_rs": "import numpy as np; from nndescent_rs import knn_graph\n"
    "graph = knn_graph(np.load({digits!r}), 15); print(graph.shape)",
    "first, pynndescent": "import numpy as np; from pynndescent import NNDescent\n"
    "print(NNDescent(np.load({digits!r}), n_neighbors=16).neighbor_graph[0].shape)",
    "first, numpy only": "import numpy as np\nprint(np.load({digits!r}).shape)",
    # Prints what the command prints as JSON.
    "graph": """
import json, time, numpy as np
from nndescent_rs import knn_graph
def kib(what):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(what))
X = np.load({data!r})
knn_graph(X[:100], 5)
before = kib("VmRSS")
start = time.perf_counter()
report = knn_graph(X, 15).report
call = time.perf_counter() - start
seconds = dict(report.seconds, call=call)
print(json.dumps(dict(seconds=seconds, recall=report.recall.estimate, peak=(kib("VmHWM") - before) * 1024)))
""",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of data")
    parser.add_argument("--command", help="the command `nndescent`, built without the feature gpu")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--only", choices=list(MEASURES), nargs="+")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        return work(json.loads(arguments.worker))
    print(f"{processor()}, {platform.python_version()}, numpy {np.__version__}, {date.today()}")
    with tempfile.TemporaryDirectory() as folder:
        for name, measure in MEASURES.items():
            if not arguments.only or name in arguments.only:
                measure(arguments, Path(folder))


def processor() -> str:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return f"{len(names)} threads of {names[0].split(': ')[1]}" if names else platform.processor()


def python(code: str) -> str:
    """What a fresh Python process prints."""
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def wall(code: str) -> float:
    """Seconds of a whole process."""
    start = time.perf_counter()
    python(code)
    return time.perf_counter() - start


def line(text: str, seconds: list[float]) -> float:
    """Prints a median and the range it is of."""
    middle = median(seconds)
    print(f"  {text:58}{middle:9.4f} s   ({min(seconds):.4f} to {max(seconds):.4f}, {len(seconds)} times)")
    return middle


# -- import and first graph ----------------------------------------------------------------------------------------


def measure_import(arguments: Any, folder: Path) -> None:
    print("\nimport, over numpy's own")
    seconds: dict[str, list[float]] = {"nndescent_rs": [], "pynndescent": []}
    for _ in range(arguments.repeats):
        for module, taken in seconds.items():
            taken.append(float(python(CODE["import"].format(module=module))))
    for module, taken in seconds.items():
        line(module, taken)


def measure_first(arguments: Any, folder: Path) -> None:
    from sklearn.datasets import load_digits

    digits = folder / "digits.npy"
    np.save(digits, load_digits().data.astype(np.float32))
    print("\nfirst graph of 1,797 digits, the whole process")
    seconds: dict[str, list[float]] = {name: [] for name in CODE if name.startswith("first")}
    for _ in range(arguments.repeats):
        for name, taken in seconds.items():
            taken.append(wall(CODE[name].format(digits=str(digits))))
    for name, taken in seconds.items():
        line(name.removeprefix("first, "), taken)


# -- graphs --------------------------------------------------------------------------------------------------------


def images(arguments: Any, part: str) -> np.ndarray:
    with gzip.open(arguments.data / "fashion-mnist" / f"{part}-images-idx3-ubyte.gz") as file:
        return np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 784).astype(np.float32)


def measure_graph(arguments: Any, folder: Path) -> None:
    data = folder / "data.npy"
    np.save(data, images(arguments, "train"))
    command = [arguments.command, "graph", str(data), "-k", "15", "--json", "-o", str(folder / "graph.npz")]
    ours, rust = [], []
    for _ in range(arguments.repeats):
        ours.append(json.loads(python(CODE["graph"].format(data=str(data)))))
        rust.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    print("\ngraph of Fashion-MNIST, 60,000 x 784 float32, k = 15, fresh processes")
    build = line("knn_graph, build", [run["seconds"]["build"] for run in ours])
    build /= line("nndescent graph, build", [run["seconds"]["build"] for run in rust])
    line("knn_graph, the whole call", [run["seconds"]["call"] for run in ours])
    around = [run["seconds"]["call"] - run["seconds"]["build"] - run["seconds"]["recall"] for run in ours]
    line("  of it, checks for NaN and what the binding does", around)
    peak = median(run["peak"] for run in ours), median(run["peak_memory_bytes"] - data.stat().st_size for run in rust)
    print(f"  ratio of builds {build:.3f}; memory beside the array {peak[0] / 1e6:.0f} MB, "
          f"command {peak[1] / 1e6:.0f} MB; recall {ours[0]['recall']:.4f}, {rust[0]['recall']['estimate']:.4f}")


# -- searches ------------------------------------------------------------------------------------------------------


class Worker:
    """A process with one library, which does what it is told and then waits."""

    def __init__(self, settings: dict[str, Any]) -> None:
        command = [sys.executable, __file__, "--worker", json.dumps(settings)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, **what: Any) -> Any:
        assert self.process.stdin is not None and self.process.stdout is not None
        print(json.dumps(what), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())


def work(settings: dict[str, Any]) -> None:
    module = __import__(settings["module"])
    X, Q, truth = (np.load(settings["folder"] + f"/{name}.npy") for name in ("X", "Q", "truth"))
    index = None
    for told in map(json.loads, sys.stdin):
        start = time.perf_counter()
        if told["do"] == "build":
            index = module.NNDescent(X, random_state=1, **settings["options"])
            built = time.perf_counter()
            index.prepare()
            answer = [built - start, time.perf_counter() - built]
        else:
            seconds = []
            for _ in range(BATCHES):
                start = time.perf_counter()
                ids, _ = index.query(Q, k=truth.shape[1], epsilon=told["epsilon"])
                seconds.append(time.perf_counter() - start)
            hits = sum(np.intersect1d(a, b).size for a, b in zip(ids, truth))
            answer = [seconds, hits / truth.size]
        print(json.dumps(answer), flush=True)


def measure_query(arguments: Any, folder: Path) -> None:
    from nndescent_rs import exact_knn

    X, Q = images(arguments, "train"), images(arguments, "t10k")
    for name, array in (("X", X), ("Q", Q), ("truth", exact_knn(X, Q, k=10).indices)):
        np.save(folder / f"{name}.npy", array)
    kinds: dict[str, tuple[str, dict[str, Any]]] = {
        "nndescent_rs": ("nndescent_rs", {}),
        "PyNNDescent": ("pynndescent", {}),
        "PyNNDescent, parallel_batch_queries": ("pynndescent", {"parallel_batch_queries": True}),
    }
    workers = {
        name: Worker({"module": module, "options": options, "folder": str(folder)})
        for name, (module, options) in kinds.items()
    }
    for worker in workers.values():  # compiles, and warms up
        worker(do="build")
        worker(do="query", epsilon=0.1)
    builds: dict[str, list[list[float]]] = {name: [] for name in kinds}
    for _ in range(max(3, arguments.repeats // 3)):
        for name, worker in workers.items():
            builds[name].append(worker(do="build"))
    print("\nNNDescent(X).prepare(), Fashion-MNIST, defaults (30 neighbours), warm")
    built = {name: line(name, [sum(run) for run in runs]) for name, runs in builds.items()}
    ours, theirs = workers["nndescent_rs"], workers["PyNNDescent"]
    _, recall = theirs(do="query", epsilon=0.1)
    epsilon = next(e for e in np.arange(0.0, 0.5, 0.01).tolist() if ours(do="query", epsilon=e)[1] >= recall)
    queries: dict[str, list[Any]] = {name: [] for name in kinds}
    for _ in range(arguments.repeats):
        for name, worker in workers.items():
            queries[name].append(worker(do="query", epsilon=epsilon if worker is ours else 0.1))
    print("\nquery(Q, k=10) of 10,000, PyNNDescent with its epsilon of 0.1, warm")
    asked = {name: line(name, [it for run in runs for it in run[0]]) for name, runs in queries.items()}
    for name, seconds in asked.items():
        at = f" at epsilon {epsilon:.2f}" if workers[name] is ours else ""
        print(f"  {name}: recall {queries[name][0][1]:.4f}{at}, {len(Q) / seconds:,.0f} queries/s")
        print(f"    seconds against ours: {seconds / asked['nndescent_rs']:.2f} of queries, "
              f"{built[name] / built['nndescent_rs']:.2f} of build and prepare")
    for worker in workers.values():
        worker.process.communicate()


MEASURES = {"import": measure_import, "first": measure_first, "graph": measure_graph, "query": measure_query}

if __name__ == "__main__":
    main()
