"""
Graphs and indexes of data that need several machines, through `dask.distributed`.

Workers share a folder, on a disk that all of them see: rows go there once, each from the worker that has it, and the
pieces of the build (partition, parts, merge, refine) read and write files there. Nothing but names passes through the
client. A worker that is lost costs the piece that it was working on, which another does again. The same seed gives the
same bytes for any number of workers.

>>> from dask.distributed import Client  # doctest: +SKIP
>>> from nndescent_rs.dask import knn_graph  # doctest: +SKIP
>>> graph = knn_graph(X, 15, folder="/shared/work", client=Client("scheduler:8786"))  # doctest: +SKIP
>>> graph.indices  # doctest: +SKIP
dask.array<...>
"""

from __future__ import annotations

import os
import shutil
import struct
import time
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import dask.array
import numpy as np
from dask.delayed import delayed
from distributed import Client, as_completed, get_client, get_worker
from distributed.scheduler import KilledWorker

from . import _core, _options
from ._arrays import OWN_TYPES
from ._files import PathLike, bytes_of
from ._graph import exact_knn
from ._index import Index as PartIndex
from ._metrics import MetricLike, metric_of
from ._report import RecallEstimate

__all__ = ["DaskGraph", "Index", "knn_graph"]

#: Rows of a block of the arrays that are returned.
BLOCK_ROWS = 1 << 20
#: Times that a piece is begun again after its worker was lost, beyond those that the scheduler tries.
AGAIN = 20
#: Files that pieces read as they are.
READ_IN_PLACE = frozenset({".npy", ".fvecs", ".bvecs", ".fbin", ".u8bin", ".i8bin"})


@dataclass(frozen=True)
class DaskGraph:
    """A graph on disk: dask arrays of its rows, and what the build said."""

    #: Neighbours: dask array of uint32, shape (n, k).
    indices: Any
    #: Their distances: dask array of float32, shape (n, k).
    distances: Any
    #: The file that both are read from, or the folder of the Zarr group or Parquet files.
    path: str
    #: Estimated recall over the whole; None if it was switched off.
    recall: RecallEstimate | None
    #: Number of parts.
    parts: int
    #: Seconds of every stage.
    seconds: Mapping[str, float]


def knn_graph(
    X: Any,
    k: int = 15,
    *,
    folder: PathLike,
    client: Client | None = None,
    output: PathLike | None = None,
    memory: int | str = "4GiB",
    part_rows: int | None = None,
    overlap: int = 2,
    refine_rounds: int = 1,
    metric: MetricLike = "euclidean",
    metric_kwds: Mapping[str, Any] | None = None,
    device: str = "auto",
    seed: int = 0,
    recall_sample: int = 256,
) -> DaskGraph:
    """
    The graph of rows that are spread over workers or files.

    Parameters
    ----------
    X : dask array of shape (n, d), path, list of paths, or array-like
        Files are .npy, Zarr arrays (.zarr), Parquet with one column of fixed-size lists (.parquet), and alone .fvecs,
        .bvecs, .fbin, .u8bin, .i8bin. A single file that pieces can read is not copied.
    k : int
        Neighbours of every row.
    folder : path
        On a disk that all workers share. Working files are removed from it at the end.
    client : Client, optional
        The current one by default.
    output : path, optional
        `graph.npz` in the folder by default; .npz, .zarr (a group of `indices` and `distances`) or .parquet (a folder).
    memory : int or str
        What a build of a part may take. Together with the seed it decides the graph, so it does not depend on workers.
    part_rows : int, optional
        Rows of a part, in place of what memory allows.
    overlap : int
        Parts that every row is in.
    refine_rounds : int
        Rounds across parts.
    metric, metric_kwds, device, seed
        As in :func:`nndescent_rs.knn_graph`. Each worker builds with all its threads, and its GPU where it has one.
    recall_sample : int
        Rows that recall is estimated on; 0 for no estimate.

    Returns
    -------
    DaskGraph
    """
    pieces = _Pieces(get_client() if client is None else client, folder, memory)
    options = _options.build(n_neighbors=k, seed=seed)
    division = {"memory": pieces.memory, "part_rows": part_rows, "overlap": overlap}
    with pieces:
        source = pieces.timed("copy", lambda: _on_disk(pieces, X))
        plan = pieces.timed("partition", lambda: pieces.partition(source, metric, metric_kwds, options, division))
        parts = range(len(plan.part_sizes))
        pieces.timed("parts", lambda: pieces.spread("build", _build_part, [(part, device) for part in parts]))
        pieces.timed("merge", lambda: pieces.alone("merge", _merge))
        for _ in range(refine_rounds if len(parts) > 1 else 0):
            pieces.timed("refine", lambda: pieces.spread("refine", _refine_part, [(part,) for part in parts]))
            pieces.timed("refine", lambda: pieces.alone("merge-refined", _merge_refined))
        recall = None
        if recall_sample > 0:
            estimate = pieces.timed("recall", lambda: pieces.alone("recall", _estimate_recall, recall_sample))
            recall = RecallEstimate(*estimate)
        path = Path(pieces.folder.parent / "graph.npz" if output is None else output).absolute()
        file = path if path.suffix == ".npz" else pieces.folder / "graph.npz"
        pieces.timed("write", lambda: pieces.alone("write", _write_graph, str(file)))
        indices, distances = (_array_of(file, name, (plan.n, plan.k)) for name in ("indices", "distances"))
        if path.suffix == ".zarr":
            indices, distances = pieces.timed("write", lambda: _to_zarr(path, indices, distances))
        elif path.suffix == ".parquet":
            pieces.timed("write", lambda: _to_parquet(pieces, path, file, plan.n))
            indices, distances = _of_parquet(path, plan.n, plan.k)
        elif path.suffix != ".npz":
            raise ValueError(f"output = {path.name!r}, but it must end with .npz, .zarr or .parquet")
    return DaskGraph(indices, distances, str(path), recall, len(parts), pieces.seconds)


