"""The scripts in `examples`, run as users run them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "examples"


def run(name: str, *arguments: object) -> str:
    """What a script prints."""
    command = [sys.executable, str(FOLDER / name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_is_run_and_short() -> None:
    scripts = sorted(FOLDER.glob("*.py"))
    assert [script.name for script in scripts] == ["deduplicate.py", "digits_umap.py", "outliers.py"]
    assert all(len(script.read_text("utf-8").splitlines()) < 60 for script in scripts)


def test_digits_umap(tmp_path: Path) -> None:
    pytest.importorskip("umap")
    pytest.importorskip("sklearn")
    image = pytest.importorskip("matplotlib.image")
    picture = tmp_path / "digits.png"
    assert "1797 rows" in run("digits_umap.py", picture)
    pixels = image.imread(picture)[..., :3]
    assert pixels.shape == (840, 960, 3)
    colored = pixels[:, :800].max(axis=2) - pixels[:, :800].min(axis=2) > 0.3
    assert 0.01 < colored.mean() < 0.2


def test_outliers() -> None:
    pytest.importorskip("sklearn")
    printed = run("outliers.py")
    quality = {name: float(auc) for name, auc in re.findall(r"^(\w+) +(0\.\d+) +0\.\d+$", printed, re.MULTILINE)}
    assert len(quality) == 8 and quality["mean"] > 0.9 and quality["lof"] > 0.9
    strangest = re.search(r"strangest by mean distance: (.*)", printed)
    assert strangest is not None and strangest[1].count("*") >= 5
    near, far, mean = map(float, re.findall(r"row 0: ([\d.]+), .* away: ([\d.]+); all rows: ([\d.]+)", printed)[0])
    assert near < 2 * mean < far


def test_deduplicate() -> None:
    pytest.importorskip("sklearn")
    printed = run("deduplicate.py")
    texts, different = map(int, re.findall(r"^(\d+) descriptions, (\d+) of", printed)[0])
    near, kept = map(int, re.findall(r"^(\d+) have a near-duplicate.* kept, (\d+)$", printed, re.MULTILINE)[0])
    assert texts > different > kept > different - near > 0
    assert "n_jobs: " in printed
