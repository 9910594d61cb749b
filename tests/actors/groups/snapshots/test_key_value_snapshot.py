"""`KeyValue` is saved as it was at the call, whatever changes while the pieces are taken, with its open scans."""

from __future__ import annotations

import gc
import itertools
import random
from collections.abc import Iterator
from typing import Any

import pytest

from coterie.actors.groups.key_value import (
    AtomicBatch,
    CompareAndSwap,
    Delete,
    Get,
    Increment,
    KeyValue,
    Page,
    Put,
    Scan,
    ScanOn,
)
from coterie.actors.groups.snapshots.frozen_difference import differences
from coterie.actors.groups.snapshots.frozen_state import FrozenState
from coterie.actors.groups.snapshots.key_value_snapshot import PIECE_KEYS
from coterie.actors.groups.snapshots.state_tokens import PIECE_BYTES
from coterie.actors.groups.snapshots.store_views import VISITS_MAX
from coterie.actors.groups.state_machine import snapshot_mistake
from coterie.actors.simulation.checkers.state_structure import first_difference, structure_of
from coterie.errors import CommandRefused
from coterie.protocols.replicated_log import LogIndex


def apply(machine: KeyValue, command: Any) -> object:
    machine.index = LogIndex(machine.index + 1)
    try:
        return machine.apply(command)
    except CommandRefused as error:
        return str(error)


def restored(pieces: list[bytes] | Iterator[bytes], index: int = 0) -> KeyValue:
    machine = KeyValue()
    for piece in pieces:
        machine.restore(piece)
    assert machine._restoring is None, "pieces are missing"
    machine.index = LogIndex(index)
    return machine


def filled(count: int, value: bytes = b"1") -> KeyValue:
    machine = KeyValue()
    for number in range(count):
        apply(machine, Put(b"%06d" % number, value))
    return machine


class Commands:
    """Draws commands for few keys, so that they are put, removed and put again, and pages of scans at random places."""

    def __init__(self, rng: random.Random, keys: int) -> None:
        self.rng = rng
        self.keys = keys
        self.scans = 0

    def key(self) -> bytes:
        return b"%04d" % self.rng.randrange(self.keys)

    def draw(self) -> Any:
        rng, key = self.rng, self.key()
        kind = rng.random()
        if kind < 0.35:
            return Put(key, b"%d" % rng.randrange(1000))
        if kind < 0.6:
            return Delete(key)
        if kind < 0.65:
            return Get(key)
        if kind < 0.7:
            return CompareAndSwap(key, rng.choice((None, b"1")), rng.choice((None, b"2")))
        if kind < 0.75:
            return Increment(key, rng.randrange(9))
        if kind < 0.8:
            return AtomicBatch(delete=(self.key(), self.key()), put={self.key(): b"x"}, increment={b"n": 1})
        if kind < 0.88:
            self.scans += 1
            return Scan(rng.choice((b"", b"0", b"00", b"1")), rng.randrange(0, 40))
        return ScanOn(max(1, self.scans - rng.randrange(10)), rng.choice((b"", self.key())), rng.randrange(1, 60))


@pytest.mark.parametrize("seed", range(12))
def test_restored_store_answers_as_one_that_never_stopped(seed: int) -> None:
    rng = random.Random(seed)
    commands = Commands(rng, keys=rng.choice((30, 400, 3_000)))
    steady, restarting = KeyValue(), KeyValue()
    for _ in range(commands.keys):
        command = Put(commands.key(), b"%d" % rng.randrange(100))
        assert apply(steady, command) == apply(restarting, command)
    pieces: Iterator[bytes] | None = None
    taken, missed = list[bytes](), list[Any]()
    expected, at = structure_of(restarting), restarting.index
    state = FrozenState(restarting, 3_000)
    restarts = 0

    for _ in range(1_500):
        command = commands.draw()
        assert apply(steady, command) == apply(restarting, command), command
        if pieces is None:
            if rng.random() < 0.1:
                pieces, taken, missed = restarting.snapshot(), list[bytes](), list[Any]()
                expected, at = structure_of(restarting), restarting.index
                state = FrozenState(restarting, 3_000)
            continue
        missed.append(command)
        more = list(itertools.islice(pieces, rng.randrange(3)))
        taken += more
        if rng.random() < 0.1:
            again = restored([*taken, *pieces], at)
            assert first_difference(expected, structure_of(again)) is None
            assert not any(differences(state, again))
            for late in missed:
                apply(again, late)
            restarting, pieces = again, None
            restarts += 1

    assert restarts > 15
    assert first_difference(structure_of(steady), structure_of(restarting)) is None
    assert list(steady.snapshot()) == list(restarting.snapshot())


