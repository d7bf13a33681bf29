#!/usr/bin/env python3
"""k-neighbour graphs by several libraries on one data file, in turn, in one run. See README.md."""
import argparse
import ast
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile

import numpy as np

import levels

# Peak memory must be the contender's own: a process inherits its parent's peak at fork, so a small one starts it.
LAUNCHER = """
import os, subprocess, sys
p = subprocess.Popen("exec " + sys.argv[2], shell=True)
_, status, usage = os.wait4(p.pid, 0)
open(sys.argv[1], "w").write(str(usage.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status))
"""

# Builds twice; the first build compiles and is not counted.
PYNNDESCENT = """
import json, sys, time, numpy as np, pynndescent
x = np.ascontiguousarray(np.load(sys.argv[1]), dtype=np.float32)
options = {"n_neighbors": int(sys.argv[2]) + 1} | json.loads(sys.argv[6])
for seed in range(2):
    start = time.perf_counter()
    index = pynndescent.NNDescent(x, metric=sys.argv[3], random_state=seed, n_jobs=int(sys.argv[5]), **options)
    seconds = time.perf_counter() - start
print("seconds", seconds)
np.save(sys.argv[4], index.neighbor_graph[0].astype(np.int64))
"""

FAISS = """
import sys, time, numpy as np, faiss
faiss.omp_set_num_threads(int(sys.argv[5]))
x = np.ascontiguousarray(np.load(sys.argv[1]), dtype=np.float32)
if sys.argv[3] == "cosine":
    x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-30)
index = faiss.IndexNNDescentFlat(x.shape[1], int(sys.argv[2]))
start = time.perf_counter()
index.add(x)
print("seconds", time.perf_counter() - start)
np.save(sys.argv[4], faiss.vector_to_array(index.nndescent.final_graph).reshape(len(x), -1).astype(np.int64))
"""


def run(command):
    """Stdout and peak MiB of a shell command."""
    with tempfile.NamedTemporaryFile("r") as usage:
        launch = [sys.executable, "-S", "-c", LAUNCHER, usage.name, command]
        p = subprocess.run(launch, capture_output=True, text=True)
        if p.returncode:
            raise RuntimeError(f"{command}: exit {p.returncode}\n{p.stderr[-2000:]}")
        return p.stdout, int(usage.read()) / 1024


class Contender:
    """A setting of a library: a command, and how its seconds and ids are read."""

    def __init__(self, library, name, command, seconds, ids):
        self.library, self.name, self.command, self.read_seconds, self.read_ids = library, name, command, seconds, ids
        self.seconds, self.mib, self.ids = [], 0.0, None

    def build(self):
        stdout, mib = run(self.command)
        self.stdout = stdout
        self.seconds.append(self.read_seconds(stdout))
        self.mib = max(self.mib, mib)
        self.ids = self.read_ids()


def printed_seconds(stdout):
    return float(stdout.split("seconds")[1].split()[0])


def contenders(a, data, n, tmp):
    q, out = shlex.quote, lambda name: os.path.join(tmp, name)
    for i, spec in enumerate(a.ours):
        name, _, words = spec.partition("=")
        g = out(f"ours{i}.npz")
        source = q(a.data if "--raw" in words else data)
        words = words.replace("--raw", "")
        # The estimate is not part of the build, but it takes time unless asked for.
        sample = "" if "--recall-sample" in words else "--recall-sample 0"
        yield Contender(
            "nndescent",
            name,
            f"{q(a.nndescent)} graph {source} -k {a.k} --metric {a.metric} --threads {a.threads} {words} {sample} --json -o {g}",
            lambda s: json.loads(s)["seconds"]["build"],
            lambda g=g: np.load(g)["indices"].astype(np.int64),
        )
    def python(library, name, code, options, ids):
        words = f"{q(data)} {a.k} {a.metric} {ids} {a.threads} {q(json.dumps(options))}"
        command = f"{q(sys.executable)} -c {q(code)} {words}"
        return Contender(library, name, command, printed_seconds, lambda: nearest(np.load(ids), a.k))

    for i, spec in enumerate(a.pynn):
        name, _, words = spec.partition("=")
        yield python("PyNNDescent", name, PYNNDESCENT, options(words), out(f"pynn{i}.npy"))
    if a.faiss:
        yield python("faiss", "faiss", FAISS, {}, out("faiss.npy"))
    for i, spec in enumerate(a.ann if a.ann_search else []):
        name, _, words = spec.partition("=")
        ids, width = out(f"ann{i}.i32"), options(words).get("k", a.k)
        yield Contender(
            "ann-search-rs",
            name,
            f"{q(a.ann_search)} {q(data)} {a.k} {a.metric} {ids} {' '.join(words.split(','))}",
            printed_seconds,
            lambda ids=ids, width=width: nearest(np.fromfile(ids, np.int32).reshape(n, width).astype(np.int64), a.k),
        )


