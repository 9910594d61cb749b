"""`Session`: numbers a client's commands, so that a retry is not executed twice; tracks the numbers still in use.

`OwnSession` opens the one that a client has for itself.
"""

from __future__ import annotations

import asyncio
import heapq
from typing import TYPE_CHECKING

from coterie.actors.groups.routed_command import RoutedCommand, refused
from coterie.errors import CommandError, CommandRefused, CommandTimeout, Outcome
from coterie.protocols.sessions import SESSION_ID_BYTES, Opened, SessionId, encode_open_session
from coterie.runtime.messages.message import message

if TYPE_CHECKING:
    from coterie.actors.groups.leader_router import LeaderRouter
    from coterie.runtime.system import System

__all__ = ["Identity", "OwnSession", "Session", "SessionSequences"]


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


class OwnSession:
    """The session that a client has for itself: opened when it is needed, and again when the group has forgotten it."""

    def __init__(self, system: System, group: str, router: LeaderRouter) -> None:
        self._system = system
        self._group = group
        self._router = router
        self.session: Session | None = None
        """None: it is not open."""
        self._opening = asyncio.Lock()
        self._nonce: bytes | None = None  # of an opening that was begun and not answered

    async def open(self, deadline: float) -> Session:
        """Open the session once for all concurrent callers; each waits no longer than its own `deadline`.

        Raises:
            CommandTimeout, CommandRefused: it is not open, and nothing was executed.
        """
        monotonic = self._system.host.clock.monotonic
        try:
            async with asyncio.timeout(deadline - monotonic()):
                await self._opening.acquire()
        except TimeoutError as error:
            text = f"group {self._group!r} opened no session in time (another caller is still opening it)"
            raise CommandTimeout(f"{text}: the command was not executed", Outcome.DEFINITE) from error
        try:
            if self.session is None:
                self._nonce = self._nonce or self._new_nonce()
                self.session = await self._open(self._nonce, deadline - monotonic())
                self._nonce = None
            return self.session
        except CommandTimeout as error:
            raise CommandTimeout(f"{error}; the command was not executed", Outcome.DEFINITE) from error
        except CommandError as error:
            text = f"group {self._group!r} opened no session ({error}): the command was not executed"
            raise CommandRefused(text) from error
        finally:
            self._opening.release()

    async def open_another(self, timeout_s: float) -> Session:
        """Open a session that is not kept here. CommandTimeout: no reply in time."""
        return await self._open(self._new_nonce(), timeout_s)

    def forget(self, session: Session) -> None:
        """Open another one when one is needed, if this is the present one."""
        if self.session is session:
            self.session = None

    def _new_nonce(self) -> bytes:
        return self._system.host.random.getrandbits(8 * SESSION_ID_BYTES).to_bytes(SESSION_ID_BYTES, "big")

    async def _open(self, nonce: bytes, timeout_s: float) -> Session:
        """Open the session of `nonce`: the same one each time, while it is open."""
        routed = RoutedCommand(subject="the opening of a session")
        reply = await self._router.execute(encode_open_session(nonce), timeout_s=timeout_s, routed=routed)
        if not isinstance(reply, Opened):
            raise refused(f"group {self._group!r} answered the opening of a session with {reply}", routed)
        return Session(reply.session)
