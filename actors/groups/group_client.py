"""`GroupClient`: sends typed commands to a replicated group and returns the replies; executes each exactly once.

group = client.group("totals")
total = await group.execute(Add(2))
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar, assert_never

import msgpack

from coterie.actors.detection.node_health import NodeHealth
from coterie.actors.groups.backups.backup_transfer import BackupProgress, BackupTransfer, TakenBackup
from coterie.actors.groups.client_session import Identity, OwnSession, Session
from coterie.actors.groups.group_messages import (
    CodeReport,
    GroupStatus,
    LeaderIs,
    ReportCode,
    ReportStatus,
    SchemaActivated,
)
from coterie.actors.groups.leader_router import KnownNames, LeaderRouter
from coterie.actors.groups.members.group_members import GroupMembers, Transferred
from coterie.actors.groups.members.group_operations import GroupOperations, Progress
from coterie.actors.groups.members.member_messages import ChangeGroupMembers, MemberAction
from coterie.actors.groups.reply_room import LARGE_BYTES
from coterie.actors.groups.routed_command import COMMANDS, RoutedCommand, Way, refused
from coterie.actors.groups.state_machine import Query, StateMachine, commands_of
from coterie.actors.groups.typed_commands import Pack, decode_result, encode_command
from coterie.errors import (
    CommandTimeout,
    CommandTooLate,
    CoterieError,
    MessageTypeError,
    Outcome,
    ReplyTooLarge,
)
from coterie.protocols.sessions import (
    Done,
    Malformed,
    NotActive,
    Opened,
    Reply,
    SessionFull,
    SessionId,
    StaleCommand,
    TooLarge,
    UnknownSession,
    encode_plain,
    encode_session_command,
)
from coterie.protocols.sessions.kept_sessions import KEPT_REPLY_BYTES
from coterie.runtime.cells.ask_deadlines import check_timeout
from coterie.runtime.messages.message import Ask, AskOf
from coterie.runtime.system import System

__all__ = ["GroupClient", "StaleRead"]

C = TypeVar("C")
R = TypeVar("R")

TIMEOUT_S: Final = 10.0

CHANGE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class StaleRead(Generic[R]):
    """What a replica answered from what it had applied.

    Attributes:
        value: the reply to the query.
        node: who answered.
        index: the last entry that it had applied.
        behind: how many more entries it knew to be committed.
        heard_s: how long ago it *received* a message of a leader; a leader: how long ago a majority had answered it, at
            most (s). That message may have been on its way for long, or have waited in a process that was stopped: so
            the answer may be older than this.
    """

    value: R
    node: str
    index: int
    behind: int
    heard_s: float


class GroupClient(Generic[C]):
    """A handle to one group, on a node of its cluster or on a client. Get it from `Client.group` or `Node.group`.

    Linearizable: each command takes effect at one moment between the call of `execute` and its return. C is the type of
    the commands (a message, or a union of messages).

    Args:
        system: a node of the cluster, or a client linked to it.
        group: the group's name.
        nodes: returns the nodes that are linked now.
        health: what is thought of them; None: no node is ever suspected.
        machine: the class of the group's state machine; None: its commands are not checked here.
        known_groups: returns the groups that there are, None: not known.
        known_nodes: returns the nodes that there are, None: not known.
    """

    def __init__(
        self,
        system: System,
        group: str,
        nodes: Callable[[], Sequence[str]],
        health: NodeHealth | None = None,
        *,
        machine: type[StateMachine[C]] | None = None,
        known_groups: KnownNames = lambda: None,
        known_nodes: KnownNames = lambda: None,
    ) -> None:
        self._system = system
        self._group = group
        self._place = f"group {group!r}"
        self._nodes = nodes
        self._router = LeaderRouter(system, group, nodes, health, known_groups, known_nodes)
        self._operations = GroupOperations(system, group, nodes, self._router, self.status)
        self._machine_name = "" if machine is None else machine.__name__
        self._commands = None if machine is None else {described.cls for described in commands_of(machine)}
        self._pack: Pack = msgpack.Packer().pack
        self._own = OwnSession(system, group, self._router)

    async def execute(self, command: AskOf[C, R], *, timeout_s: float = TIMEOUT_S) -> R:
        """Execute a command exactly once (a `Query`: as `read` does) and return its reply.

        Raises:
            MessageTypeError: this handle was made for a machine that does not take commands of this class.
            CommandRefused: the machine refused it, it does not fit into a frame, the leader's disk is nearly full,
                there is no such group, or this client (or node) is closed: nothing changed.
            CommandFailed: the machine raised. ReplyTooLarge: it was executed, its reply does not fit into a frame.
            CommandTimeout: no reply in time; its `outcome` shows whether it may have been executed.
            CommandTooLate: the session was evicted; its `outcome` shows the same.
            CommandUnsettled: a retry was refused, and an earlier attempt may have been executed.
            BadMessage: a field cannot cross the wire.
        """
        payload = self._encode(command)
        if not issubclass(type(command), Query):
            return await self._execute_in_session(command, payload, timeout_s)
        return await self._read(command, payload, Way.READ, timeout_s)

    async def read(self, query: AskOf[C, R], *, anywhere: bool = False, timeout_s: float = TIMEOUT_S) -> R:
        """Return the reply to a `Query`, which sees all that was acknowledged before the call (linearizable).

        Queries that the machine's `read` answers are no entries of the log: the leader asks a majority whether it still
        leads, once for all reads that have come meanwhile. Others go through the log.

        Args:
            query: the query.
            anywhere: ask all nodes in turn, which share the work. Each asks the leader up to which entry it must have
                applied, so that one read takes longer.
            timeout_s: how long all attempts may take together.

        Raises:
            MessageTypeError: it is no `Query`.
            CoterieError: as `execute`.
        """
        self._check_query(query)
        way = Way.READ_ANYWHERE if anywhere else Way.READ
        return await self._read(query, self._encode(query), way, timeout_s)

    async def read_stale(
        self, query: AskOf[C, R], *, node: str | None = None, timeout_s: float = TIMEOUT_S
    ) -> StaleRead[R]:
        """Return what one node answers to a `Query` from the entries that it has applied, and how old that may be.

        It asks nobody, so it is answered although the group has no leader.

        Args:
            query: the query; the machine's `read` must answer it.
            node: whom to ask; None: the nodes in turn.
            timeout_s: how long all attempts may take together.

        Raises:
            MessageTypeError: it is no `Query`.
            CommandRefused: the machine refused it, its `read` does not answer such a query, or there is no such group
                or node.
            CoterieError: as `execute`.
        """
        self._check_query(query)
        command = encode_plain(self._encode(query))
        reply, answer, asked = await self._router.read_stale(command, node, timeout_s=timeout_s)
        value = self._result(query, reply, RoutedCommand())
        return StaleRead(value, asked, answer.index, answer.behind, answer.heard_s)

    async def _read(self, query: AskOf[C, R], payload: bytes, way: Way, timeout_s: float) -> R:
        check_timeout(timeout_s)
        kind, command = type(query), encode_plain(payload)
        deadline = self._system.host.clock.monotonic() + timeout_s
        attempt = self._router.first_attempt(command, timeout_s, (way, kind), kind)
        first = None if attempt is None else await attempt
        if type(first) is Done and len(first[0]) < LARGE_BYTES:
            return decode_result(query, first[0], self._place)
        routed = RoutedCommand(kind=kind, way=way)
        reply = await self._router.execute(command, timeout_s=timeout_s, routed=routed, first=first, deadline=deadline)
        return self._result(query, reply, RoutedCommand())

    def _check_query(self, query: object) -> None:
        if not issubclass(type(query), Query):
            raise MessageTypeError(f"{type(query).__name__} is no Query: only execute sends it; nothing was sent")

    async def execute_as(self, identity: Identity, command: AskOf[C, R], *, timeout_s: float = TIMEOUT_S) -> R:
        """Execute a command under an identity from any session: it is executed once, however many clients send it.

        Raises:
            MessageTypeError: as `execute`.
            CommandError: as `execute`. Its `outcome` is never DEFINITE, unless the machine itself refused the command:
                another holder of the identity may have sent it.
        """
        payload = self._encode(command)
        framed = encode_session_command(SessionId(identity.session), identity.sequence, identity.low_water, payload)
        routed = RoutedCommand(Outcome.UNKNOWN, kind=type(command))
        reply = await self._router.execute(framed, timeout_s=timeout_s, routed=routed)
        return self._result(command, reply, routed)

    async def open_session(self, *, timeout_s: float = TIMEOUT_S) -> Session:
        """Open another session (`execute` already has one).

        Raises:
            CommandTimeout: no reply in time. If the session was opened nevertheless, it is evicted in the end.
        """
        return await self._own.open_another(timeout_s)

    async def status(self, *, timeout_s: float = 2.0) -> dict[str, GroupStatus | CoterieError]:
        """Return the status of each node of the group, or the error of one that does not answer."""
        return await self._ask_all(ReportStatus(), timeout_s)

    async def _ask_all(self, request: Ask[R], timeout_s: float) -> dict[str, R | CoterieError]:
        nodes = list(self._nodes())
        asks = [self._router.ref(node).ask(request, timeout_s=timeout_s) for node in nodes]
        answers: dict[str, R | CoterieError] = {}
        for node, ask in zip(nodes, asks, strict=True):
            try:
                answers[node] = await ask
            except CoterieError as error:
                answers[node] = error
        return answers

    async def code(self, *, timeout_s: float = 2.0) -> dict[str, CodeReport | CoterieError]:
        """Return what the code of each node of the group is, or the error of one that does not answer."""
        return await self._ask_all(ReportCode(), timeout_s)

    async def activate(self, *, timeout_s: float = TIMEOUT_S) -> SchemaActivated:
        """Make the schema of the leader's code active, once every voter runs that code; see docs/evolution.md.

        It may be called again at any time: if the schema is active already, the answer says so.

        Raises:
            CommandRefused: it is in no log; the text names what holds it up.
            CommandUnsettled: no leader said in time whether it is active: it may become so.
        """
        return await self._operations.activate(timeout_s)

    async def transfer(self, to: str | None = None, *, timeout_s: float = TIMEOUT_S) -> Transferred:
        """Let the leader hand over to the node `to`, or (None) to the one that is furthest; return who leads then.

        No command is lost: those that come meanwhile are refused definitely, and their handles send them again. It
        takes some round trips, and no election time-out.

        Another node than `to` may lead in the end: compare `Transferred.leader`. It takes `timeout_s` at most, also if
        no node leads the group.

        Raises:
            CommandRefused: the leader goes on, or leads again; the text says why. Or this client is no operator.
            CommandTimeout: nobody said in time who leads; DEFINITE: nor before, and nothing was changed. It may be
                called again.
        """
        return await self._operations.transfer(to, timeout_s)

    async def backup(
        self,
        path: str,
        *,
        node: str | None = None,
        overwrite: bool = False,
        on_progress: Callable[[BackupProgress], None] = lambda _: None,
    ) -> TakenBackup:
        """Write a backup of this group alone into the file `path`: all that was acknowledged before the call is in it.

        The leader, or `node`, gives it, once a quorum has confirmed that state: that takes some seconds.

        Raises:
            BackupFailed: there is such a file (and not `overwrite`), or no node gave a whole backup.
            OSError: the file cannot be written.
        """
        transfer = BackupTransfer(
            self._system,
            self._group,
            self._router.ref,
            self._nodes,
            lambda: self.leader,
            node=node,
            on_progress=on_progress,
        )
        return await transfer.write(path, overwrite=overwrite)

    async def members(self, *, timeout_s: float = TIMEOUT_S) -> GroupMembers:
        """Return the members of the group, as its leader has them; if none leads, as the newest replica knows them.

        CommandTimeout: no node told them in time.
        """
        return await self._operations.members(timeout_s)

    async def add(
        self,
        node: str,
        address: str | None = None,
        *,
        learner: bool = False,
        timeout_s: float = CHANGE_S,
        on_progress: Progress | None = None,
    ) -> GroupMembers:
        """Add `node`, which was started to join: as a learner that votes once it has caught up; return the members.

        All changes of members can be repeated: what is done already is not done again, and `has_changed` is False.

        Args:
            node: its name. It runs with the group in its topology, and with `bootstrap="join"` at its first start.
            address: where it is reached (`host:port`): nodes and clients learn it. None: where the leader reaches it.
            learner: it stays a learner: it gets everything, and does not vote.
            timeout_s: for the whole change.
            on_progress: called with how far it is, in words, when that changes, once a second at most.

        Raises:
            CommandRefused: it was refused, or given up; the text says why, and what to do.
            CommandTimeout: it had not ended in time. DEFINITE: no node took it (the group has no leader, for example),
                and nothing was changed; else it may go on.
        """
        action = MemberAction.ADD_LEARNER if learner else MemberAction.ADD
        return await self._operations.change(ChangeGroupMembers(action, node, None, address), timeout_s, on_progress)

    async def promote(
        self, node: str, *, timeout_s: float = CHANGE_S, on_progress: Progress | None = None
    ) -> GroupMembers:
        """Let the learner on `node` vote, once it has caught up and follows the active schema. As `add`."""
        return await self._operations.change(ChangeGroupMembers(MemberAction.PROMOTE, node), timeout_s, on_progress)

    async def remove(
        self, node: str, *, timeout_s: float = CHANGE_S, on_progress: Progress | None = None
    ) -> GroupMembers:
        """Let `node` be no member any more; if it leads, it hands over. As `add`."""
        return await self._operations.change(ChangeGroupMembers(MemberAction.REMOVE, node), timeout_s, on_progress)

    async def replace(
        self,
        node: str,
        *,
        store: str | None = None,
        address: str | None = None,
        timeout_s: float = CHANGE_S,
        on_progress: Progress | None = None,
    ) -> GroupMembers:
        """Let the store with which `node` runs now take the place of `store`, which is lost. As `add`.

        `store`: how the id of the lost store begins, as `members` has it. The node was started with an empty data
        directory and `bootstrap="join"`. `address`: None keeps the present one. Without `store` only the address
        changes: the node was started there with the data directory that it has always had.

        ValueError: neither is given.
        """
        if store is None and address is None:
            raise ValueError("give the store that is lost, or the address at which the node runs now")
        request = ChangeGroupMembers(MemberAction.REPLACE, node, store, address)
        return await self._operations.change(request, timeout_s, on_progress)

    def on_leader(self, listener: Callable[[LeaderIs], None]) -> None:
        """Call `listener` with each new leader, once per term."""
        self._router.on_leader(listener)

    @property
    def leader(self) -> str | None:
        """The node that is presumably the leader now; None: unknown."""
        return self._router.leader

    async def close(self) -> None:
        """Stop the background tasks of this handle."""
        await self._router.close()

    def _encode(self, command: AskOf[C, R]) -> bytes:
        """Encode a command that the machine takes, if that is known."""
        if self._commands is not None and type(command) not in self._commands:
            taken = ", ".join(sorted(cls.__name__ for cls in self._commands))
            text = f"{self._machine_name} of group {self._group!r} does not take {type(command).__name__}"
            raise MessageTypeError(f"{text}: nothing was sent; its commands are {taken}")
        return encode_command(command, self._pack)

    # --- the session of this client ---------------------------------------------------------------------------------

    async def _execute_in_session(self, command: AskOf[C, R], payload: bytes, timeout_s: float) -> R:
        check_timeout(timeout_s)
        monotonic = self._system.host.clock.monotonic
        deadline = monotonic() + timeout_s
        while True:
            session = self._own.session or await self._own.open(deadline)
            sequence = session.sequences.take() or await self._take_when_room(session, deadline)
            try:
                framed = encode_session_command(session.id, sequence, session.low_water, payload)
                attempt = self._router.first_attempt(framed, deadline - monotonic(), COMMANDS, type(command))
                first = None if attempt is None else await attempt
                if type(first) is Done and len(first[0]) < LARGE_BYTES:
                    return decode_result(command, first[0], self._place)
                routed = RoutedCommand(kind=type(command))
                reply = await self._router.execute(
                    framed, timeout_s=timeout_s, routed=routed, first=first, deadline=deadline
                )
                if type(reply) is SessionFull:
                    reply = await self._execute_later(session, sequence, payload, deadline, routed)
            finally:
                session.sequences.give_back(sequence)
            if type(reply) is Done:
                return decode_result(command, reply.payload, self._place)
            if isinstance(reply, UnknownSession | StaleCommand):
                self._own.forget(
                    session
                )  # evicted while idle, or another program has used it: it is of no use any more
                if routed.outcome is Outcome.DEFINITE and not isinstance(reply, StaleCommand):
                    continue  # nothing was executed, so retry in a new session
            return self._result(command, reply, routed)

    async def _execute_later(
        self, session: Session, sequence: int, payload: bytes, deadline: float, routed: RoutedCommand
    ) -> Reply | TooLarge | NotActive:
        """Send a command that a full session has refused again, each time that the session has advanced.

        It advances, because the group executes the oldest command of a session in any case.
        """
        monotonic = self._system.host.clock.monotonic
        while True:
            try:
                async with asyncio.timeout(deadline - monotonic()):
                    await session.sequences.advance(sequence)
            except TimeoutError as error:
                text = f"group {self._group!r} keeps too many replies for this client that it has not had yet"
                text = f"{text} ({session.sequences.limit_text}); have fewer commands in flight"
                raise CommandTimeout(f"{text}: {routed.fate}", routed.outcome) from error
            framed = encode_session_command(session.id, sequence, session.low_water, payload)
            reply = await self._router.execute(framed, timeout_s=max(0.0, deadline - monotonic()), routed=routed)
            if type(reply) is not SessionFull:
                return reply

    async def _take_when_room(self, session: Session, deadline: float) -> int:
        try:
            async with asyncio.timeout(deadline - self._system.host.clock.monotonic()):
                return await session.sequences.take_when_room()
        except TimeoutError as error:
            text = f"the session of this client for group {self._group!r} had no room in time"
            text = f"{text} ({session.sequences.limit_text}); have fewer commands in flight: this one was not executed"
            raise CommandTimeout(text, Outcome.DEFINITE) from error

    def _result(self, command: AskOf[C, R], reply: Reply | TooLarge | NotActive, routed: RoutedCommand) -> R:
        name = type(command).__name__
        match reply:
            case Done(payload):
                return decode_result(command, payload, self._place)
            case TooLarge(size_bytes, max_bytes):
                text = f"{name} was executed, but its reply of {size_bytes} bytes would not fit into a frame"
                setting = "" if max_bytes == KEPT_REPLY_BYTES else ", or raise frame_cap_bytes= everywhere"
                advice = f"an answer may have {max_bytes} bytes: return less at once{setting}"
                raise ReplyTooLarge(f"{text}: {advice}", size_bytes=size_bytes, limit_bytes=max_bytes)
            case NotActive(text):
                raise refused(f"group {self._group!r}: {text}", routed)
            case StaleCommand(low_water):
                routed.attempt_ended(Outcome.UNKNOWN)  # another copy may have been executed
                text = f"{name}: its session dropped all replies below {low_water}"
                raise CommandTooLate(f"{text}: {routed.fate}", routed.outcome)
            case UnknownSession():
                text = f"{name}: group {self._group!r} does not know its session (any more)"
                raise CommandTooLate(f"{text}: {routed.fate}", routed.outcome)
            case SessionFull(low_water):
                raise refused(f"{name}: too many commands above {low_water} are unsettled in its session", routed)
            case Malformed() | Opened():
                raise refused(f"{name}: group {self._group!r} could not decode it ({reply})", routed)
            case _:
                assert_never(reply)
