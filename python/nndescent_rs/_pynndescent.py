"""PyNNDescent's class, on this crate."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from . import _arrays, _core, _options
from ._index import searched
from ._metrics import MetricLike, metric_of
from ._progress import Show

__all__ = ["NNDescent"]

#: Metrics of packed bits.
BIT_METRICS = ("bit_hamming", "bit_jaccard")
#: Metrics for which PyNNDescent normalises dense rows, and accepts queries that are `pre_normalized`.
NORMALIZED = ("cosine", "direct_cosine", "dot")
#: Metrics that PyNNDescent splits by angle. umap-learn reads `_angular_trees`.
ANGULAR = (*NORMALIZED, "correlation", "dice", "jaccard", "hellinger", "hamming", *BIT_METRICS)
#: PyNNDescent's quantizations, and what comes nearest to them here.
QUANTIZATIONS = {None: "auto", "int8": "u8", "uint8": "u8", "uint4": "u8", "binary": "u8"}
#: Settings that this crate's own defaults are used for, unless others are given.
DEFAULT_DELTA = 0.001


class NNDescent:
    """
    Approximate nearest neighbours with PyNNDescent 0.7's interface.

    Its parameters, attributes, methods and conventions: rows are their own first neighbours, and `n_neighbors` counts
    that; rows that are too short are padded with -1 and infinity. COMPATIBILITY.md lists every difference.

    Parameters
    ----------
    data : array-like or sparse matrix of shape (n, d)
        Searched as float32; uint8 of packed bits for bit metrics.
    metric : str or callable, default "euclidean"
        A name, or a function of two rows. Functions that numba compiled run on all threads; plain Python functions
        hold the GIL and are slow.
    metric_kwds : dict, optional
        Arguments of the metric.
    n_neighbors : int, default 30
        Neighbours of every row, itself included.
    n_trees, leaf_size, max_candidates, n_iters, delta : optional
        Settings of NN-Descent. None (for `delta`, 0.001) leaves them to the crate, which chooses from the data.
    pruning_degree_multiplier, diversify_prob, diversify_method, degree_prune_aggressiveness : optional
        Settings of the search graph.
    quantization : {None, "int8", "uint8", "uint4", "binary"}
        All but None search by 8-bit codes, where metric and columns allow it. Distances are exact.
    tree_init : bool, default True
        False builds no trees.
    init_graph, init_dist : arrays of shape (n, k), optional
        Where to start, -1 where a neighbour is missing. Distances are computed again.
    random_state : int, RandomState, Generator or None
        None draws a seed from numpy's global state.
    n_jobs : int, optional
        Threads: None or -1 for all cores.
    compressed : bool, default False
        Whether `neighbor_graph` may be dropped.
    verbose : bool, default False
        Prints what is being done.
    bit_metric : bool, default False
        Whether a metric that is a function compares packed bits.
    n_search_trees, search_tree_leaf_size, max_search_tree_depth, max_rptree_depth, low_memory, \
    parallel_batch_queries, angular_trees, search_tree_leaf_budget
        Accepted, and without effect: there are no search trees here, batches are always searched by all threads, and
        memory is bounded as it is.

    Attributes
    ----------
    neighbor_graph : tuple of ndarrays of int32 and float32, shape (n, n_neighbors)
    dim : int
        Columns.

    Examples
    --------
    >>> import numpy as np
    >>> from nndescent_rs import NNDescent
    >>> X = np.random.default_rng(0).normal(size=(1000, 8)).astype(np.float32)
    >>> index = NNDescent(X, n_neighbors=10, random_state=42)
    >>> indices, distances = index.neighbor_graph
    >>> indices[:3, 0].tolist()
    [0, 1, 2]
    >>> index.query(X[:5], k=3)[0].shape
    (5, 3)
    """

    def __init__(
        self,
        data: Any,
        metric: MetricLike = "euclidean",
        metric_kwds: Mapping[str, Any] | None = None,
        n_neighbors: int = 30,
        n_trees: int | None = None,
        leaf_size: int | None = None,
        pruning_degree_multiplier: float = 1.5,
        diversify_prob: float = 1.0,
        diversify_method: str = "standard",
        degree_prune_aggressiveness: float = 1.0,
        n_search_trees: int | None = None,
        search_tree_leaf_size: int | None = None,
        max_search_tree_depth: int | None = None,
        quantization: str | None = None,
        tree_init: bool = True,
        init_graph: Any = None,
        init_dist: Any = None,
        random_state: Any = None,
        low_memory: bool = True,
        max_candidates: int | None = None,
        max_rptree_depth: int = 200,
        n_iters: int | None = None,
        delta: float = DEFAULT_DELTA,
        n_jobs: int | None = None,
        compressed: bool = False,
        parallel_batch_queries: bool = False,
        verbose: bool = False,
        bit_metric: bool = False,
        angular_trees: bool = False,
        search_tree_leaf_budget: int = 1,
    ) -> None:
        if n_search_trees is not None:
            warnings.warn(
                "n_search_trees no longer has any effect and will be removed in the next version.",
                FutureWarning,
                stacklevel=2,
            )
        if search_tree_leaf_budget < 1:
            raise ValueError("search_tree_leaf_budget must be at least 1")
        self.metric = metric
        self.metric_kwds = metric_kwds
        self.n_neighbors = n_neighbors
        self.leaf_size = leaf_size
        self.prune_degree_multiplier = pruning_degree_multiplier
        self.diversify_prob = diversify_prob
        self.diversify_method = diversify_method
        self.degree_prune_aggressiveness = degree_prune_aggressiveness
        self.n_search_trees = n_search_trees
        self.search_tree_leaf_size = search_tree_leaf_size
        self.max_search_tree_depth = max_search_tree_depth
        self.quantization = quantization
        self.random_state = random_state
        self.low_memory = low_memory
        self.max_candidates = max_candidates
        self.max_rptree_depth = max_rptree_depth
        self.delta = delta
        self.n_jobs = n_jobs
        self.compressed = compressed
        self.parallel_batch_queries = parallel_batch_queries
        self.verbose = verbose
        self.bit_metric = bit_metric
        self.angular_trees = angular_trees
        self.search_tree_leaf_budget = search_tree_leaf_budget

        self._is_bits = metric in BIT_METRICS if isinstance(metric, str) else bit_metric
        self._is_sparse = _arrays.is_sparse(data)
        self._angular_trees = metric in ANGULAR if isinstance(metric, str) else angular_trees
        self._raw_data: Any = self._taken(data, "data")
        n, self.dim = self._raw_data.shape
        if n == 0 or self.dim == 0:
            raise ValueError(f"data has shape {self._raw_data.shape}, but at least one row and one column are needed")
        self._given_trees, self._given_iters = n_trees, n_iters
        self.n_trees = n_trees if n_trees is not None else max(3, min(12, round(2.0 * np.log10(n))))
        self.n_iters = n_iters if n_iters is not None else max(5, round(np.log2(n)))
        self.n_trees_after_update = max(2, int(np.round(self.n_trees / 3)))
        self.tree_init = bool(tree_init) and n_trees != 0 and init_graph is None
        self._native_metric = metric_of(metric, metric_kwds, bits=self._is_bits, sparse=self._is_sparse)
        self._seed = _seed(random_state)
        self._index: _core.Index | None = None
        self._say(f"Building RP forest with {self.n_trees} trees" if self.tree_init else "Building without trees")
        self._say(f"NN descent for {self.n_iters} iterations")
        self._build(self._started(init_graph, init_dist))

    # -- building ------------------------------------------------------------------------------------------------

    def _taken(self, data: Any, name: str, *, warn: bool = True) -> Any:
        """Data as it is kept: float32 (unit rows under `dot`), bytes of bits, or CSR of float32."""
        if self._is_bits:
            return _arrays.rows(data, name, bits=True)[1]
        if self._is_sparse:
            return _csr_of(data, name, normalized=self.metric == "dot")
        array = _arrays.float32_rows(data, name, warn=warn)
        return _normalized(array) if self.metric == "dot" else array

    def _rows(self, taken: Any) -> Any:
        """What :meth:`_taken` made, for the native module."""
        if self._is_bits:
            return ("bits", taken)
        return _arrays.rows(taken) if self._is_sparse else taken

    def _started(self, init_graph: Any, init_dist: Any) -> np.ndarray | None:
        if init_graph is None:
            return None
        ids = np.array(init_graph)
        if ids.shape[0] != self._raw_data.shape[0]:
            raise ValueError("Init graph size does not match dataset size!")
        if init_dist is not None and np.shape(init_dist) != ids.shape:
            raise ValueError("The shapes of init graph and init distances do not match!")
        ids[ids == np.arange(len(ids))[:, None]] = -1
        return _arrays.missing_as(ids)

    def _build(self, start: np.ndarray | None = None) -> None:
        """Builds the graph, of as many neighbours as there are."""
        n = self._raw_data.shape[0]
        if self.n_neighbors < 1:
            raise ValueError(f"n_neighbors = {self.n_neighbors}, but it must be at least 1")
        k = min(self.n_neighbors, n - 1)
        if n == 1:
            if not self._is_bits:
                _check_finite(self._raw_data.toarray() if self._is_sparse else self._raw_data, "data")
            self._neighbor_graph = (np.full((1, self.n_neighbors), -1, np.int32), _infinite((1, self.n_neighbors)))
            return
        options = _options.build(
            n_neighbors=k,
            n_trees=self._given_trees if self.tree_init else 0,
            leaf_size=self.leaf_size,
            max_candidates=self.max_candidates,
            n_iters=self._given_iters,
            delta=None if self.delta == DEFAULT_DELTA else self.delta,
            seed=self._seed,
            recall_sample=0,
        )
        run = _options.run(self.n_jobs, self._show())
        found, _ = _core.graph(self._rows(self._raw_data), self._native_metric, options, start, run)
        self._keep_graph(*found)

    _neighbor_graph: tuple[np.ndarray, np.ndarray] | None

    def _keep_graph(self, ids: np.ndarray, distances: np.ndarray) -> None:
        """Keeps the graph as PyNNDescent's attribute: int32, padded to `n_neighbors`, without rows themselves."""
        missing = self.n_neighbors - ids.shape[1]
        if missing > 0:
            warnings.warn(
                f"Failed to find n_neighbors for some samples: there are only {len(ids)} rows, and n_neighbors = "
                f"{self.n_neighbors}.",
                stacklevel=5,
            )
        ids = ids.view(np.int32)
        if missing > 0:
            ids = np.hstack([ids, np.full((len(ids), missing), -1, np.int32)])
            distances = np.hstack([distances, _infinite((len(ids), missing))])
        self._neighbor_graph = (ids, distances)

    @property
    def neighbor_graph(self) -> tuple[np.ndarray, np.ndarray] | None:
        """
        The graph: indices and distances of shape (n, n_neighbors), every row its own first neighbour, padded with -1
        and infinity. None, with a warning, of a compressed index.
        """
        if self._neighbor_graph is None:
            warnings.warn("Compressed indexes do not have neighbor graph information.", stacklevel=2)
            return None
        ids, distances = self._neighbor_graph
        n = len(ids)
        own = np.arange(n, dtype=np.int32)[:, None]
        return (
            np.hstack([own, ids[:, :-1]]),
            np.hstack([np.zeros((n, 1), np.float32), self._corrected(distances[:, :-1])]),
        )

    def _corrected(self, distances: np.ndarray) -> np.ndarray:
        """Distances on PyNNDescent's scale."""
        if self.metric != "bit_jaccard":
            return distances
        with np.errstate(divide="ignore"):
            corrected: np.ndarray = -np.log1p(-distances)
        return corrected

    # -- searching -----------------------------------------------------------------------------------------------

    def prepare(self, compile_search: bool = False) -> None:
        """Builds the search index, as the first query does. `compile_search` has no effect: nothing is compiled."""
        if self._index is not None:
            return
        if self.quantization not in QUANTIZATIONS:
            raise ValueError(f"Unrecognized quantization type {self.quantization}")
        if self._neighbor_graph is None:
            raise ValueError("this index was compressed, and has no graph to prepare from")
        ids, distances = self._neighbor_graph
        k = max(1, min(self.n_neighbors, len(ids) - 1))
        degree_aware = self.diversify_method == "degree_aware"
        if not degree_aware and self.diversify_method != "standard":
            raise ValueError(
                f"diversify_method = {self.diversify_method!r}, but it must be 'standard' or 'degree_aware'"
            )
        settings = _options.index(
            diversify_prob=self.diversify_prob,
            pruning_degree_multiplier=self.prune_degree_multiplier,
            degree_prune_aggressiveness=float(self.degree_prune_aggressiveness) if degree_aware else None,
            quantization=QUANTIZATIONS[self.quantization],
            seed=self._seed,
        )
        self._say("Preparing the index")
        self._index = _core.Index.of_graph(
            self._rows(self._raw_data),
            self._native_metric,
            np.ascontiguousarray(ids[:, :k]).view(np.uint32),
            np.ascontiguousarray(distances[:, :k]),
            settings,
            _options.run(self.n_jobs),
        )

    def compress_index(self) -> None:
        """
        Prepares the index, and drops the graph, which queries do not need and updates do. Under a function as metric,
        the graph stays: a pickle is prepared from it.
        """
        self.prepare()
        self.compressed = True
        if not callable(self.metric):
            self._neighbor_graph = None

    def query(
        self,
        query_data: Any,
        k: int = 10,
        epsilon: float = 0.1,
        proxy_beam_size: int | None = None,
        candidate_width: int | None = None,
        rerank_width: int | None = None,
        return_distances: bool = True,
        pre_normalized: bool = False,
    ) -> Any:
        """
        The `k` nearest rows of every query.

        Parameters
        ----------
        query_data : array-like or sparse matrix of shape (m, d)
        k : int, default 10
            Rows end with -1 and infinity where there are fewer.
        epsilon : float, default 0.1
            How far beyond the k-th best so far a search follows edges.
        return_distances : bool, default True
            False returns indices only.
        pre_normalized : bool, default False
            Accepted for cosine and dot of dense rows. Queries need not be normalised here.
        proxy_beam_size, candidate_width, rerank_width : int, optional
            Checked, and without effect: how many candidates are ranked exactly is decided by their distances.

        Returns
        -------
        indices : ndarray of int32, shape (m, k)
        distances : ndarray of float32, shape (m, k)
        """
        self._check_widths(k, candidate_width, rerank_width)
        if pre_normalized and (self._is_sparse or self.metric not in NORMALIZED):
            raise ValueError("pre_normalized is only supported for dense cosine, direct_cosine and dot")
        self.prepare()
        queries = self._taken(self._as_data(query_data), "query_data", warn=False)
        if queries.shape[1] != self._raw_data.shape[1]:
            raise ValueError(
                f"query_data must be a 2-D array with {self._raw_data.shape[1]} features, got shape {queries.shape}"
            )
        k = _options.count("k", k)
        if k == 0:
            ids, distances = np.empty((queries.shape[0], 0), np.uint32), _infinite((queries.shape[0], 0))
        else:
            assert self._index is not None
            settings = {"epsilon": _finite(epsilon), "exact": False, "pad": True, "mask": None, "labels": None}
            run = _options.run(self.n_jobs)
            ids, distances = searched(self._index, self._rows(queries), k, settings, run)
        ids = ids.view(np.int32)
        return (ids, self._corrected(distances)) if return_distances else ids

    def query_indices(self, query_data: Any, k: int = 10, epsilon: float = 0.1, **kwargs: Any) -> np.ndarray:
        """The same as :meth:`query` with `return_distances=False`."""
        ids: np.ndarray = self.query(query_data, k=k, epsilon=epsilon, return_distances=False, **kwargs)
        return ids

    def _check_widths(self, k: int, candidate_width: int | None, rerank_width: int | None) -> None:
        """Refuses what PyNNDescent refuses."""
        if self.quantization is None:
            return
        if candidate_width is not None and candidate_width < k:
            raise ValueError("candidate_width must be at least k")
        if rerank_width is not None and candidate_width is not None and not 0 <= rerank_width <= candidate_width:
            raise ValueError("rerank_width must be between zero and candidate_width")
        if rerank_width is not None and 0 < rerank_width < k:
            raise ValueError("rerank_width must be zero or at least k")

    def _as_data(self, x: Any) -> Any:
        """Dense rows as sparse ones where the index holds these, and the other way round."""
        if self._is_sparse and not _arrays.is_sparse(x):
            from scipy.sparse import csr_matrix

            return csr_matrix(_arrays.float32_rows(x, "query_data", warn=False))
        return x.toarray() if _arrays.is_sparse(x) and not self._is_sparse else x

    # -- updating ------------------------------------------------------------------------------------------------

    def update(self, xs_fresh: Any = None, xs_updated: Any = None, updated_indices: Any = None) -> None:
        """
        Appends rows, and replaces rows. `neighbor_graph` and queries know them at once. Not of sparse data.

        Parameters
        ----------
        xs_fresh : array-like of shape (m, d), optional
            Rows to append.
        xs_updated : array-like of shape (u, d), optional
            Rows that replace others.
        updated_indices : sequence of int, optional
            Which rows `xs_updated` replaces.
        """
        if self._is_sparse:
            raise NotImplementedError("Sparse update not complete yet")
        if self._neighbor_graph is None:
            raise ValueError("this index was compressed, and can no longer be updated")
        replaced, updated = self._replacements(xs_updated, updated_indices)
        fresh = None if xs_fresh is None else self._taken(xs_fresh, "xs_fresh")
        for name, rows in (("xs_fresh", fresh), ("xs_updated", updated)):
            if rows is not None and rows.shape[1] != self._raw_data.shape[1]:
                raise ValueError(
                    f"{name} has {rows.shape[1]} columns, but the index holds rows of {self._raw_data.shape[1]}"
                )
            if rows is not None and not self._is_bits:
                _check_finite(rows, name)
        old = self._raw_data
        data = old.copy() if fresh is None else np.vstack([old, fresh])
        if updated is not None:
            data[replaced] = updated
        is_prepared = self._index is not None
        # The graph of few rows has fewer neighbours than were asked for: it is built again.
        is_changed = len(old) > self.n_neighbors
        try:
            if is_changed:
                self.prepare()
                self._change(fresh, replaced, updated)
        except BaseException:
            self._index = None  # it may hold what the graph does not know: prepared again
            raise
        self._raw_data = data
        self.n_trees = self.n_trees_after_update
        self._given_trees = None if self._given_trees is None else self.n_trees
        if not is_changed:
            self._index = None
            self._build()
            if is_prepared:
                self.prepare()

    def _replacements(self, xs_updated: Any, updated_indices: Any) -> tuple[np.ndarray, Any]:
        if xs_updated is None:
            if updated_indices is not None:
                warnings.warn(
                    "xs_updated not provided, while update_indices provided. They will be ignored.", stacklevel=3
                )
            return np.empty(0, np.int64), None
        if updated_indices is None:
            raise ValueError("If xs_updated are provided, updated_indices must also be provided!")
        try:
            replaced = np.array(list(map(int, updated_indices)), np.int64)
        except (TypeError, ValueError):
            raise ValueError("Could not convert updated indices to list of int(s).") from None
        updated = self._taken(xs_updated, "xs_updated")
        if len(replaced) != updated.shape[0]:
            raise ValueError(
                f"Number of updated indices ({len(replaced)}) must match number of rows of xs_updated "
                f"({updated.shape[0]})."
            )
        n = self._raw_data.shape[0]
        wrong = replaced[(replaced < -n) | (replaced >= n)]
        if wrong.size:
            raise IndexError(f"updated index {wrong[0]} is out of bounds for {n} rows")
        replaced %= n
        # Of several rows for one index the last counts.
        _, last = np.unique(replaced[::-1], return_index=True)
        kept = np.sort(len(replaced) - 1 - last)
        return replaced[kept], np.ascontiguousarray(updated[kept])

    def _change(self, fresh: Any, replaced: np.ndarray, updated: Any) -> None:
        """Changes the index, and brings the graph up to date by it."""
        assert self._index is not None and self._neighbor_graph is not None
        run = _options.run(self.n_jobs)
        touched = replaced.astype(np.uint32)
        if updated is not None and len(replaced):
            self._index.update(touched, self._rows(updated), run)
        if fresh is not None and len(fresh):
            self._index.add(self._rows(fresh), run)
        ids, distances = self._neighbor_graph
        self._keep_graph(*self._index.update_graph(ids.view(np.uint32), distances, touched, run))

    # -- the rest ------------------------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        self.prepare()
        state = self.__dict__.copy()
        state.pop("_native_metric")
        if callable(self.metric):
            state["_index"] = None  # prepared again: functions are no bytes
        else:
            state["_index"] = self._index.to_bytes() if self._index is not None else None
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ = dict(state)
        self._native_metric = metric_of(self.metric, self.metric_kwds, bits=self._is_bits, sparse=self._is_sparse)
        if isinstance(self._index, bytes):
            self._index = _core.Index.from_bytes(self._index)

    def _say(self, text: str) -> None:
        if self.verbose:
            print(time.ctime(), text)

    def _show(self) -> Show | None:
        """Prints rounds as they begin."""
        if not self.verbose:
            return None
        seen = 0

        def show(phase: str, round: int, max_rounds: int, fraction: float) -> None:
            nonlocal seen
            if phase == "descent" and round > seen:
                seen = round
                print("\t", round, " / ", max_rounds)

        return show


