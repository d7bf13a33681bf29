"""HDBSCAN on this package's graphs: hdbscan's and scikit-learn's classes, and the graph's own method, agree."""

from __future__ import annotations

import numpy as np
import pytest
from datasets import blobs

from nndescent_rs import Graph, Index, knn_graph

metrics = pytest.importorskip("sklearn.metrics")

SIZE = 20
#: Rows that make a dense place, counting the row itself.
SAMPLES = 10


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray, Graph]:
    X, y = blobs()
    graph = knn_graph(X, 60)
    assert graph.components()[1] == 1, "the classes below need a connected graph"
    return X, y, graph


def same(a: np.ndarray, b: np.ndarray) -> float:
    """Agreement of labels, noise as a label of its own."""
    return metrics.adjusted_rand_score(a, b)


def test_clusters_of_the_graph_are_those_of_all_distances(data: tuple[np.ndarray, np.ndarray, Graph]) -> None:
    cluster = pytest.importorskip("sklearn.cluster")
    X, y, graph = data
    labels, probabilities = graph.hdbscan(SIZE, SAMPLES)
    reference = cluster.HDBSCAN(min_cluster_size=SIZE, min_samples=SAMPLES, copy=True).fit(X)
    assert same(labels, reference.labels_) > 0.99
    assert len(np.unique(labels)) == 6
    both = (labels >= 0) & (reference.labels_ >= 0)
    assert np.abs(probabilities - reference.probabilities_)[both].max() < 0.05
    assert same(labels[both], y[both]) > 0.85


def test_scikit_learns_class_on_the_sparse_graph(data: tuple[np.ndarray, np.ndarray, Graph]) -> None:
    cluster = pytest.importorskip("sklearn.cluster")
    _, _, graph = data
    # Rows of the matrix do not hold themselves, whom the class counts.
    reference = cluster.HDBSCAN(min_cluster_size=SIZE, min_samples=SAMPLES - 1, metric="precomputed", copy=True)
    reference.fit(graph.to_csr(symmetry="union"))
    assert same(graph.hdbscan(SIZE, SAMPLES)[0], reference.labels_) > 0.99


def test_hdbscans_class_on_the_sparse_graph(data: tuple[np.ndarray, np.ndarray, Graph]) -> None:
    hdbscan = pytest.importorskip("hdbscan")
    _, _, graph = data
    reference = hdbscan.HDBSCAN(min_cluster_size=SIZE, min_samples=SAMPLES - 1, metric="precomputed")
    reference.fit(graph.to_csr(symmetry="union").astype(np.float64))
    assert same(graph.hdbscan(SIZE, SAMPLES)[0], reference.labels_) > 0.99


def test_leaves_are_scikit_learns() -> None:
    cluster = pytest.importorskip("sklearn.cluster")
    graph = knn_graph(blobs(seed=1)[0], 60)
    reference = cluster.HDBSCAN(
        min_cluster_size=SIZE,
        min_samples=SAMPLES - 1,
        metric="precomputed",
        cluster_selection_method="leaf",
        copy=True,
    ).fit(graph.to_csr(symmetry="union"))
    labels, _ = graph.hdbscan(SIZE, SAMPLES, cluster_selection_method="leaf")
    assert same(labels, reference.labels_) > 0.99


def test_an_index_connects_what_the_graph_does_not() -> None:
    X, y = blobs()
    X[y == 0] += np.float32(100.0)
    index = Index.build(X, 15)
    graph = index.graph
    assert graph is not None and graph.components()[1] > 1
    labels, _ = graph.hdbscan(SIZE, SAMPLES, index=index)
    exact = knn_graph(X, 1499).hdbscan(SIZE, SAMPLES)[0]
    assert same(labels, exact) > 0.99
