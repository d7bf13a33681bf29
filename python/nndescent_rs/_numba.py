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

    @numba.njit
    def of_rows(x: Any, y: Any) -> Any:
        return function(x, y, *arguments)

    def distance(x: Any, y: Any, n: int) -> float:
        value = np.nan
        try:
            value = of_rows(carray(x, n), carray(y, n))
        except Exception:  # the only kind that numba knows
            value = np.nan
        return value

    try:
        return numba.cfunc(types.float32(pointer, pointer, types.intp))(distance)
    except NumbaError:
        return None
