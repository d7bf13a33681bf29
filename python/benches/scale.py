"""
Builds beyond memory: in this process, and on workers of a LocalCluster, with workers that are killed.

    python python/benches/scale.py ROWS.npy --memory 256MiB --workers 1 2 4 --kills 20

Prints seconds, and fails if a graph has other bytes than the first.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import tempfile
import threading
import time
from pathlib import Path

import distributed
from nndescent_rs import knn_graph_file
from nndescent_rs.dask import knn_graph


def digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=Path)
    parser.add_argument("-k", type=int, default=15)
    parser.add_argument("--memory", default="256MiB")
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2, 4])
    parser.add_argument("--kills", type=int, default=0, help="builds during which a worker is killed")
    parser.add_argument("--scratch", type=Path, default=None)
    arguments = parser.parse_args()
    options = {"memory": arguments.memory, "seed": 1}
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as name:
        folder = Path(name)
        start = time.perf_counter()
        report = knn_graph_file(arguments.rows, folder / "file.npz", arguments.k, **options)
        seconds = time.perf_counter() - start
        expected = digest(folder / "file.npz")
        print(f"one process: {seconds:.1f} s, {report.parts} parts, recall {report.recall}")
        for workers in arguments.workers:
            threads = max(1, (os.cpu_count() or 1) // workers)
            with distributed.LocalCluster(workers, threads_per_worker=threads, dashboard_address=None) as cluster:
                with distributed.Client(cluster) as client:
                    start = time.perf_counter()
                    found = knn_graph(arguments.rows, arguments.k, folder=folder, client=client, **options)
                    of_workers = time.perf_counter() - start
                    stages = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in found.seconds.items())
                    print(f"{workers} workers of {threads} threads: {of_workers:.1f} s ({of_workers / seconds:.2f}): {stages}")
                    if digest(Path(found.path)) != expected:
                        raise SystemExit("another graph")
        kill_workers(arguments, folder, options, expected, seconds)


def kill_workers(
    arguments: argparse.Namespace, folder: Path, options: dict[str, object], expected: str, seconds: float
) -> None:
    """Builds during which a worker is killed at a random moment."""
    if arguments.kills == 0:
        return
    rng = random.Random(0)
    for _ in range(arguments.kills):
        # A cluster each: a nanny does not always bring a worker back.
        with distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=None) as cluster:
            with distributed.Client(cluster) as client:
                pid = rng.choice(list(client.run(os.getpid).values()))
                delay = rng.uniform(0, 0.9 * seconds)
                timer = threading.Timer(delay, os.kill, (pid, signal.SIGKILL))
                timer.start()
                found = knn_graph(arguments.rows, arguments.k, folder=folder, client=client, **options)
                timer.join()
        if digest(Path(found.path)) != expected:
            raise SystemExit(f"another graph after a worker was killed at {delay:.2f} s")
        print(f"killed at {delay:.2f} s: the same bytes", flush=True)


if __name__ == "__main__":
    main()
