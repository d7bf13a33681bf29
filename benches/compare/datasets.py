#!/usr/bin/env python3
"""Writes the data sets of the comparison as .npy files. See README.md."""
import argparse
import gzip
import os

import numpy as np

FASHION = "train-images-idx3-ubyte.gz"
CITIES = "latlon_degrees.npy"
WORDS = "word2vec_100d.npz"


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


def fashion_alt(source):
    """60,000 other images of the same shape: two of Fashion-MNIST blended, one turned or mirrored, moved by up to 2."""
    rng, x = np.random.default_rng(5), fashion(source).reshape(-1, 28, 28)
    turned = np.rot90(x, 1, (1, 2)), x[:, :, ::-1]
    which, share = rng.integers(0, 2, len(x)), rng.uniform(0.5, 1.0, len(x)).astype(np.float32)[:, None, None]
    y = share * np.where(which[:, None, None] == 0, *turned) + (1 - share) * x[rng.permutation(len(x))]
    for i, by in enumerate(rng.integers(-2, 3, (len(x), 2))):
        y[i] = np.roll(y[i], by, (0, 1))
    return y.round().astype(np.uint8).reshape(-1, 784)


def sentences(source, n=64_000, dim=384, topics=3_000, near=150):
    """Like embeddings of sentences: 5 to 25 words each, most of them from one or two topics (a word and its `near`
    nearest), the others any, all by Zipf's law; the weighted mean of their vectors, through a random layer of 512
    (tanh) to `dim` columns; a common direction; length 1. The last 2,000 are the queries."""
    rng = np.random.default_rng(4)
    words = np.load(os.path.join(source, WORDS))["base"]  # in order of frequency
    words = words / np.linalg.norm(words, axis=1, keepdims=True)
    zipf = 1 / (np.arange(len(words)) + 3.0)
    zipf /= zipf.sum()
    weights = (1e-3 / (1e-3 + zipf)).astype(np.float32)
    about = np.empty((topics, near), np.int64)
    for i, word in enumerate(rng.permutation(np.arange(200, 20_000))[:topics]):
        about[i] = np.argpartition(-(words @ words[word]), near)[:near]
    popular = 1 / (np.arange(topics) + 20.0)
    topic = rng.choice(topics, (n, 2), p=popular / popular.sum())
    length, inner, every = rng.integers(5, 26, n), np.cumsum(zipf[about], axis=1), np.cumsum(zipf)
    mean = np.zeros((n, words.shape[1]), np.float32)
    for j in range(25):
        t = topic[np.arange(n), (rng.random(n) < 0.3).astype(int)]
        place = (inner[t] < (rng.random(n) * inner[t, -1])[:, None]).sum(1)
        other = np.searchsorted(every, rng.random(n)).clip(0, len(words) - 1)
        word = np.where(rng.random(n) < 0.7, about[t, place.clip(0, near - 1)], other)
        mean += np.where(j < length, weights[word], 0)[:, None] * words[word]
    mean /= np.linalg.norm(mean, axis=1, keepdims=True)
    layer, bias = (rng.standard_normal(s).astype(np.float32) for s in ((words.shape[1], 512), 512))
    x = np.tanh(1.5 * (mean @ layer) + 0.5 * bias) @ (rng.standard_normal((512, dim)).astype(np.float32) / 512**0.5)
    x += x.std() * rng.normal(0, 0.4, dim).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def copies():
    """20 distinct points, 200 times each, in 32 dimensions."""
    return np.tile(np.random.default_rng(3).standard_normal((20, 32)).astype(np.float32), (200, 1))


RECIPES = {
    "fashion": lambda a: fashion(a.fashion).astype(np.float32),
    "fashion-queries": lambda a: fashion_queries(a.fashion),
    "fashion-u8": lambda a: fashion(a.fashion),
    "fashion-alt": lambda a: fashion_alt(a.fashion).astype(np.float32),
    "words": lambda a: np.load(os.path.join(a.words, WORDS))["base"],
    "words-queries": lambda a: np.load(os.path.join(a.words, WORDS))["queries"],
    "sentences": lambda a: sentences(a.words)[:-2000],
    "sentences-queries": lambda a: sentences(a.words)[-2000:],
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
    ap.add_argument("--words", default=".", help=f"folder of {WORDS}: word vectors `base` and `queries`, in order of frequency")
    ap.add_argument("--out", default="target/compare")
    args = ap.parse_args()
    os.makedirs(args.out, exist_ok=True)
    for name in args.names:
        try:
            data = RECIPES[name](args)
        except FileNotFoundError as e:
            print(f"{name}: skipped, no {e.filename}")
            continue
        np.save(os.path.join(args.out, name + ".npy"), data)
        print(f"{name}: {data.shape[0]} x {data.shape[1]} {data.dtype}")
