"""Pieces of a build, run on workers."""

from __future__ import annotations

import os
import shutil
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from distributed import Client, as_completed, get_worker
from distributed.scheduler import KilledWorker

from .. import _core, _options
from .._arrays import NarrowingWarning, coarse_text
from .._files import PathLike, bytes_of
from .._metrics import metric_of
from ._workers import check_sight, check_software, client_of, workers_of

#: Times that a piece is begun again after its worker was lost, beyond those that the scheduler tries.
AGAIN = 5


class Pieces:
    """Runs the pieces of a build on workers, in a folder of their own."""

    def __init__(
        self, client: Client | None, folder: PathLike, memory: int | str, modules: tuple[str, ...] = ()
    ) -> None:
        self.client = client_of(client)
        self.memory = bytes_of(memory)
        self.folder = Path(folder).absolute() / f"nndescent-{uuid4().hex[:12]}"
        self.seconds: dict[str, float] = {}
        #: What workers import besides the package.
        self.modules = modules
        #: Paths that all workers have to see.
        self.shared = [self.folder]
        self._checked: set[str] = set()

    def __enter__(self) -> Pieces:
        self.folder.mkdir(parents=True)
        try:
            self._workers()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        # Renamed first: what a worker still writes, after an error or Ctrl-C, finds no folder.
        removed = self.folder.with_name(f"{self.folder.name}-removed")
        try:
            self.folder.rename(removed)
        except OSError:
            removed = self.folder
        shutil.rmtree(removed, ignore_errors=True)

    def share(self, paths: Iterable[Path]) -> None:
        """Checks that the workers see these, those that come later, too."""
        self.shared.extend(paths)
        self._checked.clear()
        self._workers()

    def timed(self, stage: str, work: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = work()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start
        return result

    def partition(self, source: Path, metric: Any, metric_kwds: Any, options: Any, division: Any) -> _core.Plan:
        try:
            self.alone("partition", partition_rows, str(source), metric, metric_kwds, options, division)
        except ValueError as error:
            if source.parent == self.folder:  # a copy of X, which the caller does not know
                raise ValueError(str(error).replace(str(source), "X")) from error
            raise
        plan = _core.Plan(str(self.folder))
        if plan.coarse is not None:
            warnings.warn(coarse_text(str(source), *plan.coarse), NarrowingWarning, stacklevel=5)
        return plan

    def alone(self, name: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """One piece, on any worker."""
        return self.spread(name, function, [arguments])[0]

    def spread(self, name: str, function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Pieces of a kind, one at a time on each worker, which gives it all its threads. Results in their order."""
        results: list[Any] = [None] * len(tasks)
        left = [AGAIN] * len(tasks)
        waiting = list(range(len(tasks) - 1, -1, -1))
        running: dict[Any, int] = {}
        finished = as_completed(loop=self.client.loop)

        def begin() -> None:
            at = waiting.pop()
            # The scheduler prefers idle workers. One that is named may be lost, and the piece then waits for it.
            future = self.client.submit(function, str(self.folder), self.memory, *tasks[at], key=key_of(name))
            running[future] = at
            finished.add(future)

        try:
            while waiting or running:
                for _ in range(min(len(waiting), len(self._workers()) - len(running))):
                    begin()
                future = next(finished)
                at = running.pop(future)
                try:
                    results[at] = future.result()
                except KilledWorker as error:
                    if left[at] == 0:
                        raise RuntimeError(
                            f"{name}, piece {at} of {len(tasks)}: its workers were lost again and again, the last was "
                            f"{error.last_worker.address}. Do they have the {self.memory >> 20} MiB that `memory` says?"
                        ) from error
                    left[at] -= 1
                    waiting.append(at)
        except BaseException:
            self._end(list(running))
            raise
        return results

    def compute(self, calls: Sequence[Any]) -> list[Any]:
        """Results of delayed calls, in their order."""
        futures: Any = self.client.compute(calls)
        try:
            results: Any = self.client.gather(futures)
        except BaseException:
            self._end(futures)
            raise
        return list(results)

    def _end(self, futures: list[Any]) -> None:
        """Has none of these begun; those that run find that the folder is gone."""
        if self.client.status == "running":
            self.client.cancel(futures)

    def _workers(self) -> list[str]:
        """Addresses of those there are, checked; waits for one."""
        while not (workers := workers_of(self.client)):
            self.client.wait_for_workers(1, timeout=120)
        if new := [worker for worker in workers if worker not in self._checked]:
            check_software(self.client, new, self.modules)
            check_sight(self.client, new, self.shared)
            self._checked.update(new)
        return workers


def key_of(name: str) -> str:
    """A key of its own, whose part before the hyphen is what the dashboard shows."""
    return f"nndescent_{name}-{uuid4().hex}"


def run_here(folder: str) -> dict[str, Any]:
    """All threads of this worker, as long as the folder is there: a build that has failed or was ended removes it."""
    looked = time.monotonic()

    def look(*_: object) -> None:
        nonlocal looked
        if time.monotonic() > looked + 0.5:
            looked = time.monotonic()
            check_there(folder)

    return _options.run(get_worker().state.nthreads, look)


def check_there(folder: str) -> None:
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"{folder} is gone: the build has ended")


def partition_rows(
    folder: str, memory: int, source: str, metric: Any, metric_kwds: Any, options: Any, division: Any
) -> None:
    check_there(folder)  # it would be made
    _core.Plan.partition(source, folder, metric_of(metric, metric_kwds), options, division, run_here(folder))


def build_part(folder: str, memory: int, part: int, device: str) -> None:
    _core.Plan(folder).build_part(part, device, run_here(folder))


def merge(folder: str, memory: int) -> None:
    _core.Plan(folder).merge(memory, run_here(folder))


def refine_part(folder: str, memory: int, part: int) -> int:
    return _core.Plan(folder).refine_part(part, memory, run_here(folder))


def merge_refined(folder: str, memory: int) -> None:
    _core.Plan(folder).merge_refined(memory, run_here(folder))


def estimate_recall(folder: str, memory: int, rows: int) -> tuple[float, float, float, int]:
    return _core.Plan(folder).estimate_recall(rows, memory, run_here(folder))


def write_graph(folder: str, memory: int, output: str) -> None:
    _core.Plan(folder).write_graph(output, run_here(folder))