# -- pieces ------------------------------------------------------------------------------------------------------------


class _Pieces:
    """Runs the pieces of a build on workers, in a folder of their own."""

    def __init__(self, client: Client, folder: PathLike, memory: int | str) -> None:
        self.client = client
        self.memory = bytes_of(memory)
        self.folder = Path(folder).absolute() / f"nndescent-{uuid4().hex[:12]}"
        self.seconds: dict[str, float] = {}

    def __enter__(self) -> _Pieces:
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
        self.alone("partition", _partition, str(source), metric, metric_kwds, options, division)
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


def _run() -> dict[str, Any]:
    """All threads of this worker."""
    return _options.run(get_worker().state.nthreads)


def _partition(
    folder: str, memory: int, source: str, metric: Any, metric_kwds: Any, options: Any, division: Any
) -> None:
    _core.Plan.partition(source, folder, metric_of(metric, metric_kwds), options, division, _run())


def _build_part(folder: str, memory: int, part: int, device: str) -> None:
    _core.Plan(folder).build_part(part, device, _run())


def _merge(folder: str, memory: int) -> None:
    _core.Plan(folder).merge(memory, _run())


def _refine_part(folder: str, memory: int, part: int) -> int:
    return _core.Plan(folder).refine_part(part, memory, _run())


def _merge_refined(folder: str, memory: int) -> None:
    _core.Plan(folder).merge_refined(memory, _run())


def _estimate_recall(folder: str, memory: int, rows: int) -> tuple[float, float, float, int]:
    return _core.Plan(folder).estimate_recall(rows, memory, _run())


def _write_graph(folder: str, memory: int, output: str) -> None:
    _core.Plan(folder).write_graph(output, _run())


# -- rows on the shared disk -------------------------------------------------------------------------------------------


def _on_disk(pieces: _Pieces, X: Any) -> Path:
    """A file of all rows that pieces can read."""
    if isinstance(X, (str, os.PathLike)):
        path = Path(X).absolute()
        if path.suffix in READ_IN_PLACE:
            return path
        X = [path]
    target = pieces.folder / "rows.npy"
    if isinstance(X, dask.array.Array):
        _write_blocks(pieces, X, target)
    elif isinstance(X, (list, tuple)) and X and all(isinstance(path, (str, os.PathLike)) for path in X):
        _copy_files(pieces, [Path(path).absolute() for path in X], target)
    else:
        array = np.asarray(X)
        if array.ndim != 2:
            raise ValueError(f"X has shape {array.shape}, but a matrix of n rows and d columns is needed")
        np.save(target, np.ascontiguousarray(array, _kept_type(array.dtype)))
    return target


def _kept_type(dtype: Any) -> np.dtype[Any]:
    """The type that rows are kept in."""
    dtype = np.dtype(dtype)
    if dtype.kind not in "fiub":
        raise TypeError(f"X has dtype {dtype}, but real numbers are needed")
    return dtype if dtype in OWN_TYPES else np.dtype(np.float32)


