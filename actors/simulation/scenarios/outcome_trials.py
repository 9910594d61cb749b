"""Outcome trials: answer a client's commands in random ways, or end a node in the middle of one; compare what is told.

| invariant | broken when |
| --- | --- |
| `clients.outcome` | an error says of a command what is not true: not executed, or executed |
| `clients.executed_twice` | a command that was requested once is executed twice |
| `machine.state_equal` | after a restart a replica has another state than one that was not restarted |
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgpack

from coterie.actors.groups.group_client import GroupClient
from coterie.actors.groups.group_messages import Answer, Execute, LeaderIs, Refused, Unsettled, WatchLeader
from coterie.actors.groups.replicas.typed_machine import TypedMachine
from coterie.actors.groups.state_machine import StateMachine
from coterie.actors.groups.typed_commands import Pack, encode_command
from coterie.errors import ActorFailed, ActorStopped, AskError, CommandError, ConnectionLost, Outcome
from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.replicated_log import LogIndex
from coterie.protocols.sessions import (
    CommandBatch,
    Done,
    Malformed,
    Opened,
    OpenSession,
    Plain,
    SessionCommand,
    SessionFull,
    SessionId,
    StaleCommand,
    TooLarge,
    UnknownSession,
    Withheld,
    decode_command,
)
from coterie.protocols.sessions.length_prefixed import join_parts
from coterie.protocols.sessions.session_replies import NotActive, SentReply, encode_reply, fit_reply, with_refusals
from coterie.runtime.actor import Actor, Later
from coterie.runtime.hosts.simulation.process_life import Life
from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.system import System

__all__ = ["ScriptedGroup", "out_of_memory", "random_answers"]

COMMANDS: Final = 150
GROUP: Final = "store"
NODE: Final = NodeId("n1")
REPLIES: Final = 6
"""The kind byte of an encoded list of replies."""

_pack: Final[Pack] = msgpack.Packer().pack

REFUSALS: Final = ("not_leader", "overloaded", "too_large", "not_registered")


@message(name="simulation.Pay")
class Pay(Ask[int]):
    """A command that must take effect once; its reply is `number`."""

    number: int


# A client whose group answers at random.


class ScriptedGroup(Actor[Execute | WatchLeader]):
    """Answers each attempt at random, and keeps account of what is executed, now or later."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._sessions: dict[SessionId, dict[int, bytes]] = {}
        self._late: list[SessionCommand] = []
        self.executions: dict[bytes, int] = {}
        self.ways: dict[str, int] = {}
        """How often it answered in each way."""

    def receive(self, msg: Execute | WatchLeader, /) -> LeaderIs | None:
        """Answer an attempt, or never."""
        if isinstance(msg, Execute):
            self._answer(self.context.reply_later(msg), msg.command)
        return None

    def end(self) -> None:
        """Execute some of the copies that are still on their way."""
        for command in self._late:
            if self._rng.random() < 0.5:
                self._execute(command)

    def _answer(self, later: Later[Answer], command: bytes) -> None:
        decoded = decode_command(command)
        parts = decoded.commands if isinstance(decoded, CommandBatch) else [command]
        ways: list[Callable[[Later[Answer], list[bytes]], None]] = [self._refuse, self._lose]
        way = self._reply if self._rng.random() < 0.6 else self._rng.choice(ways)
        way(later, parts)

    def _refuse(self, later: Later[Answer], parts: list[bytes]) -> None:
        """Refuse the attempt: no copy of it remains."""
        if self._rng.random() < 0.2:
            self._note("stopped")
            later.fail(ActorStopped("stopped before it handled this message"))
            return
        reason = self._rng.choice(REFUSALS)
        self._note(reason)
        later.reply(Refused(reason, None, self._rng.choice((0, 10))))

    def _lose(self, later: Later[Answer], parts: list[bytes]) -> None:
        """Lose the answer: the copies may have been executed, and may be executed later."""
        for part in parts:
            command = decode_command(part)
            if isinstance(command, SessionCommand):
                self._late.append(command)
                if self._rng.random() < 0.5:
                    self._execute(command)
        way = self._rng.randrange(5)
        self._note(("unsettled", "lost", "failed", "garbage", "silent")[way])
        errors: tuple[AskError, ...] = (ConnectionLost("lost"), ActorFailed("failed"))
        if way == 0:
            later.reply(Unsettled("leadership_lost", None))
        elif way < 3:
            later.fail(errors[way - 1])
        elif way == 3:
            later.reply(b"\xffgarbage")

    def _reply(self, later: Later[Answer], parts: list[bytes]) -> None:
        replies = [self._encode(self._reply_to(part)) for part in parts]
        later.reply(replies[0] if len(parts) == 1 else join_parts(REPLIES, replies))

    def _encode(self, reply: SentReply) -> bytes:
        """Encode a reply or marker as a leader does."""
        if isinstance(reply, Withheld):
            return b"\x07" + reply.size_bytes.to_bytes(4, "big")
        if isinstance(reply, TooLarge):
            return fit_reply(encode_reply(Done(bytes(reply.size_bytes))), reply.max_bytes)
        if isinstance(reply, NotActive):
            return with_refusals(None, {0: reply}, is_batch=False)
        return encode_reply(reply)

    def _reply_to(self, part: bytes) -> SentReply:
        command = decode_command(part)
        match command:
            case OpenSession():
                session = SessionId(self._rng.randbytes(16))
                self._sessions[session] = {}
                return Opened(session)
            case SessionCommand():
                return self._reply_in_session(command)
            case Plain() | CommandBatch():
                raise TypeError(f"no client of this trial sends {command}")

    def _reply_in_session(self, command: SessionCommand) -> SentReply:
        if command.session not in self._sessions:
            return UnknownSession()
        way = self._rng.choice(("done", "done", "withheld", "withheld", "large", "full", "unknown", "stale", "bad"))
        self._note(way)
        match way:
            case "done":
                return Done(self._execute(command))
            case "withheld":
                self._execute(command)
                return Withheld(self._rng.choice((100, 5_000_000)))
            case "large":
                self._execute(command)
                return TooLarge(200, 100)
            case "full":
                return SessionFull(1)
            case "unknown":
                del self._sessions[command.session]
                return UnknownSession()
            case "stale":
                return StaleCommand(command.sequence + 1)
            case _:
                return Malformed()

    def _execute(self, command: SessionCommand) -> bytes:
        """Execute a command once in its session; not at all if that is gone."""
        replies = self._sessions.get(command.session)
        if replies is None:
            return b""
        if command.sequence not in replies:
            number = msgpack.unpackb(command.payload)[1][0]
            replies[command.sequence] = _pack((0, number))
            self.executions[command.payload] = self.executions.get(command.payload, 0) + 1
        return replies[command.sequence]

    def _note(self, way: str) -> None:
        self.ways[way] = self.ways.get(way, 0) + 1


