"""A replica that is restored from a snapshot answers, and is digested, as one that never stopped."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

import msgpack
import pytest

from coterie import Ask, CommandRefused, StateMachine, message
from coterie.actors.groups.replicas.replica import Replica
from coterie.actors.groups.replicas.replica_snapshot import Section
from coterie.actors.groups.replicas.typed_machine import TypedMachine
from coterie.actors.groups.typed_commands import encode_command
from coterie.actors.simulation.checkers.state_structure import first_difference, structure_of
from coterie.errors import InvariantViolated, SnapshotFailed
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
Pieces = list[tuple[Section, bytes]]


@message(name="test_replica_snapshot.Add")
class Add(Ask[int]):
    key: str
    amount: int


class Totals(StateMachine[Add]):
    """Keeps totals by key, in the order of their last change, and the index of each."""

    def __init__(self) -> None:
        self.total_by_key: dict[str, int] = {}
        self.indexes: list[int] = []

    def apply(self, command: Add, /) -> int:
        if command.amount < 0:
            raise CommandRefused("negative")
        if command.amount == 13:
            raise KeyError(command.key)
        total = self.total_by_key.pop(command.key, 0) + command.amount
        self.total_by_key[command.key] = total
        self.indexes.append(self.index)
        return total


def replica_of(machine: StateMachine[Any] | None = None, factory: Callable[[], StateMachine[Any]] = Totals) -> Replica:
    typed = TypedMachine(machine or factory(), factory=factory)
    return Replica(typed, incarnation=bytes(INCARNATION_BYTES))


def nothing() -> None:
    """No schema is active."""


def restore(pieces: Iterator[tuple[Section, bytes]] | Pieces, index: int, into: Replica | None = None) -> Replica:
    replica = into or replica_of()
    replica.begin_restore(LogIndex(index), nothing)
    for section, piece in pieces:
        replica.restore(section, piece)
    replica.end_restore()
    return replica


def entry(index: int, command: bytes, kind: EntryKind = EntryKind.COMMAND) -> Entry:
    return Entry(LogIndex(index), Term(1), kind, command)


def plain(amount: int, key: str = "a") -> bytes:
    return encode_plain(encode_command(Add(key, amount), pack))


class Log:
    """Draws entries: openings, session commands that may be repeated, batches, checkpoints, no-ops."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.sessions: list[SessionId] = []
        self.index = 0

    def draw(self, digest_at: Callable[[LogIndex], Digest | None]) -> Entry:
        rng = self.rng
        self.index += 1
        kind = rng.random()
        if kind < 0.05:
            return entry(self.index, b"", EntryKind.NOOP)
        if kind < 0.1 and self.index > 1:
            index = LogIndex(max(1, self.index - rng.randrange(1, 300)))
            known = digest_at(index)
            if known is not None:
                return entry(self.index, encode_checkpoint(Checkpoint(index, known)), EntryKind.CHECKPOINT)
        if kind < 0.2 or not self.sessions:
            return entry(
                self.index, encode_open_session(rng.randrange(30).to_bytes(16, "big"), rng.choice((b"", b"o")))
            )
        if kind < 0.4:
            return entry(self.index, encode_batch([self._command() for _ in range(rng.randrange(5))]))
        return entry(self.index, self._command())

    def _command(self) -> bytes:
        rng = self.rng
        add = Add(rng.choice("abcdefgh"), rng.choice((-1, 1, 2, 13)))
        sequence = rng.randrange(1, 60)
        low_water = max(0, sequence - rng.randrange(20))
        return encode_session_command(rng.choice(self.sessions), sequence, low_water, encode_command(add, pack))

    def learn(self, applied: Entry, reply: bytes | None) -> None:
        if reply is not None and reply[:1] == b"\1" and len(reply) == 17:
            self.sessions.append(SessionId(reply[1:]))


