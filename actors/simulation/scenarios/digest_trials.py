"""Digest trials: replicas that answered differently in ways that are easily overlooked; raise `Violation` if so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from coterie.actors.groups.replicas.replica import Replica
from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.checkpoints import Digest, DigestCount, DigestsAgree
from coterie.protocols.quorums import Majority
from coterie.protocols.replicated_log import INCARNATION_BYTES, Entry, EntryKind, LogIndex, Term
from coterie.protocols.sessions import (
    SESSION_ID_BYTES,
    SessionId,
    encode_open_session,
    encode_session_command,
)
from coterie.protocols.sessions.kept_sessions import weight_by_number

__all__ = ["apart_leader", "lost_session"]

LEADER, SECOND, THIRD = NodeId("n1"), NodeId("n2"), NodeId("n3")
OPENED_KIND_BYTES: Final = 1


class _Echo:
    """A machine that answers every command with itself."""

    def apply(self, index: LogIndex, command: bytes, /) -> bytes:
        """Return the command."""
        del index
        return command

    def snapshot(self) -> Iterator[bytes]:
        """Return no piece: there is no state."""
        return iter(())

    def restore(self, piece: bytes, /) -> None:
        """Do nothing."""

    def reset(self) -> None:
        """Do nothing."""


def lost_session(_: int) -> None:
    """Let one of two replicas lose a session: it answers "unknown session" where the other answers "stale command".

    The machine executes neither, so only the session layer's replies differ.
    """
    healthy, forgetful = (Replica(_Echo(), incarnation=bytes(INCARNATION_BYTES)) for _ in range(2))
    opened = healthy.apply(_entry(1, encode_open_session(b"n" * SESSION_ID_BYTES))) or b""
    forgetful.apply(_entry(1, encode_open_session(b"n" * SESSION_ID_BYTES)))
    session = SessionId(opened[OPENED_KIND_BYTES:])
    forgetful._deduplication._evict(weight_by_number)  # noqa: SLF001 (the error that is to be found)
    for replica in (healthy, forgetful):
        replica.apply(_entry(2, encode_session_command(session, 1, 5, b"x")))
    if healthy.digest_at(LogIndex(2)) == forgetful.digest_at(LogIndex(2)):
        ViolationContext().fail("checkpoint.difference_unseen", SECOND, "it lost a session, and its digest is equal")


def apart_leader(_: int) -> None:
    """Let a leader have another digest than both followers: the followers' digest is what a quorum agrees on."""
    count = DigestCount(Majority((LEADER, SECOND, THIRD)), LogIndex(7))
    reports = ((LEADER, Digest(b"apart")), (SECOND, Digest(b"equal")), (THIRD, Digest(b"equal")))
    results = [result for member, digest in reports if (result := count.report(member, digest)) is not None]
    if results != [DigestsAgree(LogIndex(7), Digest(b"equal"), (LEADER,))]:
        ViolationContext().fail("checkpoint.not_of_a_quorum", LEADER, f"the digest of a quorum is taken for {results}")


def _entry(index: int, command: bytes) -> Entry:
    return Entry(LogIndex(index), Term(1), EntryKind.COMMAND, command)