def random_answers(seed: int) -> dict[str, int]:
    """Answer a client's commands at random; return how often in each way.

    Raises:
        Violation: `clients.outcome` or `clients.executed_twice`.
    """
    world = SimulatedWorld(seed)
    group = ScriptedGroup(random.Random(seed))
    results: dict[int, Outcome | None] = {}
    life = world.begin(NODE)
    world.run(partial(_finish, life, group, results))
    context = ViolationContext()
    for number, outcome in results.items():
        executions = group.executions.get(encode_command(Pay(number), _pack), 0)
        if executions > 1:
            context.fail("clients.executed_twice", None, f"command {number} was executed {executions} times")
        if (outcome is Outcome.DEFINITE and executions) or (outcome in (None, Outcome.HAPPENED) and not executions):
            told = "answered" if outcome is None else outcome.value
            context.fail("clients.outcome", None, f"command {number} was {told}, it was executed {executions} times")
    return group.ways


async def _finish(life: Life, group: ScriptedGroup, results: dict[int, Outcome | None]) -> None:
    await life.create_task(_request_all(life, group, results))
    group.end()


async def _request_all(life: Life, group: ScriptedGroup, results: dict[int, Outcome | None]) -> None:
    rng = life.host.random
    async with System(life.name, host=life.host) as system:
        system.spawn(lambda: group, name=GROUP)
        client: GroupClient[Any] = GroupClient(system, GROUP, lambda: [life.name])
        number = 0
        while number < COMMANDS:
            together = rng.choice((1, 1, 1, 2, 5))
            await asyncio.gather(*(_request(client, number + at, rng, results) for at in range(together)))
            number += together
        await client.close()


async def _request(
    client: GroupClient[Any], number: int, rng: random.Random, results: dict[int, Outcome | None]
) -> None:
    try:
        await client.execute(Pay(number), timeout_s=rng.choice((0.5, 3.0, 9.0)))
        results[number] = None
    except CommandError as error:
        results[number] = error.outcome


# A replica whose node runs out of memory in the middle of a command.


class _Ledger(StateMachine[Pay]):
    """Adds up payments, in two steps; between them its node may run out of memory."""

    def __init__(self, short_of_memory_at: int) -> None:
        self._short_of_memory_at = short_of_memory_at
        self.payments = self.total = 0

    def apply(self, command: Pay, /) -> int:
        """Execute one payment."""
        self.payments += 1
        if command.number == self._short_of_memory_at:
            raise MemoryError
        self.total += command.number
        return self.total


def out_of_memory(seed: int) -> None:
    """Let a replica run out of memory in the middle of a command; its next life must agree with another replica.

    Raises:
        Violation: `machine.state_equal`.
    """
    short, other = _applied(_Ledger(short_of_memory_at=7)), _applied(_Ledger(short_of_memory_at=-1))
    if (short.payments, short.total) != (other.payments, other.total):
        detail = f"{short.payments} payments of {short.total} here, {other.payments} of {other.total} elsewhere"
        ViolationContext().fail("machine.state_equal", NODE, detail)


def _applied(ledger: _Ledger) -> _Ledger:
    """Apply ten payments; a life that ends before an entry counts as applied is followed by another one."""
    machine = TypedMachine(ledger)
    try:
        for number in range(1, 11):
            machine.apply(LogIndex(number), encode_command(Pay(number), _pack))
    except MemoryError:
        return _applied(_Ledger(short_of_memory_at=-1))
    return ledger
