"""`Session`: numbers a client's commands, so that a retry is not executed twice; tracks the numbers still in use."""

from __future__ import annotations

import asyncio
import heapq

from coterie.protocols.sessions import SessionId
from coterie.runtime.messages.message import message

__all__ = ["Identity", "Session", "SessionSequences"]


@message(name="session.Identity")
class Identity:
    """The identity under which a command is executed at most once. Any client that has it may send the command.

    `session`: the id of the session, 16 bytes. `low_water`: the session has all replies below this sequence.
    """

    session: bytes
    sequence: int
    low_water: int


class Session:
    """Numbers commands. Several may be unsettled at once, all less than `session_window` above the oldest of them."""

    def __init__(self, session: SessionId, session_window: int = 4096) -> None:
        self.id = session
        self.sequences = SessionSequences(session_window)

    async def next(self) -> Identity:
        """Return a new identity; waits while the window is full. Call `settle` with it when its command is over."""
        sequence = self.sequences.take() or await self.sequences.take_when_room()
        return Identity(self.id, sequence, self.low_water)

    def settle(self, identity: Identity) -> None:
        """Mark a command as settled: answered or given up, never to be sent again. Idempotent."""
        self.sequences.give_back(identity.sequence)

    @property
    def low_water(self) -> int:
        """The oldest sequence that is not settled."""
        return self.sequences.low_water


class SessionSequences:
    """The numbers of one session's commands: at most `session_window` from the oldest unsettled one to the newest."""

    def __init__(self, session_window: int) -> None:
        self._session_window = session_window
        self._next_sequence = 1
        self._unsettled: dict[int, None] = {}
        self._has_room = asyncio.Event()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []  # a heap: by the mark that is waited for

    def take(self) -> int:
        """Return a new sequence, or 0 while the window is full. Call `give_back` with it when its command is over."""
        sequence = self._next_sequence
        if sequence - self.low_water >= self._session_window:
            return 0
        self._next_sequence = sequence + 1
        self._unsettled[sequence] = None
        return sequence

    async def take_when_room(self) -> int:
        """Return a new sequence; waits while the window is full."""
        while not (sequence := self.take()):
            self._has_room.clear()
            await self._has_room.wait()
        return sequence

    def give_back(self, sequence: int) -> None:
        """Mark the command of this number as settled. Idempotent."""
        self._unsettled.pop(sequence, None)
        self._has_room.set()
        if self._waiting:
            self._wake()

    def _wake(self) -> None:
        while self._waiting and self._waiting[0][0] <= self.low_water:
            _, _, advanced = heapq.heappop(self._waiting)
            if not advanced.done():
                advanced.set_result(None)

    async def advance(self, sequence: int) -> None:
        """Wait until the low-water mark has come half way to `sequence`, which the group has refused as too far above.

        So all commands that were refused together are not sent again together, and each one a few times at most.
        """
        mark = sequence - (sequence - self.low_water) // 2
        if mark > self.low_water:
            advanced = asyncio.get_running_loop().create_future()
            heapq.heappush(self._waiting, (mark, sequence, advanced))
            await advanced

    @property
    def limit_text(self) -> str:
        """How many commands are unsettled, and how many may be."""
        span = self._next_sequence - self.low_water
        return f"{span} commands are numbered from the oldest one that waits, at most {self._session_window} may be"

    @property
    def low_water(self) -> int:
        """The oldest sequence that is not settled."""
        return next(iter(self._unsettled), self._next_sequence)
