"""What users pass in, as the native module takes it: checked, and copied only where that is needed."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

from . import _core

__all__ = ["NarrowingWarning", "rows", "float32_rows", "is_sparse", "kept", "kept_type", "matrix", "missing_as"]

#: Types that points keep: no copy is made of C-contiguous arrays of these.
OWN_TYPES = frozenset(np.dtype(name) for name in ("float32", "float16", "uint8", "int8"))
#: Integers that float32 holds exactly, whatever their value.
SMALL_INTEGERS = frozenset(np.dtype(name) for name in ("int16", "uint16"))
#: A column is held well by float32 if what its values lose is less than this share of their standard deviation.
FINE = 1e-5
#: The least positive number that float32 holds with all its digits.
TINY = float(np.finfo(np.float32).tiny)
#: Beyond this share, neighbours that should be told apart may not be.
COARSE = 1e-4


class NarrowingWarning(UserWarning):
    """Values that float32 holds too coarsely to tell neighbours apart."""


def is_sparse(x: Any) -> bool:
    """Whether `x` is a scipy sparse matrix or array. scipy is not imported for it."""
    return hasattr(x, "tocsr") and hasattr(x, "nnz")


def matrix(x: Any, name: str) -> np.ndarray:
    """`x` as a dense matrix of numbers, in its own type where points have it, else float64."""
    if is_sparse(x):
        raise TypeError(f"{name} is sparse, but a dense matrix is needed")
    if hasattr(x, "to_numpy") and not isinstance(x, np.ndarray):  # pandas, polars
        x = x.to_numpy()
    if np.ma.is_masked(x):
        masked = np.count_nonzero(np.ma.getmaskarray(x))
        raise ValueError(f"{name} has {masked} masked values: fill them, {name}.filled(0), or leave their rows out")
    array = np.asarray(x)
    if array.dtype == object:
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise TypeError(f"{name} holds objects that are no numbers: {error}") from None
    if array.ndim != 2:
        raise ValueError(
            f"{name} has shape {array.shape}, but a matrix of n rows and d columns is needed"
            + (f": for one row, {name}.reshape(1, -1)" if array.ndim == 1 else "")
        )
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} has dtype {array.dtype}, but real numbers are needed")
    return array


def _in_order(array: np.ndarray, dtype: Any) -> np.ndarray:
    """C-contiguous, aligned, in the machine's byte order; `array` itself if it is."""
    return np.require(array, dtype=dtype, requirements=["C", "A"])


def rows(x: Any, name: str = "X", *, bits: bool = False, wide: bool = False) -> Any:
    """
    `x` for the native module: a matrix in C order, or `(columns, indptr, indices, values)`.

    Parameters
    ----------
    x : array-like or sparse matrix of shape (n, d)
        C-contiguous float32, float16, uint8 and int8 are not copied, memory maps included. Booleans become uint8, all
        else float32 where that holds it well, or else float64.
    bits : bool
        Whether rows are packed bits, uint8.
    wide : bool
        Whether float64 and wide integers stay float64.

    Raises
    ------
    TypeError
        Of values that are no real numbers.
    ValueError
        Of anything that is no matrix.
    """
    if is_sparse(x):
        if bits:
            raise TypeError(f"{name} is sparse, but packed bits are a dense uint8 matrix")
        return _csr(x, name)
    array = matrix(x, name)
    if bits:
        if array.dtype != np.uint8:
            raise TypeError(f"{name} has dtype {array.dtype}, but packed bits are uint8 (numpy.packbits)")
        return ("bits", _in_order(array, np.uint8))
    if array.dtype == np.bool_:
        return _in_order(array, np.uint8)
    own = array.dtype.newbyteorder("=")
    if own in OWN_TYPES:
        return _in_order(array, own)
    if own in SMALL_INTEGERS:
        return _in_order(array, np.float32)
    if wide:
        return _in_order(array, np.float64)
    narrowed, losses = _narrowed(array, name)
    return narrowed if losses.worst(FINE) is None else _in_order(array, np.float64)


def rows_for(metric: Any, x: Any, name: str = "X", *, bits: bool = False) -> Any:
    """The same for a metric: a function compares dense rows as float32."""
    if callable(metric) and not bits and not is_sparse(x):
        return float32_rows(x, name)
    return rows(x, name, bits=bits)


def float32_rows(x: Any, name: str = "X", *, warn: bool = True) -> np.ndarray:
    """A dense matrix as C-contiguous float32; warns if values do not survive."""
    narrow, coarse = _as_float32(matrix(x, name), name)
    if warn and coarse is not None:
        warnings.warn(coarse, NarrowingWarning, stacklevel=4)
    return narrow


def kept_type(dtype: Any, name: str) -> np.dtype[Any]:
    """The type that rows in a file are kept in."""
    dtype = np.dtype(dtype)
    if dtype.kind not in "fiub":
        raise TypeError(f"{name} has dtype {dtype}, but real numbers are needed")
    own = np.dtype(np.uint8) if dtype.kind == "b" else dtype.newbyteorder("=")
    return own if own in OWN_TYPES else np.dtype(np.float32)


def kept(array: np.ndarray, name: str, first: int = 0) -> tuple[np.ndarray, str | None]:
    """A dense matrix, or rows of one from `first` on, in that type; what to say where it holds them too coarsely."""
    dtype = kept_type(array.dtype, name)
    return _as_float32(array, name, first) if dtype == np.float32 else (_in_order(array, dtype), None)


