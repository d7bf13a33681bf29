"""Exact neighbours of all rows by PyTorch, with the distances of a block of rows in one matrix product.

    torch_exact.py FILE K

FILE: IDX (as MNIST) or .npy; K: neighbours of every row.
"""

import sys
import time

import numpy as np
import torch


def read(path):
    if path.endswith(".npy"):
        return np.load(path)
    with open(path, "rb") as file:
        data = file.read()
    rank = data[3]
    shape = [int.from_bytes(data[4 * (i + 1) : 4 * (i + 2)], "big") for i in range(rank)]
    return np.frombuffer(data, np.uint8, offset=4 * (rank + 1)).reshape(shape[0], -1).copy()


def nearest(base, squares, k, rows):
    found = []
    for first in range(0, len(base), rows):
        distances = base[first : first + rows] @ base.T
        distances = torch.add(squares[None, :], distances.float(), alpha=-2.0)
        own = torch.arange(len(distances), device=base.device)
        distances[own, own + first] = float("inf")
        found.append(torch.topk(distances, k, dim=1, largest=False).indices)
    return torch.cat(found)


def main():
    points, k = read(sys.argv[1]), int(sys.argv[2])
    on_device = torch.from_numpy(points).to("cuda")
    rows = min(len(points), max(4096, (1 << 29) // len(points)))
    kinds = (("f16", torch.float16, False), ("tf32", torch.float32, True), ("f32", torch.float32, False))
    for name, kind, tf32 in kinds:
        torch.backends.cuda.matmul.allow_tf32 = tf32
        base, squares = on_device.to(kind), on_device.float().pow(2).sum(1)
        nearest(base, squares, k, rows)
        torch.cuda.synchronize()
        start = time.perf_counter()
        nearest(base, squares, k, rows)
        torch.cuda.synchronize()
        print(f"torch {torch.__version__}, exact, {name}: {time.perf_counter() - start:.3f} s")


main()
