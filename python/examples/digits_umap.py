"""
Handwritten digits as a picture: a graph of their neighbours, laid out by umap-learn.

    pip install umap-learn matplotlib scikit-learn
    python digits_umap.py digits.png
"""

import sys
import time

import matplotlib.pyplot as plt
import umap
from sklearn.datasets import load_digits

from nndescent_rs import knn_graph

N_NEIGHBORS = 15  # umap-learn counts the row itself, knn_graph does not


def main(path: str) -> None:
    X, y = load_digits(return_X_y=True)

    graph = knn_graph(X, N_NEIGHBORS - 1)
    print(graph)

    start = time.perf_counter()
    reducer = umap.UMAP(n_neighbors=N_NEIGHBORS, precomputed_knn=graph.with_self(), random_state=42)
    layout = reducer.fit_transform(X)
    print(f"umap-learn laid it out in {time.perf_counter() - start:.1f} s")

    figure, axes = plt.subplots(figsize=(8, 7), layout="constrained")
    points = axes.scatter(*layout.T, c=y, cmap="tab10", s=6, vmin=-0.5, vmax=9.5)
    figure.colorbar(points, ax=axes, ticks=range(10), label="digit")
    axes.set(title=f"{len(X)} digits, {N_NEIGHBORS} neighbours", xticks=[], yticks=[])
    figure.savefig(path, dpi=120)
    print(f"wrote {path}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "digits.png")
