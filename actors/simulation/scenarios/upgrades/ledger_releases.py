"""Ledger releases: defines the releases of one state machine, one for each kind of change, and what their clients send.

Every machine books (number, effect) rows. A command that uses what is new in a release has another effect than any
command of the old one could have, so the rows show under which schema each command was executed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from coterie.actors.groups.state_machine import Query, StateMachine
from coterie.actors.topology import Topology
from coterie.runtime.messages.message import Ask, message

__all__ = ["GROUP", "OLD", "OTHER_RELEASE_OF_THE_SAME_VERSION", "RELEASES", "Read", "Release", "topology_of"]

GROUP: Final = "ledger"

Rows = tuple[tuple[int, int], ...]


@message(name="upgrade.Item")
class Item:
    """One item of a command."""

    name: str
    count: int


@message(name="upgrade.Item")
class WeightedItem:
    """An item with a field that its first release did not have."""

    name: str
    count: int
    weight: int = 1


@message(name="upgrade.Sum")
class Sum:
    """The total of all rows."""

    total: int


@message(name="upgrade.Sum")
class CountedSum:
    """A reply with a field that its first release did not have: how many rows there are."""

    total: int
    rows: int = 0


@message(name="upgrade.Add")
class Add(Ask[Sum]):
    """Book the sum of all items."""

    number: int
    items: tuple[Item, ...]


@message(name="upgrade.Add")
class AddOften(Ask[Sum]):
    """The command with a field that its first release did not have."""

    number: int
    items: tuple[Item, ...]
    times: int = 1


@message(name="upgrade.Add")
class AddNoted(Ask[Sum]):
    """The command with another field in the same place: the next release of other developers."""

    number: int
    items: tuple[Item, ...]
    note: str = ""


@message(name="upgrade.Add")
class AddCounted(Ask[CountedSum]):
    """The command whose reply has one field more."""

    number: int
    items: tuple[Item, ...]


@message(name="upgrade.Add")
class AddWeighted(Ask[Sum]):
    """The command whose items have one field more."""

    number: int
    items: tuple[WeightedItem, ...]


@message(name="upgrade.Bonus")
class Bonus(Ask[Sum]):
    """Book an amount: a command that the first release did not have."""

    number: int
    amount: int


@message(name="upgrade.Read")
class Read(Query[Rows]):
    """Read all rows."""


class Rowed:
    """The state of every release."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, int]] = []
        self.migrations: list[tuple[int, int]] = []

    def book(self, number: int, effect: int) -> Sum:
        """Append a row; return the new total."""
        self.rows.append((number, effect))
        return Sum(sum(effect for _, effect in self.rows))


class Ledger(Rowed, StateMachine[Add | Read]):
    """The first release."""

    def apply(self, command: Add | Read, /) -> Sum | Rows:
        """Book the counts of the items."""
        return tuple(self.rows) if isinstance(command, Read) else self.book(command.number, _counts(command.items))


class LedgerWithBonus(Rowed, StateMachine[Add | Bonus | Read]):
    """A release with one more command."""

    def apply(self, command: Add | Bonus | Read, /) -> Sum | Rows:
        """Book the counts of the items, or a bonus."""
        if isinstance(command, Read):
            return tuple(self.rows)
        return self.book(command.number, command.amount if isinstance(command, Bonus) else _counts(command.items))


class LedgerWithTimes(Rowed, StateMachine[AddOften | Read]):
    """A release with one more field of a command."""

    version = 2

    def apply(self, command: AddOften | Read, /) -> Sum | Rows:
        """Book the counts of the items, so many times."""
        if isinstance(command, Read):
            return tuple(self.rows)
        return self.book(command.number, _counts(command.items) * command.times)


class LedgerWithNotes(Rowed, StateMachine[AddNoted | Read]):
    """Another release that calls itself version 2."""

    version = 2

    def apply(self, command: AddNoted | Read, /) -> Sum | Rows:
        """Book the counts of the items; the note has no effect."""
        return tuple(self.rows) if isinstance(command, Read) else self.book(command.number, _counts(command.items))


