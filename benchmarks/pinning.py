"""Processes pinned to a core each, so that the scheduler does not decide who wins."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Final

__all__ = ["other_than_first", "pin", "pinned_to_first"]


_CORES: Final = tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else ()
"""The cores that this process may use; empty where the system does not say."""


def other_than_first() -> int:
    """Return the core for a second process: not the first one, if there is another; -1 if cores cannot be chosen."""
    return _CORES[-1] if _CORES else -1


def pin(core: int) -> None:
    """Stay on one core from now on; -1: wherever the system likes."""
    if core >= 0:
        os.sched_setaffinity(0, {core})


@contextlib.contextmanager
def pinned_to_first() -> Iterator[None]:
    """Stay on the first core within the block, where that is possible."""
    if not _CORES:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {_CORES[0]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
