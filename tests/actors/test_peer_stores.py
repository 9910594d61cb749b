"""Each peer's store is remembered durably before its first message counts, and no other is ever accepted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

import pytest

from coterie.actors.peer_stores import PeerStores
from coterie.actors.wire_names import SynodPeerMessage
from coterie.errors import InvariantViolated, UnsupportedFormat
from coterie.protocols.algorithm import Received
from coterie.runtime.storage.history.generation import Generation
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
        assert write.metadata is not None
        self.durable[write.group] = write.metadata
        done()

    async def read(self, group: str, first: int, last: int, max_bytes: int) -> Sequence[Record]:
        raise NotImplementedError

    async def close(self) -> None:
        pass


MEMBERS = tuple(f"n{number}" for number in range(1, 10))


class FakeDriver:
    """Stands for the driver: keeps the messages that counted."""

    def __init__(self, store: SlowStore, group: str = "g") -> None:
        self.peer_stores = PeerStores(group, store)  # type: ignore[arg-type]
        self.counted: list[str] = []

    def arrive(self, sender: str, store: str, text: str) -> bool:
        peer_message = SynodPeerMessage(sender, store, text)  # type: ignore[arg-type]
        return self.peer_stores.admit(peer_message, MEMBERS, self)  # type: ignore[arg-type]

    def feed(self, received: Received[str]) -> None:
        self.counted.append(received.message)

    wake_with = feed


@pytest.fixture
def store() -> SlowStore:
    return SlowStore()


@pytest.fixture
def driver(store: SlowStore) -> FakeDriver:
    return FakeDriver(store)


async def reborn(store: SlowStore) -> FakeDriver:
    """The next life, after a crash: what was not durable is gone."""
    store.pending.clear()
    driver = FakeDriver(store)
    await driver.peer_stores.restore()
    return driver


async def test_a_first_message_counts_only_once_its_store_is_remembered_durably(
    driver: FakeDriver, store: SlowStore
) -> None:
    assert driver.arrive("n2", "a", "first")
    assert driver.counted == []

    store.sync_one()

    assert driver.counted == ["first"]
    assert driver.arrive("n2", "a", "second")
    assert driver.counted == ["first", "second"]
    assert store.pending == []


async def test_messages_that_come_meanwhile_wait_in_order_with_one_write(driver: FakeDriver, store: SlowStore) -> None:
    for text in ("1", "2", "3"):
        assert driver.arrive("n2", "a", text)

    assert len(store.pending) == 1
    store.sync_one()

    assert driver.counted == ["1", "2", "3"]


async def test_another_store_is_refused_while_the_first_is_being_written(driver: FakeDriver, store: SlowStore) -> None:
    driver.arrive("n2", "a", "first")

    assert not driver.arrive("n2", "b", "impostor")
    store.sync_one()

    assert not driver.arrive("n2", "b", "impostor")
    assert driver.counted == ["first"]


async def test_another_store_is_refused_for_ever_also_after_restarts(driver: FakeDriver, store: SlowStore) -> None:
    driver.arrive("n2", "a", "first")
    store.sync_one()

    for _ in range(3):
        driver = await reborn(store)
        assert not driver.arrive("n2", "b", "impostor")
        assert driver.arrive("n2", "a", "known")

    assert driver.counted == ["known"]
    assert store.pending == []


async def test_what_a_crash_lost_was_never_counted_and_may_be_learned_anew(
    driver: FakeDriver, store: SlowStore
) -> None:
    driver.arrive("n2", "a", "lost")

    driver = await reborn(store)
    assert driver.arrive("n2", "b", "first")
    store.sync_one()

    assert driver.counted == ["first"]
    assert not driver.arrive("n2", "a", "impostor")


async def test_peers_that_write_for_the_first_time_together_are_all_remembered(
    driver: FakeDriver, store: SlowStore
) -> None:
    for number in (2, 3, 4):
        driver.arrive(f"n{number}", f"store {number}", f"from {number}")
    while store.pending:
        store.sync_one()

    again = await reborn(store)

    assert driver.counted == ["from 2", "from 3", "from 4"]
    for number in (2, 3, 4):
        assert again.peer_stores.has_heard(f"n{number}", f"store {number}")
        assert not again.arrive(f"n{number}", "another", "impostor")


async def test_a_later_peer_does_not_make_an_earlier_one_forgotten(driver: FakeDriver, store: SlowStore) -> None:
    for number in (2, 3, 4):
        driver.arrive(f"n{number}", "its own", "x")
        store.sync_one()

    again = await reborn(store)

    assert all(again.peer_stores.has_heard(f"n{number}", "its own") for number in (2, 3, 4))


async def test_a_crash_between_two_first_messages_keeps_what_was_counted(driver: FakeDriver, store: SlowStore) -> None:
    driver.arrive("n2", "a", "from 2")
    driver.arrive("n3", "b", "from 3")
    store.sync_one()

    again = await reborn(store)

    assert driver.counted == ["from 2"]
    assert again.peer_stores.has_heard("n2", "a")
    assert not again.peer_stores.has_heard("n3", "b")


async def test_groups_remember_apart(store: SlowStore) -> None:
    one, two = FakeDriver(store, "one"), FakeDriver(store, "two")
    one.arrive("n2", "a", "x")
    store.sync_one()

    assert not one.arrive("n2", "b", "x")
    assert two.arrive("n2", "b", "y")


@pytest.mark.parametrize(
    "metadata",
    [
        b"",
        b"\xff",
        b"[]",
        b"7",
        b'{"n2": ',
        b'"text"',
        b'{"n2": "a"}',
        b'{"format": 1, "incarnation": "", "heard": {}}',
        b'{"format": 1, "incarnation": "", "heard": {}, "generations": {}, "registered": {"n2": 7}}',
        b'{"format": 1, "incarnation": "", "heard": {"n2": null}, "generations": {}, "registered": {}}',
        b'{"format": 1, "incarnation": "", "heard": [], "generations": {}, "registered": {}}',
    ],
)
async def test_metadata_that_does_not_read_is_a_violation(store: SlowStore, metadata: bytes) -> None:
    store.durable["g#stores"] = metadata

    with pytest.raises(InvariantViolated, match="the store ids in 'g#stores' cannot be decoded"):
        await FakeDriver(store).peer_stores.restore()
    await asyncio.sleep(0)


async def test_store_ids_of_another_format_are_refused_with_what_to_do(store: SlowStore) -> None:
    store.durable["g#stores"] = b'{"format": 2}'

    with pytest.raises(UnsupportedFormat, match="'g#stores' has format 2, this release reads 1"):
        await FakeDriver(store).peer_stores.restore()


async def test_an_active_voter_counts_although_a_wrong_store_was_registered_in_its_name(
    driver: FakeDriver, store: SlowStore
) -> None:
    """The registration was confirmed here, but not by enough others: only one store of a name can become active."""
    confirmed: list[str] = []
    assert driver.peer_stores.register("n2", "wrong", lambda: confirmed.append("wrong"))
    store.sync_one()

    assert driver.arrive("n2", "right", "first")
    store.sync_one()

    again = await reborn(store)
    assert (confirmed, driver.counted) == (["wrong"], ["first"])
    assert again.peer_stores.store_of("n2") == "right"
    assert not again.arrive("n2", "wrong", "impostor")
    assert not again.peer_stores.register("n2", "wrong", lambda: confirmed.append("again"))


async def test_a_voter_that_was_heard_is_not_registered_with_another_store(
    driver: FakeDriver, store: SlowStore
) -> None:
    driver.arrive("n2", "right", "first")

    assert not driver.peer_stores.register("n2", "wrong", lambda: None)
    assert driver.peer_stores.register("n2", "right", lambda: None)


async def test_a_registered_store_is_not_yet_one_that_was_heard(driver: FakeDriver, store: SlowStore) -> None:
    driver.peer_stores.register("n2", "a", lambda: None)
    store.sync_one()

    assert driver.peer_stores.has_registered("n2", "a")
    assert not driver.peer_stores.has_heard("n2", "a")
    assert not driver.peer_stores.register("n2", "b", lambda: None)


async def test_a_message_of_an_unknown_peer_is_neither_counted_nor_remembered(
    driver: FakeDriver, store: SlowStore
) -> None:
    assert driver.arrive("stranger", "s", "hello")

    assert driver.counted == []
    assert store.pending == []


# Generations.


async def test_no_message_of_a_new_life_counts_before_that_life_is_durable(
    store: SlowStore, driver: FakeDriver
) -> None:
    counted: list[str] = []
    stores = driver.peer_stores

    stores.hear_generation("n2", Generation(3, 33), lambda: counted.append("first"))
    stores.hear_generation("n2", Generation(3, 33), lambda: counted.append("second"))

    assert counted == []
    store.sync_one()
    assert counted == ["first", "second"]
    stores.hear_generation("n2", Generation(3, 33), lambda: counted.append("third"))
    assert (counted[-1], store.pending) == ("third", [])
    assert (await reborn(store)).peer_stores.generation_of("n2") == Generation(3, 33)


async def test_messages_of_a_life_that_ended_before_it_was_durable_are_dropped(
    store: SlowStore, driver: FakeDriver
) -> None:
    counted: list[str] = []
    stores = driver.peer_stores
    stores.hear_generation("n2", Generation(3, 33), lambda: counted.append("old"))

    stores.hear_generation("n2", Generation(4, 44), lambda: counted.append("new"))

    assert stores.generation_of("n2") == Generation(4, 44)
    store.sync_one()
    assert counted == []
    store.sync_one()
    assert counted == ["new"]


async def test_what_waits_for_a_stalled_disk_is_bounded(store: SlowStore, driver: FakeDriver) -> None:
    counted: list[int] = []
    for number in range(1_000):
        driver.peer_stores.hear_generation("n2", Generation(3, 33), partial(counted.append, number))

    assert len(store.pending) == 1
    store.sync_one()
    assert counted == list(range(1_000 - 64, 1_000))


async def test_what_was_remembered_in_another_incarnation_of_the_group_does_not_count(store: SlowStore) -> None:
    before = PeerStores("g", store)  # type: ignore[arg-type]
    await before.restore()
    before.follow(b"i" * 16)
    before.register("n2", "a", lambda: None)
    store.sync_one()
    before.hear("n2", "a", lambda: None)
    store.sync_one()

    same, other = PeerStores("g", store), PeerStores("g", store)  # type: ignore[arg-type]
    for stores, incarnation in ((same, b"i" * 16), (other, b"j" * 16)):
        await stores.restore()
        stores.follow(incarnation)

    assert same.has_registered("n2", "a")
    assert same.has_heard("n2", "a")
    assert other.store_of("n2") is None
    assert other.register("n2", "b", lambda: None)
