"""Who goes down with an actor that fails, and comes back with it: `all_for_one` and `rest_for_one`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from coterie.runtime.cells.supervision import Restart, Strategy

if TYPE_CHECKING:
    from coterie.runtime.cells.cell import Cell

__all__ = ["Company", "Rest"]


class Rest:
    """One rest of an actor: its instance has `ended`, it is to begin `again` (after that error), it has `begun`."""

    __slots__ = ("again", "begun", "ended")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.ended: asyncio.Future[None] = loop.create_future()
        self.again: asyncio.Future[BaseException] = loop.create_future()
        self.begun: asyncio.Future[None] = loop.create_future()

    @property
    def is_over(self) -> bool:
        """Whether the actor rests no more."""
        return self.begun.done()

    def finish(self) -> None:
        """Let whoever waits for the actor go on."""
        for future in (self.ended, self.begun):
            if not future.done():
                future.set_result(None)


class Company:
    """The siblings that one restart concerns, as its strategy says, in the order of their spawning.

    They rest in the reverse order, the failed one in its place among them, and resume in that order after it. Siblings
    that are being restarted already, or are ending, are left to themselves; `temporary` ones stop for good.
    """

    def __init__(self, failed: Cell) -> None:
        strategy = failed.plan.supervision.strategy
        siblings = list(failed.parent.children) if failed.parent is not None else []
        at = siblings.index(failed) if failed in siblings else len(siblings)
        self._earlier = siblings[:at] if strategy is Strategy.ALL_FOR_ONE else []
        self._later = siblings[at + 1 :] if strategy is not Strategy.ONE_FOR_ONE else []
        self._resting: list[Cell] = []

    async def rest_later_ones(self) -> None:
        """Let those rest that were spawned after the failed one."""
        await self._rest(self._later)

    async def rest_earlier_ones(self) -> None:
        """Let those rest that were spawned before it."""
        await self._rest(self._earlier)

    async def resume_earlier_ones(self, error: BaseException) -> None:
        """Let those that were spawned before it begin again."""
        for cell in [cell for cell in self._earlier if cell in self._resting]:
            await cell.life.resume(error)

    async def resume_later_ones(self, error: BaseException) -> None:
        """Let those that were spawned after it begin again."""
        for cell in [cell for cell in self._later if cell in self._resting]:
            await cell.life.resume(error)

    def release(self, error: BaseException) -> None:
        """Keep nobody resting, whatever became of the failed one."""
        for cell in self._resting:
            cell.life.resume(error)

    async def _rest(self, cells: list[Cell]) -> None:
        for cell in reversed(cells):
            if cell.plan.supervision.restart is Restart.TEMPORARY:
                await cell.stop()
            elif cell.life.can_rest:
                self._resting.append(cell)
                await cell.life.rest()
