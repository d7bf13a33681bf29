"""
Texts that say nearly the same: descriptions of the parameters of scikit-learn's classes, of which many were copied
and then changed. They are embedded (TF-IDF, then SVD), and joined where they are neighbours.

    pip install scikit-learn
    python deduplicate.py
"""

import inspect
import re

import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.utils import all_estimators

from nndescent_rs import knn_graph

LARGEST_DISTANCE = 0.07  # cosine


def descriptions() -> dict[str, str]:
    """What scikit-learn says of each parameter and attribute, by `Class.name`."""
    found = {}
    for class_name, estimator in all_estimators():
        for block in re.split(r"\n(?=\S)", inspect.getdoc(estimator) or ""):
            header, _, text = block.partition("\n")
            if " : " in header and len(text) > 80:
                found[f"{class_name}.{header.split(' : ')[0]}"] = " ".join(text.split())
    return found


def main() -> None:
    found = descriptions()
    names, texts = list(found), list(found.values())
    print(f"{len(texts)} descriptions, {len(set(texts))} of them different")
    names, texts = zip(*{text: (name, text) for name, text in zip(names, texts)}.values())

    embed = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), min_df=2), TruncatedSVD(100, random_state=0))
    graph = knn_graph(embed.fit_transform(texts), 15, metric="cosine")
    print(graph)

    groups = graph.dbscan(LARGEST_DISTANCE, min_samples=2)  # -1 where nothing is near
    sizes = np.bincount(groups[groups >= 0])
    print(f"{sizes.sum()} have a near-duplicate; with one of each group kept, {len(texts) - sizes.sum() + len(sizes)}")
    for group in np.argsort(-sizes, kind="stable")[:5]:
        print(f"\n{sizes[group]} like")
        for member in np.flatnonzero(groups == group)[:3]:
            print(f"  {names[member]}: {texts[member][:180]}")


if __name__ == "__main__":
    main()