def test_pages_of_an_open_scan_are_the_same_after_a_restore() -> None:
    machine = filled(300)
    first = apply(machine, Scan(b"0000", 10))
    assert isinstance(first, Page)
    for number in range(0, 300, 3):
        apply(machine, Delete(b"%06d" % number))
        apply(machine, Put(b"%06d" % (number + 1), b"changed"))
        apply(machine, Put(b"%06dx" % number, b"new"))
    apply(machine, Put(b"000003", b"back"))

    again = restored(machine.snapshot(), machine.index)

    for after in (first.items[-1][0], b"", b"000050"):
        page = apply(machine, ScanOn(first.scan, after, 200))
        assert apply(again, ScanOn(first.scan, after, 200)) == page
        assert isinstance(page, Page)
        assert (b"000003", b"1") in page.items or after > b"000003"


def test_snapshot_shows_the_store_of_the_call_although_every_key_changes() -> None:
    machine = filled(3 * PIECE_KEYS)
    expected = structure_of(machine)

    pieces = machine.snapshot()
    taken = [next(pieces), next(pieces)]
    for number in range(3 * PIECE_KEYS):
        apply(machine, Delete(b"%06d" % number))
        apply(machine, Put(b"%06d!" % number, b"new"))
    taken.append(next(pieces))
    for number in range(0, 3 * PIECE_KEYS, 2):
        apply(machine, Put(b"%06d" % number, b"back"))
    taken += pieces

    again = restored(taken, 3 * PIECE_KEYS)
    assert first_difference(expected, structure_of(again)) is None


def test_piece_visits_few_keys_and_has_few_bytes() -> None:
    machine = filled(2 * PIECE_KEYS, bytes(1000))
    apply(machine, Put(b"large", bytes(3 * PIECE_BYTES)))
    pieces = machine.snapshot()
    for number in range(20 * VISITS_MAX * PIECE_KEYS):  # keys that the snapshot has to pass over
        apply(machine, Put(b"00000%d" % number, b""))

    sizes = [len(piece) for piece in pieces]

    assert [size > PIECE_BYTES + 9 * PIECE_KEYS for size in sizes].count(True) == 1
    assert len(sizes) > 20


@pytest.mark.parametrize("size", [1, 1000])
def test_pieces_are_cut_in_the_same_places_whatever_changes_meanwhile(size: int) -> None:
    still, changing = filled(3 * PIECE_KEYS, bytes(size)), filled(3 * PIECE_KEYS, bytes(size))
    pieces = changing.snapshot()
    taken = [next(pieces)]
    for number in range(0, 3 * PIECE_KEYS, 3):
        apply(changing, Delete(b"%06d" % number))
        apply(changing, Put(b"%06d!" % number, b"new"))
        apply(changing, Put(b"%06d" % (number + 1), b"changed"))
    taken.append(next(pieces))
    for number in range(PIECE_KEYS, 3 * PIECE_KEYS):
        apply(changing, Put(b"%06d?" % number, b"new"))
    taken += pieces

    assert taken == list(still.snapshot())


def test_two_snapshots_at_once_show_their_own_moments() -> None:
    machine = filled(2 * PIECE_KEYS)
    one = machine.snapshot()
    moments = [(structure_of(machine), machine.index)]
    head = [next(one), next(one)]
    for number in range(0, 2 * PIECE_KEYS, 2):
        apply(machine, Delete(b"%06d" % number))
    other = machine.snapshot()
    moments.append((structure_of(machine), machine.index))
    apply(machine, Put(b"000001", b"changed"))

    for pieces, (expected, index) in ((iter([*head, *one]), moments[0]), (other, moments[1])):
        assert first_difference(expected, structure_of(restored(pieces, index))) is None


# What a snapshot costs.


def notes_of(machine: KeyValue) -> int:
    views = [weak() for weak in machine._snapshots]
    return sum(len(view.before) for view in views if view is not None)


@pytest.mark.parametrize("end", ["dropped", "closed", "taken"])
@pytest.mark.parametrize("taken", [0, 1, 2])
def test_changes_are_noted_no_longer_once_a_snapshot_has_ended(end: str, taken: int) -> None:
    machine = filled(3 * PIECE_KEYS)
    gc.collect()
    gc.disable()
    try:
        pieces = machine.snapshot()
        for _ in range(taken):
            next(pieces)
        apply(machine, Delete(b"%06d" % (3 * PIECE_KEYS - 1)))
        assert notes_of(machine) == 1
        if end == "closed":
            pieces.close()  # type: ignore[attr-defined]
            if not taken:  # since Python 3.12 a generator that was never begun keeps its arguments until it goes
                del pieces
        elif end == "taken":
            list(pieces)
        else:
            del pieces
        apply(machine, Delete(b"%06d" % (3 * PIECE_KEYS - 2)))
    finally:
        gc.enable()

    assert machine._snapshots == []


