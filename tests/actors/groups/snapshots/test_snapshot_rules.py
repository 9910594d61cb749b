"""Which machines can be saved, and which code can restore what other code has saved."""

from __future__ import annotations

import dataclasses
import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

from coterie import StateMachine
from coterie.actors.groups.state_machine import snapshot_mistake
from coterie.protocols.replicated_log import LogIndex
from tests.actors.groups.snapshots.saved_machine import (
    Do,
    Lean,
    Machine,
    Order,
    Place,
    machine_with,
    restore_all,
    restored,
)

# How code may differ from that which has saved the state.


def test_attribute_that_newer_code_has_keeps_what_init_made() -> None:
    class Newer(Machine):
        def __init__(self) -> None:
            super().__init__()
            self.more = {"made": [1]}

    again = restored(machine_with(5), Newer())

    assert (again.value, again.more) == (5, {"made": [1]})
    assert list(vars(again)) == ["more", "by_name", "value"]


def test_field_with_a_default_that_newer_code_has_takes_it() -> None:
    def machine(newer: bool) -> Any:
        fields: list[Any] = [("number", int), ("parts", list, field(default_factory=list))]
        order = dataclasses.make_dataclass("Order", fields if newer else fields[:1])
        kind = type("Machine", (Machine,), {"__annotations__": {"orders": dict[str, order]}})  # type: ignore[valid-type]
        made = kind()
        made.orders = {"a": order(1), "b": order(2)}
        return made

    again = restored(machine(newer=False), into=machine(newer=True))

    assert [(one.number, one.parts) for one in again.orders.values()] == [(1, []), (2, [])]
    assert again.orders["a"].parts is not again.orders["b"].parts


def test_class_that_this_code_does_not_name_is_refused_and_nothing_is_changed() -> None:
    rich = Rich()
    vars(rich).update(untouched=2, orders={"a": Order(1)})
    pieces = list(rich.snapshot())
    into = Lean()

    with pytest.raises(ValueError, match="holds the dataclass 'Order', which the class of this machine does not name"):
        restore_all(into, pieces)
    assert vars(into) == {"untouched": 1}


def test_defaultdict_that_init_does_not_make_is_refused_at_the_restore() -> None:
    machine = Machine()
    machine.by_name["a"].append(1)

    with pytest.raises(ValueError, match=r"Lean\.by_name was a defaultdict: `__init__` of Lean makes none"):
        restored(machine, into=Lean())


class Rich(Lean):
    orders: dict[str, Order]


# Kinds of machines.


class Slotted(StateMachine[Do]):
    __slots__ = ("__private", "count")

    def __init__(self) -> None:
        self.count = 0
        self.__private = [1]

    def apply(self, command: Do, /) -> tuple[Place, ...]:
        self.count += 1
        self.__private.append(self.count)
        return ()

    @property
    def private(self) -> list[int]:
        return self.__private


def test_machine_with_slots_comes_back() -> None:
    machine = Slotted()
    machine.index = LogIndex(3)
    machine.apply(Do(Place(1)))

    again = restored(machine)

    assert (again.count, again.private) == (1, [1, 1])


@dataclass
class Bank(StateMachine[Do]):
    balance: dict[str, int] = field(default_factory=dict)

    def apply(self, command: Do, /) -> tuple[Place, ...]:
        return ()


@dataclass(slots=True)
class SlottedBank(StateMachine[Do]):
    balance: dict[str, int] = field(default_factory=dict)

    def apply(self, command: Do, /) -> tuple[Place, ...]:
        return ()


@pytest.mark.parametrize("kind", [Bank, SlottedBank])
def test_machine_that_is_a_dataclass_comes_back(kind: type[Bank]) -> None:
    assert restored(kind({"ann": 3})).balance == {"ann": 3}


def test_machine_without_attributes_comes_back() -> None:
    class Empty(Lean):
        def __init__(self) -> None:
            pass

    assert vars(restored(Empty())) == {}


# What `snapshot_mistake` finds.


class Closure(Lean):
    def __init__(self) -> None:
        self.handlers = {Do: self.apply}


class OnlySnapshot(Lean):
    def snapshot(self) -> Iterator[bytes]:
        return iter([b""])


class OnlyRestore(Lean):
    def restore(self, piece: bytes) -> None:
        del piece