def _as_float32(array: np.ndarray, name: str, first: int = 0) -> tuple[np.ndarray, str | None]:
    """As C-contiguous float32, and what to say of a column that this holds too coarsely."""
    if array.dtype == np.float32 or array.dtype.itemsize < 4 and array.dtype.kind in "fiub":
        return _in_order(array, np.float32), None
    narrowed, losses = _narrowed(array, name, first)
    column = losses.worst(COARSE)
    if column is None:
        return narrowed, None
    return narrowed, coarse_text(name, column, first, array[0, column], losses.lost[column], losses.spread[column])


def coarse_text(name: str, column: int, row: int, value: Any, lost: float, spread: float) -> str:
    """What to say of a column that float32 holds too coarsely."""
    return (
        f"float32 holds column {column} of {name} too coarsely: values such as {value} in row {row} are "
        f"off by up to {lost:.2g}, where the standard deviation is {spread:.2g}. Subtract what they have in common."
    )


class _Losses(NamedTuple):
    """What float32 loses of every column, and how far that is spread."""

    lost: np.ndarray
    spread: np.ndarray
    #: Columns of one value, of which nothing that matters is lost.
    is_constant: np.ndarray

    def worst(self, tolerance: float) -> int | None:
        """The column that loses most, if any loses more than this share of its spread."""
        coarse = (self.lost > tolerance * self.spread) & ~self.is_constant
        if not coarse.any():
            return None
        with np.errstate(divide="ignore", invalid="ignore"):
            return int(np.argmax(np.where(coarse, self.lost / self.spread, -1.0)))


def _narrowed(array: np.ndarray, name: str, first: int = 0) -> tuple[np.ndarray, _Losses]:
    """Rows from `first` on as float32. Raises where that has no such value; what is not finite is refused later."""
    narrowed, lost, low, high = _core.narrowed(_in_order(array, np.float64))
    if not np.isfinite(lost).all():
        row, column = (int(at) for at in np.argwhere(np.isfinite(array) & ~np.isfinite(narrowed))[0])
        raise ValueError(f"{name}[{first + row}, {column}] is {array[row, column]}, which float32 cannot hold")
    bounds = np.abs(np.concatenate([low, high]))
    size = float(bounds[np.isfinite(bounds)].max(initial=0.0))
    if 0.0 < size < TINY:
        raise ValueError(f"values of {name} are at most {size:.2g} in size, which float32 hardly tells from 0")
    sample = array[:: max(1, len(array) // 4096)].astype(np.float64)
    with np.errstate(invalid="ignore"):
        spread = sample.std(axis=0) if len(array) else np.zeros(array.shape[1])
    return narrowed, _Losses(lost, spread, low >= high)


def _csr(x: Any, name: str) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """CSR with sorted indices and no duplicates, which are summed."""
    if x.ndim != 2:
        raise ValueError(f"{name} has shape {x.shape}, but a matrix of n rows and d columns is needed")
    if x.dtype.kind not in "fiub":
        raise TypeError(f"{name} has dtype {x.dtype}, but real numbers are needed")
    csr = x.tocsr()
    if not csr.has_canonical_format:
        csr = csr.copy() if csr is x else csr
        csr.sum_duplicates()
    columns = csr.shape[1]
    values = csr.data
    if values.dtype != np.float32:
        narrowed = np.empty(values.shape, np.float32)
        values = np.ascontiguousarray(values)
        if values.dtype.itemsize < 4:
            narrowed[:] = values
        else:
            with np.errstate(over="ignore"):
                narrowed[:] = values
            _check_entries(csr, values, narrowed, name)
        values = narrowed
    indices = csr.indices
    if indices.dtype == np.int32:
        indices = np.ascontiguousarray(indices).view(np.uint32)
    elif columns <= 1 << 32:
        indices = indices.astype(np.uint32)
    else:
        raise ValueError(f"{name} has {columns} columns: at most {1 << 32} are possible")
    return columns, _in_order(csr.indptr, np.int64), _in_order(indices, np.uint32), _in_order(values, np.float32)


def _check_entries(csr: Any, values: np.ndarray, narrowed: np.ndarray, name: str) -> None:
    """Raises where float32 has no such value."""
    too_large = np.flatnonzero(np.isfinite(values) & ~np.isfinite(narrowed))
    if too_large.size:
        at = int(too_large[0])
        row = int(np.searchsorted(csr.indptr, at, side="right")) - 1
        raise ValueError(f"{name}[{row}, {csr.indices[at]}] is {values[at]}, which float32 cannot hold")


def missing_as(ids: np.ndarray) -> np.ndarray:
    """Ids of neighbours, with -1 (or 2**32 - 1) where one is missing, as uint32."""
    ids = np.asarray(ids)
    if ids.ndim != 2:
        raise ValueError(f"ids of shape {ids.shape}: a matrix of n rows and k neighbours is needed")
    if ids.dtype.kind not in "iu":
        raise TypeError(f"ids of dtype {ids.dtype}: integers are needed")
    if ids.dtype == np.uint32:
        return _in_order(ids, np.uint32)
    wrong = (ids < -1) if ids.dtype.kind == "i" else np.zeros(1, bool)
    if ids.dtype.itemsize > 4:
        wrong = wrong | (ids > 0xFFFFFFFF)
    if wrong.any():
        row, column = (int(at) for at in np.argwhere(wrong)[0])
        raise ValueError(f"ids[{row}, {column}] is {ids[row, column]}: -1 where a neighbour is missing, else 0 and up")
    return _in_order(ids.astype(np.int64, copy=False).astype(np.uint32), np.uint32)
