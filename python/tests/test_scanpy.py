"""scanpy on this package's transformer: the neighbours are scikit-learn's exact ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nndescent_rs import NNDescent, NNDescentTransformer, PyNNDescentTransformer, as_pynndescent

scanpy = pytest.importorskip("scanpy")
anndata = pytest.importorskip("anndata")

NEIGHBORS = 15
#: Cells: more than the number from which scanpy asks PyNNDescent on its own accord.
CELLS = 9000


@pytest.fixture(scope="module")
def cells() -> Any:
    """Counts with five kinds of cells, as principal components."""
    rng = np.random.default_rng(0)
    kinds = rng.gamma(0.6, 2.0, size=(5, 200))
    rates = kinds[rng.integers(5, size=CELLS)] * rng.gamma(8.0, 1 / 8, size=(CELLS, 200))
    adata = anndata.AnnData(rng.poisson(rates).astype(np.float32))
    scanpy.pp.log1p(adata)
    scanpy.pp.pca(adata, n_comps=20, random_state=0)
    return adata


@pytest.fixture(scope="module")
def exact(cells: Any) -> Any:
    return neighbors(cells, "sklearn")


def neighbors(cells: Any, transformer: Any) -> Any:
    """What scanpy finds: matrices of distances and of connectivities."""
    found = scanpy.pp.neighbors(cells, n_neighbors=NEIGHBORS, transformer=transformer, random_state=0, copy=True)
    return found.obsp["distances"], found.obsp["connectivities"]


def agreement(found: Any, truth: Any) -> float:
    """The share of entries of one sparse matrix that the other has as well."""
    pattern = [(matrix > 0).astype(np.int8) for matrix in (found, truth)]
    return pattern[0].multiply(pattern[1]).nnz / pattern[1].nnz


def test_neighbors_are_the_exact_ones(cells: Any, exact: Any) -> None:
    distances, connectivities = neighbors(cells, NNDescentTransformer(n_neighbors=NEIGHBORS))
    assert agreement(distances, exact[0]) >= 0.98
    assert agreement(connectivities, exact[1]) >= 0.98
    assert connectivities.nnz == pytest.approx(exact[1].nnz, rel=0.02)


def test_connectivities_have_the_same_weights(cells: Any, exact: Any) -> None:
    _, connectivities = neighbors(cells, NNDescentTransformer(n_neighbors=NEIGHBORS, target_recall=0.99))
    away = abs(connectivities - exact[1])
    assert away.sum() / exact[1].sum() < 0.02


def test_pynndescents_transformer(cells: Any, exact: Any) -> None:
    _, connectivities = neighbors(cells, PyNNDescentTransformer(n_neighbors=NEIGHBORS, random_state=0))
    assert agreement(connectivities, exact[1]) >= 0.98


def test_scanpys_own_choice_is_this_index_in_place_of_pynndescents(cells: Any, exact: Any) -> None:
    with as_pynndescent():
        _, connectivities = neighbors(cells, "pynndescent")
        from pynndescent import PyNNDescentTransformer as given

        assert given is PyNNDescentTransformer and isinstance(given(5).fit(np.eye(9)).index_, NNDescent)
    assert agreement(connectivities, exact[1]) >= 0.98


def test_clusters_are_those_on_exact_neighbors(cells: Any) -> None:
    pytest.importorskip("igraph")
    from sklearn.metrics import adjusted_rand_score

    labels = []
    for transformer in (NNDescentTransformer(n_neighbors=NEIGHBORS), "sklearn"):
        found = scanpy.pp.neighbors(cells, n_neighbors=NEIGHBORS, transformer=transformer, copy=True)
        scanpy.tl.leiden(found, resolution=0.1, flavor="igraph", n_iterations=2, directed=False, random_state=0)
        labels.append(found.obs["leiden"])
    assert len(set(labels[0])) == 5
    assert adjusted_rand_score(*labels) > 0.99
