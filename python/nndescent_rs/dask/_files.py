"""Files of rows that are copied: .npy, Zarr, Parquet."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np


def shape_of(path: Path) -> tuple[int, int, Any]:
    """Rows, columns and type of a file."""
    if path.suffix == ".parquet":
        file, _, kind = _parquet(path)
        return file.metadata.num_rows, kind.list_size, kind.value_type.to_pandas_dtype()
    array = _array(path)
    if array.ndim != 2:
        raise ValueError(f"{path} holds an array of shape {array.shape}, but a matrix is needed")
    return array.shape[0], array.shape[1], array.dtype


def blocks_of(path: Path) -> Iterable[Any]:
    """The rows of a file, some at a time."""
    if path.suffix == ".parquet":
        file, name, kind = _parquet(path)
        first = 0
        for batch in file.iter_batches(columns=[name]):
            yield _rows_of_lists(batch.column(0), kind.list_size, path, first)
            first += len(batch)
        return
    array = _array(path)
    step = max(1, (1 << 26) // max(1, array.shape[1] * array.dtype.itemsize))
    for first in range(0, array.shape[0], step):
        yield array[first : first + step]


def _array(path: Path) -> Any:
    """An array in a file, not read."""
    try:
        if path.suffix == ".npy":
            return np.load(path, mmap_mode="r")
        if path.suffix == ".zarr":
            import zarr

            return zarr.open_array(str(path), mode="r")
    except FileNotFoundError:
        raise
    except (ValueError, EOFError) as error:  # zarr's errors are of these
        raise ValueError(f"{path}: {error}") from None
    raise ValueError(
        f"{path}: .npy, .zarr or .parquet is needed; a single file may also be .fvecs, .bvecs, .fbin, .u8bin, .i8bin, "
        ".hdf5 or .h5"
    )


def _parquet(path: Path) -> tuple[Any, str, Any]:
    """A file of Parquet, and name and type of its only column of fixed-size lists."""
    import pyarrow
    import pyarrow.parquet

    if path.is_dir():
        raise ValueError(f"{path} is a folder: list the files in it, in the order of their rows")
    try:
        file = pyarrow.parquet.ParquetFile(path)
    except pyarrow.ArrowInvalid as error:
        raise ValueError(f"{path}: {error}") from None
    lists = [field for field in file.schema_arrow if pyarrow.types.is_fixed_size_list(field.type)]
    if len(lists) != 1:
        raise ValueError(
            f"{path} has {len(lists)} columns of fixed-size lists, but one is needed; its columns are "
            + ", ".join(f"{field.name}: {field.type}" for field in file.schema_arrow)
        )
    return file, lists[0].name, lists[0].type


def _rows_of_lists(lists: Any, columns: int, path: Path, first: int) -> np.ndarray:
    """A column as a matrix. A null is no number, and flattened lists leave out those that are null."""
    if lists.null_count:
        row = int(np.flatnonzero(lists.is_null().to_numpy(zero_copy_only=False))[0])
        raise ValueError(f"{path}: row {first + row} is null")
    values = lists.flatten()
    if values.null_count:
        at = int(np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))[0])
        raise ValueError(f"{path}: row {first + at // columns}, column {at % columns} is null")
    rows: np.ndarray = values.to_numpy(zero_copy_only=False).reshape(-1, columns)
    return rows
