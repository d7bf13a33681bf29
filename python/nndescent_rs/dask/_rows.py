"""Rows on the disk that workers share."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import uuid4

import dask.array
import numpy as np
from dask.delayed import delayed

from .._arrays import OWN_TYPES
from ._pieces import Pieces

#: Files that pieces read as they are.
READ_IN_PLACE = frozenset({".npy", ".fvecs", ".bvecs", ".fbin", ".u8bin", ".i8bin"})


def on_disk(pieces: Pieces, X: Any) -> Path:
    """A file of all rows that pieces can read."""
    if isinstance(X, (str, os.PathLike)):
        path = Path(X).absolute()
        if path.suffix in READ_IN_PLACE:
            return path
        X = [path]
    target = pieces.folder / "rows.npy"
    if isinstance(X, dask.array.Array):
        _write_blocks(pieces, X, target)
    elif isinstance(X, (list, tuple)) and X and all(isinstance(path, (str, os.PathLike)) for path in X):
        _copy_files(pieces, [Path(path).absolute() for path in X], target)
    else:
        array = np.asarray(X)
        if array.ndim != 2:
            raise ValueError(f"X has shape {array.shape}, but a matrix of n rows and d columns is needed")
        np.save(target, np.ascontiguousarray(array, _kept_type(array.dtype)))
    return target


def _kept_type(dtype: Any) -> np.dtype[Any]:
    """The type that rows are kept in."""
    dtype = np.dtype(dtype)
    if dtype.kind not in "fiub":
        raise TypeError(f"X has dtype {dtype}, but real numbers are needed")
    return dtype if dtype in OWN_TYPES else np.dtype(np.float32)


def _write_blocks(pieces: Pieces, X: Any, target: Path) -> None:
    """Every block of a dask array to its place in a file, by the worker that has it."""
    if X.ndim != 2:
        raise ValueError(f"X has shape {X.shape}, but a matrix of n rows and d columns is needed")
    X = X.rechunk({1: -1})
    if any(np.isnan(rows) for rows in X.chunks[0]):
        X = X.compute_chunk_sizes()
    dtype = _kept_type(X.dtype)
    np.lib.format.open_memmap(target, "w+", dtype, X.shape).flush()
    firsts = np.concatenate([[0], np.cumsum(X.chunks[0])[:-1]])
    writes = [
        delayed(_write_rows, name=f"nndescent_copy-{uuid4().hex}")(str(target), int(first), block)
        for first, block in zip(firsts, X.to_delayed().ravel())
    ]
    futures: Any = pieces.client.compute(writes)
    for future in futures:
        future.result()


def _write_rows(target: str, first: int, rows: Any) -> None:
    out = np.lib.format.open_memmap(target, "r+")
    out[first : first + len(rows)] = rows
    out.flush()


def _copy_files(pieces: Pieces, paths: list[Path], target: Path) -> None:
    """The rows of several files to one, each by a worker."""
    shapes = [_shape_of(path) for path in paths]
    columns = {columns for _, columns, _ in shapes}
    if len(columns) > 1:
        other = next(i for i, (_, width, _) in enumerate(shapes) if width != shapes[0][1])
        raise ValueError(
            f"{paths[other]} has {shapes[other][1]} columns, but {paths[0]} has {shapes[0][1]}"
        )
    dtype = np.result_type(*(_kept_type(dtype) for _, _, dtype in shapes))
    rows = [n for n, _, _ in shapes]
    np.lib.format.open_memmap(target, "w+", _kept_type(dtype), (sum(rows), columns.pop())).flush()
    firsts = np.concatenate([[0], np.cumsum(rows)[:-1]])
    tasks = [(str(path), str(target), int(first)) for path, first in zip(paths, firsts)]
    pieces.spread("copy", _copy_file, tasks)


def _shape_of(path: Path) -> tuple[int, int, Any]:
    """Rows, columns and type of a file."""
    if path.suffix == ".npy":
        array = np.load(path, mmap_mode="r")
    elif path.suffix == ".zarr":
        import zarr

        array = zarr.open_array(str(path), mode="r")
    elif path.suffix == ".parquet":
        import pyarrow.parquet

        file = pyarrow.parquet.ParquetFile(path)
        kind = _list_type(path, file.schema_arrow)
        return file.metadata.num_rows, kind.list_size, kind.value_type.to_pandas_dtype()
    else:
        raise ValueError(f"{path}: .npy, .zarr or .parquet is needed")
    if array.ndim != 2:
        raise ValueError(f"{path} holds an array of shape {array.shape}, but a matrix is needed")
    return array.shape[0], array.shape[1], array.dtype


def _list_type(path: Path, schema: Any) -> Any:
    """The type of the only column of fixed-size lists."""
    import pyarrow

    lists = [field.type for field in schema if pyarrow.types.is_fixed_size_list(field.type)]
    if len(lists) != 1:
        raise ValueError(f"{path} has {len(lists)} columns of fixed-size lists, but one is needed")
    return lists[0]


def _blocks_of(path: Path) -> Iterable[Any]:
    """The rows of a file, some at a time."""
    if path.suffix == ".parquet":
        import pyarrow.parquet

        file = pyarrow.parquet.ParquetFile(path)
        kind = _list_type(path, file.schema_arrow)
        name = next(field.name for field in file.schema_arrow if field.type == kind)
        for batch in file.iter_batches(columns=[name]):
            yield batch.column(0).flatten().to_numpy(zero_copy_only=False).reshape(-1, kind.list_size)
        return
    if path.suffix == ".npy":
        array = np.load(path, mmap_mode="r")
    else:
        import zarr

        array = zarr.open_array(str(path), mode="r")
    step = max(1, (1 << 26) // max(1, array.shape[1] * array.dtype.itemsize))
    for first in range(0, array.shape[0], step):
        yield array[first : first + step]


def _copy_file(folder: str, memory: int, source: str, target: str, first: int) -> None:
    out = np.lib.format.open_memmap(target, "r+")
    for block in _blocks_of(Path(source)):
        out[first : first + len(block)] = block
        first += len(block)
    out.flush()
