"""An index of parts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
from distributed import Client, get_worker

from .. import _arrays, _core, _options
from .._files import PathLike
from .._index import Index as PartIndex
from .._metrics import MetricLike
from ._pieces import Pieces, check_there, key_of, run_here
from ._rows import on_disk
from ._workers import check_software, client_of, workers_of


class Index:
    """
    An index for each part of the rows, in a folder that all workers see.

    The folder holds ordinary index files, `part-00000.nnd`, which :meth:`nndescent_rs.Index.open` opens, the ids of
    their points in the whole, `part-00000.npy`, and `centers.npy`.
    """

    def __init__(self, folder: PathLike, client: Client | None = None) -> None:
        self.folder = Path(folder).absolute()
        self.client = client_of(client)
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
            Where the index is kept, on a disk that all workers share. An index that is there is replaced at the end.
        """
        pieces = Pieces(client, folder, memory)
        options = _options.build(n_neighbors=n_neighbors, seed=seed)
        division = _options.division(pieces.memory, part_rows, 1)
        build = {
            "n_neighbors": n_neighbors,
            "metric": metric,
            "metric_kwds": metric_kwds,
            "device": device,
            "seed": seed,
        }
        with pieces:
            source = pieces.timed("copy", lambda: on_disk(pieces, X))
            plan = pieces.timed("partition", lambda: pieces.partition(source, metric, metric_kwds, options, division))
            kept, members = _without_single_rows(plan)
            tasks = [(part, members_of, build) for part, members_of in enumerate(members)]
            pieces.spread("index", _build_index, tasks)
            _replace(pieces.folder, pieces.folder.parent, len(members), plan.centers[kept])
        return cls(folder, pieces.client)

    def query(
        self, queries: Any, k: int = 10, *, n_probe: int | None = None, epsilon: float | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """
        The `k` nearest rows of every query.

        Parameters
        ----------
        queries : array-like or dask array of shape (m, d)
            They pass through the client, as the answers do.
        k : int
        n_probe : int, optional
            Parts that are searched, those whose centres are nearest by the metric: all by default.
        epsilon : float, optional
            As in :meth:`nndescent_rs.Index.query`.

        Returns
        -------
        indices : ndarray of uint32, shape (m, k)
        distances : ndarray of float32, shape (m, k)
            Rows end with 2**32 - 1 and infinity where the parts hold fewer.
        """
        k = _options.count("k", k)
        queries = self._rows_of(queries)
        probe = self.parts if n_probe is None else _options.count("n_probe", n_probe)
        if not 1 <= probe <= self.parts:
            raise ValueError(f"n_probe = {probe}, but it must be 1 to {self.parts}, the number of parts")
        check_software(self.client, workers_of(self.client))
        asked = self._nearest(queries, probe) if probe < self.parts else None
        futures, rows = [], []
        for part in range(self.parts):
            of_part = np.arange(len(queries)) if asked is None else np.flatnonzero((asked == part).any(axis=1))
            if of_part.size:
                arguments = (str(self.folder), part, queries[of_part], k, epsilon)
                futures.append(self.client.submit(_query_part, *arguments, key=key_of("query")))
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

    def _rows_of(self, queries: Any) -> np.ndarray:
        """Queries as a matrix that suits the index."""
        if isinstance(queries, dask.array.Array):
            future: Any = self.client.compute(queries)
            queries = future.result()
        found = _arrays.rows(_arrays.matrix(queries, "queries"), "queries")
        columns = self.centers.shape[1]
        if found.shape[1] != columns:
            raise ValueError(f"queries have {found.shape[1]} columns, but the index holds rows of {columns}")
        return np.asarray(found)

    def _nearest(self, queries: np.ndarray, probe: int) -> np.ndarray:
        """The parts whose centres are nearest to every query, by the metric of the index."""
        metric = PartIndex.open(self.folder / _name(0, "nnd"))._native.metric
        asked = _arrays.float32_rows(queries, "queries", warn=False)
        parts: np.ndarray = _core.exact_query(self.centers, asked, metric, probe, _options.run())[0]
        return parts


def _name(part: int, kind: str) -> str:
    return f"part-{part:05}.{kind}"


def _without_single_rows(plan: _core.Plan) -> tuple[list[int], list[list[int]]]:
    """
    Parts that are kept, and of each what it holds: itself, and the nearest of those that are no index on their own.

    A part of one row has no graph. Some part holds more, or there would be one part only.
    """
    sizes, centers = plan.part_sizes, plan.centers
    kept = [part for part, size in enumerate(sizes) if size > 1]
    members = {part: [part] for part in kept}
    for part in (part for part, size in enumerate(sizes) if size == 1):
        distances = np.square(centers[kept] - centers[part], dtype=np.float64).sum(axis=1)
        members[kept[int(np.argmin(distances))]].append(part)
    return kept, list(members.values())


def _replace(source: Path, target: Path, parts: int, centers: np.ndarray) -> None:
    """Moves a whole index to where another may be. Between the two there is none, as `centers.npy` is missing."""
    (target / "centers.npy").unlink(missing_ok=True)
    for old in target.glob("part-[0-9][0-9][0-9][0-9][0-9].n[np][dy]"):
        old.unlink()
    for part in range(parts):
        for kind in ("npy", "nnd"):
            (source / _name(part, kind)).rename(target / _name(part, kind))
    np.save(source / "centers.npy", centers)
    (source / "centers.npy").rename(target / "centers.npy")


def _build_index(folder: str, memory: int, part: int, members: list[int], build: dict[str, Any]) -> None:
    plan = _core.Plan(folder)
    read = [plan.read_part(member, run_here(folder)) for member in members]
    ids, rows = (np.concatenate(arrays) for arrays in zip(*read, strict=True))
    n_neighbors = min(build["n_neighbors"], len(rows) - 1)
    check_there(folder)
    arguments = {**build, "n_neighbors": n_neighbors, "recall_sample": 0, "n_jobs": get_worker().state.nthreads}
    index = PartIndex.build(rows, **arguments, progress=run_here(folder)["progress"])
    np.save(Path(folder) / _name(part, "npy"), ids)
    index.save(Path(folder) / _name(part, "nnd"))


def _query_part(
    folder: str, part: int, queries: np.ndarray, k: int, epsilon: float | None
) -> tuple[np.ndarray, np.ndarray]:
    index = PartIndex.open(Path(folder) / _name(part, "nnd"))
    ids = np.load(Path(folder) / _name(part, "npy"), mmap_mode="r")
    found, distances = index.query(queries, k, epsilon=epsilon, pad=True, n_jobs=get_worker().state.nthreads)
    missing = found == 0xFFFFFFFF
    found = np.where(missing, np.uint32(0xFFFFFFFF), ids[np.where(missing, 0, found)])
    return found.astype(np.uint32), distances
