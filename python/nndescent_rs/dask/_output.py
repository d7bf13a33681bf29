"""The graph on disk as dask arrays."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
from dask.delayed import delayed

from .._files import PathLike
from ._pieces import Pieces

#: Rows of a block of the arrays that are returned.
BLOCK_ROWS = 1 << 20


def _member(path: PathLike, name: str) -> np.ndarray:
    """An array of an .npz, mapped. numpy stores it uncompressed."""
    with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as member:
        info = archive.getinfo(f"{name}.npy")
        np.lib.format.read_magic(member)
        shape, _, dtype = np.lib.format.read_array_header_1_0(member)
        header = member.tell()
    with open(path, "rb") as file:
        file.seek(info.header_offset + 26)
        lengths = struct.unpack("<HH", file.read(4))
    offset = info.header_offset + 30 + sum(lengths) + header
    return np.memmap(path, dtype, "r", offset, shape)


def _rows_of_member(path: str, name: str, first: int, end: int) -> np.ndarray:
    return np.array(_member(path, name)[first:end])


def array_of(path: Path, name: str, shape: tuple[int, int]) -> Any:
    """A dask array of an array in an .npz."""
    n, k = shape
    dtype = np.uint32 if name == "indices" else np.float32
    blocks = [
        dask.array.from_delayed(
            delayed(_rows_of_member, pure=True)(str(path), name, first, min(n, first + BLOCK_ROWS)),
            (min(n, first + BLOCK_ROWS) - first, k),
            dtype,
        )
        for first in range(0, n, BLOCK_ROWS)
    ]
    return dask.array.concatenate(blocks)


def to_zarr(path: Path, indices: Any, distances: Any) -> tuple[Any, Any]:
    for name, array in (("indices", indices), ("distances", distances)):
        dask.array.to_zarr(array, str(path), component=name, overwrite=True)
    indices, distances = (dask.array.from_zarr(str(path), component=name) for name in ("indices", "distances"))
    return indices, distances


def to_parquet(pieces: Pieces, path: Path, file: Path, n: int) -> None:
    path.mkdir(parents=True, exist_ok=True)
    tasks = [
        (str(file), str(path / f"part-{at:05}.parquet"), first, min(n, first + BLOCK_ROWS))
        for at, first in enumerate(range(0, n, BLOCK_ROWS))
    ]
    pieces.spread("parquet", _write_parquet, tasks)


def _write_parquet(folder: str, memory: int, source: str, target: str, first: int, end: int) -> None:
    import pyarrow
    import pyarrow.parquet

    columns = {}
    for name in ("indices", "distances"):
        rows = _rows_of_member(source, name, first, end)
        columns[name] = pyarrow.FixedSizeListArray.from_arrays(rows.ravel(), rows.shape[1])
    pyarrow.parquet.write_table(pyarrow.table(columns), target)


def of_parquet(path: Path, n: int, k: int) -> tuple[Any, Any]:
    def blocks(name: str, dtype: Any) -> Any:
        return dask.array.concatenate(
            [
                dask.array.from_delayed(
                    delayed(_rows_of_parquet, pure=True)(str(path / f"part-{at:05}.parquet"), name),
                    (min(n, first + BLOCK_ROWS) - first, k),
                    dtype,
                )
                for at, first in enumerate(range(0, n, BLOCK_ROWS))
            ]
        )

    return blocks("indices", np.uint32), blocks("distances", np.float32)


def _rows_of_parquet(path: str, name: str) -> np.ndarray:
    import pyarrow.parquet

    column = pyarrow.parquet.read_table(path, columns=[name]).column(0).combine_chunks()
    rows: np.ndarray = column.flatten().to_numpy().reshape(len(column), -1)
    return rows
