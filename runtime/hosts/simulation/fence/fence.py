"""`Fence`: patches Python while a simulation runs: simulates time and random numbers, refuses threads and sockets.

Time comes from the clock of the current life, random numbers from its generator, and directory listings are sorted.
Threads, processes and sockets are refused with a `FenceError` that names the call and its line. Only the thread that
runs the world is fenced; other threads of the process are not affected.

A fence replaces attributes of modules. It does not affect a name that was imported before (`from time import time`),
`id()`, or the order of sets of strings: comparing the traces of two processes detects those.
"""

from __future__ import annotations

import contextlib
import threading
from types import TracebackType
from typing import Self

from coterie.runtime.hosts.simulation.fence.fenced_random import random_patches
from coterie.runtime.hosts.simulation.fence.fenced_time import datetime_patches, time_patches
from coterie.runtime.hosts.simulation.fence.patches import FencedEnvironment
from coterie.runtime.hosts.simulation.fence.refused_calls import name_patches, refusal_patches

__all__ = ["Fence"]


class Fence:
    """Fences the code of one world, on the thread that enters it: `with Fence(environment): …`. Fences do not nest."""

    def __init__(self, environment: FencedEnvironment) -> None:
        self._environment = environment
        self._restore = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Apply all patches. RuntimeError if a world runs in this process already."""
        thread = threading.get_ident()
        patches = [
            *time_patches(self._environment),
            *datetime_patches(self._environment),
            *random_patches(self._environment),
            *refusal_patches(),
            *name_patches(self._environment),
        ]
        if any(hasattr(getattr(each.owner, each.name), "fenced_from") for each in patches):
            raise RuntimeError("another simulated world runs in this process: only one at a time is possible")
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
        """Undo all patches."""
        self._restore.close()