@pytest.mark.parametrize("seed", range(6))
def test_restored_replica_answers_and_is_digested_as_one_that_never_stopped(seed: int) -> None:
    rng = random.Random(seed)
    log = Log(rng)
    steady, restarting = replica_of(), replica_of()
    pieces: Iterator[tuple[Section, bytes]] | None = None
    taken: Pieces = []
    missed: list[Entry] = []
    restarts, at = 0, LogIndex(0)

    for _ in range(1_200):
        drawn = log.draw(steady.digest_at)
        reply = steady.apply(drawn)
        assert restarting.apply(drawn) == reply
        log.learn(drawn, reply)
        missed.append(drawn)
        if pieces is None:
            if rng.random() < 0.1:
                pieces, taken, missed, at = restarting.snapshot(), [], [], drawn.index
        elif rng.random() < 0.5:
            taken.extend(itertools.islice(pieces, 2))
            if taken[-1][0] is Section.REPLICA and len(taken) > 1:
                restarting = restore(taken, at)
                for late in missed:
                    restarting.apply(late)
                pieces = None
                restarts += 1

    assert restarts > 20
    assert restarting.changed_index == steady.changed_index
    assert restarting.apart_at is steady.apart_at is None
    for index in range(1, log.index + 1):
        assert restarting.digest_at(LogIndex(index)) == steady.digest_at(LogIndex(index))
    assert list(restarting.snapshot()) == list(steady.snapshot())
    one, other = (structure_of(each._machine.machine) for each in (steady, restarting))
    assert first_difference(one, other) is None


def saved(*amounts: int) -> tuple[Replica, Pieces]:
    replica = replica_of()
    replica.apply(entry(1, encode_open_session(bytes(16))))
    for index, amount in enumerate(amounts, 2):
        replica.apply(entry(index, plain(amount, f"k{amount}")))
    return replica, list(replica.snapshot())


def test_sections_come_in_order_and_their_numbers_are_durable() -> None:
    _, pieces = saved(1)

    assert [section.value for section, _ in pieces] == [1, 2, 3, 3, 1]


def test_restore_replaces_what_the_replica_had() -> None:
    replica, pieces = saved(1, 2)
    another, _ = saved(5, 6, 7)

    restore(pieces, 3, into=another)

    assert list(another.snapshot()) == pieces
    assert another.apply(entry(4, plain(1, "k1"))) == replica.apply(entry(4, plain(1, "k1")))


def test_replica_that_is_apart_is_so_after_a_restore_too() -> None:
    replica, _ = saved(1, 2)
    replica.apply(entry(4, encode_checkpoint(Checkpoint(LogIndex(3), Digest(b"x" * 16))), EntryKind.CHECKPOINT))
    assert replica.apart_at == 3

    assert restore(replica.snapshot(), 4).apart_at == 3


def test_checkpoint_of_an_entry_before_the_snapshot_is_still_compared() -> None:
    replica, pieces = saved(1, 2)
    right, again = replica.digest_at(LogIndex(2)), restore(pieces, 3)
    assert right is not None

    again.apply(entry(4, encode_checkpoint(Checkpoint(LogIndex(2), right)), EntryKind.CHECKPOINT))
    assert again.apart_at is None
    again.apply(entry(5, encode_checkpoint(Checkpoint(LogIndex(2), Digest(b"x" * 16))), EntryKind.CHECKPOINT))
    assert again.apart_at == 2


# Nothing of a replica that is not restored whole is used.


def refused(replica: Replica) -> None:
    with pytest.raises(InvariantViolated, match="before its state is restored"):
        replica.apply(entry(9, plain(1)))
    with pytest.raises(InvariantViolated, match="before its state is restored"):
        replica.read(b"")
    with pytest.raises(InvariantViolated, match="before its state is restored"):
        replica.snapshot()
    assert replica.digest_at(LogIndex(3)) is None