def options(words):
    """Of `a=1,b=2`."""
    pairs = (word.split("=") for word in words.split(",") if word)
    return {name: ast.literal_eval(value) for name, value in pairs}


def nearest(ids, k):
    """The first k of each row that are not the row itself, of ids by distance; -1 beyond."""
    own = ids == np.arange(len(ids))[:, None]
    order = np.argsort(own, axis=1, kind="stable")
    return np.take_along_axis(np.where(own, -1, ids), order, 1)[:, :k]


def row_distances(x, i, ids, metric):
    y, q = x[ids].astype(np.float64), x[i].astype(np.float64)
    if metric == "cosine":
        return 1 - y @ q / np.maximum(np.linalg.norm(y, axis=1) * np.linalg.norm(q), 1e-30)
    return np.sqrt(((y - q) ** 2).sum(1))


def true_kth(x, rows, k, metric):
    """Distance of the k-th nearest other row for each of `rows`, by brute force."""
    b = x if metric != "cosine" else x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-30)
    norms = (b * b).sum(1)
    kth = np.empty(len(rows))
    for s in range(0, len(rows), 256):
        block = rows[s : s + 256]
        d = norms[None, :] - 2 * (b[block] @ b.T)
        d[np.arange(len(block)), block] = np.inf
        near = np.argpartition(d, k + 8, axis=1)[:, : k + 8]
        for j, i in enumerate(block):
            kth[s + j] = np.sort(row_distances(x, i, near[j], metric))[k - 1]
    return kth


def recall(x, rows, kth, ids, k, metric):
    """Share of distinct, valid, non-self neighbours no farther than the true k-th: ties are hits."""
    hits = 0
    for i, bound in zip(rows, kth):
        row = np.unique(ids[i])
        row = row[(row >= 0) & (row < len(x)) & (row != i)]
        hits += min(k, int((row_distances(x, i, row, metric) <= bound * (1 + 1e-6) + 1e-9).sum()))
    return hits / (len(rows) * k)


def table(a, all_contenders, x):
    rows = np.sort(np.random.default_rng(1).choice(len(x), min(a.sample, len(x)), replace=False))
    kth = true_kth(x, rows, a.k, a.metric)
    first = statistics.median(all_contenders[0].seconds)
    ran = json.loads(all_contenders[0].stdout)["executor"]["ran"].split(", ")[-1]
    lines = [f"| {os.path.basename(a.data)}, {a.metric}, k={a.k}, {ran} | seconds (median of {a.repeats}) | ratio | recall@{a.k} | peak MiB |", "|---|---|---|---|---|"]
    result = []
    for c in all_contenders:
        s, r = statistics.median(c.seconds), recall(x, rows, kth, c.ids, a.k, a.metric)
        result.append(dict(library=c.library, name=c.name, seconds=c.seconds, median=s, recall=r, peak_mib=c.mib))
        lines.append(f"| {c.name} | {s:.2f} | {s / first:.2f} | {r:.4f} | {c.mib:.0f} |")
    return "\n".join(lines + at_our_recall(result)), result


