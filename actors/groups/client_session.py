"""A client's session: who says under which identity a command goes, and from where on replies are still needed."""

from __future__ import annotations

import asyncio

from coterie.protocols.sessions import SessionId
from coterie.runtime.messages.message import message

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
        sequence = self.take() or await self.take_when_room()
        return Identity(self.id, sequence, self.low_water)

    def settle(self, identity: Identity) -> None:
        """Take note that nobody will send this command again (it was answered, or given up). Twice is harmless."""
        self.give_back(identity.sequence)

    def take(self) -> int:
        """Return a new sequence, or 0 while the window is full. Call `give_back` with it when its command is over."""
        sequence = self._next
        if sequence - self.low_water >= self._window:
            return 0
        self._next = sequence + 1
        self._out[sequence] = None
        return sequence

    async def take_when_room(self) -> int:
        """Return a new sequence; waits while the window is full."""
        while not (sequence := self.take()):
            self._room.clear()
            await self._room.wait()
        return sequence

    def give_back(self, sequence: int) -> None:
        """Take note that nobody will send the command of this number again. Twice is harmless."""
        self._out.pop(sequence, None)
        self._room.set()

    @property
    def low_water(self) -> int:
        """The oldest sequence that is not settled."""
        return next(iter(self._out), self._next)
