#!/usr/bin/env python3
"""Queries a second at recall of several indexes on one data file, in one run. See README.md."""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np

import levels

ap = argparse.ArgumentParser()
ap.add_argument("data")
ap.add_argument("queries")
ap.add_argument("-k", type=int, default=10)
ap.add_argument("--metric", default="euclidean", choices=["euclidean", "cosine"])
ap.add_argument("--threads", type=int, default=2)
ap.add_argument("--one-by-one", action="store_true", help="ours answers one query after the other (the others still get batches)")
ap.add_argument("--nndescent", default="target/release/nndescent")
ap.add_argument("--index-options", default="", help="further options of `nndescent index`")
ap.add_argument("--skip", default="", help="contenders to leave out, with commas")
ap.add_argument("--hnswlib", help="folder of a hnswlib that was compiled for the level")
levels.add_argument(ap)
a = ap.parse_args()
levels.start(a.level)
for variable in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[variable] = str(a.threads)

x = np.ascontiguousarray(np.load(a.data), np.float32)
q = np.ascontiguousarray(np.load(a.queries), np.float32)
TARGETS = (0.90, 0.95, 0.99, 0.999)
EPSILONS = (0.0, 0.01, 0.02, 0.03, 0.05, 0.08, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4)
# Ours go on below 0.
FEWER = (-0.1, -0.05, -0.03, -0.01)
WIDTHS = (10, 15, 20, 30, 40, 80, 160, 320)


def unit(z):
    return z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-30)


def row_distances(i, ids):
    """Of query i, in f64: by them recall is told, so that ties are no misses."""
    y, z = (b.astype(np.float64) for b in (x[ids], q[i]))
    if a.metric == "cosine":
        return 1 - y @ z / np.maximum(np.linalg.norm(y, axis=1) * np.linalg.norm(z), 1e-30)
    return np.sqrt(((y - z) ** 2).sum(1))


def true_kth():
    b, z = (unit(x), unit(q)) if a.metric == "cosine" else (x, q)
    norms, kth = (b * b).sum(1), np.empty(len(q))
    for s in range(0, len(q), 512):
        near = np.argpartition(norms - 2 * z[s : s + 512] @ b.T, a.k + 8, axis=1)[:, : a.k + 8]
        for j, ids in enumerate(near):
            kth[s + j] = np.sort(row_distances(s + j, ids))[a.k - 1]
    return kth


def recall(ids):
    hits = 0
    for i, row in enumerate(np.asarray(ids).astype(np.int64)):
        row = np.unique(row[(row >= 0) & (row < len(x))])
        hits += (row_distances(i, row) <= kth[i] * (1 + 1e-6) + 1e-9).sum()
    return hits / (len(q) * a.k)


def timed(search):
    """Best of three, warm."""
    search(q[:200])
    best = np.inf
    for _ in range(3):
        start = time.perf_counter()
        ids = search(q)
        best = min(best, time.perf_counter() - start)
    return ids, len(q) / best


def ours():
    with tempfile.TemporaryDirectory() as tmp:
        index, out = os.path.join(tmp, "i.nnd"), os.path.join(tmp, "o.npz")
        words = [a.nndescent, "index", a.data, "--metric", a.metric, "--threads", str(a.threads), "--recall-sample", "0", "--json"]
        built = json.loads(subprocess.check_output([*words, *a.index_options.split(), "-o", index]))["seconds"]
        yield built["build"] + built["prepare"]
        how = ["--one-by-one"] if a.one_by_one else ["--threads", str(a.threads)]
        for epsilon in FEWER + EPSILONS:
            words = [a.nndescent, "query", index, a.queries, "-k", str(a.k), f"--epsilon={epsilon}", "--repeat", "3"]
            report = json.loads(subprocess.check_output([*words, "--json", "-o", out, *how]))
            yield epsilon, np.load(out)["indices"], report["queries_per_second"]


def build(make):
    start = time.perf_counter()
    index = make()
    return index, time.perf_counter() - start


def pynndescent():
    import pynndescent

    def make():
        index = pynndescent.NNDescent(x, metric=a.metric, n_neighbors=30, n_jobs=a.threads, parallel_batch_queries=True)
        index.prepare()
        index.query(q[:200], k=a.k)
        return index

    make()  # compiles
    index, seconds = build(make)
    yield seconds
    for epsilon in EPSILONS:
        yield epsilon, *timed(lambda z: index.query(z, k=a.k, epsilon=epsilon)[0])


