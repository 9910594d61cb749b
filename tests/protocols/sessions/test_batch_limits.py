"""What one batch of a client may cost each replica: so many commands, and so many bytes of replies at once."""

from __future__ import annotations

from collections.abc import Sequence

from coterie.protocols.replicated_log import INCARNATION_BYTES, LogIndex
from coterie.protocols.sessions import (
    BatchReply,
    Deduplication,
    Deferred,
    Done,
    Opened,
    Replies,
    SessionId,
    encode_batch,
    encode_open_session,
    encode_plain,
    encode_session_command,
)
from coterie.protocols.sessions.deduplication import BATCH_COMMANDS_MAX, BATCH_REPLY_BYTES

REPLY_BYTES = BATCH_REPLY_BYTES // 4


class Group:
    """The sessions of one replica; each command has a reply of `reply_bytes`."""

    def __init__(self, reply_bytes: int) -> None:
        self.executed: list[bytes] = []
        self._reply_bytes = reply_bytes
        self._index = 0
        self._sessions = Deduplication(self, incarnation=bytes(INCARNATION_BYTES))

    def apply(self, index: LogIndex, command: bytes, /) -> bytes:
        self.executed.append(command)
        return bytes(self._reply_bytes)

    def open(self) -> SessionId:
        self._index += 1
        reply = self._sessions.apply(LogIndex(self._index), encode_open_session(b"n" * 16, b"shop"))
        assert isinstance(reply, Opened)
        return reply.session

    def take(self, commands: Sequence[bytes]) -> list[BatchReply]:
        self._index += 1
        reply = self._sessions.apply(LogIndex(self._index), encode_batch(commands))
        assert isinstance(reply, Replies)
        assert len(reply.replies) == len(commands)
        return reply.replies


def test_a_batch_makes_no_more_replies_than_may_exist_together() -> None:
    """2 kB of reads of one large value would make hundreds of megabytes, on every replica at once."""
    group = Group(REPLY_BYTES)
    replies = group.take([encode_plain(b"%d" % at) for at in range(100)])

    executed = BATCH_REPLY_BYTES // REPLY_BYTES + 1
    assert [type(reply) for reply in replies] == [Done] * executed + [Deferred] * (100 - executed)
    assert group.executed == [b"%d" % at for at in range(executed)]


def test_a_batch_executes_no_more_commands_than_may_hold_a_replica() -> None:
    group = Group(1)
    replies = group.take([encode_plain(b"")] * (BATCH_COMMANDS_MAX + 5))

    assert [type(reply) for reply in replies] == [Done] * BATCH_COMMANDS_MAX + [Deferred] * 5
    assert len(group.executed) == BATCH_COMMANDS_MAX


def test_deferred_commands_that_are_sent_again_are_all_executed_once() -> None:
    group = Group(REPLY_BYTES)
    session = group.open()
    waiting = {at: encode_session_command(session, at, 1, b"%d" % at) for at in range(1, 31)}
    rounds = 0
    while waiting:
        sequences = list(waiting)
        replies = group.take([encode_session_command(session, at, sequences[0], b"%d" % at) for at in sequences])
        assert {type(reply) for reply in replies} <= {Done, Deferred}
        for at, reply in zip(sequences, replies, strict=True):
            if isinstance(reply, Done):
                del waiting[at]
        rounds += 1

    assert group.executed == [b"%d" % at for at in range(1, 31)]
    assert rounds == 30 / (BATCH_REPLY_BYTES // REPLY_BYTES + 1)


def test_a_single_reply_above_the_limit_is_given() -> None:
    group = Group(BATCH_REPLY_BYTES + 1)

    assert [type(reply) for reply in group.take([encode_plain(b"a"), encode_plain(b"b")])] == [Done, Deferred]