def test_only_changes_of_keys_that_were_not_read_are_kept() -> None:
    machine = filled(3 * PIECE_KEYS)
    pieces = machine.snapshot()
    for number in range(3 * PIECE_KEYS):
        apply(machine, Put(b"%06d" % number, b"changed"))
    assert notes_of(machine) == 3 * PIECE_KEYS

    next(pieces)
    next(pieces)
    assert notes_of(machine) == 2 * PIECE_KEYS
    apply(machine, Delete(b"000001"))
    apply(machine, Delete(b"%06d" % (2 * PIECE_KEYS)))
    assert notes_of(machine) == 2 * PIECE_KEYS


def test_changes_are_noted_no_longer_while_the_scans_are_taken() -> None:
    machine = filled(3)
    apply(machine, Scan(b"", 1))
    apply(machine, Put(b"000001", b"2"))
    pieces = machine.snapshot()
    assert [next(pieces)[1] for _ in range(3)] == [0, 1, 2]

    apply(machine, Put(b"new", b""))

    assert machine._snapshots == []
    assert restored([*machine.snapshot()])._keys[-1] == b"new"


def test_notes_of_a_snapshot_are_no_part_of_the_state() -> None:
    machine, other = filled(10), filled(10)
    pieces = machine.snapshot()
    next(pieces)
    for one in (machine, other):
        apply(one, Delete(b"000003"))

    assert first_difference(structure_of(machine), structure_of(other)) is None
    del machine.index  # the runtime has set it
    assert snapshot_mistake(machine) is None
    assert list(machine.snapshot()) == list(other.snapshot())


# Malformed pieces.


def some_pieces() -> list[bytes]:
    machine = filled(5)
    apply(machine, Scan(b"", 2))
    apply(machine, Put(b"000004", b"2"))
    apply(machine, Put(b"new", b""))
    apply(machine, Delete(b"000001"))
    return list(machine.snapshot())


def whole(pieces: list[bytes]) -> KeyValue:
    machine = KeyValue()
    for piece in pieces:
        machine.restore(piece)
    if machine._restoring is not None:
        raise ValueError("a piece of the store is missing")
    return machine


def test_pieces_out_of_order_doubled_or_left_out_are_refused() -> None:
    pieces = some_pieces()
    assert [piece[1] for piece in pieces] == [0, 1, 2, 3]
    for order in itertools.product(range(4), repeat=4):
        if order == (0, 1, 2, 3):
            continue
        with pytest.raises(ValueError, match=r"store|scan"):
            whole([pieces[position] for position in order])


def test_pieces_cut_anywhere_are_refused() -> None:
    pieces = some_pieces()
    for position, piece in enumerate(pieces):
        for end in range(len(piece)):
            if piece[1] == 2 and end > 26 - 1:
                continue  # a shorter prefix is another scan
            with pytest.raises(ValueError, match=r"store|scan"):
                whole([*pieces[:position], piece[:end], *pieces[position + 1 :]])


def test_altered_pieces_are_refused_or_make_another_store() -> None:
    rng = random.Random(1)
    pieces = some_pieces()
    refused = 0
    for _ in range(2_000):
        altered = [bytearray(piece) for piece in pieces]
        one = rng.choice(altered)
        one[rng.randrange(len(one))] = rng.randrange(256)
        try:
            machine = whole([bytes(piece) for piece in altered])
        except ValueError:
            refused += 1
        else:
            assert machine._keys == sorted(machine._values)
    assert refused > 500


def test_scan_that_comes_twice_or_was_never_begun_is_refused() -> None:
    head, items, scan, notes = some_pieces()
    twice = head[:-1] + b"\2"
    never = head[:2] + bytes(8) + head[10:]

    for pieces in ([twice, items, scan, notes, scan, notes], [never, items, scan, notes]):
        with pytest.raises(ValueError, match=r"the scan 1 of a saved store cannot be"):
            whole(pieces)


def test_store_that_is_in_use_takes_no_piece() -> None:
    with pytest.raises(ValueError, match="in use"):
        filled(1).restore(some_pieces()[0])
