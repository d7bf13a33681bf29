#!/usr/bin/env python3
"""Outlier scores beside PyOD's: ROC-AUC and seconds, on labelled sets.

    outliers.py FOLDER --nndescent target/release/nndescent [--sets 32_shuttle ...] [-k 20] [--limit ROWS]

FOLDER holds .npz files of `X` (n x d) and `y` (1: outlier), as ADBench has them. Each method runs in PyOD, by us on exact
neighbours, and by us on neighbours of NN-Descent. Columns are standardised first. Seconds are those of the scores with
their neighbours, without starting a process; PyOD's first call, which may compile, is made on a small set.
"""
import argparse, json, subprocess, tempfile, time
from pathlib import Path

import numpy as np
from pyod.models.knn import KNN
from pyod.models.lof import LOF
from pyod.models.sod import SOD
from sklearn.metrics import roc_auc_score

METHODS = {
    "knn": lambda k: KNN(n_neighbors=k, method="mean", n_jobs=2),
    "kth": lambda k: KNN(n_neighbors=k, method="largest", n_jobs=2),
    "lof": lambda k: LOF(n_neighbors=k, n_jobs=2),
    "sod": lambda k: SOD(n_neighbors=k, ref_set=10, alpha=0.8),
}


def ours(binary, folder, x, labels, method, k, algorithm):
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", labels)
    command = [binary, "outliers", folder / "x.npy", "--method", method, "-k", str(k), "--algorithm", algorithm]
    command += ["--labels", folder / "y.npy", "--threads", "2", "--device", "cpu", "--json", "-o", folder / "s.npy"]
    report = json.loads(subprocess.run([str(word) for word in command], check=True, capture_output=True).stdout)
    recall = report["recall"]["estimate"] if report.get("recall") else 1.0
    return report["roc_auc"], report["graph_seconds"] + report["score_seconds"], recall


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nndescent", required=True)
    parser.add_argument("--sets", nargs="*")
    parser.add_argument("-k", type=int, default=20)
    parser.add_argument("--limit", type=int, default=300_000, help="larger sets are left out")
    parser.add_argument("--exact-limit", type=int, default=60_000, help="exact search compares all pairs")
    parser.add_argument("--sod-limit", type=int, default=8_000, help="PyOD's SOD compares all pairs")
    arguments = parser.parse_args()
    small = np.random.default_rng(0).normal(size=(300, 4))
    for make in METHODS.values():
        make(20).fit(small)
    print("| set | rows x columns | method | PyOD: AUC, s | exact: AUC, s | NN-Descent: AUC, s, recall |")
    print("|---|---|---|---|---|---|")
    for path in sorted(arguments.folder.glob("*.npz")):
        if arguments.sets and path.stem not in arguments.sets:
            continue
        with np.load(path, allow_pickle=True) as archive:
            x, y = archive["X"].astype(np.float64), archive["y"].astype(int)
        if len(x) > arguments.limit:
            continue
        x = ((x - x.mean(0)) / np.where(x.std(0) > 0, x.std(0), 1)).astype(np.float32)
        for method, make in METHODS.items():
            theirs = "-"
            if method != "sod" or len(x) <= arguments.sod_limit:
                start = time.perf_counter()
                model = make(arguments.k).fit(x)
                theirs = f"{roc_auc_score(y, model.decision_scores_):.4f}, {time.perf_counter() - start:.2f}"
            with tempfile.TemporaryDirectory() as folder:
                cells = []
                for algorithm in ("exact", "nndescent"):
                    if algorithm == "exact" and len(x) > arguments.exact_limit:
                        cells.append("-")
                        continue
                    auc, seconds, recall = ours(arguments.nndescent, Path(folder), x, y, method, arguments.k, algorithm)
                    cells.append(f"{auc:.4f}, {seconds:.2f}" + (f", {recall:.3f}" if algorithm != "exact" else ""))
            print(f"| {path.stem} | {len(x)} x {x.shape[1]} | {method} | {theirs} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
