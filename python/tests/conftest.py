"""What tests share."""

import os
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def points(rng: np.random.Generator) -> np.ndarray:
    """Rows in eight clusters, 1200 x 12."""
    centers = rng.normal(size=(8, 12)) * 4
    return (centers[np.arange(1200) % 8] + rng.normal(size=(1200, 12))).astype(np.float32)


@pytest.fixture
def data_folder() -> Path:
    """Real data sets, which are not part of the repository."""
    folder = Path(os.environ.get("NNDESCENT_DATA", Path(__file__).parents[3] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no data in {folder}: set NNDESCENT_DATA")
    return folder


def grouped(groups: int, n: int, columns: int) -> np.ndarray:
    """Rows in groups, in random order."""
    rng = np.random.default_rng(3)
    centers = rng.normal(size=(groups, columns)) * 3
    return (centers[rng.integers(0, groups, n)] + rng.normal(size=(n, columns))).astype(np.float32)


def exact(x: np.ndarray, queries: np.ndarray, k: int, own: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """The nearest by euclidean distance in float64, by definition."""
    x, queries = x.astype(np.float64), queries.astype(np.float64)
    distances = np.sqrt(((queries[:, None, :] - x[None, :, :]) ** 2).sum(axis=2))
    if own:
        np.fill_diagonal(distances, np.inf)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(distances, order, axis=1)
