"""Session trials: a replica that begins from a snapshot must answer as the one that took it; raise `Violation`."""

from __future__ import annotations

from collections.abc import Iterator

from coterie.actors.groups.replicas.replica import Replica
from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.replicated_log import INCARNATION_BYTES, Entry, EntryKind, LogIndex, Term
from coterie.protocols.sessions import SESSION_ID_BYTES, SessionId, encode_open_session, encode_session_command
from coterie.protocols.sessions.kept_sessions import weight_by_number

__all__ = ["restored_evictions", "restored_retry"]

RESTORED = NodeId("n2")
OPENED_KIND_BYTES = 1


class _Counting:
    """A machine that answers each command with the number of commands so far."""

    def __init__(self) -> None:
        self.count = 0

    def apply(self, index: LogIndex, command: bytes, /) -> bytes:
        """Count the command."""
        del index, command
        self.count += 1
        return b"%d" % self.count

    def snapshot(self) -> Iterator[bytes]:
        """Return the count."""
        return iter([b"%d" % self.count])

    def restore(self, piece: bytes, /) -> None:
        """Take the count."""
        self.count = int(piece)

    def reset(self) -> None:
        """Begin at zero."""
        self.count = 0


class _Log:
    """The entries of a group, which each of its replicas applies."""

    def __init__(self) -> None:
        self.last_index = 0

    def apply(self, command: bytes, *replicas: Replica) -> list[bytes | None]:
        """Append an entry; return the reply of each replica."""
        self.last_index += 1
        entry = Entry(LogIndex(self.last_index), Term(1), EntryKind.COMMAND, command)
        return [replica.apply(entry) for replica in replicas]

    def open(self, number: int, *replicas: Replica) -> SessionId:
        """Open a session with the same nonce at each replica; return its id."""
        replies = self.apply(encode_open_session(bytes([number]) * SESSION_ID_BYTES), *replicas)
        return SessionId((replies[0] or b"")[OPENED_KIND_BYTES:])


def _replica() -> Replica:
    return Replica(_Counting(), incarnation=bytes(INCARNATION_BYTES))


def _restored_from(replica: Replica, index: int) -> Replica:
    restored = _replica()
    pieces = list(replica.snapshot())
    restored.begin_restore(LogIndex(index), lambda: None)
    for section, piece in pieces:
        restored.restore(section, piece)
    restored.end_restore()
    return restored


def restored_retry(_: int) -> None:
    """Let a client repeat a command after a snapshot: a replica that began from it must not execute it again.

    Raises:
        Violation: `machine.executed_again`: it did, or does not know the session.
    """
    log, first = _Log(), _replica()
    command = encode_session_command(log.open(1, first), 1, 0, b"x")
    log.apply(command, first)
    restored = _restored_from(first, log.last_index)
    expected, found = log.apply(command, first, restored)
    if expected != found:
        detail = f"a command that was repeated is answered with {found!r}, not {expected!r}"
        ViolationContext().fail("machine.executed_again", RESTORED, detail)


def restored_evictions(_: int) -> None:
    """Let a session be used again after a later one was opened: a replica must evict in the same order as the others.

    Raises:
        Violation: `machine.state_equal`: it has evicted another session.
    """
    log, first = _Log(), _replica()
    sessions = [log.open(number, first) for number in (1, 2)]
    log.apply(encode_session_command(sessions[0], 1, 0, b"x"), first)  # now the second is the one used longest ago
    restored = _restored_from(first, log.last_index)
    for replica in (first, restored):
        replica._deduplication._evict(weight_by_number)  # noqa: SLF001 (as if there were too many)
    command = encode_session_command(sessions[0], 2, 0, b"x")
    expected, found = log.apply(command, first, restored)
    if expected != found:
        detail = f"a session in use is answered with {found!r}, not {expected!r}"
        ViolationContext().fail("machine.state_equal", RESTORED, detail)
