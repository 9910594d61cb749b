"""What a program holds of a replicated group: commands in, typed replies out, each executed exactly once.

group = client.group("totals")
total = await group.execute(Add(2))
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, TypeVar, assert_never

import msgpack

from coterie.actors.groups.client_session import Identity, Session
from coterie.actors.groups.group_messages import GroupStatus, LeaderIs, ReportStatus
from coterie.actors.groups.leader_router import Routed, Router
from coterie.actors.groups.state_machine import Pack, Query, decode_result, encode_command
from coterie.errors import CommandRefused, CommandTimeout, CommandTooLate, CoterieError, Outcome
from coterie.protocols.sessions import (
    Done,
    Malformed,
    Opened,
    Reply,
    SessionFull,
    SessionId,
    StaleCommand,
    UnknownSession,
    open_session,
    plain,
    session_command,
)
from coterie.runtime.messages.message import Ask
from coterie.runtime.system import System

__all__ = ["GroupClient"]

R = TypeVar("R")

TIMEOUT_S: Final = 10.0


class GroupClient:
    """One group, as seen from a node of its cluster or from a client. Get it from `Client.group` or `Node.group`.

    Linearizable: what `execute` returned was true at some moment between its call and its return.
    """

    def __init__(self, system: System, group: str, nodes: Callable[[], Sequence[str]]) -> None:
        self._system = system
        self._group = group
        self._nodes = nodes
        self._router = Router(system, group, nodes)
        self._pack: Pack = msgpack.Packer().pack
        self._opening = asyncio.Lock()
        self._session: Session | None = None

    async def execute(self, command: Ask[R], *, timeout_s: float = TIMEOUT_S) -> R:
        """Execute a command exactly once (a `Query`: read) and return its reply.

        Raises:
            CommandRefused: the machine refused it: nothing changed.
            CommandFailed: the machine raised.
            CommandTimeout: no reply in time; its `outcome` says whether it may have been executed.
            CommandTooLate: the session is gone; its `outcome` says the same.
            BadMessage: a field cannot cross the wire.
        """
        payload = encode_command(command, self._pack)
        if not isinstance(command, Query):
            return await self._execute_in_session(command, payload, timeout_s)
        reply = await self._router.execute(plain(payload), timeout_s=timeout_s)
        asked: Ask[R] = command
        return self._result(asked, reply, Routed())

    async def execute_as(self, identity: Identity, command: Ask[R], *, timeout_s: float = TIMEOUT_S) -> R:
        """Execute a command under an identity that somebody's session gave: whoever sends it, it happens once.

        Raises:
            CommandError: as `execute`.
        """
        payload = encode_command(command, self._pack)
        framed = session_command(SessionId(identity.session), identity.sequence, identity.low_water, payload)
        routed = Routed()
        reply = await self._router.execute(framed, timeout_s=timeout_s, routed=routed)
        if isinstance(reply, UnknownSession):
            routed.may_have_run = True  # whoever else has the identity may have sent it while the session lived
        return self._result(command, reply, routed)

    async def open_session(self, *, timeout_s: float = TIMEOUT_S) -> Session:
        """Open a session of one's own (`execute` has one already).

        Raises:
            CommandTimeout: no reply in time. A session that was opened all the same is forgotten in due time.
        """
        nonce = self._system.host.random.getrandbits(63)
        reply = await self._router.execute(open_session(nonce), timeout_s=timeout_s)
        if not isinstance(reply, Opened):
            raise CommandRefused(f"group {self._group!r} answered the opening of a session with {reply}")
        return Session(reply.session)

    async def status(self, *, timeout_s: float = 2.0) -> dict[str, GroupStatus | CoterieError]:
        """Return how each node of the group is doing; for one that does not answer, why."""
        nodes = list(self._nodes())
        asks = [self._router.ref(node).ask(ReportStatus(), timeout=timeout_s) for node in nodes]
        answers: dict[str, GroupStatus | CoterieError] = {}
        for node, ask in zip(nodes, asks, strict=True):
            try:
                answers[node] = await ask
            except CoterieError as error:
                answers[node] = error
        return answers

    def on_leader(self, listener: Callable[[LeaderIs], None]) -> None:
        """Call `listener` with each new leader, once per term."""
        self._router.on_leader(listener)

    @property
    def leader(self) -> str | None:
        """Who is believed to lead now."""
        return self._router.leader

    async def close(self) -> None:
        """End the background work of this handle."""
        await self._router.close()

    # --- one's own session ------------------------------------------------------------------------------------------

    async def _execute_in_session(self, command: Ask[R], payload: bytes, timeout_s: float) -> R:
        monotonic = self._system.host.clock.monotonic
        deadline = monotonic() + timeout_s
        while True:
            session = self._session or await self._own_session(deadline)
            sequence = session.take() or await session.take_when_room()
            routed = Routed()
            try:
                framed = session_command(session.id, sequence, session.low_water, payload)
                left_s = max(0.0, deadline - monotonic())
                reply = await self._router.execute(framed, timeout_s=left_s, routed=routed)
            finally:
                session.give_back(sequence)
            if type(reply) is Done:
                return decode_result(command, reply.payload)
            if isinstance(reply, UnknownSession) and not routed.may_have_run:
                self._forget(session)  # evicted while we were idle: nothing was executed, a new one will do
                continue
            return self._result(command, reply, routed)

    async def _own_session(self, deadline: float) -> Session:
        """Open it once for all who come meanwhile; nobody waits for that beyond his own `deadline`."""
        monotonic = self._system.host.clock.monotonic
        try:
            async with asyncio.timeout(max(0.0, deadline - monotonic())):
                await self._opening.acquire()
        except TimeoutError as error:
            raise self._no_session("somebody else is still trying") from error
        try:
            if self._session is None:
                self._session = await self.open_session(timeout_s=deadline - monotonic())
            return self._session
        except CommandTimeout as error:
            raise self._no_session(str(error)) from error
        finally:
            self._opening.release()

    def _no_session(self, why: str) -> CommandTimeout:
        """Whatever became of the opening, the command itself was not sent."""
        text = f"group {self._group!r} opened no session in time ({why}): the command was not executed"
        return CommandTimeout(text, Outcome.DEFINITE)

    def _forget(self, session: Session) -> None:
        if self._session is session:
            self._session = None

    def _result(self, command: Ask[R], reply: Reply, routed: Routed) -> R:
        outcome = Outcome.UNKNOWN if routed.may_have_run else Outcome.DEFINITE
        name = type(command).__name__
        match reply:
            case Done(payload):
                return decode_result(command, payload)
            case StaleCommand(low_water):
                raise CommandTooLate(f"{name}: its session needs nothing below {low_water}", Outcome.UNKNOWN)
            case UnknownSession():
                raise CommandTooLate(f"{name}: group {self._group!r} does not know its session (any more)", outcome)
            case SessionFull(low_water):
                raise CommandRefused(f"{name}: too many commands above {low_water} are unsettled in its session")
            case Malformed() | Opened():
                raise CommandRefused(f"{name}: group {self._group!r} could not make sense of it ({reply})")
            case _:
                assert_never(reply)
