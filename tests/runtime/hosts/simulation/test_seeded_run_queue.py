from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable, Sequence

from coterie import Actor, System, message
from coterie.runtime.cells.run_queue import Runnable
from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld
from coterie.runtime.hosts.simulation.visit_order import PriorityVisitOrder, RandomVisitOrder, StarvationVisitOrder


@message(name="simulation.test.Note")
class Note:
    number: int


class Writer(Actor[Note]):
    """Writes down its name and what it is told."""

    def __init__(self, name: str, book: list[tuple[str, int]]) -> None:
        self.name = name
        self.book = book

    def receive(self, msg: Note) -> None:
        self.book.append((self.name, msg.number))


class Backwards:
    """The last who came goes first."""

    def pick(self, waiting: Sequence[Runnable]) -> int | None:
        return len(waiting) - 1


def told(
    seed: int, prepare: Callable[[SimulatedWorld], object] = lambda world: None, *, notes: int = 5
) -> list[tuple[str, int]]:
    """Let one system's actors be told some notes each at once; return who handled what, in order."""
    world = SimulatedWorld(seed)
    book: list[tuple[str, int]] = []

    async def live() -> None:
        async with System("n1", host=world.lives["n1"].host) as system:
            prepare(world)
            refs = [system.spawn(lambda name=name: Writer(name, book), name=name) for name in "abcde"]  # type: ignore[misc]
            await asyncio.sleep(1)
            for number in range(notes):
                for ref in refs:
                    ref.tell(Note(number))
            await asyncio.sleep(1)

    async def main() -> None:
        await world.begin("n1").create_task(live())

    world.run(main)
    return book


def test_the_order_of_actors_follows_from_the_seed() -> None:
    assert told(1) == told(1)
    assert len({tuple(name for name, _ in told(seed)) for seed in range(5)}) > 1


def test_each_actors_messages_come_in_their_order_all_the_same() -> None:
    for seed in range(5):
        book = told(seed, notes=100)
        for name in "abcde":
            assert [number for who, number in book if who == name] == list(range(100))


def test_some_visits_are_cut_short() -> None:
    books = [told(seed, notes=64) for seed in range(10)]
    runs = [sum(a[0] != b[0] for a, b in itertools.pairwise(book)) for book in books]
    assert min(runs) >= 4
    assert max(runs) > 4, "a mailbox of 64 is one visit, unless that is cut short"


def test_another_order_can_be_set_at_any_time() -> None:
    book = told(1, lambda world: world.lives["n1"].host.set_order(Backwards()), notes=1)
    assert [name for name, _ in book] == ["e", "d", "c", "b", "a"]


def test_an_order_may_be_set_before_the_system_begins() -> None:
    world = SimulatedWorld(1)
    order = PriorityVisitOrder(random.Random(1))

    async def main() -> None:
        life = world.begin("n1")
        life.host.set_order(order)
        assert life.host.run_queue(world.loop, "n1").order is order

    world.run(main)


def test_a_starved_actor_comes_last_and_time_passes_meanwhile() -> None:
    for seed in range(5):
        rng = random.Random(seed)
        order = StarvationVisitOrder(rng, "c", RandomVisitOrder(rng))
        book = told(seed, lambda world, order=order: world.lives["n1"].host.set_order(order))  # type: ignore[misc]
        assert [name for name, _ in book[-5:]] == ["c"] * 5
        assert order.times_skipped > 0
