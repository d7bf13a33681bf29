"""What a build says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple


class RecallEstimate(NamedTuple):
    """Recall estimated by exact search of a sample of rows, with its 95 % confidence interval."""

    #: Share of true neighbours that were found, 0 to 1.
    estimate: float
    #: Lower end of the interval.
    low: float
    #: Upper end of the interval.
    high: float
    #: Rows that were searched exactly.
    sample: int


class Tuning(NamedTuple):
    """What :meth:`Index.tune` found."""

    #: The smallest epsilon that reaches the target, which queries use from now on.
    epsilon: float
    #: Recall at that epsilon.
    recall: RecallEstimate
    #: Whether the target was reached.
    reached: bool


@dataclass(frozen=True)
class BuildReport:
    """What a build did, and how well."""

    #: "nndescent" or "exact".
    algorithm: str
    #: What it ran on: threads or GPU, the type of rows, instructions.
    executor: str
    #: Whether a GPU did the work.
    on_gpu: bool
    #: Why algorithm and executor were chosen, where "auto" chose.
    reasons: tuple[str, ...]
    #: Seconds by phase: "build" (all but the estimate of recall), "init", "descent", "finish", "recall".
    seconds: Mapping[str, float]
    #: Seconds that the build was predicted to take on the CPU.
    predicted_seconds: float
    #: Rounds of NN-Descent.
    rounds: int
    #: Distances evaluated.
    distances: int
    #: Why rounds ended: "converged", "maxrounds" or "exact".
    stop: str
    #: Estimated recall; None if it was switched off.
    recall: RecallEstimate | None
    #: Whether `target_recall` was reached; None if none was set.
    target_reached: bool | None
    #: Every setting as used, as text.
    settings: Mapping[str, str]

    @classmethod
    def _of(cls, native: dict[str, Any]) -> BuildReport:
        recall = native.pop("recall")
        reasons = tuple(native.pop("reasons"))
        return cls(**native, reasons=reasons, recall=None if recall is None else RecallEstimate(*recall))

    def __str__(self) -> str:
        text = f"{self.algorithm} on {self.executor}: {self.seconds['build']:.3f} s"
        if self.recall is not None:
            e = self.recall
            text += f", recall {e.estimate:.4f} ({e.low:.4f} to {e.high:.4f}, {e.sample} rows)"
        return text
