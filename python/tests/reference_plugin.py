"""A pytest plugin that runs PyNNDescent's own tests against this package, and counts those that use its classes."""

import os
from pathlib import Path

import nndescent_rs
import nndescent_rs._sklearn
import pynndescent
import pynndescent.pynndescent_
import pytest

used: set[str] = set()


class NNDescent(nndescent_rs.NNDescent):
    def __init__(self, *args: object, **kwargs: object) -> None:
        used.add(os.environ["PYTEST_CURRENT_TEST"].split(" ")[0])
        super().__init__(*args, **kwargs)


for module in (pynndescent, pynndescent.pynndescent_):
    module.NNDescent = NNDescent
    module.PyNNDescentTransformer = nndescent_rs.PyNNDescentTransformer
nndescent_rs._sklearn.NNDescent = NNDescent


def pytest_sessionfinish(session: pytest.Session) -> None:
    Path(os.environ["USED_TESTS"]).write_text("\n".join(sorted(used)))
