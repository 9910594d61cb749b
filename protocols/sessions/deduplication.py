"""`Deduplication`: executes each command of a client session once, and answers repeated copies with the stored reply.

A client that gets no reply must retry, and then its command may be in the log twice. So a client opens a session and
numbers its commands 1, 2, 3, …; the first copy in the log is executed and its reply stored, every other copy gets the
stored reply. Commands may be in flight together and arrive in any order.

    sequence   1 … │ low_water ………………………………………… low_water + session_window - 1 │ …
               stale │ executed once, reply stored │ not seen yet              │ full

Each command carries the client's low-water mark: the client has the replies of all commands below it and will not
repeat them, so those replies are dropped. A copy that arrives below the mark is answered `StaleCommand`, one of a
session that is unknown or was evicted `UnknownSession`: an error, never a second execution. Only the log decides, so
all replicas decide alike.

An opening may be repeated, too: its nonce gives the same session as long as that is open. After the session was
evicted, a late copy of the opening must not bring it back, empty: copies of its commands would be executed again. So
the id depends on the index of the entry that opened it:

    id = the first 16 bytes of sha256(group incarnation, nonce, index)

No id is given twice: indexes do not repeat within an incarnation of a group, and its nonce makes that of others differ.
A group that is restored or recovered begins another incarnation, and with it all sessions end: what clients sent to the
group as it was before is never executed in it. They are answered `UnknownSession`, and open new ones.
Without the nonce, which only the opener and the replicas know, an id cannot be guessed.

What a group keeps for all clients has bounds (`KeptLimits`), and no client can use them up for the others. A session
may keep replies of as many bytes as are free of the whole (the dynamic threshold of Choudhury and Hahne, IEEE/ACM
Transactions on Networking 6(2), 1998), and always `session_bytes`. While it keeps more, its oldest command is
executed, so that it advances, and each other one is answered `SessionFull`: not executed, the client sends it again
once it has the replies before it. What goes beyond the bounds nevertheless ends sessions, those used least recently: of
the owner that has most of them, or that keeps most bytes in other sessions than its largest one (`weight_by_bytes`).

A batch is executed up to a number of commands and of bytes of their replies, which are all in memory together, on every
replica. Each command after that is answered `Deferred`: not executed, the client sends it again. The first command of a
batch is always executed, so a client that repeats the others comes to an end.

Exactly once is decided here, by `Deduplication._apply_in_session`. The client numbers its commands in
`actors/groups/client_session.py`, retries them under the same number in `actors/groups/leader_router.py`, and
turns the replies into results or errors in `actors/groups/group_client.py`.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterator
from typing import Final, Protocol, assert_never

from coterie.protocols.replicated_log import INCARNATION_BYTES, LogIndex
from coterie.protocols.sessions.kept_sessions import (
    STANDARD_LIMITS,
    KeptLimits,
    KeptSession,
    KeptSessions,
    Weight,
    weight_by_bytes,
    weight_by_number,
)
from coterie.protocols.sessions.session_commands import (
    SESSION_ID_BYTES,
    Command,
    CommandBatch,
    OpenSession,
    Plain,
    SessionCommand,
    SessionId,
    decode_command,
)
from coterie.protocols.sessions.session_replies import (
    BatchReply,
    Deferred,
    Done,
    Malformed,
    Opened,
    Replies,
    Reply,
    SessionFull,
    StaleCommand,
    TooLarge,
    UnknownSession,
)
from coterie.protocols.sessions.session_snapshot import SessionsRestore, snapshot_pieces

__all__ = ["BATCH_COMMANDS_MAX", "BATCH_REPLY_BYTES", "Deduplication", "Executor", "Machine"]

BATCH_COMMANDS_MAX: Final = 1024
"""How many commands of a batch are executed: all replicas are held meanwhile. A rule of the format level."""

BATCH_REPLY_BYTES: Final = 1024 * 1024
"""Once the replies of a batch have more bytes, it is executed no further: a replica is held for a few milliseconds.

