"""`Replica`: applies the entries of the log to the sessions and the state machine of one node, and keeps their digest.

    entry ─▶ Deduplication ─▶ state machine ─▶ reply ─▶ DigestHistory: what this node has answered so far
                                                 └────▶ the caller, on the node that proposed the command

The digest covers the replies of the session layer, not only those of the machine; of an error it covers the type only,
because its text may contain what differs between nodes.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from coterie.actors.groups.replicas.replica_snapshot import (
    ReplicaFacts,
    Section,
    SectionOrder,
    decode_head,
    encode_end,
    encode_head,
)
from coterie.errors import InvariantViolated
from coterie.protocols.checkpoints import Digest, DigestHistory, decode_checkpoint
from coterie.protocols.replicated_log import INCARNATION_BYTES, Entry, EntryKind, LogIndex
from coterie.protocols.sessions import (
    BatchReply,
    Deduplication,
    Done,
    Machine,
    Replies,
    Reply,
    encode_reply,
    machine_commands,
)

__all__ = ["APART", "VISIT_REPLY_BYTES", "ReadsIn", "Replica", "session_incarnation"]

VISIT_REPLY_BYTES: Final = 1024 * 1024
"""How many bytes of replies are made at once; then the loop reads heartbeats, before more is applied."""

SEARCHED_BYTES: Final = 64 * 1024
"""In so many bytes of replies the mark of an error is searched. In more it would often be found by chance."""

APART: Final = (
    "it answered otherwise than a quorum, up to entry {index}: its state cannot be trusted. Did `apply` change without "
    "a higher `version`, or does it use a clock, random numbers or the order of a set? Start this node on the code of "
    "the others. Or has a voter gone back in time (`coterie status`)? Then keep this data directory: it may be the last"
)


class ReadsIn(enum.Enum):
    """How much of a batch are queries that the machine's `read` answers: they are never put into the log."""

    NONE = "none"
    SOME = "some"
    ALL = "all"


def session_incarnation(group: str) -> bytes:
    """Return the incarnation for the ids of the first sessions of a group.

    It must be the same on each replica that applies the log from its beginning, also on one that joins after the group
    was recovered. Later ones are in the log: an entry of kind `INCARNATION` ends the sessions before it.
    """
    return hashlib.sha256(f"sessions of {group}".encode()).digest()[:INCARNATION_BYTES]


