#!/usr/bin/env python3
"""Writes a set of the benches of builds beyond memory, n x 96 f32, chunk by chunk: `data.py clustered|flat n out.npy`.

clustered: patches of 8 dimensions, one for every 500 rows, in random order.
flat: a cloud of 4,096 overlapping clusters of 24 dimensions: little structure.
"""
import sys

import numpy as np

DIM, CHUNK, INNER, SPREAD, CENTERS = 96, 100_000, 8, 24, 4096


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def clustered(n):
    clusters = max(1, n // 500)
    bases = normal((1, 0), clusters, INNER, DIM) / np.float32(INNER**0.5)
    centers = normal((1, 1), clusters, DIM)

    def rows(chunk, m):
        rng = np.random.default_rng((1, 2, chunk))
        of = rng.integers(0, clusters, m)
        inner = np.sin(1.3 * rng.standard_normal((m, INNER), dtype=np.float32))
        out = centers[of] + 0.05 * rng.standard_normal((m, DIM), dtype=np.float32)
        for i in range(INNER):
            out += inner[:, i : i + 1] * bases[of, i]
        return out

    return rows


def flat(n):
    centers = 0.7 * normal((2, 0), CENTERS, DIM)
    directions = 0.35 * normal((2, 1), SPREAD, DIM)

    def rows(chunk, m):
        rng = np.random.default_rng((2, 2, chunk))
        out = centers[rng.integers(0, CENTERS, m)] + rng.standard_normal((m, SPREAD), dtype=np.float32) @ directions
        return out + 0.25 * rng.standard_normal((m, DIM), dtype=np.float32)

    return rows


if __name__ == "__main__":
    recipe, n, path = {"clustered": clustered, "flat": flat}[sys.argv[1]], int(sys.argv[2]), sys.argv[3]
    out = np.lib.format.open_memmap(path, "w+", np.float32, (n, DIM))
    rows = recipe(n)
    for chunk, at in enumerate(range(0, n, CHUNK)):
        m = min(CHUNK, n - at)
        out[at : at + m] = rows(chunk, m)
    out.flush()
