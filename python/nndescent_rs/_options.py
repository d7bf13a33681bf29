"""The dictionaries that the native module reads."""

from __future__ import annotations

from typing import Any

from ._progress import Show

#: More than there can be of anything.
MOST = 1 << 40


def run(n_jobs: int | None = None, progress: Show | None = None) -> dict[str, Any]:
    """How an operation runs."""
    return {"n_jobs": None if n_jobs is None else max(-MOST, min(MOST, integer("n_jobs", n_jobs))), "progress": progress}


def build(
    *,
    n_neighbors: int,
    n_trees: int | None = None,
    leaf_size: int | None = None,
    max_candidates: int | None = None,
    n_iters: int | None = None,
    delta: float | None = None,
    seed: int = 0,
    algorithm: str = "auto",
    device: str = "auto",
    include_self: bool = False,
    target_recall: float | None = None,
    recall_sample: int | None = None,
) -> dict[str, Any]:
    """Settings of a build; None keeps the crate's defaults."""
    counts = {
        "n_trees": n_trees,
        "leaf_size": leaf_size,
        "max_candidates": max_candidates,
        "n_iters": n_iters,
        "recall_sample": recall_sample,
    }
    return {
        "n_neighbors": count("n_neighbors", n_neighbors),
        **{name: None if value is None else count(name, value) for name, value in counts.items()},
        "delta": None if delta is None else float(delta),
        "seed": integer("seed", seed) & 0xFFFFFFFFFFFFFFFF,
        "algorithm": str(algorithm),
        "device": str(device),
        "include_self": bool(include_self),
        "target_recall": None if target_recall is None else float(target_recall),
    }


def division(memory: int, part_rows: int | None, overlap: int) -> dict[str, Any]:
    """How rows are divided into parts."""
    rows = None if part_rows is None else count("part_rows", part_rows)
    return {"memory": memory, "part_rows": rows, "overlap": count("overlap", overlap)}


def count(name: str, value: Any) -> int:
    """`value` as a number of things, at least 0."""
    number = integer(name, value)
    if not 0 <= number <= MOST:
        raise ValueError(f"{name} = {number}, but it must be 0 to {MOST}")
    return number


def integer(name: str, value: Any) -> int:
    """`value` as an int; numpy's are taken, floats are not."""
    try:
        return int(value.__index__())
    except AttributeError:
        raise TypeError(f"{name} = {value!r}, but it must be an integer") from None


def index(
    *,
    diversify_prob: float = 1.0,
    pruning_degree_multiplier: float = 1.5,
    degree_prune_aggressiveness: float | None = None,
    quantization: str = "auto",
    require_quantization: bool = False,
    seed: int = 0,
) -> dict[str, Any]:
    """Settings of an index."""
    return {
        "diversify_prob": float(diversify_prob),
        "pruning_degree_multiplier": float(pruning_degree_multiplier),
        "degree_prune_aggressiveness": degree_prune_aggressiveness,
        "quantization": str(quantization),
        "require_quantization": require_quantization,
        "seed": integer("seed", seed) & 0xFFFFFFFFFFFFFFFF,
    }
