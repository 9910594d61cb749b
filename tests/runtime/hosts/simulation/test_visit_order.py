from __future__ import annotations

import contextvars
import random
from collections import Counter
from collections.abc import Sequence

import pytest

from coterie.runtime.hosts.simulation.visit_order import (
    PriorityVisitOrder,
    RandomVisitOrder,
    StarvationVisitOrder,
    VisitOrder,
)


class Waiting:
    """A cell that only has a path."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.queued = 0
        self.in_normal = False

    def visit(self, end: float) -> None:
        raise AssertionError("an order visits nobody")

    def adopt(self, context: contextvars.Context) -> None:
        raise AssertionError("an order visits nobody")


CELLS = [Waiting(name) for name in "abcd"]


def picks(order: VisitOrder, count: int, cells: Sequence[Waiting] = CELLS) -> list[str | None]:
    chosen = [order.pick(cells) for _ in range(count)]
    return [None if at is None else cells[at].path for at in chosen]


def test_a_random_order_gives_everybody_the_same_chance_and_follows_from_the_seed() -> None:
    drawn = picks(RandomVisitOrder(random.Random(1)), 4000)
    assert all(900 < count < 1100 for count in Counter(drawn).values())
    assert drawn == picks(RandomVisitOrder(random.Random(1)), 4000)
    assert drawn != picks(RandomVisitOrder(random.Random(2)), 4000)


def test_who_has_the_highest_priority_always_goes_until_a_change_point() -> None:
    order = PriorityVisitOrder(random.Random(3), change_points=2, steps=100)
    drawn = picks(order, 101)
    runs = [name for at, name in enumerate(drawn) if at == 0 or name != drawn[at - 1]]
    assert len(runs) == 3
    assert len(set(runs)) == 3, "who was the highest has become the lowest"


def test_without_change_points_nobody_is_overtaken_but_one_who_never_rests() -> None:
    order = PriorityVisitOrder(random.Random(3), change_points=0)
    drawn = picks(order, 1000)
    assert Counter(drawn).most_common()[-1][1] >= 199
    assert len(set(drawn)) == 4


def test_each_cell_keeps_its_priority_whoever_else_waits() -> None:
    order = PriorityVisitOrder(random.Random(5), change_points=0)
    highest = picks(order, 1)[0]
    others = [cell for cell in CELLS if cell.path != highest]
    second = picks(order, 1, others)[0]
    both = [cell for cell in CELLS if cell.path in {highest, second}]
    assert picks(order, 5, both) == [highest] * 5


@pytest.mark.parametrize(("change_points", "steps"), [(-1, 10), (1, 0)])
def test_priorities_without_sense_are_refused(change_points: int, steps: int) -> None:
    with pytest.raises(ValueError, match="PriorityVisitOrder needs"):
        PriorityVisitOrder(random.Random(1), change_points=change_points, steps=steps)


def test_the_starved_goes_after_everybody_else() -> None:
    order = StarvationVisitOrder(random.Random(1), "b", RandomVisitOrder(random.Random(1)))
    drawn = picks(order, 1000)
    assert set(drawn) == {"a", "c", "d"}
    assert order.times_skipped == 1000


def test_the_starved_goes_in_the_end_if_it_alone_waits() -> None:
    order = StarvationVisitOrder(random.Random(1), "b", RandomVisitOrder(random.Random(1)))
    drawn = picks(order, 1000, [CELLS[1]])
    assert 50 < drawn.count("b") < 200
    assert drawn.count(None) == 1000 - drawn.count("b")


def test_who_is_not_starved_notices_nothing() -> None:
    order = StarvationVisitOrder(random.Random(1), "z", RandomVisitOrder(random.Random(7)))
    assert picks(order, 100) == picks(RandomVisitOrder(random.Random(7)), 100)
    assert order.times_skipped == 0
