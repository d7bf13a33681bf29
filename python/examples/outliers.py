"""
Outliers by their neighbours: tumours, of which a few malignant ones are to be found among benign ones.

    pip install scikit-learn
    python outliers.py
"""

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.preprocessing import StandardScaler

from nndescent_rs import Index

METHODS = ["mean", "kth", "median", "lof", "simplified_lof", "loop", "in_degree", "snn"]
K = 50


def main() -> None:
    X, y = load_breast_cancer(return_X_y=True)
    benign, malignant = np.flatnonzero(y == 1), np.flatnonzero(y == 0)[:20]
    kept = np.concatenate([benign, malignant])
    X = StandardScaler().fit_transform(X[kept])
    is_outlier = np.arange(len(kept)) >= len(benign)
    print(f"{len(X)} tumours, the last {is_outlier.sum()} of them malignant")

    index = Index.build(X, K)
    graph = index.graph
    print(f"\n{'method':16}{'ROC AUC':>8}{'average precision':>19}")
    for method in METHODS:
        scores = graph.outlier_scores(method)
        print(f"{method:16}{roc_auc_score(is_outlier, scores):8.3f}"
              f"{average_precision_score(is_outlier, scores):19.3f}")

    scores = graph.outlier_scores("mean")
    strangest = np.argsort(-scores)[:10]
    print("\nstrangest by mean distance:", ", ".join(f"{i}{'*' if is_outlier[i] else ''}" for i in strangest))
    print("(* malignant)")

    # New points are scored by the neighbours that a search finds for them.
    new = X[:2] + np.array([[0.05], [5.0]])
    near, far = graph.outlier_scores_of_new(*index.query(new, k=K), method="mean")
    print(f"\na copy of row 0: {near:.2f}, row 1 moved far away: {far:.2f}; all rows: {scores.mean():.2f} on average")


if __name__ == "__main__":
    main()
