"""umap-learn on this package's neighbours: embeddings as good as those on PyNNDescent's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import digits, fashion, trustworthiness

from nndescent_rs import NNDescent, as_pynndescent, knn_graph

umap = pytest.importorskip("umap")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

NEIGHBORS = 15
#: How far trustworthiness may be from that on PyNNDescent's neighbours.
MARGIN = 0.005


def reducer(**settings: Any) -> Any:
    # umap-learn asks PyNNDescent for the neighbours of fewer than 4,096 rows only if it is forced to.
    return umap.UMAP(n_neighbors=NEIGHBORS, random_state=42, force_approximation_algorithm=True, **settings)


@pytest.fixture(scope="module")
def on_digits() -> tuple[np.ndarray, float]:
    """Digits, and how trustworthy their embedding is on PyNNDescent's neighbours."""
    X, _ = digits()
    fitted = reducer().fit(X)
    assert type(fitted._knn_search_index).__module__.startswith("pynndescent")
    return X, trustworthiness(X, fitted.embedding_)


def test_trustworthiness_is_scikit_learns() -> None:
    from sklearn.manifold import trustworthiness as reference

    X = np.random.default_rng(0).normal(size=(700, 6))
    embedding = X[:, :2] + X[:, 2:4]
    assert trustworthiness(X, embedding, block=300) == pytest.approx(reference(X, embedding, n_neighbors=15), abs=1e-9)


def test_a_graph_is_a_precomputed_knn(on_digits: tuple[np.ndarray, float]) -> None:
    X, theirs = on_digits
    neighbors = knn_graph(X, NEIGHBORS - 1, seed=1).with_self()
    embedding = reducer(precomputed_knn=neighbors).fit_transform(X)
    assert trustworthiness(X, embedding) == pytest.approx(theirs, abs=MARGIN)


def test_an_index_is_a_precomputed_knn_that_transforms_new_rows(on_digits: tuple[np.ndarray, float]) -> None:
    X, theirs = on_digits
    with as_pynndescent():
        index = NNDescent(X, n_neighbors=NEIGHBORS, random_state=1)
        fitted = reducer(precomputed_knn=(*index.neighbor_graph, index)).fit(X)
        again = fitted.transform(X[:200])
    assert trustworthiness(X, fitted.embedding_) == pytest.approx(theirs, abs=MARGIN)
    away = np.linalg.norm(again - fitted.embedding_[:200], axis=1)
    assert np.median(away) < 0.05 * np.ptp(fitted.embedding_)


def test_umap_builds_this_index_in_place_of_pynndescents(on_digits: tuple[np.ndarray, float]) -> None:
    X, theirs = on_digits
    with as_pynndescent():
        fitted = reducer().fit(X)
        assert isinstance(fitted._knn_search_index, NNDescent)
        new = fitted.transform(X[::9] + np.float32(0.25))
    assert trustworthiness(X, fitted.embedding_) == pytest.approx(theirs, abs=MARGIN)
    assert new.shape == (200, 2) and np.isfinite(new).all()


def test_umap_updates_the_index(on_digits: tuple[np.ndarray, float]) -> None:
    X, _ = on_digits
    with as_pynndescent():
        fitted = reducer(n_epochs=50).fit(X[:1000])
        fitted.update(X[1000:1200])
    assert fitted.embedding_.shape == (1200, 2) and np.isfinite(fitted.embedding_).all()


def test_ten_thousand_images_are_embedded_as_well(data_folder: Path) -> None:
    X = fashion(data_folder, 10_000)
    theirs = trustworthiness(X, reducer().fit_transform(X))
    neighbors = knn_graph(X, NEIGHBORS - 1).with_self()
    ours = trustworthiness(X, reducer(precomputed_knn=neighbors).fit_transform(X))
    assert ours == pytest.approx(theirs, abs=MARGIN)


def test_weights_of_edges_are_umaps() -> None:
    X, _ = digits()
    graph = knn_graph(X, NEIGHBORS - 1, seed=1)
    ids, distances = graph.with_self()
    theirs, _, _ = umap.umap_.fuzzy_simplicial_set(
        X, NEIGHBORS, None, "euclidean", knn_indices=ids, knn_dists=distances
    )
    assert abs(graph.umap_weights() - theirs).max() < 1e-3
