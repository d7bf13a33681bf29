#!/usr/bin/env python3
"""A model of what builds beyond memory cost: `model.py --fit cost-1m.txt cost-2m.txt .. --check cost-10m.txt`.

Each file is what cost.sh printed for a set, or its first lines. With n in millions of rows, p parts, and m millions of rows
in a part, processor seconds of a piece are a + b n + c n p for the partition, n (a + b ln m) for the parts, n (a + b ln n)
for refining, which reads rows from anywhere, and a n for the others. Prints a, b and c, model and measurement side by side,
and minutes for 100 million and a billion rows.
"""
import argparse
import math

import numpy as np

OVERLAP = 2
PIECES = ["partition", "parts", "merge", "refine", "recall", "write"]
# Pieces that are divided among machines.
DIVIDED = ["parts", "refine"]


def read(path):
    lines = [line.split() for line in open(path)]
    n, parts = int(lines[0][1]) / 1e6, int(lines[0][3])
    return n, parts, {name: float(processor) for name, _, processor, _ in lines[1:]}


def terms(piece, n, parts):
    if piece == "partition":
        return [1.0, n, n * parts]
    if piece == "parts":
        return [n, n * math.log(OVERLAP * n / parts)]
    if piece == "refine":
        return [n, n * math.log(n)]
    return [n]


def fit(runs):
    model = {}
    for piece in PIECES:
        with_piece = [run for run in runs if piece in run[2]]
        a = np.array([terms(piece, n, parts) for n, parts, _ in with_piece])
        y = np.array([costs[piece] for *_, costs in with_piece])
        # By relative errors: the smallest run counts as much as the largest.
        model[piece] = np.linalg.lstsq(a / y[:, None], np.ones(len(y)), rcond=None)[0]
    return model


def cost(model, piece, n, parts):
    return float(np.dot(model[piece], terms(piece, n, parts)))


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--fit", nargs="+", required=True)
    arguments.add_argument("--check", nargs="*", default=[])
    arguments.add_argument("--cores", type=float, default=1.85, help="processor seconds of a second of wall time")
    arguments.add_argument("--part", type=float, default=1.6, help="millions of rows of a part, in the extrapolation")
    given = arguments.parse_args()
    fitted = [read(path) for path in given.fit]
    model = fit(fitted)
    for piece, numbers in model.items():
        print(piece, *(f"{number:.2f}" for number in numbers))
    for n, parts, costs in fitted + [read(path) for path in given.check]:
        if len(costs) < len(PIECES):
            continue
        by_model = {piece: cost(model, piece, n, parts) for piece in PIECES}
        each = ", ".join(f"{piece} {by_model[piece]:.1f}/{costs[piece]:.1f}" for piece in PIECES)
        print(f"n {n:g}, model/measured: {sum(by_model.values()):.1f}/{sum(costs[p] for p in PIECES):.1f}; {each}")
    for n in [100, 1000]:
        # Not more parts than files can be open for.
        parts = min(400, round(OVERLAP * n / given.part))
        for machines in [1, 8, 64]:
            seconds = [cost(model, p, n, parts) / (machines if p in DIVIDED else 1) for p in PIECES]
            minutes = sum(seconds) / given.cores / 60
            print(f"{n} million rows, {parts} parts, {machines} machines: {minutes:.0f} minutes")
