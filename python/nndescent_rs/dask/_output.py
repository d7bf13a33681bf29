"""The graph on disk as dask arrays."""

from __future__ import annotations

import importlib
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

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


def checked(output: PathLike) -> tuple[Path, tuple[str, ...]]:
    """Where the graph goes, and the modules that write it. Raises before anything is built."""
    path = Path(output).absolute()
    modules = {".npz": (), ".zarr": ("zarr",), ".parquet": ("pyarrow",)}.get(path.suffix)
    if modules is None:
        raise ValueError(f"output = {path.name!r}, but it must end with .npz, .zarr or .parquet")
    for name in modules:
        importlib.import_module(name)
    if path.suffix == ".npz" and path.is_dir() or path.suffix == ".parquet" and path.is_file():
        raise FileExistsError(f"output = {str(path)!r} is there, but no {'file' if path.is_dir() else 'folder'}")
    if path.suffix == ".zarr" and _is_zarr_array(path):
        raise FileExistsError(f"output = {str(path)!r} is a Zarr array, but a group is written")
    return path, modules


def _is_zarr_array(path: Path) -> bool:
    import zarr

    try:
        zarr.open_array(str(path), mode="r")
    except (FileNotFoundError, ValueError):  # a group, or nothing
        return False
    return True


def _array(read: Callable[..., np.ndarray], calls: list[tuple[Any, ...]], dtype: Any, shape: tuple[int, int]) -> Any:
    """A dask array of blocks. Their keys are new: the cluster may hold what such files held before."""
    (n, k), block = shape, delayed(read, pure=False)
    blocks = [
        dask.array.from_delayed(block(*call), (min(BLOCK_ROWS, n - first), k), dtype)
        for first, call in zip(range(0, n, BLOCK_ROWS), calls, strict=True)
    ]
    return dask.array.concatenate(blocks)


def arrays_of(path: Path, shape: tuple[int, int]) -> tuple[Any, Any]:
    """Dask arrays of both arrays in an .npz."""
    n, _ = shape

    def of(name: str, dtype: Any) -> Any:
        calls = [(str(path), name, first, min(n, first + BLOCK_ROWS)) for first in range(0, n, BLOCK_ROWS)]
        return _array(_rows_of_member, calls, dtype, shape)

    return of("indices", np.uint32), of("distances", np.float32)


def to_zarr(pieces: Pieces, path: Path, indices: Any, distances: Any) -> tuple[Any, Any]:
    arrays = {"indices": indices, "distances": distances}
    writes = [
        dask.array.to_zarr(array, str(path), component=name, overwrite=True, compute=False)
        for name, array in arrays.items()
    ]
    pieces.compute(writes)
    indices, distances = (
        dask.array.from_zarr(str(path), component=name, name=f"{name}-{uuid4().hex}") for name in arrays
    )
    return indices, distances


def to_parquet(pieces: Pieces, path: Path, file: Path, shape: tuple[int, int]) -> tuple[Any, Any]:
    path.mkdir(exist_ok=True)
    for old in path.glob("part-[0-9][0-9][0-9][0-9][0-9].parquet"):
        old.unlink()
    n, _ = shape
    firsts = range(0, n, BLOCK_ROWS)
    files = [str(path / f"part-{at:05}.parquet") for at in range(len(firsts))]
    tasks = [
        (str(file), target, first, min(n, first + BLOCK_ROWS))
        for target, first in zip(files, firsts, strict=True)
    ]
    pieces.spread("parquet", _write_parquet, tasks)

    def of(name: str, dtype: Any) -> Any:
        return _array(_rows_of_parquet, [(target, name) for target in files], dtype, shape)

    return of("indices", np.uint32), of("distances", np.float32)


def _write_parquet(folder: str, memory: int, source: str, target: str, first: int, end: int) -> None:
    import pyarrow
    import pyarrow.parquet

    columns = {}
    for name in ("indices", "distances"):
        rows = _rows_of_member(source, name, first, end)
        columns[name] = pyarrow.FixedSizeListArray.from_arrays(rows.ravel(), rows.shape[1])
    pyarrow.parquet.write_table(pyarrow.table(columns), target)


def _rows_of_parquet(path: str, name: str) -> np.ndarray:
    import pyarrow.parquet

    column = pyarrow.parquet.read_table(path, columns=[name]).column(0).combine_chunks()
    rows: np.ndarray = column.flatten().to_numpy().reshape(len(column), -1)
    return rows
