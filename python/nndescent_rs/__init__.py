"""
k-nearest-neighbour graphs and search with NN-Descent: fast, deterministic, with an honest estimate of recall.

:func:`knn_graph` and :class:`Index` are this package's own interface. :class:`NNDescent` and
:class:`PyNNDescentTransformer` have PyNNDescent's, and :func:`as_pynndescent` lets libraries that import it use them.
:class:`NNDescentTransformer` and :class:`NearestNeighbors` are scikit-learn's.

The compiled module imports numpy only: scipy, scikit-learn and tqdm are imported where they are needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._arrays import NarrowingWarning
from ._core import DeviceError, __version__
from ._devices import devices, instructions
from ._files import FileReport, knn_graph_file
from ._graph import NO_NEIGHBOR, Graph, exact_knn, knn_graph
from ._index import Index
from ._metrics import metrics
from ._module import as_pynndescent
from ._outliers import combined_scores, outlier_threshold
from ._pynndescent import NNDescent
from ._report import BuildReport, RecallEstimate, Tuning

if TYPE_CHECKING:
    from ._sklearn import NearestNeighbors as NearestNeighbors
    from ._sklearn import NNDescentTransformer as NNDescentTransformer
    from ._sklearn import PyNNDescentTransformer as PyNNDescentTransformer

# Without the estimators: `from nndescent_rs import *` needs no scikit-learn.
__all__ = [
    "NO_NEIGHBOR",
    "BuildReport",
    "DeviceError",
    "FileReport",
    "Graph",
    "Index",
    "NNDescent",
    "NarrowingWarning",
    "RecallEstimate",
    "Tuning",
    "__version__",
    "as_pynndescent",
    "combined_scores",
    "devices",
    "exact_knn",
    "instructions",
    "knn_graph",
    "knn_graph_file",
    "metrics",
    "outlier_threshold",
]

_ESTIMATORS = frozenset({"NNDescentTransformer", "NearestNeighbors", "PyNNDescentTransformer"})


def __getattr__(name: str) -> Any:
    """The estimators, whose base classes are scikit-learn's, which takes a second to import."""
    if name in _ESTIMATORS:
        from . import _sklearn

        return getattr(_sklearn, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_ESTIMATORS})
