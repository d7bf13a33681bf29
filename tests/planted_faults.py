#!/usr/bin/env python3
"""Plants one fault after another in the shaders and runs the tests of the GPU executor, which must fail every time: tests that
pass whatever kernels compute are worth nothing. Takes some minutes; run it by hand, in a checkout without changes to shaders/."""
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parent.parent
# File, text, what is to stand there instead (at its first place).
FAULTS = [
    ("block_pairs.wgsl", "row < column", "row + 1u < column"),
    ("block_pairs.wgsl", "first + i % DEPTH);", "first + i % (DEPTH - 1u));"),
    ("block_pairs.wgsl", "block.x_count - 1u", "block.x_count - 2u"),
    ("offer_pairs.wgsl", "other != row", "other < row"),
    ("offer_pairs.wgsl", "pairs[distances + column]", "pairs[distances + (column ^ 1u)]"),
    ("offer_lists.wgsl", "other != row", "other < row"),
    ("fill_random.wgsl", "other != row", "other < row"),
    ("fill_random.wgsl", "looked_at >= params.n", "looked_at >= 8u"),
    ("reverse_edges.wgsl", "atomicAdd(&counts[id >> 1u], 1u);", "atomicMax(&counts[id >> 1u], 1u);"),
    ("reverse_edges.wgsl", "row << 1u | (id & 1u)", "row << 1u | 1u"),
    ("neighborhoods.wgsl", "!is_held(id)", "true"),
    ("neighborhoods.wgsl", "id & ~1u", "id"),
    ("neighborhoods.wgsl", "select(fresh, 0u,", "select(0u, 0u,"),
    ("local_join.wgsl", "distance_between(row, waiting[w])", "distance_between(row, waiting[w] ^ 1u)"),
    ("local_join.wgsl", "header >> 16u, header & 0xffffu, m < fresh", "header >> 16u, header & 0xffffu, m <= fresh"),
    ("local_join.wgsl", "atomicLoad(&entered)", "1u"),
    ("shared/nearest.wgsl", "d == e && id < other", "d == e && id > other"),
    ("shared/nearest.wgsl", "!is_kept(id)", "true"),
    ("shared/owned_row.wgsl", "= kept_ids[r];", "= kept_ids[r] & ~1u;"),
    ("shared/distance.wgsl", "q + 4u <= params.quads", "q + 8u <= params.quads + 4u"),
    ("shared/metrics/squared_differences.wgsl", "fma(d, d, acc.sum)", "fma(d, abs(d) + 1.0, acc.sum)"),
    ("shared/metrics/angle.wgsl", "fma(d, d,", "fma(d, abs(d) + 1.0,"),
    ("shared/metrics/negative_dot.wgsl", "fma(x, y,", "fma(x, abs(y) + 1.0,"),
    ("shared/metrics/manhattan.wgsl", "abs(x - y)", "max(x - y, vec4<f32>())"),
    ("shared/metrics/chebyshev.wgsl", "abs(x - y)", "max(x - y, vec4<f32>())"),
    ("shared/metrics/minkowski.wgsl", "POWER)", "POWER + 0.1)"),
    ("shared/metrics/hamming.wgsl", "x != y", "x > y"),
    ("shared/metrics/canberra.wgsl", "abs(x) + abs(y)", "abs(x) + abs(y) + 1.0"),
    ("shared/metrics/braycurtis.wgsl", "abs(x + y)", "abs(x)"),
]


def notice():
    """The first test that fails; none if all pass."""
    environment = dict(os.environ, NNDESCENT_REQUIRE_GPU="1")
    for words in (["--lib", "gpu"], ["--test", "gpu"]):
        ran = subprocess.run(["cargo", "test", *words], cwd=ROOT, env=environment, capture_output=True, text=True)
        failed = [line.split()[1] for line in ran.stdout.splitlines() if line.startswith("test ") and "FAILED" in line]
        if failed or ran.returncode:
            return failed[0] if failed else "does not compile:" + ran.stderr[-300:]
    return None


missed = 0
for file, text, instead in FAULTS:
    path = ROOT / "shaders" / file
    whole = path.read_text()
    if text not in whole:
        print(f"NOT THERE    {file}: {text}", flush=True)
        missed += 1
        continue
    path.write_text(whole.replace(text, instead, 1))
    try:
        by = notice()
    finally:
        path.write_text(whole)
    print(f"{'noticed' if by else 'NOT NOTICED':12} {file}: {text} -> {instead} {f'({by})' if by else ''}", flush=True)
    missed += by is None or by.startswith("does not")
sys.exit(missed > 0)
