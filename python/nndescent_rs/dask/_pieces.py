"""Pieces of a build, run on workers."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from distributed import Client, as_completed, get_worker
from distributed.scheduler import KilledWorker

from .. import _core, _options
from .._files import PathLike, bytes_of
from .._metrics import metric_of

#: Times that a piece is begun again after its worker was lost, beyond those that the scheduler tries.
AGAIN = 20


class Pieces:
    """Runs the pieces of a build on workers, in a folder of their own."""

    def __init__(self, client: Client, folder: PathLike, memory: int | str) -> None:
        self.client = client
        self.memory = bytes_of(memory)
        self.folder = Path(folder).absolute() / f"nndescent-{uuid4().hex[:12]}"
        self.seconds: dict[str, float] = {}

    def __enter__(self) -> Pieces:
        self.folder.mkdir(parents=True)
        return self

    def __exit__(self, *exception: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def timed(self, stage: str, work: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = work()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start
        return result

    def partition(self, source: Path, metric: Any, metric_kwds: Any, options: Any, division: Any) -> _core.Plan:
        self.alone("partition", partition_rows, str(source), metric, metric_kwds, options, division)
        return _core.Plan(str(self.folder))

    def alone(self, name: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """One piece, on any worker."""
        return self.spread(name, function, [arguments])[0]

    def spread(self, name: str, function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Pieces of a kind, one at a time on each worker, which gives it all its threads. Results in their order."""
        results: list[Any] = [None] * len(tasks)
        left = [AGAIN] * len(tasks)
        waiting = list(range(len(tasks) - 1, -1, -1))
        running: dict[Any, tuple[int, str]] = {}
        finished = as_completed()

        def begin(worker: str) -> None:
            at = waiting.pop()
            # The name before the hyphen is what the dashboard shows.
            key = f"nndescent_{name}-{uuid4().hex}"
            future = self.client.submit(
                function, str(self.folder), self.memory, *tasks[at], key=key, workers=[worker], allow_other_workers=True
            )
            running[future] = (at, worker)
            finished.add(future)

        while waiting or running:
            busy = {worker for _, worker in running.values()}
            for worker in self._workers():
                if waiting and worker not in busy:
                    begin(worker)
            future = next(finished)
            at, _ = running.pop(future)
            try:
                results[at] = future.result()
            except KilledWorker:
                if left[at] == 0:
                    raise
                left[at] -= 1
                waiting.append(at)
            except Exception:
                self.client.cancel(list(running))
                raise
        return results

    def _workers(self) -> list[str]:
        """Addresses of those there are; waits for one."""
        while not (workers := list(self.client.scheduler_info(n_workers=-1)["workers"])):
            self.client.wait_for_workers(1, timeout=120)
        return workers


def run_here() -> dict[str, Any]:
    """All threads of this worker."""
    return _options.run(get_worker().state.nthreads)


def partition_rows(
    folder: str, memory: int, source: str, metric: Any, metric_kwds: Any, options: Any, division: Any
) -> None:
    _core.Plan.partition(source, folder, metric_of(metric, metric_kwds), options, division, run_here())


def build_part(folder: str, memory: int, part: int, device: str) -> None:
    _core.Plan(folder).build_part(part, device, run_here())


def merge(folder: str, memory: int) -> None:
    _core.Plan(folder).merge(memory, run_here())


def refine_part(folder: str, memory: int, part: int) -> int:
    return _core.Plan(folder).refine_part(part, memory, run_here())


def merge_refined(folder: str, memory: int) -> None:
    _core.Plan(folder).merge_refined(memory, run_here())


def estimate_recall(folder: str, memory: int, rows: int) -> tuple[float, float, float, int]:
    return _core.Plan(folder).estimate_recall(rows, memory, run_here())


def write_graph(folder: str, memory: int, output: str) -> None:
    _core.Plan(folder).write_graph(output, run_here())