def without(pieces: Pieces, *positions: int) -> Pieces:
    return [piece for position, piece in enumerate(pieces) if position not in positions]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda pieces: [], "the end of a replica's snapshot is missing"),
        (lambda pieces: without(pieces, 0), "cannot come after nothing"),
        (lambda pieces: without(pieces, 1), "has 1 pieces of sessions and 2 of the machine, 0 and 2 have come"),
        (lambda pieces: without(pieces, 3), "has 1 pieces of sessions and 2 of the machine, 1 and 1 have come"),
        (lambda pieces: without(pieces, 4), "the end of a replica's snapshot is missing"),
        (lambda pieces: [pieces[0], pieces[0]], "cannot end with"),
        (lambda pieces: [*pieces[:1], *pieces[2:4], pieces[1]], "SESSIONS cannot come after one of MACHINE"),
        (lambda pieces: [*pieces, pieces[4]], "comes after the end"),
        (lambda pieces: [*pieces, pieces[2]], "comes after the end"),
        (lambda pieces: [(Section.REPLICA, b"")], "begins with format 1"),
        (lambda pieces: [(Section.REPLICA, pieces[0][1][:-1])], "digests"),
        (lambda pieces: [pieces[0], (Section.SESSIONS, b"\1\7")], "one head"),
        (lambda pieces: [*pieces[:2], (Section.MACHINE, b"?")], "a saved machine begins with format 1"),
        (
            lambda pieces: [*pieces[:3], (Section.MACHINE, b"\1\xff")],
            "Totals: its restore failed: ValueError: no token",
        ),
    ],
)
def test_snapshot_that_is_not_whole_and_in_order_is_refused(change: Callable[[Pieces], Pieces], text: str) -> None:
    _, pieces = saved(1, 2)
    replica, _ = saved(5)

    with pytest.raises(ValueError, match=text):
        restore(change(pieces), 3, into=replica)

    refused(replica)
    restore(pieces, 3, into=replica)
    assert list(replica.snapshot()) == pieces, "it can be begun again"


def test_snapshot_of_another_entry_is_refused() -> None:
    _, pieces = saved(1, 2)

    with pytest.raises(ValueError, match="of a replica at entry 4 is of entry 3"):
        restore(pieces, 4)


def test_pieces_without_a_beginning_are_refused_and_change_nothing() -> None:
    replica, pieces = saved(1)

    with pytest.raises(InvariantViolated, match="not being restored"):
        replica.restore(*pieces[0])
    with pytest.raises(InvariantViolated, match="not being restored"):
        replica.end_restore()
    assert list(replica.snapshot()) == pieces


def test_adopt_is_called_with_a_new_machine_and_what_it_raises_leaves_the_replica_unused() -> None:
    replica, _ = saved(1)
    seen: list[object] = []

    def adopt() -> None:
        seen.append(dict(replica._machine.machine.total_by_key))
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        replica.begin_restore(LogIndex(2), adopt)

    assert seen == [{}]
    refused(replica)


def test_altered_bytes_are_refused_or_restore_another_whole_state() -> None:
    rng = random.Random(3)
    _, pieces = saved(1, 2, 3)
    outcomes = set()
    for _ in range(600):
        position = rng.randrange(len(pieces))
        section, piece = pieces[position]
        altered = bytearray(piece)
        altered[rng.randrange(len(altered))] = rng.randrange(256)
        replica = replica_of()
        try:
            restore([*pieces[:position], (section, bytes(altered)), *pieces[position + 1 :]], 4, into=replica)
        except ValueError:
            outcomes.add("refused")
            refused(replica)
        else:
            outcomes.add("restored")
    assert outcomes == {"refused", "restored"}


def test_snapshot_that_is_dropped_or_closed_changes_nothing() -> None:
    replica, pieces = saved(1, 2)
    replica.snapshot()
    begun = replica.snapshot()
    next(begun)
    begun.close()  # type: ignore[attr-defined]

    assert list(replica.snapshot()) == pieces


def test_machine_whose_snapshot_fails_does_not_disturb_the_replica() -> None:
    class Closure(Totals):
        def __init__(self) -> None:
            super().__init__()
            self.handler = self.apply

    replica = replica_of(factory=Closure)

    with pytest.raises(SnapshotFailed, match=r"Closure\.handler is a method"):
        replica.snapshot()
    assert replica.apply(entry(1, plain(3))) is not None
