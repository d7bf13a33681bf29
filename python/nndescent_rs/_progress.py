"""Progress of builds: tqdm's bar, or lines as PyNNDescent prints them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Union

#: Called with phase, round, most rounds and the share that is done.
Show = Callable[[str, int, int, float], Any]
ProgressLike = Union[bool, Show, None]


@contextmanager
def shown(progress: ProgressLike) -> Iterator[Show | None]:
    """
    What the native module calls.

    Parameters
    ----------
    progress : bool or callable
        True for tqdm's bar, if tqdm is installed (in notebooks, its widget); a function of (phase, round, max_rounds,
        fraction); False for nothing.
    """
    if progress is None or progress is False:
        yield None
        return
    if progress is not True:
        if not callable(progress):
            raise TypeError(f"progress = {progress!r}, but it must be True, False or a function")
        yield progress
        return
    try:
        from tqdm.auto import tqdm
    except ImportError:
        yield None
        return
    with tqdm(total=100, unit="%", bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}", leave=False) as bar:

        def show(phase: str, round: int, max_rounds: int, fraction: float) -> None:
            done = int(100 * fraction)
            text = f"{phase} {round}/{max_rounds}" if round else phase
            if bar.desc != text:
                bar.reset(total=100)
                bar.set_description_str(text)
            bar.update(done - bar.n)

        yield show
