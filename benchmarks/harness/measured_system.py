"""Measured system: runs an actor system with default settings, and fails the benchmark if a message is dropped."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from coterie import System

__all__ = ["check_nothing_lost", "measured_system"]


@contextlib.asynccontextmanager
async def measured_system() -> AsyncIterator[System]:
    """Run a system with default settings in the block. RuntimeError at its end if a message was dropped."""
    async with System("benchmark") as system:
        yield system
        check_nothing_lost(system.node, system.stats().dead_letters)


def check_nothing_lost(node: str, dead_letters: dict[str, int]) -> None:
    """Raise RuntimeError if there is any dead letter: a run that drops messages is not comparable."""
    if dead_letters:
        raise RuntimeError(f"the run is invalid: {node!r} dropped messages: {dead_letters}")
