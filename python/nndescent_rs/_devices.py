"""The processors of this machine."""

from __future__ import annotations

from dataclasses import dataclass

from . import _core


@dataclass(frozen=True)
class Adapter:
    """A GPU."""

    #: What `device=` calls it.
    index: int
    name: str
    #: Vulkan, Metal or DX12.
    backend: str
    #: discrete, integrated, virtual, other or software. "auto" and "gpu" never take software.
    kind: str
    driver: str
    #: Why it is never taken, if so.
    left_out: str | None


def devices() -> list[Adapter]:
    """The GPUs that builds can use, hardware first; empty where there is none."""
    return [Adapter(**adapter) for adapter in _core.devices()]


def instructions() -> str:
    """The instructions that distances are computed with on the CPU."""
    return _core.instructions()
