"""A machine that was tried is freed in steps, and nothing that anything else holds is touched."""

from __future__ import annotations

import weakref
from collections import OrderedDict, defaultdict, deque
from typing import Any

import pytest

from coterie.actors.groups.compaction.machine_freeing import freed


class Machine:
    def __init__(self, value: Any) -> None:
        self.value = value


class Part:
    pass


class Ends(Machine):
    """Needs its attributes until its end."""

    ended: list[int] = []  # noqa: RUF012

    def __del__(self) -> None:
        self.ended.append(len(self.value))


def steps(held: list[Any]) -> int:
    return sum(1 for _ in freed(held))


@pytest.mark.parametrize(
    "make",
    [
        lambda: [Part() for _ in range(10_000)],
        lambda: deque(Part() for _ in range(10_000)),
        lambda: {Part() for _ in range(10_000)},
        lambda: {number: Part() for number in range(10_000)},
        lambda: OrderedDict((number, Part()) for number in range(10_000)),
        lambda: defaultdict(list, {number: [Part()] for number in range(10_000)}),
        lambda: {"a": {number: Part() for number in range(5000)}, "b": [Part() for _ in range(5000)]},
    ],
)
def test_large_collections_are_freed_in_steps(make: Any) -> None:
    held = [Machine(make())]
    ended = weakref.ref(held[0])

    assert steps(held) >= 39
    assert (held, ended()) == ([], None)


def test_what_others_hold_stays_as_it_is() -> None:
    rows = list(range(5000))
    inner = {number: number for number in range(5000)}
    steps([Machine(rows)])
    steps([Machine([inner, rows])])
    assert (len(rows), len(inner)) == (5000, 5000)

    kept = Machine(list(range(5000)))
    assert steps([kept]) == 0
    assert len(kept.value) == 5000


def test_machines_that_share_their_attributes_keep_them() -> None:
    one, other = Machine([1] * 5000), Machine([])
    other.__dict__ = vars(one)

    held = [other]
    del other
    assert steps(held) == 0
    assert len(one.value) == 5000


def test_machine_with_an_end_of_its_own_has_its_attributes_then() -> None:
    steps([Ends([1, 2, 3])])

    assert Ends.ended == [3]
