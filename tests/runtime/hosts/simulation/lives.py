"""Helpers for the tests of lives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld

__all__ = ["Diary", "in_world"]


def in_world(main: Callable[[SimulatedWorld], Awaitable[None]], *, seed: int = 1) -> SimulatedWorld:
    """Run `main` in a world of its own, and return that."""
    world = SimulatedWorld(seed)

    async def observe() -> None:
        await main(world)

    world.run(observe)
    return world


class Diary:
    """What code of a life did, until the world ended (what Python runs while it frees things is no part of a world)."""

    def __init__(self) -> None:
        self.entries: list[str] = []

    async def write_for_ever(self, name: str, every_s: float = 1.0) -> None:
        try:
            while True:
                self.entries.append(name)
                await asyncio.sleep(every_s)
        finally:
            self.entries.append(f"{name}: finally")
