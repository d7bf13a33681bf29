"""
Graphs and indexes of data that need several machines, through `dask.distributed`.

Workers share a folder, on a disk that all of them see: rows go there once, each from the worker that has it, and the
pieces of the build (partition, parts, merge, refine) read and write files there. Nothing but names passes through the
client. A worker that is lost costs the piece that it was working on, which another does again. The same seed gives the
same bytes for any number of workers.

>>> from dask.distributed import Client  # doctest: +SKIP
>>> from nndescent_rs.dask import knn_graph  # doctest: +SKIP
>>> graph = knn_graph(X, 15, folder="/shared/work", client=Client("scheduler:8786"))  # doctest: +SKIP
>>> graph.indices  # doctest: +SKIP
dask.array<...>
"""

from __future__ import annotations

from ._graph import DaskGraph, knn_graph
from ._index import Index

__all__ = ["DaskGraph", "Index", "knn_graph"]
