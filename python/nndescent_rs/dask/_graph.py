"""Graphs that workers build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distributed import Client

from .. import _options
from .._files import PathLike
from .._metrics import MetricLike
from .._report import RecallEstimate
from . import _output
from ._pieces import (
    Pieces,
    build_part,
    estimate_recall,
    merge,
    merge_refined,
    refine_part,
    write_graph,
)
from ._rows import on_disk


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
    X : dask array or frame of shape (n, d), path, list of paths, or array-like
        Files are .npy, Zarr arrays (.zarr), Parquet with one column of fixed-size lists (.parquet), and alone .fvecs,
        .bvecs, .fbin, .u8bin, .i8bin, and .hdf5 or .h5 whose dataset `train` is not in chunks. A single file that
        pieces can read is not copied. Other types than float32, float16, uint8 and int8 become float32, with a
        `NarrowingWarning` where that cannot tell neighbours apart. Chunks of unknown sizes are written twice.
    k : int
        Neighbours of every row.
    folder : path
        On a disk that all workers share. Working files are removed from it at the end.
    client : Client, optional
        The current one by default. All workers, those that join later, too, need the package in the client's version.
    output : path, optional
        `graph.npz` in the folder by default; .npz, .zarr (a group of `indices` and `distances`) or .parquet (a folder).
        Workers write it: they have to see where it is. What is there is replaced.
    memory : int or str
        What a build of a part may take, on each worker at a time. Together with the seed it decides the graph, so it
        does not depend on workers.
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

    Raises
    ------
    ModuleNotFoundError, RuntimeError
        If a worker lacks the package, or has another version.
    FileNotFoundError
        If a worker does not see the folder, the files or the place of the output.
    RuntimeError
        If the workers of a piece were lost again and again.
    """
    path, modules = _output.checked(Path(folder) / "graph.npz" if output is None else output)
    pieces = Pieces(client, folder, memory, modules)
    options = _options.build(n_neighbors=k, seed=seed)
    division = _options.division(pieces.memory, part_rows, overlap)
    rounds, sample = _options.count("refine_rounds", refine_rounds), _options.count("recall_sample", recall_sample)
    with pieces:
        path.parent.mkdir(parents=True, exist_ok=True)
        pieces.share([path.parent])
        source = pieces.timed("copy", lambda: on_disk(pieces, X))
        plan = pieces.timed("partition", lambda: pieces.partition(source, metric, metric_kwds, options, division))
        parts = range(len(plan.part_sizes))
        pieces.timed("parts", lambda: pieces.spread("build", build_part, [(part, device) for part in parts]))
        pieces.timed("merge", lambda: pieces.alone("merge", merge))
        for _ in range(rounds if len(parts) > 1 else 0):
            pieces.timed("refine", lambda: pieces.spread("refine", refine_part, [(part,) for part in parts]))
            pieces.timed("refine", lambda: pieces.alone("merge-refined", merge_refined))
        recall = None
        if sample > 0:
            estimate = pieces.timed("recall", lambda: pieces.alone("recall", estimate_recall, sample))
            recall = RecallEstimate(*estimate)
        shape = (plan.n, plan.k)
        indices, distances = pieces.timed("write", lambda: _written(pieces, path, shape))
    return DaskGraph(indices, distances, str(path), recall, len(parts), pieces.seconds)


def _written(pieces: Pieces, path: Path, shape: tuple[int, int]) -> tuple[Any, Any]:
    """The graph in a file or folder, and dask arrays of it."""
    file = path if path.suffix == ".npz" else pieces.folder / "graph.npz"
    pieces.alone("write", write_graph, str(file))
    if path.suffix == ".parquet":
        return _output.to_parquet(pieces, path, file, shape)
    arrays = _output.arrays_of(file, shape)
    return _output.to_zarr(pieces, path, *arrays) if path.suffix == ".zarr" else arrays