def _write_blocks(pieces: _Pieces, X: Any, target: Path) -> None:
    """Every block of a dask array to its place in a file, by the worker that has it."""
    if X.ndim != 2:
        raise ValueError(f"X has shape {X.shape}, but a matrix of n rows and d columns is needed")
    X = X.rechunk({1: -1})
    if any(np.isnan(rows) for rows in X.chunks[0]):
        X = X.compute_chunk_sizes()
    dtype = _kept_type(X.dtype)
    np.lib.format.open_memmap(target, "w+", dtype, X.shape).flush()
    firsts = np.concatenate([[0], np.cumsum(X.chunks[0])[:-1]])
    writes = [
        delayed(_write_rows, name=f"nndescent_copy-{uuid4().hex}")(str(target), int(first), block)
        for first, block in zip(firsts, X.to_delayed().ravel())
    ]
    futures: Any = pieces.client.compute(writes)
    for future in futures:
        future.result()


def _write_rows(target: str, first: int, rows: Any) -> None:
    out = np.lib.format.open_memmap(target, "r+")
    out[first : first + len(rows)] = rows
    out.flush()


def _copy_files(pieces: _Pieces, paths: list[Path], target: Path) -> None:
    """The rows of several files to one, each by a worker."""
    shapes = [_shape_of(path) for path in paths]
    columns = {columns for _, columns, _ in shapes}
    if len(columns) > 1:
        other = next(i for i, (_, width, _) in enumerate(shapes) if width != shapes[0][1])
        raise ValueError(
            f"{paths[other]} has {shapes[other][1]} columns, but {paths[0]} has {shapes[0][1]}"
        )
    dtype = np.result_type(*(_kept_type(dtype) for _, _, dtype in shapes))
    rows = [n for n, _, _ in shapes]
    np.lib.format.open_memmap(target, "w+", _kept_type(dtype), (sum(rows), columns.pop())).flush()
    firsts = np.concatenate([[0], np.cumsum(rows)[:-1]])
    tasks = [(str(path), str(target), int(first)) for path, first in zip(paths, firsts)]
    pieces.spread("copy", _copy_file, tasks)


def _shape_of(path: Path) -> tuple[int, int, Any]:
    """Rows, columns and type of a file."""
    if path.suffix == ".npy":
        array = np.load(path, mmap_mode="r")
    elif path.suffix == ".zarr":
        import zarr

        array = zarr.open_array(str(path), mode="r")
    elif path.suffix == ".parquet":
        import pyarrow.parquet

        file = pyarrow.parquet.ParquetFile(path)
        kind = _list_type(path, file.schema_arrow)
        return file.metadata.num_rows, kind.list_size, kind.value_type.to_pandas_dtype()
    else:
        raise ValueError(f"{path}: .npy, .zarr or .parquet is needed")
    if array.ndim != 2:
        raise ValueError(f"{path} holds an array of shape {array.shape}, but a matrix is needed")
    return array.shape[0], array.shape[1], array.dtype


def _list_type(path: Path, schema: Any) -> Any:
    """The type of the only column of fixed-size lists."""
    import pyarrow

    lists = [field.type for field in schema if pyarrow.types.is_fixed_size_list(field.type)]
    if len(lists) != 1:
        raise ValueError(f"{path} has {len(lists)} columns of fixed-size lists, but one is needed")
    return lists[0]


