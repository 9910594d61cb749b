"""`SiblingRestarts`: restarts the siblings together with a failed actor (strategies `all_for_one`, `rest_for_one`)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from coterie.runtime.cells.supervision import Restart, Strategy

if TYPE_CHECKING:
    from coterie.runtime.cells.cell import Cell

__all__ = ["SiblingPause", "SiblingRestarts"]


class SiblingPause:
    """One pause of an actor while a sibling restarts; a future per step.

    `ended`: the old instance has ended. `resumed`: the actor is to restart, after this error. `restarted`: it has.
    """

    __slots__ = ("ended", "restarted", "resumed")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.ended: asyncio.Future[None] = loop.create_future()
        self.resumed: asyncio.Future[BaseException] = loop.create_future()
        self.restarted: asyncio.Future[None] = loop.create_future()

    @property
    def is_over(self) -> bool:
        """True once the actor has restarted, or has stopped."""
        return self.restarted.done()

    def finish(self) -> None:
        """Complete the futures that are still pending."""
        for future in (self.ended, self.restarted):
            if not future.done():
                future.set_result(None)


class SiblingRestarts:
    """The siblings that restart together with one failed actor, in spawn order.

    They are paused in the reverse order, the failed one in its place among them, and restarted in spawn order. Siblings
    that are already restarting or stopping are left alone; `temporary` ones stop permanently.
    """

    def __init__(self, failed: Cell) -> None:
        strategy = failed.options.supervision.strategy
        siblings = list(failed.parent.children) if failed.parent is not None else []
        at = siblings.index(failed) if failed in siblings else len(siblings)
        self._earlier = siblings[:at] if strategy is Strategy.ALL_FOR_ONE else []
        self._later = siblings[at + 1 :] if strategy is not Strategy.ONE_FOR_ONE else []
        self._paused: list[Cell] = []

    async def pause_later(self) -> None:
        """Pause the siblings that were spawned after the failed one."""
        await self._pause(self._later)

    async def pause_earlier(self) -> None:
        """Pause the siblings that were spawned before the failed one."""
        await self._pause(self._earlier)

    async def resume_earlier(self, error: BaseException) -> None:
        """Restart the siblings that were spawned before the failed one."""
        for cell in [cell for cell in self._earlier if cell in self._paused]:
            await cell.life_cycle.resume(error)

    async def resume_later(self, error: BaseException) -> None:
        """Restart the siblings that were spawned after the failed one."""
        for cell in [cell for cell in self._later if cell in self._paused]:
            await cell.life_cycle.resume(error)

    def resume_all(self, error: BaseException) -> None:
        """Resume every paused sibling, also if the failed actor did not restart."""
        for cell in self._paused:
            cell.life_cycle.resume(error)

    async def _pause(self, cells: list[Cell]) -> None:
        for cell in reversed(cells):
            if cell.options.supervision.restart is Restart.TEMPORARY:
                await cell.stop()
            elif cell.life_cycle.can_pause:
                self._paused.append(cell)
                await cell.life_cycle.pause()
