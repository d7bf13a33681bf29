#!/usr/bin/env python3
"""Other metrics and other kinds of rows than compare.py: sparse rows, packed bits, manhattan, correlation. Ours and PyNNDescent
in turn, in one run; recall against brute force on a sample. See README.md."""
import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile

import numpy as np
import scipy.sparse

import levels

# Builds once to compile, and then once for every line that it is told.
PYNNDESCENT = """
import json, sys, time, numpy as np, pynndescent, scipy.sparse
path, k, metric, out, threads = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5])
x = scipy.sparse.load_npz(path).astype(np.float32).tocsr() if path.endswith(".npz") else np.load(path)
if path.endswith(".npz"):
    x.sort_indices()
options = {"n_neighbors": k + 1} | json.loads(sys.argv[6])
build = lambda seed: pynndescent.NNDescent(x, metric=metric, random_state=seed, n_jobs=threads, **options)
build(0)
for seed, _ in enumerate(sys.stdin, 1):
    start = time.perf_counter()
    index = build(seed)
    print(time.perf_counter() - start, flush=True)
np.save(out, index.neighbor_graph[0].astype(np.int64))
"""


def distances(x, i, others, metric):
    """From row i to others, in f64."""
    if scipy.sparse.issparse(x):
        y, q = x[others].astype(np.float64), x[i].astype(np.float64)
        dot = np.asarray((y @ q.T).todense()).ravel()
        if metric == "cosine":
            norms = np.sqrt(np.asarray(y.multiply(y).sum(1)).ravel() * q.multiply(q).sum())
            return 1 - dot / np.maximum(norms, 1e-300)
        if metric == "jaccard":
            y, q = y != 0, q != 0
            both = np.asarray((y.astype(np.int64) @ q.astype(np.int64).T).todense()).ravel()
            return 1 - both / np.maximum(y.sum(1).A1 + q.sum() - both, 1)
    if metric.startswith("bit_"):
        y, q = np.unpackbits(x[others], axis=1), np.unpackbits(x[i])
        if metric == "bit_hamming":
            return (y != q).sum(1).astype(np.float64)
        return 1 - (y & q).sum(1) / np.maximum((y | q).sum(1), 1)
    y, q = x[others].astype(np.float64), x[i].astype(np.float64)
    if metric == "manhattan":
        return np.abs(y - q).sum(1)
    y, q = y - y.mean(1, keepdims=True), q - q.mean()
    return 1 - y @ q / np.maximum(np.linalg.norm(y, axis=1) * np.linalg.norm(q), 1e-300)


def recall(x, rows, kth, ids, k, metric):
    hits = 0
    for i, bound in zip(rows, kth):
        row = np.unique(ids[i])
        row = row[(row >= 0) & (row < x.shape[0]) & (row != i)]
        hits += min(k, int((distances(x, i, row, metric) <= bound * (1 + 1e-6) + 1e-7).sum()))
    return hits / (len(rows) * k)


def run(command):
    return subprocess.run(shlex.split(command), capture_output=True, text=True, check=True).stdout


def measure(a, path, x, metric, bits):
    q, n = shlex.quote, x.shape[0]
    rows = np.sort(np.random.default_rng(1).choice(n, min(a.sample, n), replace=False))
    kth = [np.sort(distances(x, i, np.delete(np.arange(n), i), metric))[a.k - 1] for i in rows]
    with tempfile.TemporaryDirectory() as tmp:
        ours, theirs = os.path.join(tmp, "ours.npz"), os.path.join(tmp, "theirs.npy")
        seconds = {"nndescent": [], "PyNNDescent": []}
        words = f"{q(path)} {a.k} {metric} {theirs} {a.threads} {q(a.pynndescent)}"
        command = shlex.split(f"{sys.executable} -c {q(PYNNDESCENT)} {words}")
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as peer:
            for _ in range(a.repeats):
                peer.stdin.write("\n")
                peer.stdin.flush()
                seconds["PyNNDescent"].append(float(peer.stdout.readline()))
                text = run(f"{a.nndescent} graph {q(path)} -k {a.k} --metric {metric} --threads {a.threads} {bits} {a.options} "
                           f"--recall-sample 0 --json -o {ours}")
                seconds["nndescent"].append(json.loads(text)["seconds"]["build"])
            peer.stdin.close()
        found = {"nndescent": np.load(ours)["indices"].astype(np.int64), "PyNNDescent": np.load(theirs)}
    first = statistics.median(seconds["nndescent"])
    for name, s in seconds.items():
        s, r = statistics.median(s), recall(x, rows, kth, found[name], a.k, metric)
        print(f"| {os.path.basename(path)}, {metric}, k={a.k} | {name} | {s:.2f} | {s / first:.2f} | {r:.4f} |", flush=True)


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("jobs", nargs="+", metavar="FILE:METRIC", help=".npy, or .npz with a scipy CSR matrix")
    ap.add_argument("-k", type=int, default=15)
    ap.add_argument("--threads", type=int, default=os.cpu_count())
    ap.add_argument("--repeats", type=int, default=3)
    ap.add_argument("--sample", type=int, default=500)
    ap.add_argument("--options", default="", help="more options of our command, to compare at equal recall")
    ap.add_argument("--pynndescent", default="{}", help='its options, as {"n_neighbors": 21}, to compare at equal recall')
    ap.add_argument("--nndescent", default="target/release/nndescent")
    levels.add_argument(ap)
    a = ap.parse_args()
    levels.start(a.level)
    for variable in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "RAYON_NUM_THREADS"):
        os.environ[variable] = str(a.threads)
    print(f"| data, level {a.level} | library | seconds | ratio | recall |\n|---|---|---|---|---|")
    for job in a.jobs:
        path, metric = job.rsplit(":", 1)
        x = scipy.sparse.load_npz(path).tocsr() if path.endswith(".npz") else np.load(path)
        measure(a, path, x, metric, "--bits" if metric.startswith("bit_") else "")


if __name__ == "__main__":
    main()
