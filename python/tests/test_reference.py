"""PyNNDescent's own tests, run against this package's classes by their names."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

#: Tests that fail, and why. All but the first read private attributes, of things that do not exist here.
DEVIATIONS = {
    "test_zero_angular_query_is_not_searched[cosine]": "two zero rows have cosine distance 0 here, as in scipy",
    "test_sparse_search_tree_hyperplanes_are_ragged[euclidean]": "_search_forest",
    "test_sparse_search_tree_hyperplanes_are_ragged[cosine]": "_search_forest",
    "test_padded_sparse_search_tree_from_older_pickles": "_search_forest",
    "test_dense_query_workspace_reuses_buffers_without_mutating_results": "_query_workspace",
    "test_int8_quantized_query_and_width_controls": "_query_workspace",
    "test_cosine_uses_normalized_dot_product": "_distance_func",
    "test_init_forest_respects_n_jobs_and_is_used_by_update": "make_hybrid_leaf_array",
    "test_cached_search_matches_closure[euclidean-kwargs0]": "_uses_cached_search",
    "test_cached_search_matches_closure[cosine-kwargs1]": "_uses_cached_search",
    "test_cached_search_matches_closure[euclidean-kwargs2]": "_uses_cached_search",
    "test_cached_search_matches_closure[euclidean-kwargs3]": "_uses_cached_search",
    "test_prepare_compile_search_option": "_uses_cached_search",
}


def test_pynndescents_own_tests(tmp_path: Path) -> None:
    source = os.environ.get("PYNNDESCENT_SOURCE")
    if source is None:
        pytest.skip("PYNNDESCENT_SOURCE names no folder with the source distribution of PyNNDescent 0.7")
    pytest.importorskip("pynndescent")
    # A copy, so that `pynndescent` is the installed package and not the folder above the tests.
    tests = shutil.copytree(Path(source) / "pynndescent" / "tests", tmp_path / "tests")
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent), "USED_TESTS": str(tmp_path / "used")}
    if "PYTHONPATH" in os.environ:
        environment["PYTHONPATH"] += os.pathsep + os.environ["PYTHONPATH"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "reference_plugin", str(tests)]
    out = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False).stdout
    failed = set(re.findall(r"^FAILED \S*::(\S+)", out, re.MULTILINE))
    assert failed == set(DEVIATIONS), out[-3000:]
    assert "error" not in out.splitlines()[-1], out[-3000:]
    used = (tmp_path / "used").read_text().splitlines()
    assert len(used) >= 160, "the classes of this package were not used"
    print(f"{len(used) - len(failed)} of {len(used)} tests pass")
