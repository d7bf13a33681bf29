"""Outlier scores, once there are some."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import _core


def combined_scores(scores: Sequence[Any], method: str = "mean_rank") -> np.ndarray:
    """
    Scores of several methods as one.

    Parameters
    ----------
    scores : sequence of array-like of shape (n,)
        From :meth:`Graph.outlier_scores`.
    method : {"mean_rank", "standardized_maximum"}

    Returns
    -------
    ndarray of float64, shape (n,)
    """
    return _core.combined_scores([np.asarray(one, np.float64).tolist() for one in scores], method)


def outlier_threshold(scores: Any, contamination: float) -> float:
    """The score that a share of `contamination` of the rows, 0 to 0.5, reaches."""
    if np.ndim(scores) != 1:
        raise ValueError(f"scores have shape {np.shape(scores)}, but one score for every row is needed")
    return _core.outlier_threshold(np.ascontiguousarray(scores, np.float64), float(contamination))
