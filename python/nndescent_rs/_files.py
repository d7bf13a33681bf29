"""Graphs of files that do not fit in memory."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, Union

from . import _core, _options
from ._arrays import NarrowingWarning, coarse_text
from ._metrics import MetricLike, metric_of
from ._progress import ProgressLike, shown
from ._report import RecallEstimate

__all__ = ["FileReport", "knn_graph_file"]

PathLike = Union[str, "os.PathLike[str]"]


@dataclass(frozen=True)
class FileReport:
    """What a build beyond memory did."""

    #: Rows, and neighbours of each.
    shape: tuple[int, int]
    #: Parts that the rows were divided into.
    parts: int
    #: Parts that every row was in.
    overlap: int
    #: Parts that were found built, in a build that was resumed.
    resumed: int
    #: Rows that found nearer neighbours in each round of refining.
    refined: list[int]
    #: Seconds of every stage.
    seconds: Mapping[str, float]
    #: Estimated recall; None if it was switched off.
    recall: RecallEstimate | None


def bytes_of(memory: int | str) -> int:
    """A number of bytes, or a text such as "4GiB" or "500 MB"; a letter alone counts in powers of 1,024."""
    if isinstance(memory, str):
        found = re.fullmatch(r"\s*([0-9]+\.?[0-9]*|\.[0-9]+)\s*([kmgt]?)(ib|b|)\s*", memory.lower())
        if found is None:
            raise ValueError(f"memory = {memory!r}, but it must be a number of bytes, or like '4GiB'")
        number, unit, kind = found.groups()
        memory = int(float(number) * (1000 if kind == "b" else 1024) ** " kmgt".index(unit or " "))
    elif not isinstance(memory, Real):
        raise TypeError(f"memory = {memory!r}, but it must be a number of bytes, or like '4GiB'")
    if memory <= 0:
        raise ValueError(f"memory = {memory}, but it must be above 0")
    return int(memory)


def knn_graph_file(
    input: PathLike,
    output: PathLike,
    k: int = 15,
    *,
    memory: int | str = "4GiB",
    scratch: PathLike | None = None,
    resume: bool = False,
    overlap: int = 2,
    part_rows: int | None = None,
    refine_rounds: int = 1,
    metric: MetricLike = "euclidean",
    metric_kwds: Mapping[str, Any] | None = None,
    device: str = "auto",
    seed: int = 0,
    recall_sample: int | None = None,
    n_jobs: int | None = None,
    progress: ProgressLike = False,
) -> FileReport:
    """
    The graph of the matrix in a file, within a limit of memory.

    Rows are read from the file and divided into overlapping parts, whose graphs are built one after another, merged,
    and refined across parts. The same seed gives the same file.

    Parameters
    ----------
    input : path
        .npy, .fvecs, .bvecs, .fbin, .u8bin, .i8bin, IDX, or the dataset `train` of an HDF5 file (.hdf5, .h5) that is
        not in chunks. Other types than float32, float16, uint8 and int8 become float32, with a
        :class:`NarrowingWarning` at the end where that cannot tell neighbours apart.
    output : path
        .npz with `indices` and `distances`, which :meth:`Graph.load` reads.
    k : int
        Neighbours of every row.
    memory : int or str
        What the process may take at its peak, if it takes little else: bytes, or like "4GiB".
    scratch : path, optional
        Where working files go: beside the output by default. They are removed at the end.
    resume : bool
        Goes on with what a build that was killed has left.
    overlap : int
        Parts that every row is in.
    part_rows : int, optional
        Rows of a part, in place of what memory allows.
    refine_rounds : int
        Rounds across parts.
    metric, metric_kwds, device, seed, recall_sample, n_jobs, progress
        As in :func:`knn_graph`; functions as metrics are not possible.

    Returns
    -------
    FileReport
    """
    native = metric_of(metric, metric_kwds)
    options = _options.build(n_neighbors=k, device=device, seed=seed, recall_sample=recall_sample)
    division = _options.division(bytes_of(memory), part_rows, overlap)
    with shown(progress) as show:
        report = _core.graph_of_file(
            os.fspath(input),
            os.fspath(output),
            native,
            options,
            division,
            _options.count("refine_rounds", refine_rounds),
            None if scratch is None else os.fspath(scratch),
            resume,
            _options.run(n_jobs, show),
        )
    if coarse := report.pop("coarse"):
        warnings.warn(coarse_text(os.fspath(input), *coarse), NarrowingWarning, stacklevel=2)
    recall = report.pop("recall")
    return FileReport(**report, recall=None if recall is None else RecallEstimate(*recall))
