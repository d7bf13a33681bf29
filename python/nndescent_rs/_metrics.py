"""Metrics by name or as functions, with PyNNDescent's names for both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Union

import numpy as np

from . import _core

MetricLike = Union[str, Callable[..., float]]

#: PyNNDescent's names of metrics that the crate has under others.
ALIASES = {"direct_cosine": "cosine"}


def metric_of(
    metric: MetricLike, metric_kwds: Mapping[str, Any] | None = None, *, bits: bool = False, sparse: bool = False
) -> _core.Metric:
    """
    The native metric.

    Parameters
    ----------
    metric : str or callable
        A name, in any case, with or without `proxy_` before it, or a function of two rows.
    metric_kwds : mapping, optional
        Arguments by name. Functions get them by position, after the rows, as PyNNDescent passes them.
    bits, sparse : bool
        What rows the function compares.
    """
    if metric_kwds is not None and not isinstance(metric_kwds, Mapping):
        raise TypeError(f"metric_kwds is of type {type(metric_kwds).__name__}, but it must be a mapping")
    arguments = dict(metric_kwds or {})
    if callable(metric):
        return _of_function(metric, tuple(arguments.values()), bits=bits, sparse=sparse)
    if not isinstance(metric, str):
        raise TypeError(f"metric is of type {type(metric).__name__}, but it must be a name or a function")
    name = metric.lower().removeprefix("proxy_")
    name = ALIASES.get(name, name)
    if name == "minkowski" and arguments.setdefault("p", 2.0) == np.inf:
        name, arguments = "chebyshev", {}
    arguments.pop("n_features", None)  # PyNNDescent's, for sparse rows
    return _core.Metric(name, {key: _argument(key, value) for key, value in arguments.items()})


def _argument(name: str, value: Any) -> Any:
    """A number, or the flat float32 array of a vector or matrix."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"metric argument {name} has dtype {array.dtype}, but real numbers are needed")
    if array.ndim == 0:
        return float(array)
    return np.ascontiguousarray(array, np.float32).reshape(-1)


def _of_function(function: Callable[..., Any], arguments: tuple[Any, ...], *, bits: bool, sparse: bool) -> _core.Metric:
    if hasattr(function, "py_func") and not sparse:
        from ._numba import callback

        compiled = callback(function, arguments, bits=bits)
        if compiled is not None:
            return _core.Metric.of_address(compiled.address, compiled)
    if arguments:
        return _core.Metric.of_function(lambda *rows: function(*rows, *arguments))
    return _core.Metric.of_function(function)


def metrics() -> dict[str, list[str]]:
    """Every metric by its canonical name, with its other names."""
    return {names[0]: names[1:] for names in _core.Metric.names()}
