"""The fence: while a world runs, what its code reaches for outside is the world's own, or refused.

Time comes from the life's clock, chance from the life's generator, and names of a directory come sorted. Threads,
processes and sockets are refused with a `FenceError` that names the call and its line. Only the thread that runs the
world is fenced in; all others of the process go on as ever.

A fence replaces attributes of modules. It cannot see a name that was imported before (`from time import time`), nor
`id()`, nor the order of sets of strings: comparing the traces of two processes finds those.
"""

from __future__ import annotations

import contextlib
import threading
from types import TracebackType
from typing import Self

from coterie.runtime.hosts.simulation.fence.fenced_random import chance
from coterie.runtime.hosts.simulation.fence.fenced_time import dates, times
from coterie.runtime.hosts.simulation.fence.patches import Senses
from coterie.runtime.hosts.simulation.fence.refused_calls import refusals, sorted_names

__all__ = ["Fence"]


class Fence:
    """Around the code of one world, on the thread that enters it: `with Fence(senses): …`. Fences do not nest."""

    def __init__(self, senses: Senses) -> None:
        self._senses = senses
        self._restore = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Put it up. RuntimeError if a world runs in this process already."""
        thread = threading.get_ident()
        patches = [
            *times(self._senses),
            *dates(self._senses),
            *chance(self._senses),
            *refusals(),
            *sorted_names(self._senses),
        ]
        if any(hasattr(getattr(each.owner, each.name), "fenced_from") for each in patches):
            raise RuntimeError("another simulated world runs in this process: there can be one at a time")
        with contextlib.ExitStack() as stack:
            for patch in patches:
                original = getattr(patch.owner, patch.name)
                setattr(patch.owner, patch.name, patch.make(original, lambda: threading.get_ident() == thread))
                stack.callback(setattr, patch.owner, patch.name, original)
            self._restore = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take it down: everything is as it was."""
        self._restore.close()
