"""Data of the tests, and what they measure on it."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest


def digits() -> tuple[np.ndarray, np.ndarray]:
    """1,797 handwritten digits of 64 columns, as float32, and what they are."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return X.astype(np.float32), y


def fashion(folder: Path, n: int) -> np.ndarray:
    """The first `n` images of Fashion-MNIST as float32, if the folder has them."""
    path = folder / "fashion-mnist" / "train-images-idx3-ubyte.gz"
    if not path.is_file():
        pytest.skip(f"there is no {path}")
    with gzip.open(path) as file:
        pixels = np.frombuffer(file.read(16 + n * 784), np.uint8, offset=16)
    return pixels.reshape(n, 784).astype(np.float32)


def blobs(n: int = 1500, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Five clusters in three dimensions, in noise that connects them: rows and labels, -1 for noise."""
    rng = np.random.default_rng(seed)
    centers = 8.0 * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]])
    y = rng.integers(-1, 5, n)
    noise = rng.uniform(-3.0, 11.0, (n, 3))
    return np.where(y[:, None] >= 0, centers[y] + rng.normal(size=(n, 3)), noise).astype(np.float32), y


def agreement(found: np.ndarray, truth: np.ndarray) -> float:
    """The share of the ids in rows of `truth` that are in the same rows of `found`."""
    hits = sum(np.intersect1d(a, b).size for a, b in zip(found, truth, strict=True))
    return hits / truth.size


def trustworthiness(X: np.ndarray, embedding: np.ndarray, k: int = 15, block: int = 500) -> float:
    """scikit-learn's measure (Venna and Kaski, 2001), in blocks of rows: its own takes three n x n matrices."""
    from sklearn.neighbors import NearestNeighbors

    n = len(X)
    X = X.astype(np.float64)
    lengths = np.einsum("ij,ij->i", X, X)
    near = NearestNeighbors(n_neighbors=k).fit(embedding).kneighbors(return_distance=False)
    excess = 0.0
    for start in range(0, n, block):
        rows = slice(start, min(start + block, n))
        distances = lengths - 2.0 * (X[rows] @ X.T)  # and a term that is the same in the whole row
        distances[np.arange(rows.stop - start), np.arange(start, rows.stop)] = -np.inf
        ranked = np.sort(distances, axis=1)
        for row, ids in enumerate(near[rows]):
            ranks = np.searchsorted(ranked[row], distances[row, ids])
            excess += np.maximum(ranks - k, 0).sum()
    return 1.0 - excess * 2.0 / (n * k * (2 * n - 3 * k - 1))
