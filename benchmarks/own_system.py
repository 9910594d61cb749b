"""The system that is measured: as a user gets it, with nothing switched off, and with an eye on what it drops."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from coterie import System

__all__ = ["check_nothing_lost", "own_system"]


@contextlib.asynccontextmanager
async def own_system() -> AsyncIterator[System]:
    """Run a system with default settings within the block. RuntimeError at its end if a message was dropped."""
    async with System("benchmark") as system:
        yield system
        check_nothing_lost(system.node, system.stats().dead_letters)


def check_nothing_lost(node: str, dead_letters: dict[str, int]) -> None:
    """Raise RuntimeError if there is any dead letter: a run that drops messages measures something else."""
    if dead_letters:
        raise RuntimeError(f"the run does not count: {node!r} dropped messages: {dead_letters}")
