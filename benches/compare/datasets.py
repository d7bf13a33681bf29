#!/usr/bin/env python3
"""Writes the data sets of the comparison as .npy files. See README.md."""
import argparse
import gzip
import os

import numpy as np

FASHION = "train-images-idx3-ubyte.gz"
CITIES = "latlon_degrees.npy"


def fashion(source):
    """Fashion-MNIST, 60,000 x 784 u8, from its gzipped IDX file."""
    with gzip.open(os.path.join(source, FASHION)) as f:
        return np.frombuffer(f.read(), np.uint8, offset=16).reshape(-1, 784)


def fashion_queries(source):
    """The 10,000 test images of Fashion-MNIST, as f32."""
    with gzip.open(os.path.join(source, "t10k-images-idx3-ubyte.gz")) as f:
        return np.frombuffer(f.read(), np.uint8, offset=16).reshape(-1, 784).astype(np.float32)


def cities(source):
    """Latitude and longitude in degrees as points on the unit sphere, n x 3 f32."""
    lat, lon = np.radians(np.load(os.path.join(source, CITIES))).T
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], 1).astype(np.float32)


def manifolds(n, dim, clusters, low, high, seed):
    """Clusters of uneven size, each a patch of `low` to `high` dimensions in `dim`, with a little noise."""
    rng = np.random.default_rng(seed)
    out = np.empty((n, dim), np.float32)
    weights = rng.gamma(1.0, size=clusters)
    at = 0
    for m in rng.multinomial(n, weights / weights.sum()):
        if m == 0:
            continue
        d = rng.integers(low, high + 1)
        basis = rng.standard_normal((d, dim)).astype(np.float32) / np.sqrt(d)
        center = rng.standard_normal(dim)
        inner = np.sin(1.3 * rng.standard_normal((m, d)).astype(np.float32))
        out[at : at + m] = inner @ basis + center + 0.05 * rng.standard_normal((m, dim))
        at += m
    rng.shuffle(out)
    return out


def copies():
    """20 distinct points, 200 times each, in 32 dimensions."""
    return np.tile(np.random.default_rng(3).standard_normal((20, 32)).astype(np.float32), (200, 1))


RECIPES = {
    "fashion": lambda a: fashion(a.fashion).astype(np.float32),
    "fashion-queries": lambda a: fashion_queries(a.fashion),
    "fashion-u8": lambda a: fashion(a.fashion),
    "cities": lambda a: cities(a.cities),
    "clusters32": lambda _: manifolds(500_000, 32, 500, 6, 12, 1),
    "manifold96": lambda _: manifolds(1_000_000, 96, 2000, 8, 16, 2),
    # The same density at every size: 500 points per cluster.
    "manifold96-400k": lambda _: manifolds(400_000, 96, 800, 8, 16, 2),
    "manifold96-200k": lambda _: manifolds(200_000, 96, 400, 8, 16, 2),
    "manifold96-100k": lambda _: manifolds(100_000, 96, 200, 8, 16, 2),
    # As many clusters as the million has, so sparser: 50 points per cluster.
    "manifold96-100k-sparse": lambda _: manifolds(100_000, 96, 2000, 8, 16, 2),
    "gaussian": lambda _: np.random.default_rng(0).standard_normal((30_000, 100)).astype(np.float32),
    "copies": lambda _: copies(),
}

if __name__ == "__main__":
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("names", nargs="+", choices=RECIPES)
    ap.add_argument("--fashion", default=".", help=f"folder of {FASHION}")
    ap.add_argument("--cities", default=".", help=f"folder of {CITIES}")
    ap.add_argument("--out", default="target/compare")
    args = ap.parse_args()
    os.makedirs(args.out, exist_ok=True)
    for name in args.names:
        data = RECIPES[name](args)
        np.save(os.path.join(args.out, name + ".npy"), data)
        print(f"{name}: {data.shape[0]} x {data.shape[1]} {data.dtype}")
