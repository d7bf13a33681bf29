"""This package under PyNNDescent's name, for libraries that import it."""

from __future__ import annotations

import sys
import types
from importlib.machinery import ModuleSpec
from typing import Any

import numpy as np

from . import _core
from ._metrics import metric_of
from ._pynndescent import NNDescent

__all__ = ["as_pynndescent"]

#: Modules of PyNNDescent that others import.
NAMES = ("pynndescent", "pynndescent.pynndescent_", "pynndescent.distances", "pynndescent.sparse")
#: What has another meaning in this package, or is not a class of it.
CLASSES = ("NNDescent", "PyNNDescentTransformer")


class as_pynndescent:
    """
    Lets libraries that import PyNNDescent use this package.

    As a call, from then on; as a context manager, until its end. Libraries that were imported before are given the
    classes of this package where they hold PyNNDescent's; those that are imported in the meantime keep them.

    Examples
    --------
    >>> import nndescent_rs
    >>> with nndescent_rs.as_pynndescent():
    ...     from pynndescent import NNDescent
    >>> NNDescent is nndescent_rs.NNDescent
    True
    """

    def __init__(self) -> None:
        self._before = {name: sys.modules.get(name) for name in NAMES}
        self._changed: list[tuple[Any, str, Any]] = []
        original = self._before["pynndescent"]
        if original is not None and getattr(original, "NNDescent", None) is not NNDescent:
            self._replace_in_others(original)
        sys.modules.update(_modules())

    def _replace_in_others(self, original: Any) -> None:
        from . import PyNNDescentTransformer

        ours = {"NNDescent": NNDescent, "PyNNDescentTransformer": PyNNDescentTransformer}
        theirs = {id(getattr(original, name)): name for name in CLASSES if hasattr(original, name)}
        for module in list(sys.modules.values()):
            if module is None or getattr(module, "__name__", "").split(".")[0] in ("pynndescent", __package__):
                continue
            for attribute, value in list(getattr(module, "__dict__", {}).items()):
                if id(value) in theirs:
                    self._changed.append((module, attribute, value))
                    setattr(module, attribute, ours[theirs[id(value)]])

    def __enter__(self) -> as_pynndescent:
        return self

    def __exit__(self, *exception: object) -> None:
        for name, module in self._before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module
        for module, attribute, value in self._changed:
            setattr(module, attribute, value)
        self._changed.clear()


class _Lazy(types.ModuleType):
    """A module whose transformer, which needs scikit-learn, is made when it is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name == "PyNNDescentTransformer":
            from . import PyNNDescentTransformer

            return PyNNDescentTransformer
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")


def _modules() -> dict[str, types.ModuleType]:
    distances = _named_distances()
    contents: dict[str, dict[str, Any]] = {
        "pynndescent": {"__path__": [], "__version__": "0.7.0", "NNDescent": NNDescent},
        "pynndescent.pynndescent_": {"NNDescent": NNDescent},
        "pynndescent.distances": {"named_distances": distances, **distances},
        "pynndescent.sparse": {"sparse_named_distances": {name: _of_sparse(of) for name, of in distances.items()}},
    }
    modules: dict[str, types.ModuleType] = {name: _Lazy(name, __doc__) for name in NAMES}
    for name, module in modules.items():
        module.__spec__ = ModuleSpec(name, None, is_package=name == "pynndescent")
        module.__dict__.update(contents[name])
        if name != "pynndescent":
            setattr(modules["pynndescent"], name.split(".")[1], module)
    return modules


def _named_distances() -> dict[str, Any]:
    """Functions of two rows, by every name that PyNNDescent has for them."""
    names = [name for aliases in _core.Metric.names() for name in aliases]
    return {name: _distance(name) for name in (*names, "direct_cosine")}


def _of_sparse(of_dense: Any) -> Any:
    """The same function of the indices and values of two sparse rows."""

    def distance(ind1: Any, data1: Any, ind2: Any, data2: Any, n_features: int | None = None, **arguments: Any) -> float:
        columns = n_features or 1 + max(np.max(ind1, initial=0), np.max(ind2, initial=0))
        x, y = np.zeros(columns, np.float32), np.zeros(columns, np.float32)
        x[ind1], y[ind2] = data1, data2
        return float(of_dense(x, y, **arguments))

    distance.__name__ = distance.__qualname__ = f"sparse_{of_dense.__name__}"
    distance.__doc__ = f"The distance `{of_dense.__name__}` of two sparse rows."
    return distance


def _distance(name: str) -> Any:
    def distance(x: Any, y: Any, **arguments: Any) -> float:
        rows = (np.ascontiguousarray(row, np.float32) for row in (x, y))
        return metric_of(name, arguments).distance(*rows)

    distance.__name__ = distance.__qualname__ = name
    distance.__doc__ = f"The distance `{name}` of two rows."
    return distance