A rule of the format level."""

_INDEX = struct.Struct(">Q")


class Executor(Protocol):
    """What executes commands: its replies and state follow from the commands and their order alone."""

    def apply(self, index: LogIndex, command: bytes, /) -> bytes:
        """Execute `command` of log entry `index` (the commands of a batch share it); return the reply.

        `Deduplication` catches no exception: a command that cannot be executed must return a reply, too.
        """
        ...


class Machine(Executor, Protocol):
    """A deterministic state machine, which can be saved and restored."""

    def snapshot(self) -> Iterator[bytes]:
        """Return the state as it is now, in pieces; commands that are executed meanwhile do not show in them."""
        ...

    def restore(self, piece: bytes, /) -> None:
        """Take the next piece of a snapshot, after `reset` and until all have come. ValueError: it is malformed."""
        ...

    def reset(self) -> None:
        """Forget the state: it is as before the first command."""
        ...


class Deduplication:
    """Lets an `Executor` execute each session command at most once, and exactly once if its client retries.

    Memory is bounded by `limits`. Of a reply above `KEPT_REPLY_BYTES` only the size is kept: a copy of its command is
    answered `TooLarge`.

    Args:
        machine: executes the payloads.
        incarnation: 16 bytes that distinguish this life of the group from all others, of this and of other groups.
        limits: what the sessions may keep.
        decode: `decode_command`, or a caching version, for replicas in one process that decode the same bytes.

    Raises:
        ValueError: `incarnation` has not 16 bytes.
    """

    def __init__(
        self,
        machine: Executor,
        *,
        incarnation: bytes,
        limits: KeptLimits = STANDARD_LIMITS,
        decode: Callable[[bytes], Command] = decode_command,
    ) -> None:
        _check_incarnation(incarnation)
        self._machine = machine
        self._incarnation = incarnation
        self._limits = limits
        self._decode = decode
        self._sessions = KeptSessions()
        self._kept_bytes = 0
        self._restored: SessionsRestore | None = None

    def __len__(self) -> int:
        """Return how many sessions are open."""
        return len(self._sessions.by_id)

    @property
    def incarnation(self) -> bytes:
        """What distinguishes this life of the group, for the ids of the sessions that are opened from now on."""
        return self._incarnation

    def begin_incarnation(self, incarnation: bytes) -> None:
        """End all sessions: the group was restored, or recovered, as `incarnation`. ValueError: it has not 16 bytes."""
        _check_incarnation(incarnation)
        self._incarnation = incarnation
        self._sessions = KeptSessions()
        self._kept_bytes = 0

    @property
    def kept_bytes(self) -> int:
        """How many bytes the kept replies count, with their overhead."""
        return self._kept_bytes

    def apply(self, index: LogIndex, command: bytes) -> Reply | Replies:
        """Execute the command of log entry `index`; call it in log order. Malformed commands do not raise."""
        try:
            decoded = self._decode(command)
        except ValueError:
            return Malformed()
        match decoded:
            case SessionCommand():
                return self._apply_in_session(index, decoded)
            case CommandBatch(commands):
                return Replies(self._apply_batch(index, commands))
            case OpenSession():
                return self._open(index, decoded)
            case Plain(payload):
                return Done(self._machine.apply(index, payload))
            case _:
                assert_never(decoded)

    def snapshot(self) -> Iterator[bytes]:
        """Return the sessions as they are now, in pieces: see `session_snapshot`. That of the machine is its own.

        They are encoded while they are taken, and do not change with what is applied meanwhile.
        """
        return snapshot_pieces(self._sessions)

    def restore(self, piece: bytes) -> None:
        """Take the next piece of a snapshot; its sessions are there after `end_restore`, and in place of all others.

        Raises:
            ValueError: it is no piece, or not the next one. What was restored so far is dropped.
        """
        restored = self._restored = self._restored or SessionsRestore()
        try:
            restored.add(piece)
        except ValueError:
            self._restored = None
            raise

    def end_restore(self) -> None:
        """Use the restored sessions from now on. ValueError if a piece is missing: then nothing has changed."""
        restored, self._restored = self._restored or SessionsRestore(), None
        self._sessions = restored.end()
        self._kept_bytes = sum(session.kept_bytes for session in self._sessions.by_id.values())

    def _apply_batch(self, index: LogIndex, commands: list[bytes]) -> list[BatchReply]:
        decode, replies, left_bytes = self._decode, list[BatchReply](), BATCH_REPLY_BYTES
        for command in commands if len(commands) <= BATCH_COMMANDS_MAX else commands[:BATCH_COMMANDS_MAX]:
            try:
                decoded = decode(command)
            except ValueError:
                replies.append(Malformed())
                continue
            if type(decoded) is SessionCommand:
                reply = self._apply_in_session(index, decoded)
            elif type(decoded) is Plain:
                reply = Done(self._machine.apply(index, decoded.payload))
            else:
                reply = Malformed()
            replies.append(reply)
            if type(reply) is Done and (left_bytes := left_bytes - len(reply[0])) < 0:
                break
        return replies if len(replies) == len(commands) else replies + [Deferred()] * (len(commands) - len(replies))

    def _open(self, index: LogIndex, opening: OpenSession) -> Opened:
        number = self._sessions.id_by_nonce.get(opening.nonce)
        if number is not None:
            self._sessions.use(number)
            return Opened(number)
        number = self._new_id(index, opening.nonce)
        self._sessions.add(number, opening)
        while len(self) > self._limits.sessions:
            self._evict(weight_by_number)
        return Opened(number)

    def _new_id(self, index: LogIndex, nonce: bytes) -> SessionId:
        digest = hashlib.sha256(self._incarnation + nonce + _INDEX.pack(index)).digest()
        return SessionId(digest[:SESSION_ID_BYTES])

    def _evict(self, weight: Weight, excess_bytes: int = 0) -> None:
        self._kept_bytes -= self._sessions.evict(weight, excess_bytes)

    def _apply_in_session(self, index: LogIndex, command: SessionCommand) -> Reply:
        number, sequence, low_water, payload = command
        session = self._sessions.by_id.get(number)
        if session is None:
            return UnknownSession()
        if number != self._sessions.used_last:
            self._sessions.use(number)
        limits = self._limits
        if low_water > session.low_water:
            self._kept_bytes -= session.raise_low_water(low_water)
        if sequence < session.low_water:
            return StaleCommand(session.low_water)
        kept = session.reply_by_sequence.get(sequence)
        if kept is not None:
            return kept if isinstance(kept, TooLarge) else Done(kept)
        if sequence >= session.low_water + limits.session_window:
            return SessionFull(session.low_water)
        if session.kept_bytes >= limits.session_bytes and not self._has_room(session, sequence):
            return SessionFull(session.low_water)
        reply = self._machine.apply(index, payload)
        kept_bytes = self._kept_bytes = self._kept_bytes + session.keep(sequence, reply)
        if kept_bytes > limits.all_bytes:
            self._make_room()
        return tuple.__new__(Done, (reply,))  # a third of the time of Done(…)

    def _make_room(self) -> None:
        while (excess_bytes := self._kept_bytes - self._limits.all_bytes) > 0:
            self._evict(weight_by_bytes, excess_bytes)

    def _has_room(self, session: KeptSession, sequence: int) -> bool:
        return sequence == session.low_water or session.kept_bytes < self._limits.all_bytes - self._kept_bytes


def _check_incarnation(incarnation: bytes) -> None:
    """Raise ValueError unless it has the length of an incarnation."""
    if len(incarnation) != INCARNATION_BYTES:
        raise ValueError(f"an incarnation has {INCARNATION_BYTES} bytes, this one has {len(incarnation)}")
