"""`GarbageCollection`: collects garbage at fixed steps of a simulation, so that finalisers run at the same step."""

from __future__ import annotations

import gc
from types import TracebackType
from typing import Self

__all__ = ["GarbageCollection"]


class GarbageCollection:
    """Disables the collector while a world runs: only `collect` collects, and no object created before the world.

    The cost of collecting then depends on the size of the world, not of the whole process.
    """

    def __init__(self) -> None:
        self._was_enabled = False
        self._has_frozen = False

    def __enter__(self) -> Self:
        """Disable the collector, and exclude all existing objects from collection."""
        self._was_enabled = gc.isenabled()
        gc.disable()
        self._has_frozen = not gc.get_freeze_count()  # else other code has frozen, and must unfreeze itself
        if self._has_frozen:
            gc.freeze()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Restore the collector's previous state."""
        if self._has_frozen:
            gc.unfreeze()
        if self._was_enabled:
            gc.enable()

    def collect(self) -> None:
        """Free the unreachable cycles that the world has created so far."""
        gc.collect()
