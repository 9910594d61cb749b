"""A client's session: who says under which identity a command goes, and from where on replies are still needed."""

from __future__ import annotations

import asyncio

from coterie.protocols.sessions import SessionId
from coterie.runtime.messages import message

__all__ = ["Identity", "Session"]


@message(name="session.Identity")
class Identity:
    """Under what a command is executed at most once. It may travel: whoever has it may send the command.

    `low_water`: below this sequence its session has all replies.
    """

    session: int
    sequence: int
    low_water: int


class Session:
    """Numbers commands. Several may be out at once; at most `window` above the oldest that is not settled."""

    def __init__(self, session: SessionId, window: int = 4096) -> None:
        self.id = session
        self._window = window
        self._next = 1
        self._out: dict[int, None] = {}
        self._room = asyncio.Event()

    async def next(self) -> Identity:
        """Return a new identity; waits while the window is full. Call `settle` with it when its command is over."""
        while self._next - self.low_water >= self._window:
            self._room.clear()
            await self._room.wait()
        sequence = self._next
        self._next += 1
        self._out[sequence] = None
        return Identity(self.id, sequence, self.low_water)

    def settle(self, identity: Identity) -> None:
        """Take note that nobody will send this command again (it was answered, or given up). Twice is harmless."""
        self._out.pop(identity.sequence, None)
        self._room.set()

    @property
    def low_water(self) -> int:
        """The oldest sequence that is not settled."""
        return next(iter(self._out), self._next)
