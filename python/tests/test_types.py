"""Types and examples in docstrings."""

import doctest
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import nndescent_rs
import pytest

PACKAGE = Path(nndescent_rs.__file__).parent
PROJECT = Path(__file__).parents[1]


def run(folder: Path, *arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_types_are_sound() -> None:
    pytest.importorskip("mypy")
    run(PROJECT, "mypy", "nndescent_rs")


def test_stubs_are_complete(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    # Elsewhere than beside the sources, which hold no native module.
    run(tmp_path, "mypy.stubtest", "--mypy-config-file", str(PROJECT / "pyproject.toml"), "nndescent_rs._core")


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules([str(PACKAGE)]) if module.name != "_core"])
def test_examples_in_docstrings(name: str) -> None:
    pytest.importorskip({"_sklearn": "sklearn", "dask": "dask.array"}.get(name, "numpy"))
    results = doctest.testmod(importlib.import_module(f"nndescent_rs.{name}"))
    assert results.failed == 0


def test_every_public_name_has_a_docstring() -> None:
    pytest.importorskip("sklearn")
    for name in dir(nndescent_rs):
        item = getattr(nndescent_rs, name)
        if callable(item):
            assert item.__doc__, name
            for attribute, method in vars(item).items() if isinstance(item, type) else ():
                if callable(method) and not attribute.startswith("_"):
                    assert method.__doc__, f"{name}.{attribute}"
