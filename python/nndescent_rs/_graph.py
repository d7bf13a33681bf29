"""Neighbour graphs, and what they are for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, Protocol, Union

import numpy as np

from . import _arrays, _core, _options
from ._metrics import MetricLike, metric_of
from ._progress import ProgressLike, shown
from ._report import BuildReport

__all__ = ["NO_NEIGHBOR", "Graph", "exact_knn", "knn_graph"]

#: Stands for a neighbour that is missing; its distance is infinite.
NO_NEIGHBOR: int = 0xFFFFFFFF


class Indexed(Protocol):
    """An index of rows, as :class:`nndescent_rs.Index` is one."""

    _native: _core.Index


class Graph:
    """
    A k-nearest-neighbour graph: for every row the `k` nearest others, ascending by distance, then id.

    Iterates as `indices, distances`, which libraries take as they are.

    Parameters
    ----------
    indices : array-like of int, shape (n, k)
        Neighbours of every row, -1 where one is missing.
    distances : array-like of float, shape (n, k)
        Their distances, ascending; infinite where one is missing.
    report : BuildReport, optional
        What the build said.
    n_jobs : int, optional
        Threads of the methods below: None or -1 for all cores.

    Attributes
    ----------
    indices : ndarray of uint32, shape (n, k)
        :data:`NO_NEIGHBOR` where a neighbour is missing.
    distances : ndarray of float32, shape (n, k)
    report : BuildReport or None

    Examples
    --------
    >>> import numpy as np
    >>> from nndescent_rs import knn_graph
    >>> X = np.random.default_rng(0).normal(size=(500, 8)).astype(np.float32)
    >>> graph = knn_graph(X, 5)
    >>> indices, distances = graph
    >>> indices.shape, distances.dtype
    ((500, 5), dtype('float32'))
    """

    indices: np.ndarray
    distances: np.ndarray
    report: BuildReport | None
    n_jobs: int | None

    def __init__(
        self, indices: Any, distances: Any, report: BuildReport | None = None, *, n_jobs: int | None = None
    ) -> None:
        self.indices = _arrays.missing_as(indices)
        self.distances = _arrays.float32_rows(distances, "distances")
        if self.indices.shape != self.distances.shape:
            raise ValueError(f"indices of shape {self.indices.shape}, but distances of shape {self.distances.shape}")
        self.report = report
        self.n_jobs = n_jobs

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows, and of neighbours."""
        n, k = self.indices.shape
        return n, k

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter((self.indices, self.distances))

    def __repr__(self) -> str:
        n, k = self.shape
        return f"Graph({n} rows, {k} neighbours" + (f"; {self.report})" if self.report else ")")

    @property
    def _pair(self) -> tuple[np.ndarray, np.ndarray]:
        return self.indices, self.distances

    @property
    def _begins_with_self(self) -> bool:
        return self.shape[1] > 0 and bool((self.indices[:, 0] == np.arange(len(self))).all())

    def _neighbors(self, k: int | None) -> int:
        """`k`, by default the neighbours other than itself that every row has."""
        if k is not None:
            return _options.count("k", k)
        others = (self.indices != NO_NEIGHBOR) & (self.indices != np.arange(len(self))[:, None])
        return int(others.sum(axis=1).min(initial=self.shape[1]))

    def _run(self) -> dict[str, Any]:
        return _options.run(self.n_jobs)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes an .npz of `indices` and `distances`, which :meth:`load` and the command `nndescent` read."""
        with open(path, "wb") as file:  # as a path, numpy would add .npz to it
            np.savez(file, indices=self.indices, distances=self.distances)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Graph:
        """Reads what :meth:`save` or the command `nndescent graph` wrote."""
        import zipfile

        os.stat(path)  # raises what opening it does
        if not zipfile.is_zipfile(path):
            raise ValueError(f"{path} is no .npz file")
        with np.load(path) as file:
            missing = {"indices", "distances"} - set(file.files)
            if missing:
                raise ValueError(f"{path} holds no array {', '.join(sorted(missing))}: it is no graph")
            return cls(file["indices"], file["distances"])

    # -- other forms ---------------------------------------------------------------------------------------------

    def with_self(self) -> tuple[np.ndarray, np.ndarray]:
        """
        The same graph with every row as its own first neighbour, as UMAP takes it (`precomputed_knn=`).

        Returns
        -------
        indices : ndarray of int32, shape (n, k + 1)
            (n, k), if rows are their own first neighbours already. -1 where a neighbour is missing.
        distances : ndarray of float32, shape (n, k + 1)
        """
        n = len(self)
        if self._begins_with_self:
            return self.indices.view(np.int32), self.distances
        indices = np.hstack([np.arange(n, dtype=np.int32)[:, None], self.indices.view(np.int32)])
        return indices, np.hstack([np.zeros((n, 1), np.float32), self.distances])

    def to_csr(self, mode: str = "distance", symmetry: str | None = None) -> Any:
        """
        The graph as a sparse matrix.

        Parameters
        ----------
        mode : {"distance", "connectivity"}
            Distances, or ones. Distances of zero are stored.
        symmetry : {None, "union", "mutual", "max", "mean"}
            None for the graph as it is; "union" for edges that either end has, by the smaller distance; "mutual" for
            edges that both ends have; "max" for the larger value; "mean" for the mean, where one that is missing
            counts as 0.

        Returns
        -------
        scipy.sparse.csr_matrix of float32, shape (n, n)
        """
        if mode not in ("distance", "connectivity"):
            raise ValueError(f"mode = {mode!r}, but it must be 'distance' or 'connectivity'")
        matrix = self._matrix(_core.sparse_matrix(*self._pair, symmetry, self._run()))
        if mode == "connectivity":
            matrix.data[:] = 1.0
        return matrix

    def _matrix(self, csr: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Any:
        from scipy.sparse import csr_matrix

        indptr, indices, values = csr
        return csr_matrix((values, indices, indptr), shape=(len(self), len(self)))

    def to_networkx(self) -> Any:
        """A directed networkx graph whose edges have a `distance`."""
        import networkx

        graph = networkx.DiGraph()
        graph.add_nodes_from(range(len(self)))
        graph.add_weighted_edges_from(self._edges(), weight="distance")
        return graph

    def to_igraph(self) -> Any:
        """A directed igraph graph whose edges have a `distance`."""
        import igraph

        edges = list(self._edges())
        graph = igraph.Graph(n=len(self), edges=[edge[:2] for edge in edges], directed=True)
        graph.es["distance"] = [edge[2] for edge in edges]
        return graph

    def _edges(self) -> Iterator[tuple[int, int, float]]:
        found = self.indices != NO_NEIGHBOR
        rows = np.nonzero(found)[0]
        return zip(rows.tolist(), self.indices[found].tolist(), self.distances[found].tolist())

    def truncated(self, k: int) -> Graph:
        """The graph of the nearest `k` neighbours, 1 to those there are."""
        if not 1 <= k <= self.shape[1]:
            raise ValueError(f"k = {k}, but it must be 1 to {self.shape[1]}, the neighbours that there are")
        return Graph(self.indices[:, :k], self.distances[:, :k], n_jobs=self.n_jobs)

    def merged(self, other: Graph, k: int | None = None) -> Graph:
        """The nearest `k` neighbours (as many as this graph has) of two graphs of the same rows."""
        if not isinstance(other, Graph):
            raise TypeError(f"other is of type {type(other).__name__}, but it must be a Graph")
        k = self.shape[1] if k is None else _options.count("k", k)
        most = self.shape[1] + other.shape[1]
        if not 1 <= k <= most:
            raise ValueError(f"k = {k}, but it must be 1 to {most}, the neighbours of both graphs")
        return Graph(*_core.merged(self._pair, other._pair, k, self._run()), n_jobs=self.n_jobs)

    # -- measures ------------------------------------------------------------------------------------------------

    def recall(self, truth: Graph, k: int | None = None) -> float:
        """The share of the `k` nearest (all) neighbours that are no farther than the k-th of `truth`, 0 to 1."""
        k = min(self.shape[1], truth.shape[1]) if k is None else _options.count("k", k)
        return _core.recall(self._pair, truth._pair, k)

    def in_degrees(self) -> np.ndarray:
        """How many rows every row is a neighbour of: uint32, shape (n,). Also called k-occurrence."""
        return _core.in_degrees(*self._pair, self._run())

    def components(self) -> tuple[np.ndarray, int]:
        """Connected components, edges taken in both directions: a label for every row, and how many there are."""
        return _core.components(*self._pair, self._run())

    # -- shared neighbours, outliers, clusters, layouts ----------------------------------------------------------

    def _shared(self, k: int | None, k_mutual: int | None, overlap: str) -> dict[str, Any]:
        mutual = None if k_mutual is None else _options.count("k_mutual", k_mutual)
        return {"k": self._neighbors(k), "k_mutual": mutual, "overlap": overlap}

    def shared_neighbors(
        self, k: int | None = None, *, k_mutual: int | None = None, overlap: str = "count", mode: str = "similarity"
    ) -> Any:
        """
        How many neighbours two rows share.

        Parameters
        ----------
        k : int, optional
            Neighbours that are compared: all by default.
        k_mutual : int, optional
            Only rows that are among the `k_mutual` nearest of each other are compared: `k` by default.
        overlap : {"count", "rank", "jaccard", "dice"}
            How shared neighbours count: by number, by rank, or as a share of all.
        mode : {"similarity", "distance"}
            What the matrix holds.

        Returns
        -------
        scipy.sparse.csr_matrix of float32, shape (n, n)
        """
        if mode not in ("similarity", "distance"):
            raise ValueError(f"mode = {mode!r}, but it must be 'similarity' or 'distance'")
        options = self._shared(k, k_mutual, overlap)
        return self._matrix(_core.shared_neighbors(*self._pair, options, mode == "distance", self._run()))

    def outlier_scores(self, method: str = "lof", k: int | None = None) -> np.ndarray:
        """
        A score for every row, higher for stranger ones.

        Parameters
        ----------
        method : {"mean", "kth", "median", "lof", "simplified_lof", "loop", "in_degree", "snn"}
            Mean, largest or median distance of the neighbours; local outlier factor; the same with plain densities;
            local outlier probability, 0 to 1; how few rows the row is a neighbour of; how few neighbours it shares.
        k : int, optional
            Neighbours that count: all by default.

        Returns
        -------
        ndarray of float64, shape (n,)
        """
        return _core.outlier_scores(*self._pair, method, self._neighbors(k), self._run())

    def outlier_scores_of_new(
        self, indices: Any, distances: Any, method: str = "lof", k: int | None = None
    ) -> np.ndarray:
        """Scores of new points, from what :meth:`Index.query` found for them; else as :meth:`outlier_scores`."""
        found = Graph(indices, distances)
        k = min(self._neighbors(None), found.shape[1]) if k is None else _options.count("k", k)
        return _core.outlier_scores_of_new(self._pair, found._pair, method, k, self._run())

    def subspace_outlier_degrees(
        self, X: Any, *, k: int | None = None, reference: int = 10, alpha: float = 0.8
    ) -> np.ndarray:
        """
        Subspace outlier degrees (Kriegel, Kröger, Schubert and Zimek, PAKDD 2009).

        Parameters
        ----------
        X : array-like of shape (n, d)
            The rows that the graph is of.
        k : int, optional
            Neighbours that are compared: all by default.
        reference : int
            Rows that a row is compared with: those that share most neighbours with it.
        alpha : float
            Columns whose variance is below this share of the mean variance are relevant.

        Returns
        -------
        ndarray of float64, shape (n,)
        """
        values = _arrays.float32_rows(X)
        k, reference = self._neighbors(k), _options.count("reference", reference)
        return _core.subspace_outlier_degrees(*self._pair, values, k, reference, float(alpha), self._run())

    def dbscan(self, eps: float, min_samples: int = 5) -> np.ndarray:
        """Labels of DBSCAN on the graph, -1 for noise: int32, shape (n,). `min_samples` counts the row itself."""
        return _core.dbscan(*self._pair, float(eps), _options.count("min_samples", min_samples), self._run())

    def jarvis_patrick(self, least_overlap: float, k: int | None = None, *, k_mutual: int | None = None) -> np.ndarray:
        """Labels of rows that are joined where they share at least `least_overlap` neighbours, -1 for noise."""
        options = self._shared(k, k_mutual, "count")
        return _core.shared_neighbor_clusters(*self._pair, options, float(least_overlap), None, self._run())

    def snn_dbscan(
        self, least_overlap: float, min_samples: int = 5, k: int | None = None, *, k_mutual: int | None = None
    ) -> np.ndarray:
        """Labels of DBSCAN on shared neighbours (Ertöz, Steinbach and Kumar, SDM 2003), -1 for noise."""
        options = self._shared(k, k_mutual, "count")
        samples = _options.count("min_samples", min_samples)
        return _core.shared_neighbor_clusters(*self._pair, options, float(least_overlap), samples, self._run())

    def hdbscan(
        self,
        min_cluster_size: int = 5,
        min_samples: int | None = None,
        *,
        cluster_selection_method: str = "eom",
        cluster_selection_epsilon: float = 0.0,
        allow_single_cluster: bool = False,
        index: Indexed | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """
        Clusters of HDBSCAN (Campello, Moulavi and Sander, PAKDD 2013).

        Parameters
        ----------
        min_cluster_size, min_samples : int
            As in scikit-learn's HDBSCAN: `min_samples` counts the row itself, which the hdbscan package does not.
        cluster_selection_method : {"eom", "leaf"}
            Where mutual reachabilities are equal, as they often are with `min_samples` above 1, leaves depend on the
            order in which edges are taken, here as in scikit-learn.
        cluster_selection_epsilon : float
        allow_single_cluster : bool
        index : Index, optional
            An index of the same rows. With it, parts that the graph does not connect are connected by searches; else
            each is a tree of its own.

        Returns
        -------
        labels : ndarray of int32, shape (n,)
            -1 for noise.
        probabilities : ndarray of float32, shape (n,)
        """
        options = {
            "min_cluster_size": _options.count("min_cluster_size", min_cluster_size),
            "min_samples": None if min_samples is None else _options.count("min_samples", min_samples),
            "cluster_selection_method": cluster_selection_method,
            "cluster_selection_epsilon": cluster_selection_epsilon,
            "allow_single_cluster": allow_single_cluster,
        }
        native = None if index is None else getattr(index, "_native", None)
        if index is not None and native is None:
            raise TypeError(f"index is of type {type(index).__name__}, but it must be an Index")
        return _core.hdbscan(*self._pair, options, native, self._run())

    def umap_weights(
        self, *, local_connectivity: float = 1.0, bandwidth: float = 1.0, set_op_mix_ratio: float = 1.0
    ) -> Any:
        """
        Weights of edges as umap-learn has them (its fuzzy simplicial set).

        Returns
        -------
        scipy.sparse.csr_matrix of float32, shape (n, n)
        """
        weights = _core.umap_weights(*self._pair, local_connectivity, bandwidth, set_op_mix_ratio, self._run())
        return self._matrix(weights)


def knn_graph(
    X: Any,
    k: int = 15,
    *,
    metric: MetricLike = "euclidean",
    metric_kwds: Mapping[str, Any] | None = None,
    target_recall: float | None = None,
    device: str = "auto",
    seed: int = 0,
    algorithm: str = "auto",
    include_self: bool = False,
    bits: bool = False,
    init_graph: Union[Graph, Any, None] = None,
    n_trees: int | None = None,
    leaf_size: int | None = None,
    max_candidates: int | None = None,
    n_iters: int | None = None,
    delta: float | None = None,
    recall_sample: int | None = None,
    n_jobs: int | None = None,
    progress: ProgressLike = False,
) -> Graph:
    """
    The k-nearest-neighbour graph of the rows of a matrix.

    The same seed gives the same graph at any number of threads.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n, d)
        C-contiguous float32, float16, uint8 and int8, memory maps included, are used in place. float64 and wide
        integers become float32; where that is too coarse, they are searched less what columns have in common, and
        ranked by their own values.
    k : int
        Neighbours of every row, not counting itself.
    metric : str or callable
        A name of PyNNDescent's, or a function of two rows: float32 arrays, uint8 arrays with `bits`, and
        `(indices, values)` twice for sparse rows. Functions compiled by numba run on all threads, others hold the GIL.
    metric_kwds : mapping, optional
        Arguments of the metric by name: `p`, `w`, `sigma`, `vinv`, `cost`, `regularization`. Functions get the values
        by position, after the rows, in the order of the mapping.
    target_recall : float, optional
        Refine until the lower bound of the estimated recall reaches this.
    device : str
        "auto" (a GPU where it is expected to be faster), "cpu", "gpu", the index of an adapter or several ("0,1"), or
        part of its name: see :func:`devices`.
    seed : int
        Of all randomness.
    algorithm : {"auto", "nndescent", "exact"}
        "auto" takes exact search where that is expected to be faster, as for a few thousand rows.
    include_self : bool
        Whether every row is its own first neighbour, as one of the `k`.
    bits : bool
        Whether rows are packed bits: uint8, as `numpy.packbits` makes them.
    init_graph : Graph or array of ids, shape (n, any), optional
        Where to start: -1 where a neighbour is missing.
    n_trees, leaf_size, max_candidates, n_iters, delta : optional
        Settings of NN-Descent, chosen from the data by default.
    recall_sample : int, optional
        Rows that recall is estimated on; 0 for no estimate. 256 by default.
    n_jobs : int, optional
        Threads: None or -1 for all cores.
    progress : bool or callable
        True for tqdm's bar; or a function of (phase, round, max_rounds, fraction).

    Returns
    -------
    Graph

    Raises
    ------
    ValueError
        Of NaN and infinities, with row and column; of `k` that is larger than n - 1; of settings out of range.
    TypeError
        Of data that are no numbers.
    DeviceError
        Of a GPU that was named and cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> from nndescent_rs import knn_graph
    >>> X = np.random.default_rng(0).normal(size=(2000, 16)).astype(np.float32)
    >>> graph = knn_graph(X, 10, metric="cosine", seed=42)
    >>> graph.shape
    (2000, 10)
    >>> graph.report.recall.estimate > 0.9
    True
    """
    rows = _arrays.rows_for(metric, X, bits=bits)
    native = metric_of(metric, metric_kwds, bits=bits, sparse=_arrays.is_sparse(X))
    options = _options.build(
        n_neighbors=k,
        n_trees=n_trees,
        leaf_size=leaf_size,
        max_candidates=max_candidates,
        n_iters=n_iters,
        delta=delta,
        seed=seed,
        algorithm=algorithm,
        device=device,
        include_self=include_self,
        target_recall=target_recall,
        recall_sample=recall_sample,
    )
    start = start_of(init_graph)
    with shown(progress) as show:
        found, report = _core.graph(rows, native, options, start, _options.run(n_jobs, show))
    return Graph(*found, BuildReport._of(report), n_jobs=n_jobs)


def start_of(init_graph: Any) -> np.ndarray | None:
    """The ids that a build starts from, of a graph or an array."""
    if init_graph is None:
        return None
    return _arrays.missing_as(init_graph.indices if isinstance(init_graph, Graph) else init_graph)


def exact_knn(
    X: Any,
    queries: Any = None,
    k: int = 15,
    *,
    metric: MetricLike = "euclidean",
    metric_kwds: Mapping[str, Any] | None = None,
    bits: bool = False,
    n_jobs: int | None = None,
    progress: ProgressLike = False,
) -> Graph:
    """
    The exact nearest neighbours, by comparing all pairs.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n, d)
        As in :func:`knn_graph`.
    queries : array-like or sparse matrix of shape (m, d), optional
        Rows to find neighbours of. Without it, those of `X`, which are not their own neighbours.
    k : int
        Neighbours.
    metric, metric_kwds, bits, n_jobs, progress
        As in :func:`knn_graph`.

    Returns
    -------
    Graph
        Of m rows (n without queries).

    Examples
    --------
    >>> import numpy as np
    >>> from nndescent_rs import exact_knn
    >>> exact_knn(np.array([[0.0], [1.0], [3.0]]), k=1).indices.ravel().tolist()
    [1, 0, 1]
    """
    if queries is None:
        return knn_graph(
            X,
            k,
            metric=metric,
            metric_kwds=metric_kwds,
            algorithm="exact",
            device="cpu",
            bits=bits,
            n_jobs=n_jobs,
            progress=progress,
        )
    native = metric_of(metric, metric_kwds, bits=bits, sparse=_arrays.is_sparse(X))
    base, asked = _of_one_kind(X, queries, metric, bits)
    with shown(progress) as show:
        run = _options.run(n_jobs, show)
        return Graph(*_core.exact_query(base, asked, native, _options.count("k", k), run), n_jobs=n_jobs)


def _of_one_kind(x: Any, queries: Any, metric: MetricLike, bits: bool) -> tuple[Any, Any]:
    """Both as the native module takes them: sparse if `x` is, of one type if they are dense."""
    if _arrays.is_sparse(x) and not _arrays.is_sparse(queries):
        from scipy.sparse import csr_matrix

        queries = csr_matrix(_arrays.float32_rows(queries, "queries", warn=False))
    base, asked = (_arrays.rows_for(metric, of, name, bits=bits) for of, name in ((x, "X"), (queries, "queries")))
    if isinstance(base, np.ndarray) and isinstance(asked, np.ndarray) and base.dtype != asked.dtype:
        is_wide = np.float64 in (base.dtype, asked.dtype)
        wide = [np.require(rows, np.float64 if is_wide else np.float32, ["C", "A"]) for rows in (base, asked)]
        return wide[0], wide[1]
    return base, asked
