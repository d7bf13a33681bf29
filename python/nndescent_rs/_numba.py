"""numba's functions as C callbacks, which run on all threads without the GIL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def callback(function: Callable[..., Any], arguments: tuple[Any, ...], *, bits: bool) -> Any | None:
    """
    A C callback of `function(x, y, *arguments)`, or None if numba cannot compile one.

    An exception inside the function becomes NaN, which ends the build with an error that names the two rows.
    """
    import numba
    from numba import carray, types  # pyright: ignore[reportPrivateImportUsage]
    from numba.core.errors import NumbaError

    element = types.uint8 if bits else types.float32
    pointer = types.CPointer(element)
    array = types.Array(element, 1, "C")

    @numba.njit
    def of_rows(x: Any, y: Any) -> Any:
        return function(x, y, *arguments)

    @numba.njit
    def of_wide_rows(x: Any, y: Any) -> Any:
        return function(x.astype(np.float64), y.astype(np.float64), *arguments)

    # The second for functions with a signature of float64.
    for compared in (of_rows, of_wide_rows):
        try:
            compared.compile((array, array))
        except NumbaError:
            continue
        returned = compared.nopython_signatures[0].return_type
        if not isinstance(returned, (types.Number, types.Boolean)):
            raise TypeError(f"metric returns {returned}, but it must return a number")

        def distance(x: Any, y: Any, n: int) -> float:
            value = np.nan
            try:
                value = compared(carray(x, n), carray(y, n))
            except Exception:  # the only kind that numba knows
                value = np.nan
            return value

        try:
            return numba.cfunc(types.float32(pointer, pointer, types.intp))(distance)
        except NumbaError:
            continue
    return None