class LedgerWithRowCount(Rowed, StateMachine[AddCounted | Read]):
    """A release with one more field of a reply."""

    def apply(self, command: AddCounted | Read, /) -> CountedSum | Rows:
        """Book the counts of the items."""
        if isinstance(command, Read):
            return tuple(self.rows)
        return CountedSum(self.book(command.number, _counts(command.items)).total, len(self.rows))


class LedgerWithWeights(Rowed, StateMachine[AddWeighted | Read]):
    """A release with one more field of a nested message."""

    def apply(self, command: AddWeighted | Read, /) -> Sum | Rows:
        """Book the weighted counts of the items."""
        if isinstance(command, Read):
            return tuple(self.rows)
        return self.book(command.number, sum(item.count * item.weight for item in command.items))


class LedgerThatDoubles(Rowed, StateMachine[Add | Read]):
    """A release that only behaves differently."""

    version = 2

    def apply(self, command: Add | Read, /) -> Sum | Rows:
        """Book the counts of the items, twice from version 2 on."""
        if isinstance(command, Read):
            return tuple(self.rows)
        return self.book(command.number, _counts(command.items) * self.version)

    def migrate(self, old: int, new: int) -> None:
        """Note the change."""
        self.migrations.append((old, new))


Draw = Callable[[random.Random, int], tuple[Ask[Any], int]]
"""Returns a command with a number, and its effect in version 1."""


@dataclass(frozen=True, slots=True)
class Release:
    """One release: its machine, and the commands of its clients."""

    machine: type[StateMachine[Any]]
    draw: Draw


def topology_of(release: Release, nodes: Sequence[str]) -> Topology:
    """Return the topology that runs a release."""
    topology = Topology("upgrade", nodes=nodes)
    topology.raft(GROUP, machine=release.machine)
    return topology


def _counts(items: Sequence[Item]) -> int:
    return sum(item.count for item in items)


def _items(rng: random.Random) -> tuple[Item, ...]:
    return tuple(Item(f"item {at}", rng.randint(1, 9)) for at in range(rng.randint(1, 3)))


def _draw_old(rng: random.Random, number: int) -> tuple[Ask[Any], int]:
    items = _items(rng)
    return Add(number, items), _counts(items)


def _draw_bonus(rng: random.Random, number: int) -> tuple[Ask[Any], int]:
    return (Bonus(number, -1), -1) if rng.random() < 0.5 else _draw_old(rng, number)


def _draw_often(rng: random.Random, number: int) -> tuple[Ask[Any], int]:
    items, times = _items(rng), rng.choice((1, 1, 5))
    return AddOften(number, items, times), _counts(items) * times


def _draw_counted(rng: random.Random, number: int) -> tuple[Ask[Any], int]:
    items = _items(rng)
    return AddCounted(number, items), _counts(items)


def _draw_weighted(rng: random.Random, number: int) -> tuple[Ask[Any], int]:
    weight = rng.choice((1, 1, 7))
    items = tuple(WeightedItem(item.name, item.count, weight) for item in _items(rng))
    return AddWeighted(number, items), sum(item.count for item in items) * weight


OLD: Final = Release(Ledger, _draw_old)
"""The release that founds the group."""

RELEASES: Final[Mapping[str, Release]] = {
    "command": Release(LedgerWithBonus, _draw_bonus),
    "field": Release(LedgerWithTimes, _draw_often),
    "reply": Release(LedgerWithRowCount, _draw_counted),
    "nested": Release(LedgerWithWeights, _draw_weighted),
    "version": Release(LedgerThatDoubles, _draw_old),
}
"""The releases that follow it, by what is new in them."""

OTHER_RELEASE_OF_THE_SAME_VERSION: Final = Release(LedgerWithNotes, _draw_old)
"""A release that calls itself by the same version as "field", and is another one."""
