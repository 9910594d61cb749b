"""Each peer's store is learned durably before its first letter counts, and no other is ever believed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from coterie.actors.peer_stores import KnownStores
from coterie.actors.wire_names import SynodLetter
from coterie.errors import InvariantViolated
from coterie.protocols.algorithm import Received
from coterie.runtime.storage.log_store import GroupState, Record, Write

pytestmark = pytest.mark.virtual


class SlowStore:
    """A log store whose writes become durable one by one, when the test says so; a crash loses the others."""

    store_id = "own"
    failure = None
    syncs = 0

    def __init__(self) -> None:
        self.durable: dict[str, bytes] = {}
        self.pending: list[tuple[Write, Callable[[], None]]] = []

    async def state(self, group: str) -> GroupState:
        return GroupState(self.durable.get(group), 1, 0, ())

    def write(self, write: Write, done: Callable[[], None]) -> None:
        self.pending.append((write, done))

    def sync_one(self) -> None:
        write, done = self.pending.pop(0)
        assert write.register is not None
        self.durable[write.group] = write.register
        done()

    async def read(self, group: str, first: int, last: int, max_bytes: int) -> Sequence[Record]:
        raise NotImplementedError

    async def close(self) -> None:
        pass


MEMBERS = tuple(f"n{number}" for number in range(1, 10))


class Letters:
    """Stands for the driver: keeps the letters that counted."""

    def __init__(self, store: SlowStore, group: str = "g") -> None:
        self.known = KnownStores(group, store)  # type: ignore[arg-type]
        self.counted: list[str] = []

    def arrive(self, sender: str, store: str, text: str) -> bool:
        letter = SynodLetter(sender, store, text)  # type: ignore[arg-type]
        return self.known.admit(letter, MEMBERS, self)  # type: ignore[arg-type]

    def feed(self, received: Received[str]) -> None:
        self.counted.append(received.message)

    wake_with = feed


@pytest.fixture
def store() -> SlowStore:
    return SlowStore()


@pytest.fixture
def letters(store: SlowStore) -> Letters:
    return Letters(store)


async def reborn(store: SlowStore) -> Letters:
    """The next life, after a crash: what was not durable is gone."""
    store.pending.clear()
    letters = Letters(store)
    await letters.known.restore()
    return letters


async def test_a_first_letter_counts_only_once_its_store_is_remembered_durably(
    letters: Letters, store: SlowStore
) -> None:
    assert letters.arrive("n2", "a", "first")
    assert letters.counted == []

    store.sync_one()

    assert letters.counted == ["first"]
    assert letters.arrive("n2", "a", "second")
    assert letters.counted == ["first", "second"]
    assert store.pending == []


async def test_letters_that_come_meanwhile_wait_in_order_with_one_write(letters: Letters, store: SlowStore) -> None:
    for text in ("1", "2", "3"):
        assert letters.arrive("n2", "a", text)

    assert len(store.pending) == 1
    store.sync_one()

    assert letters.counted == ["1", "2", "3"]


async def test_another_store_is_refused_while_the_first_is_being_written(letters: Letters, store: SlowStore) -> None:
    letters.arrive("n2", "a", "first")

    assert not letters.arrive("n2", "b", "impostor")
    store.sync_one()

    assert not letters.arrive("n2", "b", "impostor")
    assert letters.counted == ["first"]


async def test_another_store_is_refused_for_ever_also_after_restarts(letters: Letters, store: SlowStore) -> None:
    letters.arrive("n2", "a", "first")
    store.sync_one()

    for _ in range(3):
        letters = await reborn(store)
        assert not letters.arrive("n2", "b", "impostor")
        assert letters.arrive("n2", "a", "known")

    assert letters.counted == ["known"]
    assert store.pending == []


async def test_what_a_crash_lost_was_never_counted_and_may_be_learned_anew(letters: Letters, store: SlowStore) -> None:
    letters.arrive("n2", "a", "lost")

    letters = await reborn(store)
    assert letters.arrive("n2", "b", "first")
    store.sync_one()

    assert letters.counted == ["first"]
    assert not letters.arrive("n2", "a", "impostor")


async def test_peers_that_write_for_the_first_time_together_are_all_remembered(
    letters: Letters, store: SlowStore
) -> None:
    for number in (2, 3, 4):
        letters.arrive(f"n{number}", f"store {number}", f"from {number}")
    while store.pending:
        store.sync_one()

    again = await reborn(store)

    assert letters.counted == ["from 2", "from 3", "from 4"]
    for number in (2, 3, 4):
        assert again.known.knows(f"n{number}", f"store {number}")
        assert not again.arrive(f"n{number}", "another", "impostor")


async def test_who_comes_later_does_not_make_the_earlier_forgotten(letters: Letters, store: SlowStore) -> None:
    for number in (2, 3, 4):
        letters.arrive(f"n{number}", "its own", "x")
        store.sync_one()

    again = await reborn(store)

    assert all(again.known.knows(f"n{number}", "its own") for number in (2, 3, 4))


async def test_a_crash_between_two_first_letters_keeps_what_was_counted(letters: Letters, store: SlowStore) -> None:
    letters.arrive("n2", "a", "from 2")
    letters.arrive("n3", "b", "from 3")
    store.sync_one()

    again = await reborn(store)

    assert letters.counted == ["from 2"]
    assert again.known.knows("n2", "a")
    assert not again.known.knows("n3", "b")


async def test_groups_remember_apart(store: SlowStore) -> None:
    one, two = Letters(store, "one"), Letters(store, "two")
    one.arrive("n2", "a", "x")
    store.sync_one()

    assert not one.arrive("n2", "b", "x")
    assert two.arrive("n2", "b", "y")


@pytest.mark.parametrize("register", [b"", b"\xff", b"[]", b"7", b'{"n2": ', b'"text"', b'{"n2": 7}', b'{"n2": null}'])
async def test_a_register_that_does_not_read_is_a_violation(store: SlowStore, register: bytes) -> None:
    store.durable["g#stores"] = register

    with pytest.raises(InvariantViolated, match="the register 'g#stores' does not read"):
        await Letters(store).known.restore()
    await asyncio.sleep(0)


async def test_a_stranger_is_neither_heard_nor_remembered(letters: Letters, store: SlowStore) -> None:
    assert letters.arrive("stranger", "s", "hello")

    assert letters.counted == []
    assert store.pending == []
