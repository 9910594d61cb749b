"""A machine that holds whatever a test puts into it, and classes of all kinds that it names."""

from __future__ import annotations

import decimal
import enum
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from coterie import Ask, StateMachine, codec, message
from coterie.actors.groups.snapshots.frozen_difference import differences
from coterie.actors.groups.snapshots.frozen_state import FrozenState
from coterie.actors.groups.snapshots.machine_snapshot import is_partly_restored
from coterie.actors.simulation.checkers.state_structure import structure_of


class Colour(enum.Enum):
    RED = 1
    BLUE = (2, 3)


class Size(enum.IntEnum):
    S = 1
    L = 2


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


@dataclass(frozen=True)
class Money:
    amount: decimal.Decimal


codec(
    Money,
    encode=lambda money: money.amount,
    decode=Money,
    wire=decimal.Decimal,
    name="test_machine_snapshot.Money",
)


@message(name="test_machine_snapshot.Place")
class Place:
    hall: int
    labels: Mapping[str, str] = field(default_factory=dict)
    size: Size = Size.S
    price: Money | None = None


@message(name="test_machine_snapshot.Do")
class Do(Ask[tuple[Place, ...]]):
    place: Place
    size: Size | None = None


@dataclass
class Order:
    number: int
    lines: list[Line] = field(default_factory=list)
    note: str = ""


@dataclass(slots=True)
class Line:
    item: str
    point: Point
    amount: int = 1


class Point(NamedTuple):
    x: int
    y: int = 0


@dataclass(frozen=True)
class Key:
    name: str
    parts: tuple[int, ...] = ()


@dataclass
class Checked:
    value: int
    double: int = field(init=False)

    def __post_init__(self) -> None:
        if self.value < 0:
            raise ValueError("negative")
        self.double = 2 * self.value


class Machine(StateMachine[Do]):
    """Holds whatever a test puts into it."""

    orders: dict[str, Order]
    keys: Mapping[Key, Rights]
    checked: Checked | None
    colours: list[Colour]
    by_name: defaultdict[str, list[int]]

    def __init__(self) -> None:
        self.by_name = defaultdict(list)

    def apply(self, command: Do, /) -> tuple[Place, ...]:
        return (command.place,)


def restored(machine: StateMachine[Any], into: StateMachine[Any] | None = None) -> Any:
    """A new machine with the state of this one; which a trial of the snapshot finds equal, too, if code is the same."""
    pieces = list(machine.snapshot())
    state = FrozenState(machine, 1_000_000)
    made = type(machine)() if into is None else into
    for piece in pieces:
        made.restore(piece)
    assert not is_partly_restored(made)
    if into is None:
        assert [found for found in differences(state, made) if found] == []
    return made


def restore_all(into: StateMachine[Any], pieces: list[bytes]) -> None:
    for piece in pieces:
        into.restore(piece)


def machine_with(value: object, kind: type[Machine] = Machine) -> Machine:
    machine = kind()
    vars(machine)["value"] = value
    return machine


def shape(value: object) -> object:
    """The value with the class of each part of it, in the order of each dict; sets are sorted."""
    return structure_of(value)


class Lean(StateMachine[Do]):
    def __init__(self) -> None:
        self.untouched = 1

    def apply(self, command: Do, /) -> tuple[Place, ...]:
        return ()
