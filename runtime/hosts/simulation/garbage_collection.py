"""The garbage collector while a world runs: finalisers run at the world's own steps, not when memory is short."""

from __future__ import annotations

import gc
from types import TracebackType
from typing import Self

__all__ = ["Collector"]


class Collector:
    """Around a world: nothing is collected but by `collect`, and of what was there before nothing at all.

    Collecting then takes as long as the world is large, not the process it runs in.
    """

    def __init__(self) -> None:
        self._was_enabled = False
        self._has_frozen = False

    def __enter__(self) -> Self:
        """Stop the collector, and set aside what there is."""
        self._was_enabled = gc.isenabled()
        gc.disable()
        self._has_frozen = not gc.get_freeze_count()  # else somebody else has done so, and would not like it undone
        if self._has_frozen:
            gc.freeze()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let it go on as before."""
        if self._has_frozen:
            gc.unfreeze()
        if self._was_enabled:
            gc.enable()

    def collect(self) -> None:
        """Free the cycles that the world has left so far."""
        gc.collect()
