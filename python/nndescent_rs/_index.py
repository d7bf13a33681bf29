"""The search index."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from . import _arrays, _core, _options
from ._graph import Graph, start_of
from ._metrics import MetricLike, metric_of
from ._progress import ProgressLike, shown
from ._report import BuildReport, RecallEstimate, Tuning

__all__ = ["Index"]


class Index:
    """
    A search index over the rows of a matrix. :meth:`build` makes one, :meth:`open` opens a file.

    Any number of threads may search an index at the same time. Points have ids: those of the matrix 0 to n - 1, added
    ones the next.

    Attributes
    ----------
    graph : Graph or None
        The neighbour graph that the index was built from; None of an index from a file.

    Examples
    --------
    >>> import numpy as np
    >>> from nndescent_rs import Index
    >>> X = np.random.default_rng(0).normal(size=(2000, 16)).astype(np.float32)
    >>> index = Index.build(X, metric="euclidean")
    >>> indices, distances = index.query(X[:3], k=5)
    >>> indices[:, 0].tolist()
    [0, 1, 2]
    >>> even = np.arange(2000) % 2 == 0
    >>> bool((index.query(X[:3], k=5, filter=even)[0] % 2 == 0).all())
    True
    """

    graph: Graph | None

    def __init__(self, native: _core.Index, graph: Graph | None = None, n_jobs: int | None = None) -> None:
        if not isinstance(native, _core.Index):
            raise TypeError("an index is made by Index.build(X) or Index.open(path)")
        self._native = native
        self.graph = graph
        self.n_jobs = n_jobs

    @classmethod
    def build(
        cls,
        X: Any,
        n_neighbors: int | None = None,
        *,
        metric: MetricLike = "euclidean",
        metric_kwds: Mapping[str, Any] | None = None,
        target_recall: float | None = None,
        device: str = "auto",
        seed: int = 0,
        algorithm: str = "auto",
        bits: bool = False,
        init_graph: Any = None,
        n_trees: int | None = None,
        leaf_size: int | None = None,
        max_candidates: int | None = None,
        n_iters: int | None = None,
        delta: float | None = None,
        recall_sample: int | None = None,
        diversify_prob: float = 1.0,
        pruning_degree_multiplier: float = 1.5,
        quantization: str = "auto",
        n_jobs: int | None = None,
        progress: ProgressLike = False,
    ) -> Index:
        """
        Builds a graph and an index over it.

        Parameters
        ----------
        X, metric, metric_kwds, target_recall, device, seed, algorithm, bits, init_graph, n_trees, leaf_size, \
        max_candidates, n_iters, delta, recall_sample, n_jobs, progress
            As in :func:`knn_graph`. The index keeps a copy of the rows.
        n_neighbors : int, optional
            Neighbours of every row in the graph, not counting itself: 30 by default, or as many as there are.
        diversify_prob : float
            Probability that an edge is dropped where a nearer neighbour leads to its end, 0 to 1.
        pruning_degree_multiplier : float
            Most edges of a row, as a multiple of `n_neighbors`.
        quantization : {"auto", "none", "f16", "u8"}
            What searches traverse the graph by. Distances that are returned are exact.

        Returns
        -------
        Index
        """
        rows = _arrays.rows_for(metric, X, bits=bits)
        native = metric_of(metric, metric_kwds, bits=bits, sparse=_arrays.is_sparse(X))
        options = _options.build(
            n_neighbors=min(30, max(1, np.shape(X)[0] - 1)) if n_neighbors is None else n_neighbors,
            n_trees=n_trees,
            leaf_size=leaf_size,
            max_candidates=max_candidates,
            n_iters=n_iters,
            delta=delta,
            seed=seed,
            algorithm=algorithm,
            device=device,
            target_recall=target_recall,
            recall_sample=recall_sample,
        )
        settings = _options.index(
            diversify_prob=diversify_prob,
            pruning_degree_multiplier=pruning_degree_multiplier,
            quantization=quantization,
            require_quantization=quantization != "auto",
            seed=seed,
        )
        with shown(progress) as show:
            run = _options.run(n_jobs, show)
            built, found, report = _core.Index.build(rows, native, options, settings, start_of(init_graph), run)
        return cls(built, Graph(*found, BuildReport._of(report), n_jobs=n_jobs), n_jobs)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Index:
        """
        Opens a file that :meth:`save` or the command `nndescent index` wrote. It is mapped, not read.

        Raises
        ------
        FileNotFoundError, PermissionError, OSError
        ValueError
            Of a file that is no index, is damaged, or was written by a newer version.
        """
        return cls(_core.Index.open(os.fsdecode(path)))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the index to a file, whole or not at all."""
        self._native.save(os.fsdecode(path))

    def __getstate__(self) -> dict[str, Any]:
        return {"native": self._native.to_bytes(), "graph": self.graph, "n_jobs": self.n_jobs}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._native = _core.Index.from_bytes(state["native"])
        self.graph, self.n_jobs = state["graph"], state["n_jobs"]

    def __len__(self) -> int:
        """Number of points."""
        return len(self._native)

    def __contains__(self, id: int) -> bool:
        return 0 <= id <= 0xFFFFFFFF and id in self._native

    def __repr__(self) -> str:
        return f"Index({len(self)} points, {self.dim} columns, {self.metric})"

    @property
    def report(self) -> BuildReport | None:
        """What the build said."""
        return None if self.graph is None else self.graph.report

    @property
    def id_bound(self) -> int:
        """One more than the largest id ever given."""
        return self._native.id_bound

    @property
    def dim(self) -> int:
        """Columns; bits, of packed bits."""
        return self._native.dim

    @property
    def metric(self) -> str:
        """The metric's canonical name; "custom" of a function."""
        return self._native.metric.name

    @property
    def epsilon(self) -> float:
        """Epsilon of queries that name none: what :meth:`tune` found, else 0.1."""
        return self._native.epsilon

    @property
    def value_type(self) -> str:
        """numpy's name of the type of the values."""
        return self._native.value_type

    @property
    def quantization(self) -> str:
        """What searches traverse the graph by: "none", "f16" or "u8"."""
        return self._native.quantization

    @property
    def ids(self) -> np.ndarray:
        """The ids of all points, ascending: uint32."""
        return self._native.ids()

    def vectors(self, ids: Any) -> np.ndarray:
        """The values of points: float32, shape (len(ids), dim). Of dense rows."""
        return self._native.vectors(_ids(ids))

    # -- searches ------------------------------------------------------------------------------------------------

    def query(
        self,
        queries: Any,
        k: int = 10,
        *,
        epsilon: float | None = None,
        filter: Any = None,
        labels: Any = None,
        query_labels: Any = None,
        exact: bool = False,
        pad: bool = False,
        n_jobs: int | None = None,
        progress: ProgressLike = False,
    ) -> tuple[np.ndarray, np.ndarray]:
        """
        The `k` nearest points of every query.

        Parameters
        ----------
        queries : array-like or sparse matrix of shape (m, d), or array-like of shape (d,)
            Vectors. One vector gives arrays of shape (k,).
        k : int
            Neighbours, at most as many as there are points.
        epsilon : float, optional
            How far beyond the k-th best so far a search follows edges: 0 is fast, 0.3 thorough. By default what
            :meth:`tune` found, else 0.1.
        filter : array of bool, shape (largest id + 1,), or array of ids, optional
            Only these points are found; rows end with :data:`NO_NEIGHBOR` and infinity where they are fewer than `k`.
        labels, query_labels : arrays of int, shapes (largest id + 1,) and (m,), optional
            Only points with the query's label are found.
        exact : bool
            Compares every query with every point.
        pad : bool
            Whether `k` may be more than there are points, and a filter may allow none: rows then end with
            :data:`NO_NEIGHBOR` and infinity. Without it, either is an error.
        n_jobs, progress
            As in :func:`knn_graph`.

        Returns
        -------
        indices : ndarray of uint32, shape (m, k)
        distances : ndarray of float32, shape (m, k)
            Ascending.
        """
        is_one = not _arrays.is_sparse(queries) and np.ndim(queries) == 1
        rows = self._rows(np.asarray(queries)[None] if is_one else queries, "queries")
        settings = self._search(epsilon, filter, labels, query_labels, exact, pad)
        with shown(progress) as show:
            run = _options.run(self.n_jobs if n_jobs is None else n_jobs, show)
            indices, distances = searched(self._native, rows, _options.count("k", k), settings, run)
        return (indices[0], distances[0]) if is_one else (indices, distances)

    def query_ids(
        self,
        ids: Any,
        k: int = 10,
        *,
        epsilon: float | None = None,
        filter: Any = None,
        exact: bool = False,
        pad: bool = False,
        n_jobs: int | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The `k` nearest other points of points of the index, by id; else as :meth:`query`."""
        settings = self._search(epsilon, filter, None, None, exact, pad)
        run = _options.run(self.n_jobs if n_jobs is None else n_jobs)
        return self._native.query_ids(_ids(ids), _options.count("k", k), settings, run)

    def radius(
        self,
        queries: Any,
        radius: float,
        *,
        epsilon: float | None = None,
        filter: Any = None,
        labels: Any = None,
        query_labels: Any = None,
        exact: bool = False,
        n_jobs: int | None = None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """
        All points within a radius of every query.

        Parameters
        ----------
        radius : float
            The largest distance.
        queries, epsilon, filter, labels, query_labels, exact, n_jobs
            As in :meth:`query`.

        Returns
        -------
        offsets : ndarray of int64, shape (m + 1,)
            Points found for query i are those from offsets[i] to offsets[i + 1].
        indices : ndarray of uint32
        distances : ndarray of float32
            Ascending for each query.
        """
        if not radius >= 0:
            raise ValueError(f"radius = {radius}, but it must be at least 0")
        settings = self._search(epsilon, filter, labels, query_labels, exact, False)
        run = _options.run(self.n_jobs if n_jobs is None else n_jobs)
        return self._native.query_radius(self._rows(queries, "queries"), float(radius), settings, run)

    def tune(
        self, target_recall: float, k: int = 10, sample: int = 1000, *, progress: ProgressLike = False
    ) -> Tuning:
        """
        Finds the smallest epsilon that reaches `target_recall` of the `k` nearest on `sample` of the points, which
        queries then use by default.
        """
        with shown(progress) as show:
            epsilon, recall, reached = self._native.tune(
                float(target_recall), _options.count("k", k), _options.count("sample", sample), _options.run(self.n_jobs, show)
            )
        return Tuning(epsilon, RecallEstimate(*recall), reached)

    # -- changes -------------------------------------------------------------------------------------------------

    def add(self, X: Any, *, progress: ProgressLike = False) -> np.ndarray:
        """Adds points and returns their ids. Many at once are cheaper than one by one."""
        self.graph = None
        with shown(progress) as show:
            rows = self._rows(X, "X", keep=True)
            start, end = self._native.add(rows, _options.run(self.n_jobs, show))
        return np.arange(start, end, dtype=np.uint32)

    def update(self, ids: Any, X: Any) -> None:
        """Replaces points, one row of `X` for each id."""
        self.graph = None
        self._native.update(_ids(ids), self._rows(X, "X", keep=True), _options.run(self.n_jobs))

    def remove(self, ids: Any) -> None:
        """Removes points. Their ids are not given again."""
        self.graph = None
        self._native.remove(_ids(ids), _options.run(self.n_jobs))

    def compact(self) -> None:
        """Gives back the memory of removed points. Ids stay."""
        self._native.compact(_options.run(self.n_jobs))

    # -- arguments -----------------------------------------------------------------------------------------------

    def _rows(self, x: Any, name: str, *, keep: bool = False) -> Any:
        """Rows of the kind that the index holds; of the same type, if they are to be kept."""
        kind = self.value_type
        if kind == "bits":
            return _arrays.rows(x, name, bits=True)
        if self.metric == "custom":
            return x if isinstance(x, tuple) else _arrays.rows(x, name) if _arrays.is_sparse(x) else (
                _arrays.float32_rows(x, name)
            )
        if kind == "sparse" and not _arrays.is_sparse(x):
            from scipy.sparse import csr_matrix

            return _arrays.rows(csr_matrix(_arrays.float32_rows(x, name, warn=keep)), name)
        if kind != "sparse" and _arrays.is_sparse(x):
            x = x.toarray()
        if self._native.center is not None:
            return _arrays.rows(x, name, wide=True)
        if kind == "float32":
            return _arrays.float32_rows(x, name, warn=keep)
        rows = _arrays.rows(x, name, wide=True)
        if keep and rows.dtype != kind:
            with np.errstate(over="ignore", invalid="ignore"):
                narrowed = rows.astype(kind)
            if kind != "float16" and np.isfinite(rows).all() and not np.array_equal(narrowed, rows):
                row, column = (int(at) for at in np.argwhere(narrowed != rows)[0])
                raise TypeError(
                    f"{name}[{row}, {column}] is {rows[row, column]}, but the index holds {kind}: it cannot keep that"
                )
            return narrowed if np.isfinite(rows).all() else rows
        return rows

    def _search(
        self, epsilon: float | None, filter: Any, labels: Any, query_labels: Any, exact: bool, pad: bool
    ) -> dict[str, Any]:
        if (labels is None) != (query_labels is None):
            raise ValueError("labels and query_labels need each other")
        pair = None if labels is None else (_labels(labels, "labels"), _labels(query_labels, "query_labels"))
        return {
            "epsilon": None if epsilon is None else float(epsilon),
            "exact": exact,
            "pad": pad,
            "mask": None if filter is None else self._mask(filter),
            "labels": pair,
        }

    def _mask(self, filter: Any) -> np.ndarray:
        """An entry for every id."""
        filter = np.asarray(filter)
        if filter.ndim != 1:
            raise ValueError(f"filter has shape {filter.shape}, but an array of booleans or of ids is needed")
        bound = self._native.id_bound
        if filter.dtype == np.bool_:
            # Ids beyond the largest that is left were removed.
            missing = bound - len(filter)
            is_short = 0 < missing and len(filter) > self.ids.max(initial=0)
            return np.pad(filter, (0, missing)) if is_short else np.ascontiguousarray(filter)
        ids = _ids(filter)
        if ids.size and ids.max() >= bound:
            raise ValueError(f"filter holds id {ids.max()}, but the index has ids below {bound}")
        mask = np.zeros(bound, bool)
        mask[ids] = True
        return mask


def searched(
    native: _core.Index, rows: Any, k: int, settings: dict[str, Any], run: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """What a search finds, padded to `k` neighbours if there are fewer points and that is allowed."""
    held = len(native)
    if not settings["pad"] or k <= held:
        return native.query(rows, k, settings, run)
    ids, distances = native.query(rows, max(held, 1), settings, run)
    missing = k - ids.shape[1]
    return (
        np.pad(ids, ((0, 0), (0, missing)), constant_values=0xFFFFFFFF),
        np.pad(distances, ((0, 0), (0, missing)), constant_values=np.inf),
    )


def _ids(ids: Any) -> np.ndarray:
    array = np.atleast_1d(np.asarray(ids))
    if array.size == 0:
        return np.empty(0, np.uint32)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise TypeError(f"ids of shape {array.shape} and dtype {array.dtype}: an array of integers is needed")
    if array.min() < 0 or array.max() > 0xFFFFFFFF:
        wrong = array.min() if array.min() < 0 else array.max()
        raise ValueError(f"ids hold {wrong}, but they must be 0 to {0xFFFFFFFF}")
    return np.ascontiguousarray(array, np.uint32)


def _labels(labels: Any, name: str) -> np.ndarray:
    array = np.asarray(labels)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise TypeError(f"{name} of shape {array.shape} and dtype {array.dtype}: an array of integers is needed")
    if array.size and not -(1 << 31) <= array.min() <= array.max() < 1 << 31:
        raise ValueError(f"{name} hold {array.min()} to {array.max()}, but they must be of 32 bits")
    return np.ascontiguousarray(array.astype(np.int64).astype(np.uint32))
