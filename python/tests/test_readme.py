"""The README: its code runs as it is written, and its tables name every parameter."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import nndescent_rs
import pytest

TEXT = (Path(__file__).parent.parent / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_there_is_code() -> None:
    assert len(BLOCKS) >= 7


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("code", BLOCKS, ids=[f"block{i}" for i in range(len(BLOCKS))])
def test_code_runs(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for package in re.findall(r"^(?:import|from) (\w+)", code, re.MULTILINE):
        pytest.importorskip(package)
    if "flavor" in code:
        pytest.importorskip("igraph")
    exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})


def named(*starts: str) -> set[str]:
    """What the first columns of tables name, in rows that begin with one of these."""
    rows = [line.split(" | ")[0] for line in TEXT.splitlines() if line.startswith(starts)]
    return {name for row in rows for name in re.findall(r"`(\w+)(?:=\w+)?`", row)}


def parameters(function: object) -> set[str]:
    return set(inspect.signature(function).parameters) - {"self", "kwargs"}  # type: ignore[arg-type]


@pytest.mark.parametrize("package", ["nndescent_rs", "pynndescent"])
def test_every_parameter_is_in_a_table(package: str) -> None:
    index = pytest.importorskip(package).NNDescent
    assert parameters(index.__init__) <= named("| `")
    for method in ("query", "prepare", "update"):
        assert parameters(getattr(index, method)) <= named(f"| `{method}`")


def test_transformers_parameters_are_in_a_table() -> None:
    pytest.importorskip("sklearn")
    assert parameters(nndescent_rs.PyNNDescentTransformer.__init__) <= named("| `")


def test_calls_exist() -> None:
    table = TEXT[TEXT.index("| to get | call |") :].split("\n\n")[0]
    calls = re.findall(r"`(?:(graph|index|Index)?\.)?(\w+)\(", table)
    known = {**vars(nndescent_rs.Graph), **vars(nndescent_rs.Index), **vars(nndescent_rs)}
    assert len(calls) > 15
    assert [name for _, name in calls if name not in known] == []
