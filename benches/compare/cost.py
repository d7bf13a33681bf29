#!/usr/bin/env python3
"""What `nndescent` predicts that a build takes on the CPU, and what it takes, at every instruction set: what the
constants of src/executor/cpu/cost.rs and src/simd/speed.rs are fitted to. Needs a quiet machine.

    cost.py SET.npy,k=30 SET.npy,k=15,metric=cosine,rows=20000,algorithm=exact ... --levels avx2,avx512vnni
"""
import argparse
import json
import os
import subprocess
import tempfile

import numpy as np


def parse(case):
    path, *options = case.split(",")
    options = dict(option.split("=") for option in options)
    return path, {"k": "15", "metric": "euclidean", "algorithm": "nndescent"} | options


def build(command, path, options, level, threads, folder):
    """The report of a build at a level."""
    arguments = [command, "graph", path, "-k", options["k"], "--metric", options["metric"], "--device", "cpu"]
    arguments += ["--algorithm", options["algorithm"], "--recall-sample", "0", "--threads", str(threads), "--json"]
    arguments += ["-o", os.path.join(folder, "graph.npz")]
    environment = os.environ | {"NNDESCENT_SIMD": level}
    return json.loads(subprocess.run(arguments, env=environment, check=True, stdout=subprocess.PIPE).stdout)


def first_rows(path, options, folder):
    """The path of the first rows of a set, if not all are asked for."""
    if "rows" not in options:
        return path
    few = os.path.join(folder, "rows.npy")
    np.save(few, np.load(path, mmap_mode="r")[: int(options["rows"])])
    return few


def describe(report, threads):
    """Nanoseconds of a thread for each pair of the trees and of the rounds, and how many a row has."""
    seconds, n = report["seconds"], report["n"]
    rounds = sum(r["distances"] for r in report["round_stats"])
    trees = report["distances_evaluated"] - rounds
    each = lambda time, pairs: f"{pairs / n:.0f} x {time * threads * 1e9 / pairs:.1f}" if pairs else "-"
    if report["algorithm"] == "exact":
        return f"- | {each(seconds['descent'], trees)}"
    return f"{each(seconds['init'], trees)} | {each(seconds['descent'], rounds)}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="+")
    parser.add_argument("--command", default="target/release/nndescent")
    parser.add_argument("--levels", default="portable,avx2,avxvnni,avx512,avx512vnni")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3, help="builds of a case; the median counts")
    arguments = parser.parse_args()
    print("| set | k, metric, algorithm | level | predicted | measured | ratio | trees: pairs x ns | rounds |")
    print("|---|---|---|---|---|---|---|---|")
    for case in arguments.cases:
        path, options = parse(case)
        with tempfile.TemporaryDirectory() as folder:
            rows = first_rows(path, options, folder)
            for level in arguments.levels.split(","):
                run = lambda: build(arguments.command, rows, options, level, arguments.threads, folder)
                reports = sorted((run() for _ in range(arguments.repeat)), key=lambda r: r["seconds"]["build"])
                report = reports[len(reports) // 2]
                predicted, measured = report["predicted_seconds"], report["seconds"]["build"]
                name = os.path.basename(path).removesuffix(".npy")
                what = f"{options['k']}, {options['metric']}, {options['algorithm']}"
                print(f"| {name} {report['n']:,} x {report['dim']} | {what} | {level} | {predicted:.2f} | {measured:.2f} | "
                      f"{predicted / measured:.2f} | {describe(report, arguments.threads)} |", flush=True)


if __name__ == "__main__":
    main()