def _blocks_of(path: Path) -> Iterable[Any]:
    """The rows of a file, some at a time."""
    if path.suffix == ".parquet":
        import pyarrow.parquet

        file = pyarrow.parquet.ParquetFile(path)
        kind = _list_type(path, file.schema_arrow)
        name = next(field.name for field in file.schema_arrow if field.type == kind)
        for batch in file.iter_batches(columns=[name]):
            yield batch.column(0).flatten().to_numpy(zero_copy_only=False).reshape(-1, kind.list_size)
        return
    if path.suffix == ".npy":
        array = np.load(path, mmap_mode="r")
    else:
        import zarr

        array = zarr.open_array(str(path), mode="r")
    step = max(1, (1 << 26) // max(1, array.shape[1] * array.dtype.itemsize))
    for first in range(0, array.shape[0], step):
        yield array[first : first + step]


def _copy_file(folder: str, memory: int, source: str, target: str, first: int) -> None:
    out = np.lib.format.open_memmap(target, "r+")
    for block in _blocks_of(Path(source)):
        out[first : first + len(block)] = block
        first += len(block)
    out.flush()


# -- the graph as arrays -----------------------------------------------------------------------------------------------


def _member(path: PathLike, name: str) -> np.ndarray:
    """An array of an .npz, mapped. numpy stores it uncompressed."""
    with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as member:
        info = archive.getinfo(f"{name}.npy")
        np.lib.format.read_magic(member)
        shape, _, dtype = np.lib.format.read_array_header_1_0(member)
        header = member.tell()
    with open(path, "rb") as file:
        file.seek(info.header_offset + 26)
        lengths = struct.unpack("<HH", file.read(4))
    offset = info.header_offset + 30 + sum(lengths) + header
    return np.memmap(path, dtype, "r", offset, shape)


def _rows_of_member(path: str, name: str, first: int, end: int) -> np.ndarray:
    return np.array(_member(path, name)[first:end])


def _array_of(path: Path, name: str, shape: tuple[int, int]) -> Any:
    """A dask array of an array in an .npz."""
    n, k = shape
    dtype = np.uint32 if name == "indices" else np.float32
    blocks = [
        dask.array.from_delayed(
            delayed(_rows_of_member, pure=True)(str(path), name, first, min(n, first + BLOCK_ROWS)),
            (min(n, first + BLOCK_ROWS) - first, k),
            dtype,
        )
        for first in range(0, n, BLOCK_ROWS)
    ]
    return dask.array.concatenate(blocks)


def _to_zarr(path: Path, indices: Any, distances: Any) -> tuple[Any, Any]:
    for name, array in (("indices", indices), ("distances", distances)):
        dask.array.to_zarr(array, str(path), component=name, overwrite=True)
    indices, distances = (dask.array.from_zarr(str(path), component=name) for name in ("indices", "distances"))
    return indices, distances


def _to_parquet(pieces: _Pieces, path: Path, file: Path, n: int) -> None:
    path.mkdir(parents=True, exist_ok=True)
    tasks = [
        (str(file), str(path / f"part-{at:05}.parquet"), first, min(n, first + BLOCK_ROWS))
        for at, first in enumerate(range(0, n, BLOCK_ROWS))
    ]
    pieces.spread("parquet", _write_parquet, tasks)


def _write_parquet(folder: str, memory: int, source: str, target: str, first: int, end: int) -> None:
    import pyarrow
    import pyarrow.parquet

    columns = {}
    for name in ("indices", "distances"):
        rows = _rows_of_member(source, name, first, end)
        columns[name] = pyarrow.FixedSizeListArray.from_arrays(rows.ravel(), rows.shape[1])
    pyarrow.parquet.write_table(pyarrow.table(columns), target)


def _of_parquet(path: Path, n: int, k: int) -> tuple[Any, Any]:
    def blocks(name: str, dtype: Any) -> Any:
        return dask.array.concatenate(
            [
                dask.array.from_delayed(
                    delayed(_rows_of_parquet, pure=True)(str(path / f"part-{at:05}.parquet"), name),
                    (min(n, first + BLOCK_ROWS) - first, k),
                    dtype,
                )
                for at, first in enumerate(range(0, n, BLOCK_ROWS))
            ]
        )

    return blocks("indices", np.uint32), blocks("distances", np.float32)


def _rows_of_parquet(path: str, name: str) -> np.ndarray:
    import pyarrow.parquet

    column = pyarrow.parquet.read_table(path, columns=[name]).column(0).combine_chunks()
    rows: np.ndarray = column.flatten().to_numpy().reshape(len(column), -1)
    return rows


# -- an index of parts -------------------------------------------------------------------------------------------------


class Index:
    """
    An index for each part of the rows, in a folder that all workers see.

    The folder holds ordinary index files, `part-00000.nnd`, which :meth:`nndescent_rs.Index.open` opens, the ids of
    their points in the whole, `part-00000.npy`, and `centers.npy`.
    """

    def __init__(self, folder: PathLike, client: Client | None = None) -> None:
        self.folder = Path(folder).absolute()
        self.client = get_client() if client is None else client
        if not (self.folder / "centers.npy").is_file():
            raise FileNotFoundError(f"{self.folder} holds no index of parts: there is no centers.npy")
        self.centers: np.ndarray = np.load(self.folder / "centers.npy")

    @property
    def parts(self) -> int:
        """Number of parts."""
        return len(self.centers)

    @classmethod
    def build(
        cls,
        X: Any,
        n_neighbors: int = 30,
        *,
        folder: PathLike,
        client: Client | None = None,
        memory: int | str = "4GiB",
        part_rows: int | None = None,
        metric: MetricLike = "euclidean",
        metric_kwds: Mapping[str, Any] | None = None,
        device: str = "auto",
        seed: int = 0,
    ) -> Index:
        """
        Divides rows into parts, and builds an index of each.

        Parameters
        ----------
        X, client, memory, part_rows, metric, metric_kwds, device, seed
            As in :func:`knn_graph`.
        n_neighbors : int
            As in :meth:`nndescent_rs.Index.build`.
        folder : path
            Where the index is kept, on a disk that all workers share.
        """
        pieces = _Pieces(get_client() if client is None else client, folder, memory)
        options = _options.build(n_neighbors=n_neighbors, seed=seed)
        division = {"memory": pieces.memory, "part_rows": part_rows, "overlap": 1}
        with pieces:
            plan = pieces.partition(_on_disk(pieces, X), metric, metric_kwds, options, division)
            parts = range(len(plan.part_sizes))
            build = {"n_neighbors": n_neighbors, "metric": metric, "metric_kwds": metric_kwds, "device": device, "seed": seed}
            pieces.spread("index", _build_index, [(part, str(folder), build) for part in parts])
            np.save(Path(folder) / "centers.npy", plan.centers)
        return cls(folder, client)

    def query(
        self, queries: Any, k: int = 10, *, n_probe: int | None = None, epsilon: float | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """
        The `k` nearest rows of every query.

        Parameters
        ----------
        queries : array-like of shape (m, d)
        k : int
        n_probe : int, optional
            Parts that are searched, those whose centres are nearest: all by default.
        epsilon : float, optional
            As in :meth:`nndescent_rs.Index.query`.

        Returns
        -------
        indices : ndarray of uint32, shape (m, k)
        distances : ndarray of float32, shape (m, k)
            Rows end with 2**32 - 1 and infinity where the parts hold fewer.
        """
        queries = np.asarray(queries)
        probe = self.parts if n_probe is None else n_probe
        if not 1 <= probe <= self.parts:
            raise ValueError(f"n_probe = {probe}, but it must be 1 to {self.parts}, the number of parts")
        asked = exact_knn(self.centers, queries, probe).indices if probe < self.parts else None
        futures, rows = [], []
        for part in range(self.parts):
            of_part = np.arange(len(queries)) if asked is None else np.flatnonzero((asked == part).any(axis=1))
            if of_part.size:
                key = f"nndescent_query-{uuid4().hex}"
                futures.append(
                    self.client.submit(_query_part, str(self.folder), part, queries[of_part], k, epsilon, key=key)
                )
                rows.append(of_part)
        width = k * probe
        ids = np.full((len(queries), width), 0xFFFFFFFF, np.uint32)
        distances = np.full((len(queries), width), np.inf, np.float32)
        filled = np.zeros(len(queries), np.int64)
        answers: Any = self.client.gather(futures)
        for of_part, (found, far) in zip(rows, answers):
            to = filled[of_part][:, None] + np.arange(k)
            ids[of_part[:, None], to], distances[of_part[:, None], to] = found, far
            filled[of_part] += k
        nearest = np.lexsort((ids, distances))[:, :k]
        return np.take_along_axis(ids, nearest, 1), np.take_along_axis(distances, nearest, 1)


def _build_index(folder: str, memory: int, part: int, target: str, build: dict[str, Any]) -> None:
    ids, rows = _core.Plan(folder).read_part(part, _run())
    build["n_neighbors"] = min(build["n_neighbors"], max(1, len(rows) - 1))
    index = PartIndex.build(rows, **build, recall_sample=0, n_jobs=get_worker().state.nthreads)
    np.save(Path(target) / f"part-{part:05}.npy", ids)
    index.save(Path(target) / f"part-{part:05}.nnd")


def _query_part(
    folder: str, part: int, queries: np.ndarray, k: int, epsilon: float | None
) -> tuple[np.ndarray, np.ndarray]:
    index = PartIndex.open(Path(folder) / f"part-{part:05}.nnd")
    ids = np.load(Path(folder) / f"part-{part:05}.npy", mmap_mode="r")
    found, distances = index.query(queries, k, epsilon=epsilon, pad=True, n_jobs=get_worker().state.nthreads)
    missing = found == 0xFFFFFFFF
    found = np.where(missing, np.uint32(0xFFFFFFFF), ids[np.where(missing, 0, found)])
    return found.astype(np.uint32), distances