def svs():
    import svs

    if not levels.limit_svs(a.level):
        unlimited.add("SVS Vamana")
    distance, alpha = (svs.DistanceType.L2, 1.2) if a.metric == "euclidean" else (svs.DistanceType.Cosine, 0.95)
    parameters = svs.VamanaBuildParameters(graph_max_degree=64, window_size=128, alpha=alpha)
    index, seconds = build(lambda: svs.Vamana.build(parameters, x, distance, num_threads=a.threads))
    yield seconds
    for width in (10, 12, 15, 20, 30, 40, 60, 100, 160):
        index.search_window_size = width
        yield width, *timed(lambda z: index.search(z, a.k)[0])


def hnswlib():
    if a.hnswlib:
        sys.path.insert(0, a.hnswlib)
    elif a.level != "native":
        unlimited.add("hnswlib")
    import hnswlib

    def make():
        index = hnswlib.Index("l2" if a.metric == "euclidean" else "cosine", x.shape[1])
        index.init_index(len(x), M=16, ef_construction=200)
        index.set_num_threads(a.threads)
        index.add_items(x)
        return index

    index, seconds = build(make)
    yield seconds
    for width in WIDTHS:
        index.set_ef(width)
        yield width, *timed(lambda z: index.knn_query(z, k=a.k, num_threads=a.threads)[0])


def faiss():
    import faiss

    faiss.omp_set_num_threads(a.threads)
    given = unit if a.metric == "cosine" else lambda z: z

    def make():
        index = faiss.IndexHNSWFlat(x.shape[1], 16)
        index.hnsw.efConstruction = 200
        index.add(given(x))
        return index

    index, seconds = build(make)
    yield seconds
    for width in WIDTHS:
        index.hnsw.efSearch = width
        yield width, *timed(lambda z: index.search(given(z), a.k)[1])


def ann_search(name, **options):
    import ann_search

    ann_search.set_num_threads(a.threads)
    index, seconds = build(lambda: getattr(ann_search, name)(metric=a.metric, **options).fit(x))
    yield seconds
    for width in WIDTHS:
        index.ef_search = width
        yield width, *timed(lambda z: np.asarray(index.kneighbors(z, a.k)[1]))


CONTENDERS = {
    "nndescent": ours,
    "SVS Vamana": svs,
    "PyNNDescent": pynndescent,
    "hnswlib": hnswlib,
    "faiss HNSW": faiss,
    "ann-search HNSW": lambda: ann_search("HnswIndex"),
    "ann-search HNSW SQ8": lambda: ann_search("HnswSq8uIndex"),
    "ann-search NNDescent": lambda: ann_search("NNDescentIndex", n_neighbors=30),
}


def at_recall(curve, target):
    """Queries a second at a recall: interpolated on a logarithmic scale, or those of a better point that is faster."""
    curve = sorted(curve)
    r, s = np.array([p[0] for p in curve]), np.array([p[1] for p in curve])
    if r.max() < target:
        return None
    better = s[r >= target].max()
    return better if r.min() >= target else max(better, np.exp(np.interp(target, r, np.log(s))))


kth = true_kth()
rows, unlimited = {}, set()
for name, contender in CONTENDERS.items():
    if name in a.skip.split(","):
        continue
    points = contender()
    seconds, curve = next(points), []
    for knob, ids, speed in points:
        curve.append((recall(ids), speed))
        print(f"{name:22} {knob!s:>6} recall {curve[-1][0]:.4f} {speed:9.0f} queries/s", flush=True)
    rows[name] = [at_recall(curve, t) for t in TARGETS] + [seconds]
print(f"\n| {a.metric}, k={a.k}, {a.threads} threads, level {a.level} | " + " | ".join(f"at {t}" for t in TARGETS) + " | seconds to build |")
print("|---" * (len(TARGETS) + 2) + "|")
for name, row in rows.items():
    print(f"| {name}{'*' * (name in unlimited)} | " + " | ".join(f"{v:,.0f}" if v else "-" for v in row[:-1]) + f" | {row[-1]:.1f} |")
if unlimited:
    print("* not limited to the level")