def _check_finite(rows: np.ndarray, name: str) -> None:
    finite = np.isfinite(rows)
    if not finite.all():
        row, column = (int(at) for at in np.argwhere(~finite)[0])
        raise ValueError(f"{name}: row {row}, column {column} is {rows[row, column]}: every value must be finite")


def _infinite(shape: tuple[int, int]) -> np.ndarray:
    return np.full(shape, np.inf, np.float32)


def _finite(epsilon: float) -> float:
    """Epsilon, with the largest number for infinity: a search that follows every edge."""
    epsilon = float(epsilon)
    return float(np.finfo(np.float32).max) if epsilon == np.inf else epsilon


def _seed(random_state: Any) -> int:
    """A seed drawn as scikit-learn draws one."""
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(1 << 63))
    if random_state is None or random_state is np.random:
        state = np.random.mtrand._rand
    elif isinstance(random_state, np.random.RandomState):
        state = random_state
    elif isinstance(random_state, (int, np.integer)):
        state = np.random.RandomState(random_state)
    else:
        raise ValueError(f"{random_state!r} cannot be used to seed a numpy.random.RandomState instance")
    return int(state.randint(0, 1 << 62, dtype=np.int64))


def _normalized(rows: np.ndarray) -> np.ndarray:
    """Rows of length 1; zero rows as they are."""
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
    lengths[lengths == 0.0] = 1.0
    normalized: np.ndarray = (rows / lengths[:, None]).astype(np.float32)
    return normalized


def _csr_of(data: Any, name: str, *, normalized: bool) -> Any:
    """CSR of float32 with sorted indices."""
    from scipy.sparse import csr_matrix

    columns, indptr, indices, values = _arrays.rows(data, name)
    if normalized:
        rows = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
        lengths = np.sqrt(np.bincount(rows, np.square(values, dtype=np.float64), len(indptr) - 1))
        values = (values / lengths[rows]).astype(np.float32) if values.size else values
    kept = csr_matrix((values, indices.view(np.int32), indptr), shape=(len(indptr) - 1, columns))
    kept.has_canonical_format = True
    return kept
