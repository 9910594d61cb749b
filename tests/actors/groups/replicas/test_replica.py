"""`Replica`: what the digest covers, and how a replica finds that it is apart."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from functools import partial

import msgpack
import pytest

from coterie import Ask, CommandRefused, StateMachine, message
from coterie.actors.groups.replicas.replica import Replica
from coterie.actors.groups.replicas.typed_machine import TypedMachine
from coterie.actors.groups.typed_commands import encode_command
from coterie.protocols.checkpoints import Checkpoint, Digest, encode_checkpoint
from coterie.protocols.replicated_log import INCARNATION_BYTES, Entry, EntryKind, LogIndex, Term
from coterie.protocols.sessions import (
    SessionId,
    encode_batch,
    encode_open_session,
    encode_plain,
    encode_session_command,
)

pack = msgpack.Packer().pack


@message(name="test_replica.Do")
class Do(Ask[int]):
    what: str


class Doer(StateMachine[Do]):
    """Replies 1, or does what the test has `behave` do."""

    behave: Callable[[str], int]

    def apply(self, command: Do, /) -> int:
        return type(self).behave(command.what)


def replica_of(behave: Callable[[str], int], base: int = 0) -> Replica:
    machine = type("Doer", (Doer,), {"behave": staticmethod(behave)})()
    return Replica(TypedMachine(machine), incarnation=bytes(INCARNATION_BYTES), base_index=LogIndex(base))


def always_one(what: str) -> int:
    del what
    return 1


def entries(*commands: bytes | Checkpoint | None, base: int = 0) -> Iterable[Entry]:
    """Return entries with these commands; None is a no-op."""
    for index, command in enumerate(commands, base + 1):
        if isinstance(command, Checkpoint):
            yield Entry(LogIndex(index), Term(1), EntryKind.CHECKPOINT, encode_checkpoint(command))
        elif command is None:
            yield Entry(LogIndex(index), Term(1), EntryKind.NOOP, b"")
        else:
            yield Entry(LogIndex(index), Term(1), EntryKind.COMMAND, command)


def do(what: str = "") -> bytes:
    return encode_plain(encode_command(Do(what), pack))


def digest(replica: Replica, *commands: bytes | None) -> Digest | None:
    log = list(entries(*commands))
    for entry in log:
        replica.apply(entry)
    return replica.digest_at(log[-1].index)


def raising(error: Callable[[], BaseException]) -> Callable[[str], int]:
    def behave(what: str) -> int:
        del what
        raise error()

    return behave


def test_replicas_that_answer_alike_have_equal_digests() -> None:
    log = (None, do("a"), encode_batch([do("b"), do("c")]), encode_open_session(b"n" * 16), b"malformed")

    assert digest(replica_of(always_one), *log) == digest(replica_of(always_one), *log)


def test_a_different_reply_makes_a_different_digest_also_within_a_batch() -> None:
    numbers = itertools.count()

    assert digest(replica_of(always_one), do()) != digest(replica_of(lambda _: 2), do())
    batch = encode_batch([do(), do(), do()])
    assert digest(replica_of(always_one), batch) != digest(replica_of(lambda _: 1 + next(numbers) // 2), batch)


def test_the_digest_covers_the_session_layer() -> None:
    """A machine of which one replica has lost the session answers nothing that differs: the layer above it does."""
    opening = encode_open_session(b"n" * 16)
    with_session = replica_of(always_one)
    opened = with_session.apply(next(iter(entries(opening))))
    assert opened is not None
    command = encode_session_command(SessionId(opened[1:]), 1, 1, encode_command(Do(""), pack))

    without = digest(replica_of(always_one), None, command)

    assert without is not None
    assert without != digest(replica_of(always_one), opening, command)
    assert without != digest(replica_of(always_one), None, None)


def test_of_an_error_the_type_is_digested_and_the_text_is_not() -> None:
    here, there = raising(partial(ValueError, "0x7f01")), raising(partial(ValueError, "0x7f02"))

    assert digest(replica_of(here), do()) == digest(replica_of(there), do())
    assert digest(replica_of(here), encode_batch([do(), do()])) == digest(replica_of(there), encode_batch([do(), do()]))
    assert digest(replica_of(here), do()) != digest(replica_of(raising(lambda: KeyError("0x7f01"))), do())
    assert digest(replica_of(here), do()) != digest(replica_of(raising(lambda: CommandRefused("0x7f01"))), do())


@pytest.mark.parametrize("base", [0, 1000])
def test_a_replica_that_contradicts_a_checkpoint_knows_where(base: int) -> None:
    quorum, apart = replica_of(always_one, base), replica_of(lambda what: 2 if what == "x" else 1, base)
    log = list(entries(do(), do("x"), None, base=base))
    for entry in log:
        quorum.apply(entry)
    agreed = quorum.digest_at(LogIndex(base + 2))
    assert agreed is not None
    log += entries(Checkpoint(LogIndex(base + 2), agreed), None, base=base + 3)

    for entry in log:
        apart.apply(entry)
    for entry in log[3:]:
        quorum.apply(entry)

    assert apart.apart_at == base + 2
    assert quorum.apart_at is None


def test_a_checkpoint_whose_digest_is_no_longer_kept_says_nothing() -> None:
    replica = replica_of(always_one, base=10)

    replica.apply(
        Entry(
            LogIndex(11), Term(1), EntryKind.CHECKPOINT, encode_checkpoint(Checkpoint(LogIndex(3), Digest(bytes(16))))
        )
    )

    assert replica.apart_at is None


def test_the_last_entry_with_a_command_is_known() -> None:
    replica = replica_of(always_one)

    digest(replica, do(), do(), None)

    assert replica.changed_index == 2
