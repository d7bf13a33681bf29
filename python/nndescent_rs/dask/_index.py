"""An index of parts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from distributed import Client, get_client, get_worker

from .. import _core, _options
from .._files import PathLike
from .._graph import exact_knn
from .._index import Index as PartIndex
from .._metrics import MetricLike
from ._pieces import Pieces, run_here
from ._rows import on_disk


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
        pieces = Pieces(get_client() if client is None else client, folder, memory)
        options = _options.build(n_neighbors=n_neighbors, seed=seed)
        division = {"memory": pieces.memory, "part_rows": part_rows, "overlap": 1}
        with pieces:
            plan = pieces.partition(on_disk(pieces, X), metric, metric_kwds, options, division)
            parts = range(len(plan.part_sizes))
            build = {
                "n_neighbors": n_neighbors,
                "metric": metric,
                "metric_kwds": metric_kwds,
                "device": device,
                "seed": seed,
            }
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
    ids, rows = _core.Plan(folder).read_part(part, run_here())
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
