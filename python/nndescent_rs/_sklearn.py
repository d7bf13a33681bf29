"""scikit-learn's transformers and neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ._graph import NO_NEIGHBOR
from ._index import Index
from ._options import count
from ._pynndescent import NNDescent

__all__ = ["NNDescentTransformer", "NearestNeighbors", "PyNNDescentTransformer"]

#: What scikit-learn checks data for.
#: Other types become the first, which holds integers of 53 bits.
CHECKED = {"accept_sparse": "csr", "dtype": [np.float64, np.float32, np.float16, np.uint8, np.int8], "order": "C"}


def _sparse(indices: np.ndarray, values: np.ndarray, kept: np.ndarray, columns: int) -> csr_matrix:
    """Neighbours as a sparse matrix whose rows are stored in their order, nearest first: scanpy relies on that."""
    indptr = np.concatenate([[0], np.cumsum(kept.sum(axis=1))])
    return csr_matrix((values[kept], indices[kept].astype(np.int32), indptr), shape=(len(indices), columns))


class _Searcher(BaseEstimator):
    """What both estimators below share: an index of the rows that they were fitted to."""

    n_neighbors: int
    metric: Any
    metric_params: Any
    epsilon: float | None
    target_recall: float | None
    device: str
    random_state: Any
    n_jobs: int | None

    def _fit(self, X: Any, k: int) -> None:
        X = validate_data(self, X, **CHECKED)
        n = X.shape[0]
        if count("n_neighbors", k) < 1:
            raise ValueError(f"n_neighbors = {k}, but it must be at least 1")
        if n < 2:
            raise ValueError(f"Found array with {n} sample(s) while a minimum of 2 is required: n_samples={n}")
        seed = int(check_random_state(self.random_state).randint(1 << 31)) if self.random_state is not None else 0
        self._index = Index.build(
            X,
            # An index of very few neighbours is searched badly.
            min(max(k, 15), n - 1),
            metric=self.metric,
            metric_kwds=self.metric_params,
            target_recall=self.target_recall,
            device=self.device,
            seed=seed,
            recall_sample=None if self.target_recall is not None else 0,
            n_jobs=self.n_jobs,
        )
        self.n_samples_fit_ = n
        self._fit_X = X
        self.effective_metric_ = self._index.metric if callable(self.metric) else self.metric
        self._values = np.float64 if X.dtype == np.float64 else np.float32

    def _neighbors(self, X: Any, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Indices and distances of the `k` nearest rows of others."""
        X = validate_data(self, X, reset=False, **CHECKED)
        if not 1 <= count("n_neighbors", k) <= self.n_samples_fit_:
            raise ValueError(
                f"Expected 1 <= n_neighbors <= n_samples_fit, but n_neighbors = {k}, "
                f"n_samples_fit = {self.n_samples_fit_}, n_samples = {X.shape[0]}"
            )
        return self._index.query(X, k, epsilon=self.epsilon, n_jobs=self.n_jobs)

    def _own_neighbors(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The same of the rows that it was fitted to, which are not their own neighbours."""
        graph = self._index.graph
        if graph is not None and 1 <= k <= graph.shape[1]:
            return graph.indices[:, :k], graph.distances[:, :k]
        if not 1 <= k < self.n_samples_fit_:
            raise ValueError(
                f"Expected 1 <= n_neighbors < n_samples_fit, but n_neighbors = {k}, "
                f"n_samples_fit = {self.n_samples_fit_}"
            )
        return self._index.query_ids(self._index.ids, k, epsilon=self.epsilon, n_jobs=self.n_jobs)

    def _matrix(self, indices: np.ndarray, distances: np.ndarray, mode: str) -> csr_matrix:
        if mode not in ("distance", "connectivity"):
            raise ValueError(f"mode = {mode!r}, but it must be 'distance' or 'connectivity'")
        values = (distances if mode == "distance" else np.ones_like(distances)).astype(self._values, copy=False)
        return _sparse(indices, values, indices != NO_NEIGHBOR, self.n_samples_fit_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class NNDescentTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, _Searcher):
    """
    Rows to the sparse graph of their nearest neighbours, as scikit-learn's `KNeighborsTransformer`.

    Parameters
    ----------
    mode : {"distance", "connectivity"}, default "distance"
        With "distance", every row of the training set is its own first neighbour at distance zero, which is stored,
        and has `n_neighbors` others, as estimators with `metric="precomputed"` need it.
    n_neighbors : int, default 5
        Neighbours of every row.
    metric : str or callable, default "euclidean"
    metric_params : dict, optional
    epsilon : float, optional
        How thorough searches for new rows are: see :meth:`Index.query`.
    target_recall : float, optional
        Refine the graph until the lower bound of the estimated recall reaches this.
    device : str, default "auto"
    random_state : int, RandomState or None
        None is seed 0: results do not change from run to run.
    n_jobs : int, optional

    Attributes
    ----------
    n_features_in_, feature_names_in_, n_samples_fit_
        As of `KNeighborsTransformer`.

    Examples
    --------
    >>> import numpy as np
    >>> from nndescent_rs import NNDescentTransformer
    >>> X = np.random.default_rng(0).normal(size=(200, 4))
    >>> graph = NNDescentTransformer(n_neighbors=5).fit_transform(X)
    >>> graph.shape, graph.nnz
    ((200, 200), 1200)
    """

    def __init__(
        self,
        *,
        mode: str = "distance",
        n_neighbors: int = 5,
        metric: Any = "euclidean",
        metric_params: Any = None,
        epsilon: float | None = None,
        target_recall: float | None = None,
        device: str = "auto",
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.mode = mode
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.metric_params = metric_params
        self.epsilon = epsilon
        self.target_recall = target_recall
        self.device = device
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any = None) -> NNDescentTransformer:
        """
        Finds the neighbours of every row, and prepares to search for those of others.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        y : ignored
        """
        if self.mode not in ("distance", "connectivity"):
            raise ValueError(f"mode = {self.mode!r}, but it must be 'distance' or 'connectivity'")
        self._fit(X, self.n_neighbors)
        self._n_features_out = self.n_samples_fit_
        return self

    def transform(self, X: Any) -> csr_matrix:
        """
        The graph of rows with their nearest of the training set.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (m, d)

        Returns
        -------
        csr_matrix, shape (m, n_samples_fit_)
            With `n_neighbors` entries a row, one more with mode "distance"; float64 if the training set was, for
            estimators that need that, else float32.
        """
        check_is_fitted(self, "n_samples_fit_")
        k = self.n_neighbors + (self.mode == "distance")
        return self._matrix(*self._neighbors(X, k), self.mode)

    def fit_transform(self, X: Any, y: Any = None) -> csr_matrix:  # pyright: ignore[reportIncompatibleMethodOverride]
        """
        The graph of the training set, rows their own first neighbours (with mode "connectivity", one of the
        `n_neighbors`).
        """
        self.fit(X)
        indices, distances = self._own_neighbors(self.n_neighbors)
        n, k = self.n_samples_fit_, self.n_neighbors + (self.mode == "distance")
        own = np.arange(n, dtype=np.uint32)[:, None]
        indices, distances = np.hstack([own, indices]), np.hstack([np.zeros((n, 1), np.float32), distances])
        return self._matrix(indices[:, :k], distances[:, :k], self.mode)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class NearestNeighbors(_Searcher):
    """
    Neighbour searches with the interface of scikit-learn's `NearestNeighbors`.

    Parameters
    ----------
    n_neighbors : int, default 5
        Neighbours that `kneighbors` finds by default.
    radius : float, default 1.0
        Radius of `radius_neighbors` by default.
    metric, metric_params, epsilon, target_recall, device, random_state, n_jobs
        As of :class:`NNDescentTransformer`.

    Examples
    --------
    >>> import numpy as np
    >>> from nndescent_rs import NearestNeighbors
    >>> X = np.random.default_rng(0).normal(size=(200, 4))
    >>> distances, indices = NearestNeighbors(n_neighbors=3).fit(X).kneighbors(X[:2])
    >>> indices[:, 0].tolist()
    [0, 1]
    """

    def __init__(
        self,
        *,
        n_neighbors: int = 5,
        radius: float = 1.0,
        metric: Any = "euclidean",
        metric_params: Any = None,
        epsilon: float | None = None,
        target_recall: float | None = None,
        device: str = "auto",
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.radius = radius
        self.metric = metric
        self.metric_params = metric_params
        self.epsilon = epsilon
        self.target_recall = target_recall
        self.device = device
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any = None) -> NearestNeighbors:
        """Prepares to search among the rows of `X`, array-like or sparse of shape (n, d)."""
        self._fit(X, self.n_neighbors)
        return self

    def kneighbors(self, X: Any = None, n_neighbors: int | None = None, return_distance: bool = True) -> Any:
        """
        The nearest rows of the training set.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (m, d), optional
            Without it, the rows of the training set, which are not their own neighbours.
        n_neighbors : int, optional
        return_distance : bool, default True

        Returns
        -------
        distances : ndarray of float32, shape (m, n_neighbors)
            If `return_distance`.
        indices : ndarray of int64, shape (m, n_neighbors)
        """
        check_is_fitted(self, "n_samples_fit_")
        k = self.n_neighbors if n_neighbors is None else n_neighbors
        indices, distances = self._own_neighbors(k) if X is None else self._neighbors(X, k)
        return (distances, indices.astype(np.int64)) if return_distance else indices.astype(np.int64)

    def kneighbors_graph(self, X: Any = None, n_neighbors: int | None = None, mode: str = "connectivity") -> csr_matrix:
        """The same as a sparse matrix of ones or distances, shape (m, n_samples_fit_)."""
        distances, indices = self.kneighbors(X, n_neighbors)
        return self._matrix(indices.astype(np.uint32), distances, mode)

    def radius_neighbors(
        self, X: Any = None, radius: float | None = None, return_distance: bool = True, sort_results: bool = True
    ) -> Any:
        """
        The rows of the training set within a radius. A search may miss some: a larger `epsilon` misses fewer.

        Returns
        -------
        distances, indices : object arrays of m arrays
            Ascending by distance, whatever `sort_results` is.
        """
        check_is_fitted(self, "n_samples_fit_")
        own = X is None
        X = self._fit_X if own else validate_data(self, X, reset=False, **CHECKED)
        radius = self.radius if radius is None else radius
        offsets, indices, distances = self._index.radius(X, radius, epsilon=self.epsilon, n_jobs=self.n_jobs)
        found = [slice(offsets[i], offsets[i + 1]) for i in range(X.shape[0])]
        pairs = [(distances[at], indices[at].astype(np.int64)) for at in found]
        if own:
            pairs = [(d[ids != i], ids[ids != i]) for i, (d, ids) in enumerate(pairs)]
        of_distances, of_indices = np.empty(len(pairs), object), np.empty(len(pairs), object)
        for i, (d, ids) in enumerate(pairs):
            of_distances[i], of_indices[i] = d, ids
        return (of_distances, of_indices) if return_distance else of_indices

    def radius_neighbors_graph(
        self, X: Any = None, radius: float | None = None, mode: str = "connectivity", sort_results: bool = True
    ) -> csr_matrix:
        """The same as a sparse matrix of ones or distances, shape (m, n_samples_fit_)."""
        if mode not in ("distance", "connectivity"):
            raise ValueError(f"mode = {mode!r}, but it must be 'distance' or 'connectivity'")
        distances, indices = self.radius_neighbors(X, radius)
        indptr = np.concatenate([[0], np.cumsum([len(found) for found in indices])])
        columns = np.concatenate([np.empty(0, np.int64), *indices]).astype(np.int32)
        values = np.concatenate([np.empty(0, np.float32), *distances]) if mode == "distance" else np.ones(len(columns))
        return csr_matrix((values.astype(self._values), columns, indptr), shape=(len(indices), self.n_samples_fit_))


class PyNNDescentTransformer(BaseEstimator, TransformerMixin):
    """
    PyNNDescent 0.7's transformer: parameters, attributes and results as there.

    Parameters
    ----------
    n_neighbors : int, default 30
        Neighbours of every row, not counting itself.
    search_epsilon : float, default 0.1
        Epsilon of searches for new rows.
    early_termination_value : float, default 0.001
        `delta` of :class:`NNDescent`.
    metric, metric_kwds, n_trees, leaf_size, pruning_degree_multiplier, diversify_prob, n_search_trees, tree_init, \
    random_state, n_jobs, low_memory, max_candidates, n_iters, parallel_batch_queries, verbose
        As of :class:`NNDescent`.

    Attributes
    ----------
    index_ : NNDescent
    n_samples_fit : int
    """

    def __init__(
        self,
        n_neighbors: int = 30,
        metric: Any = "euclidean",
        metric_kwds: Any = None,
        n_trees: int | None = None,
        leaf_size: int | None = None,
        search_epsilon: float = 0.1,
        pruning_degree_multiplier: float = 1.5,
        diversify_prob: float = 1.0,
        n_search_trees: int | None = None,
        tree_init: bool = True,
        random_state: Any = None,
        n_jobs: int | None = None,
        low_memory: bool = True,
        max_candidates: int | None = None,
        n_iters: int | None = None,
        early_termination_value: float = 0.001,
        parallel_batch_queries: bool = False,
        verbose: bool = False,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.metric_kwds = metric_kwds
        self.n_trees = n_trees
        self.leaf_size = leaf_size
        self.search_epsilon = search_epsilon
        self.pruning_degree_multiplier = pruning_degree_multiplier
        self.diversify_prob = diversify_prob
        self.n_search_trees = n_search_trees
        self.tree_init = tree_init
        self.random_state = random_state
        self.low_memory = low_memory
        self.max_candidates = max_candidates
        self.n_iters = n_iters
        self.early_termination_value = early_termination_value
        self.n_jobs = n_jobs
        self.parallel_batch_queries = parallel_batch_queries
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None, compress_index: bool = True) -> PyNNDescentTransformer:
        """Builds the index; `compress_index` is whether its graph may be dropped."""
        self.n_samples_fit = X.shape[0] if hasattr(X, "shape") else len(X)
        self.index_ = NNDescent(
            X,
            metric=self.metric,
            metric_kwds=self.metric_kwds,
            n_neighbors=self.n_neighbors + 1,
            n_trees=self.n_trees,
            leaf_size=self.leaf_size,
            pruning_degree_multiplier=self.pruning_degree_multiplier,
            diversify_prob=self.diversify_prob,
            n_search_trees=self.n_search_trees,
            tree_init=self.tree_init,
            random_state=self.random_state,
            low_memory=self.low_memory,
            max_candidates=self.max_candidates,
            n_iters=self.n_iters,
            delta=self.early_termination_value,
            n_jobs=self.n_jobs,
            compressed=compress_index,
            parallel_batch_queries=self.parallel_batch_queries,
            verbose=self.verbose,
        )
        return self

    def transform(self, X: Any, y: Any = None) -> Any:
        """The graph of rows with their nearest of the training set; of the training set itself if `X` is None."""
        if X is None:
            graph = self.index_.neighbor_graph
            if graph is None:
                raise ValueError("the index was compressed, and has no graph: fit with compress_index=False")
            indices, distances = graph
        else:
            indices, distances = self.index_.query(X, k=self.n_neighbors, epsilon=self.search_epsilon)
        return _sparse(indices, distances, indices >= 0, self.n_samples_fit)

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> Any:
        """The graph of the training set, with its diagonal, csr_matrix of float32 of shape (n, n)."""
        self.fit(X, compress_index=False)
        graph = self.transform(X=None)
        self.index_.compress_index()
        return graph
