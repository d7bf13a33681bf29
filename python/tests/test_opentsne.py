"""openTSNE on this package's neighbours: the embedding is as good as on exact ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from datasets import digits, trustworthiness

from nndescent_rs import NNDescent, as_pynndescent, knn_graph

openTSNE = pytest.importorskip("openTSNE")
nearest = pytest.importorskip("openTSNE.nearest_neighbors")

# It says that its list of PyNNDescent's metrics is not that of PyNNDescent 0.7.
pytestmark = pytest.mark.filterwarnings("ignore:.*openTSNE.nearest_neighbors. has not been updated")

PERPLEXITY = 30
#: openTSNE takes three neighbours for each unit of perplexity.
NEIGHBORS = 3 * PERPLEXITY


def tsne(neighbors: Any, **settings: Any) -> Any:
    return openTSNE.TSNE(perplexity=PERPLEXITY, neighbors=neighbors, random_state=42, n_iter=250, **settings)


@pytest.fixture(scope="module")
def on_digits() -> tuple[np.ndarray, float]:
    """Digits, and how trustworthy their embedding is on exact neighbours."""
    X, _ = digits()
    return X, trustworthiness(X, np.asarray(tsne("exact").fit(X)))


def test_a_graph_is_a_knn_index(on_digits: tuple[np.ndarray, float]) -> None:
    X, theirs = on_digits
    neighbors = nearest.PrecomputedNeighbors(*knn_graph(X, NEIGHBORS))
    embedding = np.asarray(tsne(neighbors).fit(X))
    assert trustworthiness(X, embedding) > theirs - 0.005


def test_a_graph_gives_affinities(on_digits: tuple[np.ndarray, float]) -> None:
    X, theirs = on_digits
    neighbors = nearest.PrecomputedNeighbors(*knn_graph(X, NEIGHBORS))
    affinities = openTSNE.affinity.PerplexityBasedNN(knn_index=neighbors, perplexity=PERPLEXITY)
    start = openTSNE.initialization.pca(X, random_state=42)
    embedding = np.asarray(tsne("exact").fit(affinities=affinities, initialization=start))
    assert trustworthiness(X, embedding) > theirs - 0.005


def test_opentsne_builds_this_index_in_place_of_pynndescents(on_digits: tuple[np.ndarray, float]) -> None:
    X, theirs = on_digits
    with as_pynndescent():
        embedding = tsne("pynndescent").fit(X)
        assert isinstance(embedding.affinities.knn_index.index, NNDescent)
        new = embedding.transform(X[:50] + np.float32(0.25))
    assert trustworthiness(X, np.asarray(embedding)) > theirs - 0.005
    away = np.linalg.norm(np.asarray(new) - np.asarray(embedding)[:50], axis=1)
    assert np.median(away) < 0.05 * np.ptp(embedding)
