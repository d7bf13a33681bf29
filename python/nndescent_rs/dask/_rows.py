"""Rows on the disk that workers share."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
from dask.delayed import delayed

from .._arrays import NarrowingWarning, kept, kept_type, matrix
from ._files import blocks_of, shape_of
from ._pieces import Pieces, check_there, key_of

#: Files that pieces read as they are.
READ_IN_PLACE = frozenset({".npy", ".fvecs", ".bvecs", ".fbin", ".u8bin", ".i8bin", ".hdf5", ".h5"})


def on_disk(pieces: Pieces, X: Any) -> Path:
    """A file of all rows that pieces can read."""
    if isinstance(X, (str, os.PathLike)):
        path = Path(X).absolute()
        if path.suffix in READ_IN_PLACE:
            path.stat()  # raises if there is none
            pieces.share([path])
            return path
        X = [path]
    target = pieces.folder / "rows.npy"
    if hasattr(X, "to_dask_array"):  # dask's frames
        X = X.to_dask_array()
    if isinstance(X, dask.array.Array):
        coarse = _write_array(pieces, X, target)
    elif isinstance(X, (list, tuple)) and X and all(isinstance(path, (str, os.PathLike)) for path in X):
        coarse = _copy_files(pieces, [Path(path).absolute() for path in X], target)
    else:
        rows, text = kept(matrix(X, "X"), "X")
        np.save(target, rows)
        coarse = [text]
    if text := next(filter(None, coarse), None):
        warnings.warn(text, NarrowingWarning, stacklevel=5)
    return target


def _write_array(pieces: Pieces, X: Any, target: Path) -> list[str | None]:
    """Every block of a dask array to its place in a file, by its worker; what float32 holds too coarsely."""
    if X.ndim != 2:
        raise ValueError(f"X has shape {X.shape}, but a matrix of n rows and d columns is needed")
    dtype = kept_type(X.dtype, "X")
    X = X.rechunk({1: -1})
    blocks = X.to_delayed().ravel()
    write, save = (delayed(function, pure=False) for function in (_write_rows, _save_rows))
    if any(np.isnan(rows) for rows in X.chunks[0]):
        # Written before their number is known, so that blocks are computed once.
        paths = [target.with_name(f"rows-{at}.npy") for at in range(len(blocks))]
        pieces.compute(
            [save(str(path), block, dask_key_name=key_of("copy")) for path, block in zip(paths, blocks, strict=True)]
        )
        return _copy_files(pieces, paths, target, is_ours=True)
    np.lib.format.open_memmap(target, "w+", dtype, X.shape).flush()
    ends = np.cumsum(X.chunks[0]).tolist()
    return pieces.compute(
        [
            write(str(target), end - rows, end, block, dask_key_name=key_of("copy"))
            for end, rows, block in zip(ends, X.chunks[0], blocks, strict=True)
        ]
    )


def _write_rows(target: str, first: int, end: int, block: Any) -> str | None:
    out = np.lib.format.open_memmap(target, "r+")
    if block.shape != (end - first, out.shape[1]):
        raise ValueError(
            f"rows {first} to {end} of X: the block has shape {block.shape}, but the dask array says "
            f"{(end - first, out.shape[1])}"
        )
    rows, coarse = kept(matrix(block, "X"), "X", first)
    if not np.can_cast(rows.dtype, out.dtype):
        raise TypeError(f"rows {first} to {end} of X: the block has dtype {block.dtype}, which {out.dtype} cannot hold")
    out[first:end] = rows
    out.flush()
    return coarse


def _save_rows(path: str, block: Any) -> None:
    check_there(str(Path(path).parent))
    np.save(path, np.asarray(block))


def _copy_files(pieces: Pieces, paths: list[Path], target: Path, *, is_ours: bool = False) -> list[str | None]:
    """The rows of several files to one, each by a worker; what float32 holds too coarsely."""
    shapes = [shape_of(path) for path in paths]
    if not is_ours:
        pieces.share(paths)
    columns = shapes[0][1]
    for path, (_, width, _) in zip(paths, shapes, strict=True):
        if width != columns:
            raise ValueError(f"{path} has {width} columns, but {paths[0]} has {columns}")
    types = [kept_type(dtype, str(path)) for path, (_, _, dtype) in zip(paths, shapes, strict=True)]
    ends = np.cumsum([n for n, _, _ in shapes]).tolist()
    shape = (ends[-1], columns)
    np.lib.format.open_memmap(target, "w+", kept_type(np.result_type(*types), "X"), shape).flush()
    tasks = [
        (str(path), str(target), end - n, is_ours) for path, end, (n, _, _) in zip(paths, ends, shapes, strict=True)
    ]
    return pieces.spread("copy", _copy_file, tasks)


def _copy_file(folder: str, memory: int, source: str, target: str, first: int, is_ours: bool) -> str | None:
    out = np.lib.format.open_memmap(target, "r+")
    coarse = None
    done = 0
    for block in blocks_of(Path(source)):
        check_there(folder)
        start = first if is_ours else 0
        rows, text = kept(matrix(block, "X"), "X" if is_ours else source, start + done)
        out[first + done : first + done + len(rows)] = rows
        done += len(rows)
        coarse = coarse or text
    out.flush()
    return coarse