class Replica:
    """The state machine of one node with the sessions of its clients, for one life of the node.

    Args:
        machine: an empty state machine. If a part of its replies may differ between replicas, it has a method
            `digested(reply)` that leaves that part out, and `varying_mark`: the bytes with which such replies begin.
        incarnation: for the ids of sessions, 16 bytes: until an entry, or a snapshot, names another one.
        base_index: the last entry before the first that is applied.
        adopt: called with each schema entry; it may raise `CannotFollow`.
    """

    def __init__(
        self,
        machine: Machine,
        *,
        incarnation: bytes,
        base_index: LogIndex = LogIndex(0),
        adopt: Callable[[Entry], None] | None = None,
    ) -> None:
        self._machine: Any = machine
        self._incarnation = incarnation
        self._deduplication = Deduplication(machine, incarnation=incarnation)
        self._restore_order: SectionOrder | None = None
        """The state is being restored, or that has failed: it must not be used. None: it may be."""
        self._digests = DigestHistory(base_index)
        self._digested: Callable[[bytes], bytes] | None = getattr(machine, "digested", None)
        self._payload_mark: bytes = getattr(machine, "varying_mark", b"")
        self._varying_mark = encode_reply(Done(self._payload_mark))
        self._adopt = adopt
        self.changed_index = base_index
        """The last entry that may have changed the state: a command, a schema, or an incarnation."""
        self.apart_at: LogIndex | None = None
        """The first checkpoint that this replica contradicts: it has answered otherwise than a quorum. None: none."""
        self.confirmed_index = base_index
        """Up to here a quorum has answered as this replica did: it says so in a checkpoint, or it made the snapshot."""

    def apply(self, entry: Entry) -> bytes | None:
        """Apply the next entry of the log; return the encoded reply of the session layer, None if it has none.

        Raises:
            BaseException: a local condition (see `StateMachine.apply`): the entry does not count as applied.
            CannotFollow: the code cannot follow the schema in this entry: it does not count as applied.
        """
        if self._restore_order is not None:
            raise self._not_restored()
        if entry.kind is EntryKind.COMMAND:
            return self._execute(entry)
        if entry.kind is EntryKind.CHECKPOINT:
            self._compare(entry)
        elif entry.kind is EntryKind.SCHEMA and self._adopt is not None:
            self._adopt(entry)
            self.changed_index = entry.index
        elif entry.kind is EntryKind.INCARNATION:
            self._deduplication.begin_incarnation(entry.command)
            self.changed_index = entry.index
        self._digests.add(entry.index, None)
        return None

    @property
    def is_ready(self) -> bool:
        """Whether the machine knows its commands: not before it has come to a schema."""
        return not getattr(self._machine, "awaits_schema", False)

    @property
    def is_restoring(self) -> bool:
        """Whether the state is not whole: it is being restored from a snapshot."""
        return self._restore_order is not None

    def reads_of(self, command: bytes) -> ReadsIn:
        """Return how much of an encoded command, or batch, the machine answers by its own `read`."""
        is_read: Callable[[bytes], bool] | None = getattr(self._machine, "is_read", None)
        if is_read is None:
            return ReadsIn.NONE
        found = {end > 0 and is_read(command[start:end]) for start, end in machine_commands(command)}
        return ReadsIn.SOME if len(found) > 1 else ReadsIn.ALL if True in found else ReadsIn.NONE

    def read(self, query: bytes) -> bytes:
        """Answer one encoded query of the machine from its present state; return the encoded reply.

        Raises:
            BaseException: a local condition, as from `apply`.
        """
        if self._restore_order is not None:
            raise self._not_restored()
        reply: bytes = self._machine.read(query)
        return reply

    def digest_at(self, index: LogIndex) -> Digest | None:
        """Return the digest of all replies up to `index`; None if it is not applied (or restored) yet, or not kept."""
        return self._digests.at(index) if self._restore_order is None else None

    def snapshot(self) -> Iterator[tuple[Section, bytes]]:
        """Return the state after the last entry that was applied, in pieces of at most about 256 KiB each.

        All is frozen at the call, which takes milliseconds at most (if the machine does): entries are applied while
        the pieces are taken. An iterator that is closed or dropped costs nothing any more.

        Raises:
            InvariantViolated: the state is being restored.
            SnapshotFailed: at the call or for a piece: the machine cannot be saved.
        """
        if self._restore_order is not None:
            raise self._not_restored()
        sessions = self._deduplication
        head = encode_head(ReplicaFacts(self.changed_index, self.apart_at, self._digests, sessions.incarnation))
        return _sections(head, sessions.snapshot(), self._machine.snapshot())

    def twin_machine(self) -> Any:
        """Return a new machine that follows the same schema, to try a snapshot on; None: this kind has no such one.

        Raises:
            SnapshotFailed: it cannot be made.
        """
        twin: Callable[[], Any] | None = getattr(self._machine, "twin", None)
        return None if twin is None else twin()

    @property
    def state_machine(self) -> Any:
        """The user's machine, for a look at its state; None: this kind has none."""
        return getattr(self._machine, "machine", None)

    def begin_restore(self, index: LogIndex, adopt: Callable[[], None]) -> None:
        """Forget the state, and begin to restore that after entry `index`.

        `adopt` is called once the machine is new: it lets the machine follow the schema that is active at `index`.
        From now on, whatever is raised, the replica can be used only after `end_restore`; or it is begun again.

        Raises:
            SnapshotFailed: no new machine can be made.
        """
        self._restore_order = SectionOrder()
        self._digests = DigestHistory(index)
        self._deduplication = Deduplication(self._machine, incarnation=self._incarnation)
        self.changed_index, self.apart_at, self.confirmed_index = index, None, index
        self._machine.reset()
        adopt()

    def restore(self, section: Section, piece: bytes) -> None:
        """Take the next piece of the snapshot, as it came out of `snapshot`.

        Raises:
            InvariantViolated: there was no `begin_restore`.
            ValueError: the piece is malformed, or not the next one. `SnapshotFailed`, if the machine refuses it.
        """
        order = self._restore_order
        if order is None:
            raise InvariantViolated("a replica that is not being restored got a piece of a snapshot")
        is_head = not order.has_begun
        order.take(section, piece)
        if section is Section.SESSIONS:
            self._deduplication.restore(piece)
        elif section is Section.MACHINE:
            self._machine.restore(piece)
        elif is_head:
            head = decode_head(piece, self._digests.last_index)
            self.changed_index, self.apart_at, self._digests, incarnation = head
            self._deduplication.begin_incarnation(incarnation)

    def end_restore(self) -> None:
        """Use the restored state from now on.

        Raises:
            InvariantViolated: there was no `begin_restore`.
            ValueError: a piece is missing.
        """
        order = self._restore_order
        if order is None:
            raise InvariantViolated("a replica that is not being restored cannot end that")
        if not order.is_whole:
            raise ValueError("the end of a replica's snapshot is missing")
        self._deduplication.end_restore()
        end_restore: Callable[[], None] | None = getattr(self._machine, "end_restore", None)
        if end_restore is not None:
            end_restore()
        self._restore_order = None

    def _not_restored(self) -> InvariantViolated:
        return InvariantViolated(
            f"a replica is used before its state is restored up to entry {self._digests.last_index}"
        )

    def _execute(self, entry: Entry) -> bytes:
        reply = self._deduplication.apply(entry.index, entry.command)
        encoded = encode_reply(reply)
        self._digests.add(entry.index, self._digested_bytes(reply, encoded))
        self.changed_index = entry.index
        return encoded

    def _digested_bytes(self, reply: Reply | Replies, encoded: bytes) -> bytes:
        """Return what is digested of a reply: all of it, unless there is an error in it."""
        if self._digested is None or not self._may_vary(reply, encoded):
            return encoded
        return encode_reply(_equal_part(reply, self._digested))

    def _may_vary(self, reply: Reply | Replies, encoded: bytes) -> bool:
        """Return whether there may be an error in a reply; if it only looks like that, that costs no more than time."""
        if len(encoded) <= SEARCHED_BYTES:
            return self._varying_mark in encoded
        replies: Sequence[BatchReply] = reply.replies if isinstance(reply, Replies) else (reply,)
        return any(type(each) is Done and each.payload.startswith(self._payload_mark) for each in replies)

    def _compare(self, entry: Entry) -> None:
        checkpoint = decode_checkpoint(entry.command)
        mine = self._digests.at(checkpoint.index)
        if mine is not None and mine != checkpoint.digest and self.apart_at is None:
            self.apart_at = checkpoint.index
        elif mine == checkpoint.digest and self.apart_at is None:
            self.confirmed_index = checkpoint.index


def _sections(head: bytes, sessions: Iterator[bytes], machine: Iterator[bytes]) -> Iterator[tuple[Section, bytes]]:
    """Yield the pieces of a snapshot."""
    yield Section.REPLICA, head
    counts = []
    for section, pieces in ((Section.SESSIONS, sessions), (Section.MACHINE, machine)):
        count = 0
        for piece in pieces:
            count += 1
            yield section, piece
        counts.append(count)
    yield Section.REPLICA, encode_end(*counts)


def _equal_part(reply: BatchReply | Replies, digested: Callable[[bytes], bytes]) -> BatchReply | Replies:
    """Return the part of a reply that is equal on all replicas: of an error, not its text."""
    if isinstance(reply, Replies):
        return Replies([_without_text(each, digested) for each in reply.replies])
    return _without_text(reply, digested)


def _without_text(reply: BatchReply, digested: Callable[[bytes], bytes]) -> BatchReply:
    return Done(digested(reply.payload)) if isinstance(reply, Done) else reply
