"""The estimators as scikit-learn wants them, and estimators of scikit-learn on their graphs."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from datasets import agreement, blobs, digits

pytest.importorskip("sklearn")

from scipy.sparse import csr_array, csr_matrix  # noqa: E402
from sklearn import neighbors as theirs  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.cluster import DBSCAN, SpectralClustering  # noqa: E402
from sklearn.manifold import TSNE, Isomap  # noqa: E402
from sklearn.metrics import adjusted_rand_score, pairwise_distances  # noqa: E402
from sklearn.model_selection import GridSearchCV, train_test_split  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from nndescent_rs import NearestNeighbors, NNDescentTransformer, knn_graph  # noqa: E402


@parametrize_with_checks([NNDescentTransformer(), NearestNeighbors()])
def test_estimators_are_scikit_learns(estimator: Any, check: Any) -> None:
    check(estimator)


# -- the transformer -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["distance", "connectivity"])
def test_graphs_of_the_training_set_are_those_of_the_exact_transformer(mode: str) -> None:
    X, _ = digits()
    ours = NNDescentTransformer(mode=mode, n_neighbors=10).fit_transform(X)
    exact = theirs.KNeighborsTransformer(mode=mode, n_neighbors=10).fit_transform(X)
    assert isinstance(ours, csr_matrix) and ours.dtype == np.float32 and ours.shape == exact.shape
    assert NNDescentTransformer(mode=mode).fit_transform(X.astype(np.float64)).dtype == np.float64
    assert ours.nnz == exact.nnz == len(X) * (11 if mode == "distance" else 10)
    assert (ours.diagonal() == exact.diagonal()).all()
    assert ours.getnnz(axis=1).tolist() == exact.getnnz(axis=1).tolist()
    assert agreement(ours.indices.reshape(len(X), -1), exact.indices.reshape(len(X), -1)) > 0.998  # distances tie
    assert np.abs(np.sort(ours.data) - np.sort(exact.data)).max() < 1e-3


@pytest.mark.parametrize("mode", ["distance", "connectivity"])
def test_graphs_of_new_rows_are_those_of_the_exact_transformer(mode: str) -> None:
    X, _ = digits()
    train, new = X[:1500], X[1500:]
    ours = NNDescentTransformer(mode=mode, n_neighbors=10, epsilon=0.2).fit(train).transform(new)
    exact = theirs.KNeighborsTransformer(mode=mode, n_neighbors=10).fit(train).transform(new)
    assert ours.shape == exact.shape and ours.nnz == exact.nnz
    assert agreement(ours.indices.reshape(len(new), -1), exact.indices.reshape(len(new), -1)) > 0.99


def test_a_row_may_be_its_own_only_neighbor() -> None:
    X, _ = blobs(100)
    graph = NNDescentTransformer(mode="connectivity", n_neighbors=1).fit_transform(X)
    assert (graph.toarray() == np.eye(100)).all()


def test_names_of_features_are_columns_of_the_graph() -> None:
    pandas = pytest.importorskip("pandas")
    X, _ = blobs(100)
    frame = pandas.DataFrame(X, columns=["x", "y", "z"])
    fitted = NNDescentTransformer().fit(frame)
    assert fitted.feature_names_in_.tolist() == ["x", "y", "z"]
    assert fitted.n_features_in_ == 3 and fitted.n_samples_fit_ == 100
    assert fitted.get_feature_names_out()[:2].tolist() == ["nndescenttransformer0", "nndescenttransformer1"]
    assert len(fitted.get_feature_names_out()) == 100
    with pytest.raises(ValueError, match="feature names"):
        fitted.transform(frame.rename(columns={"x": "w"}))


def test_output_can_be_set() -> None:
    X, _ = blobs(100)
    assert isinstance(NNDescentTransformer().set_output(transform="default").fit_transform(X), csr_matrix)
    pytest.importorskip("pandas")
    with pytest.raises(ValueError, match="[Ss]parse"):  # as of scikit-learn's own
        NNDescentTransformer().set_output(transform="pandas").fit_transform(X)
    with pytest.raises(ValueError, match="[Ss]parse"):
        theirs.KNeighborsTransformer().set_output(transform="pandas").fit_transform(X)


def test_estimators_are_cloned_and_pickled() -> None:
    X, _ = digits()
    estimator = NNDescentTransformer(n_neighbors=7, metric="cosine", epsilon=0.2, random_state=3)
    assert clone(estimator.fit(X)).get_params() == estimator.get_params()
    assert not hasattr(clone(estimator), "n_samples_fit_")
    again = pickle.loads(pickle.dumps(estimator))
    assert (again.transform(X[:50]) != estimator.transform(X[:50])).nnz == 0
    searcher = NearestNeighbors().fit(X)
    again = pickle.loads(pickle.dumps(searcher))
    for a, b in zip(again.kneighbors(), searcher.kneighbors(), strict=True):
        assert (a == b).all()


def test_sparse_rows_and_narrow_types() -> None:
    X, _ = digits()
    dense = NNDescentTransformer(n_neighbors=10).fit_transform(X)
    for same in (csr_matrix(X), csr_array(X), X.astype(np.uint8), X.astype(np.float16), X.astype(np.float64)):
        graph = NNDescentTransformer(n_neighbors=10).fit_transform(same)
        assert np.abs(np.sort(graph.data) - np.sort(dense.data)).max() < 1e-3


def test_a_seed_or_none_gives_the_same_graph_every_time() -> None:
    X, _ = digits()
    for state in (None, 5):
        first, second = (NNDescentTransformer(random_state=state).fit_transform(X) for _ in range(2))
        assert (first != second).nnz == 0
    NNDescentTransformer(random_state=np.random.RandomState(1)).fit(X)


# -- estimators on graphs ------------------------------------------------------------------------------------------


def test_isomap() -> None:
    X, _ = digits()
    X = X[:600]
    ours = make_pipeline(
        NNDescentTransformer(n_neighbors=12), Isomap(n_neighbors=12, metric="precomputed")
    ).fit_transform(X)
    exact = Isomap(n_neighbors=12).fit_transform(X)
    away = pairwise_distances(ours) - pairwise_distances(exact)
    assert np.abs(away).max() < 0.02 * pairwise_distances(exact).max()


def test_spectral_clustering() -> None:
    X, _ = blobs(800)
    graph = NNDescentTransformer(n_neighbors=20).fit_transform(X.astype(np.float64))
    settings = {"n_clusters": 5, "n_neighbors": 20, "random_state": 0}
    ours = SpectralClustering(affinity="precomputed_nearest_neighbors", **settings).fit_predict(graph)
    exact = SpectralClustering(affinity="nearest_neighbors", **settings).fit_predict(X)
    assert adjusted_rand_score(ours, exact) > 0.98


def test_dbscan() -> None:
    X, _ = blobs()
    exact = DBSCAN(eps=0.8, min_samples=10).fit_predict(X)
    graph = NNDescentTransformer(n_neighbors=100).fit_transform(X)
    assert (graph.max(axis=1).toarray() > 0.8).all(), "rows hold all that is within eps"
    assert len(np.unique(exact)) > 4
    others = NearestNeighbors(n_neighbors=100).fit(X).kneighbors_graph(mode="distance")
    for matrix in (graph, others):
        assert (DBSCAN(eps=0.8, min_samples=10, metric="precomputed").fit_predict(matrix) == exact).all()
    assert (knn_graph(X, 100).dbscan(0.8, min_samples=10) == exact).all()


@pytest.mark.parametrize("estimator", [theirs.KNeighborsClassifier, theirs.KNeighborsRegressor])
def test_neighbors_predict(estimator: Any) -> None:
    X, y = digits()
    train, new, of_train, of_new = train_test_split(X, y, random_state=0)
    ours = make_pipeline(NNDescentTransformer(n_neighbors=5), estimator(5, metric="precomputed")).fit(train, of_train)
    exact = estimator(5).fit(train, of_train)
    assert ours.score(new, of_new) == pytest.approx(exact.score(new, of_new), abs=0.005)


def test_t_sne() -> None:
    X, _ = digits()
    X = X[:300]
    pipeline = make_pipeline(
        NNDescentTransformer(n_neighbors=91), TSNE(metric="precomputed", init="random", max_iter=250, random_state=0)
    )
    assert np.isfinite(pipeline.fit_transform(X)).all()


def test_a_grid_search_over_neighbors() -> None:
    X, y = digits()
    pipeline = make_pipeline(
        StandardScaler(), NNDescentTransformer(n_neighbors=9), theirs.KNeighborsClassifier(metric="precomputed")
    )
    search = GridSearchCV(pipeline, {"kneighborsclassifier__n_neighbors": [1, 5, 9]}, cv=3, n_jobs=2).fit(X, y)
    assert search.best_score_ > 0.93


# -- searches ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted() -> tuple[np.ndarray, NearestNeighbors, theirs.NearestNeighbors]:
    X, _ = digits()
    settings = {"n_neighbors": 8, "radius": 20.0}
    return X, NearestNeighbors(**settings, epsilon=0.3).fit(X), theirs.NearestNeighbors(**settings).fit(X)


def test_kneighbors(fitted: Any) -> None:
    X, ours, exact = fitted
    for rows in (None, X[:100] + 0.5):
        distances, ids = ours.kneighbors(rows)
        true_distances, true_ids = exact.kneighbors(rows)
        assert ids.shape == true_ids.shape and ids.dtype == np.int64
        assert agreement(ids, true_ids) > 0.995
        assert np.abs(distances - true_distances).mean() < 1e-2
        assert (ours.kneighbors(rows, return_distance=False) == ids).all()
    assert ours.kneighbors(X[:3], 4)[0].shape == (3, 4)


@pytest.mark.parametrize("mode", ["connectivity", "distance"])
def test_kneighbors_graph(fitted: Any, mode: str) -> None:
    X, ours, exact = fitted
    for rows in (None, X[:100] + 0.5):
        graph, truth = (it.kneighbors_graph(rows, n_neighbors=6, mode=mode) for it in (ours, exact))
        assert graph.shape == truth.shape and graph.nnz == truth.nnz
        assert np.abs(graph - truth).mean() < 1e-3


def test_radius_neighbors(fitted: Any) -> None:
    X, ours, exact = fitted
    for rows in (None, X[:100] + 0.5):
        found, truth = ours.radius_neighbors(rows), exact.radius_neighbors(rows, sort_results=True)
        for (distances, ids), (true_distances, true_ids) in zip(zip(*found), zip(*truth)):
            assert set(ids) == set(true_ids)
            assert distances == pytest.approx(true_distances, abs=1e-3)
    assert len(ours.radius_neighbors(X[:2], 0.0, return_distance=False)[0]) == 1


def test_more_neighbors_than_by_default(fitted: Any) -> None:
    X, ours, exact = fitted
    distances, ids = ours.kneighbors(n_neighbors=40)
    assert agreement(ids, exact.kneighbors(n_neighbors=40, return_distance=False)) > 0.99
    assert (ids != np.arange(len(X))[:, None]).all()


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"n_neighbors": 0}, "n_neighbors = 0"),
        ({"n_neighbors": 100}, "n_neighbors = 100, n_samples_fit = 100"),
        ({"metric": "euclidian"}, "euclidean"),
        ({"mode": "both"}, "'distance' or 'connectivity'"),
    ],
)
def test_wrong_settings(settings: dict[str, Any], text: str) -> None:
    X, _ = blobs(100)
    with pytest.raises(ValueError, match=text):
        NNDescentTransformer(**settings).fit_transform(X)
    if "mode" not in settings and settings.get("n_neighbors") != 100:
        with pytest.raises(ValueError, match=text):
            NearestNeighbors(**settings).fit(X)


def test_wrong_rows(fitted: Any) -> None:
    X, ours, _ = fitted
    with pytest.raises(ValueError, match="64 features"):
        ours.kneighbors(X[:, :10])
    with pytest.raises(ValueError, match="NaN"):
        ours.kneighbors(np.full((1, 64), np.nan))
    with pytest.raises(ValueError, match="n_neighbors = 1798"):
        ours.kneighbors(X[:1], 1798)
    with pytest.raises(ValueError, match="n_neighbors = 1797"):
        ours.kneighbors(n_neighbors=1797)
    with pytest.raises(ValueError, match="n_neighbors = 0"):
        ours.kneighbors(n_neighbors=0)


def test_wide_values() -> None:
    stamps = np.random.default_rng(0).integers(1_700_000_000_000_000, 1_700_000_000_001_000_000, (200, 2))
    found = NearestNeighbors(n_neighbors=3).fit(stamps).kneighbors(return_distance=False)
    expected = theirs.NearestNeighbors(n_neighbors=3).fit(stamps - stamps.min()).kneighbors(return_distance=False)
    np.testing.assert_array_equal(found, expected)
    far = np.random.default_rng(0).normal(size=(100, 4)) + 1e7
    found = NearestNeighbors(radius=0.7).fit(far).radius_neighbors(return_distance=False)
    expected = theirs.NearestNeighbors(radius=0.7).fit(far - 1e7).radius_neighbors(return_distance=False)
    assert [sorted(a) for a in found] == [sorted(b) for b in expected]


def test_more_neighbours_than_when_fitting() -> None:
    X, _ = blobs(300)
    distances, indices = NearestNeighbors(n_neighbors=5).fit(X).kneighbors(n_neighbors=40)
    assert indices.shape == (300, 40) and not (indices == np.arange(300)[:, None]).any()
    matrix = NearestNeighbors(radius=1.0).fit(X).radius_neighbors_graph(mode="distance")
    assert matrix.shape == (300, 300) and matrix.data.max() <= 1.0
