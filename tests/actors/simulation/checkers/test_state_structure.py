"""State structures: what is equal, what differs, and where."""

from __future__ import annotations

import enum
import math
from collections import OrderedDict, defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

import pytest

from coterie.actors.simulation.checkers.state_structure import first_difference, structure_of


class Color(enum.Enum):
    RED = 1
    BLUE = 2


@dataclass(frozen=True, slots=True)
class Point:
    x: float
    y: float


@dataclass
class Box:
    points: list[Point] = field(default_factory=list)
    by_name: dict[str, Any] = field(default_factory=dict)


class Node:
    def __init__(self, value: int) -> None:
        self.value = value
        self.next: Node | None = None


def ring(value: int) -> Node:
    first, second = Node(1), Node(value)
    first.next, second.next = second, first
    return first


def difference(one: object, other: object) -> tuple[str, str, str] | None:
    return first_difference(structure_of(one), structure_of(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Box([Point(1.0, math.nan)]), Box([Point(1.0, math.nan)])),
        ({3, 1, 2}, {1, 2, 3}),
        (frozenset({"b", "a"}), frozenset({"a", "b"})),
        (deque([1, 2]), deque([1, 2])),
        (ring(2), ring(2)),
        ({"f": len}, {"f": len}),
        (bytearray(b"ab"), bytearray(b"ab")),
    ],
)
def test_equal_values_have_equal_structures(one: object, other: object) -> None:
    assert difference(one, other) is None


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (Box([Point(1.0, 2.0)]), Box([Point(1.0, 3.0)]), ("state.points[0].y", "2.0", "3.0")),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, ("state['b']", "2", "3")),
        (Box(by_name={"k": [1]}), Box(by_name={"k": [2]}), ("state.by_name['k'][0]", "1", "2")),
        (OrderedDict(a=1), OrderedDict(a=2), ("state['a']", "1", "2")),
        (Color.RED, Color.BLUE, ("state", "'RED'", "'BLUE'")),
        (True, 1, ("state", "True", "1")),
        (ring(2), ring(3), ("state.next.value", "2", "3")),
    ],
)
def test_the_first_difference_names_its_place(one: object, other: object, expected: tuple[str, str, str]) -> None:
    assert difference(one, other) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ([1], [1, 2]),
        ([1], (1,)),
        (Point(1.0, 2.0), (1.0, 2.0)),
        ({1}, {2}),
        (1, 1.0),
        (0.0, -0.0),
        ("1", b"1"),
        (defaultdict(int, a=1), {"a": 1}),
        (None, 0),
    ],
)
def test_other_values_or_orders_or_classes_differ(one: object, other: object) -> None:
    assert difference(one, other) is not None
