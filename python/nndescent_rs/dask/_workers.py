"""What a client and its workers must have."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from distributed import Client, get_client

from .._core import __version__


def client_of(client: Client | None) -> Client:
    """The current client, where none is given."""
    if client is None:
        try:
            client = get_client()
        except ValueError:
            raise ValueError(
                "there is no client: start one, distributed.Client() for this machine alone, or pass client="
            ) from None
    if not isinstance(client, Client):
        raise TypeError(f"client is of type {type(client).__name__}, but it must be a distributed.Client")
    if client.asynchronous:
        raise TypeError("the client is asynchronous, but this call waits: call it in a thread, or use another client")
    return client


def workers_of(client: Client) -> list[str]:
    """The addresses of those there are."""
    threads: Any = client.nthreads()
    return list(threads)


def check_software(client: Client, workers: list[str], modules: Sequence[str] = ()) -> None:
    """
    Raises if one of these workers has no package, or another version, whose bytes could differ.

    By built-in functions: a task whose package a worker does not have breaks its connection, again and again.
    """
    imports = ", ".join(f"__import__({name!r})" for name in ("nndescent_rs", *modules))
    found: Any = client.run(eval, f"({imports},)[0].__version__", workers=workers, on_error="return")
    for worker, version in found.items():
        if isinstance(version, ImportError):
            raise ModuleNotFoundError(
                f"worker {worker} lacks what the build needs: {version}. Install nndescent-rs[dask] {__version__} in "
                "its environment" + (f", and {', '.join(modules)}" if modules else "")
            )
        if isinstance(version, str) and version != __version__:
            raise RuntimeError(
                f"worker {worker} has nndescent-rs {version}, but the client has {__version__}: all need the same"
            )


def check_sight(client: Client, workers: list[str], paths: Sequence[Path]) -> None:
    """Raises if one of these workers does not see a path."""
    for path in paths:
        seen: Any = client.run(os.path.exists, str(path), workers=workers, on_error="return")
        for worker, is_seen in seen.items():
            if is_seen is False:
                raise FileNotFoundError(
                    f"worker {worker} does not see {path}: folder, files and output must be on a disk that all share"
                )