def seconds_at(curve, recall):
    """Seconds at a recall, of a curve of (recall, seconds): the fastest setting that has it, or less by interpolation
    (of their logarithm over that of what is missed) from the fastest that has not. None if none has it."""
    recall -= 1e-4  # what a sample of 2,000 rows does not tell apart
    enough, less = [p for p in curve if p[0] >= recall], [p for p in curve if p[0] < recall]
    if not enough:
        return None
    missed = lambda r: -np.log(1 - r + 1e-6)
    between = lambda p, q: np.exp(np.interp(missed(recall), missed(np.array([p[0], q[0]])), np.log([p[1], q[1]])))
    return min([q[1] for q in enough] + [between(p, q) for p in less for q in enough])


def at_our_recall(result):
    """A line for each peer, told by its settings, beside each of ours."""
    lines = []
    for library in dict.fromkeys(r["library"] for r in result if r["library"] != "nndescent"):
        curve = [(r["recall"], r["median"]) for r in result if r["library"] == library]
        for own in (r for r in result if r["library"] == "nndescent"):
            s = seconds_at(curve, own["recall"])
            told = f"{s:.2f} s, of which ours are {own['median'] / s:.2f}" if s else f"not reached, best {max(curve)[0]:.4f}"
            lines.append(f"{library} at {own['recall']:.4f} ({own['name']}, {own['median']:.2f} s): {told}")
    return ["", *lines]


def plot(result, path, title):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(6, 4))
    for r in result:
        ax.plot(r["median"], r["recall"], "o")
        ax.annotate(r["name"], (r["median"], r["recall"]), textcoords="offset points", xytext=(5, 4))
    ax.set(xlabel="seconds", ylabel="recall", title=title, xscale="log")
    fig.savefig(path, bbox_inches="tight")


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("data", help=".npy, n x d")
    ap.add_argument("-k", type=int, default=15)
    ap.add_argument("--metric", default="euclidean", choices=["euclidean", "cosine"])
    ap.add_argument("--threads", type=int, default=os.cpu_count())
    ap.add_argument("--repeats", type=int, default=3)
    ap.add_argument("--sample", type=int, default=2000, help="rows that recall is measured on")
    ap.add_argument("--ours", action="append", help='"NAME=options of nndescent graph"; --raw: the file as it is, not as float32')
    ap.add_argument("--nndescent", default="target/release/nndescent")
    ap.add_argument("--pynn", action="append", help='"NAME=a=1,b=2": PyNNDescent with other arguments')
    ap.add_argument("--ann-search", help="path of peer-ann-search-rs")
    ap.add_argument("--ann", action="append", help='"NAME=n_trees=8,k=20": ann-search-rs with other parameters')
    ap.add_argument("--faiss", action="store_true", help="faiss NN-Descent too (slow)")
    ap.add_argument("--json")
    ap.add_argument("--plot")
    levels.add_argument(ap)
    a = ap.parse_args()
    levels.start(a.level)
    a.ours, a.pynn, a.ann = a.ours or ["nndescent="], a.pynn or ["PyNNDescent="], a.ann or ["ann-search-rs="]
    for variable in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "RAYON_NUM_THREADS"):
        os.environ[variable] = str(a.threads)
    with tempfile.TemporaryDirectory() as tmp:
        x = np.ascontiguousarray(np.load(a.data), dtype=np.float32)
        data = os.path.join(tmp, "x.npy")
        np.save(data, x)
        everyone = list(contenders(a, data, len(x), tmp))
        for _ in range(a.repeats):
            for c in everyone:
                c.build()
        text, result = table(a, everyone, x)
    print(text)
    if a.json:
        json.dump(result, open(a.json, "w"), indent=1)
    if a.plot:
        plot(result, a.plot, f"{os.path.basename(a.data)}, {a.metric}, k={a.k}")


if __name__ == "__main__":
    main()