class Async(OnlyRestore):
    async def snapshot(self) -> Iterator[bytes]:  # type: ignore[override]
        return iter([b""])


class AsyncRestore(OnlySnapshot):
    async def restore(self, piece: bytes) -> None:  # type: ignore[override]
        del piece


class Lazy(OnlySnapshot):
    def restore(self, piece: bytes) -> Iterator[None]:  # type: ignore[override]
        yield


class Listed(OnlyRestore):
    def snapshot(self) -> list[bytes]:  # type: ignore[override]
        return [b""]


class Texts(OnlyRestore):
    def snapshot(self) -> Iterator[bytes]:
        return iter(["text"])  # type: ignore[list-item]


class Raising(OnlyRestore):
    def snapshot(self) -> Iterator[bytes]:
        raise KeyError("no")


class Shared(Lean):
    items: list[str] = []  # noqa: RUF012


class SharedBelow(Shared):
    pass


class SharedQueue(Lean):
    waiting = deque[str]()  # noqa: RUF012


class Constants(Lean):
    PRICES = {"tea": 3}  # noqa: RUF012
    known: ClassVar[dict[str, int]] = {}
    total = 0
    names = ("a", "b")


class OwnPerMachine(Shared):
    def __init__(self) -> None:
        super().__init__()
        self.items = []


class Versions(Lean):
    def __init__(self) -> None:
        self.version = 1


class Indexes(Lean):
    def __init__(self) -> None:
        self.index = None  # type: ignore[assignment]


class IndexesInClass(Lean):
    index = None  # type: ignore[assignment]


@dataclass
class VersionsAsField(Lean):
    version: int = 1


class IndexesInSlot(Lean):
    __slots__ = ("index",)

    def __init__(self) -> None:
        self.index = LogIndex(0)


class Second(Lean):
    version = 2


class Own(OnlyRestore):
    def snapshot(self) -> Iterator[bytes]:
        yield b"1"
        yield b"2"


@pytest.mark.parametrize(
    ("machine", "text"),
    [
        (Closure, r"Closure\.handlers, key <class .* is a type"),
        (OnlySnapshot, "OnlySnapshot has a snapshot, but no restore: write both, or neither"),
        (OnlyRestore, "OnlyRestore has a restore, but no snapshot: write both, or neither"),
        (Async, r"Async\.snapshot is `async def`: write `def`"),
        (AsyncRestore, r"AsyncRestore\.restore is `async def`"),
        (Lazy, r"Lazy\.restore has a `yield`"),
        (Listed, r"Listed\.snapshot returned a list: it must return an iterator of bytes"),
        (Texts, r"Texts\.snapshot yielded a str: each piece is bytes"),
        (Raising, r"Raising\.snapshot raised KeyError: 'no'"),
        (Shared, r"Shared\.items is a list of the class, not of the machine: .* set it in __init__, or call it ITEMS"),
        (SharedBelow, r"Shared\.items is a list of the class"),
        (Versions, r"Versions sets 'version' itself: .* take another name; the version of the code is `version = 2`"),
        (Indexes, r"Indexes sets 'index' itself: `version` and `index` of a machine belong to the runtime"),
        (IndexesInClass, r"IndexesInClass sets 'index' itself"),
        (IndexesInSlot, r"IndexesInSlot sets 'index' itself"),
        (VersionsAsField, r"VersionsAsField sets 'version' itself"),
        (SharedQueue, r"SharedQueue\.waiting is a deque of the class"),
    ],
)
def test_machine_that_cannot_be_saved_is_told(machine: type[Lean], text: str) -> None:
    mistake = snapshot_mistake(machine())

    assert mistake is not None
    assert re.search(text, mistake)


@pytest.mark.parametrize("machine", [Machine, Lean, Own, Slotted, Bank, SlottedBank, Constants, OwnPerMachine, Second])
def test_machine_that_can_be_saved_has_no_mistake(machine: Callable[[], StateMachine[Any]]) -> None:
    assert snapshot_mistake(machine()) is None


@pytest.mark.parametrize("names", ["cache", {"cache"}, (1,), None])
def test_transient_that_is_no_tuple_of_names_is_a_mistake(names: Any) -> None:
    kind = type("Caching", (Lean,), {"transient": names})

    mistake = snapshot_mistake(kind())

    assert mistake == f"Caching.transient is {names!r}: it must be a tuple of names of attributes"
