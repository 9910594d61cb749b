"""CPU pinning: keeps each process on one CPU core, so that the scheduler does not influence the result."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Final

__all__ = ["other_than_first", "pin", "pinned_to_first"]


_CORES: Final = tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else ()
"""The cores that this process may use; empty if the system does not report them."""


def other_than_first() -> int:
    """Return the core for a second process: another than the first if possible; -1 if cores cannot be chosen."""
    return _CORES[-1] if _CORES else -1


def pin(core: int) -> None:
    """Pin this process to one core; -1: do nothing."""
    if core >= 0:
        os.sched_setaffinity(0, {core})


@contextlib.contextmanager
def pinned_to_first() -> Iterator[None]:
    """Pin this process to the first core within the block, if the system supports it."""
    if not _CORES:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {_CORES[0]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
