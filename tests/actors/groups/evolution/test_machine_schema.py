"""The schema of a machine's class: the same for every spelling of an annotation, and on every Python."""

from __future__ import annotations

import enum
import itertools
import types
from collections.abc import Mapping
from dataclasses import field
from typing import Any, NamedTuple, NewType, Optional, Union, cast

import pytest

from coterie.actors.groups.evolution.machine_schema import machine_schema
from coterie.actors.groups.state_machine import Query, StateMachine
from coterie.errors import MessageTypeError
from coterie.protocols.evolution.schema_text import schema_hash, schema_to_json
from coterie.protocols.evolution.schema_types import type_text
from coterie.runtime.messages.message import Ask, message, register_message
from coterie.runtime.refs import Address, Ref

Sku = NewType("Sku", str)
MaybeSku = NewType("MaybeSku", Sku | None)  # type: ignore[valid-newtype]


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"
    CRIMSON = "red"  # noqa: PIE796 (an alias)


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Right(enum.Flag):
    READ = enum.auto()
    WRITE = enum.auto()
    BOTH = READ | WRITE


@message(name="schema.Line")
class Line:
    sku: Sku
    amount: int = 1


@message(name="schema.Tree")
class Tree:
    branches: tuple[Tree, ...] = ()
    line: Line = Line(Sku("tea"))


class Point(NamedTuple):
    x: float
    y: float = 0


register_message(Point, name="schema.Point")


@message(name="schema.Everything")
class Everything(Ask[Line | None]):
    nothing: None
    yes: bool
    number: int
    ratio: float
    text: Sku
    raw: bytes
    colour: Colour
    level: Level
    right: Right
    row: tuple[int, ...]
    pair: tuple[int, Sku]
    empty: tuple[()]
    by: Mapping[str, tuple[Line, ...]]
    maybe: MaybeSku | int  # pyright: ignore[reportInvalidTypeForm]
    tree: Tree
    either: Line | Tree | None
    point: Point
    address: Address
    ref: Ref[Line]
    later: Optional["Later"] = None  # noqa: UP037, UP045 (another spelling)
    ratios: Mapping[str, float] = field(default_factory=lambda: {"one": 1})
    rights: Right = Right.READ | Right.WRITE


@message(name="schema.Later")
class Later:
    text: str = ""


@message(name="schema.Ask")
class AskForIt(Query[Mapping[str, Line]]):
    pass


class Machine(StateMachine[Everything | AskForIt]):
    version = 3
    state_type = tuple[Tree, ...]


class Same(StateMachine[Union[AskForIt, Everything]]):  # noqa: UP007 (another spelling and order)
    version = 3
    state_type = tuple[Tree, ...]


TYPES = {
    "nothing": "None",
    "yes": "bool",
    "number": "int",
    "ratio": "float",
    "text": "str",
    "raw": "bytes",
    "colour": 'enum(BLUE="blue", CRIMSON="red", RED="red")',
    "level": "enum(HIGH=2, LOW=1)",
    "right": "flags(BOTH=3, READ=1, WRITE=2)",
    "row": "tuple[int, ...]",
    "pair": "tuple[int, str]",
    "empty": "tuple[()]",
    "by": "Mapping[str, tuple[schema.Line, ...]]",
    "maybe": "int | str | None",
    "tree": "schema.Tree",
    "either": "schema.Line | schema.Tree | None",
    "point": "schema.Point",
    "address": "Address",
    "ref": "Ref",
    "later": "schema.Later | None",
    "ratios": "Mapping[str, float]",
    "rights": "flags(BOTH=3, READ=1, WRITE=2)",
}


def test_every_type_that_a_field_may_have_is_described() -> None:
    fields = machine_schema(Machine).messages["schema.Everything"].fields
    assert {one.name: type_text(one.type) for one in fields} == TYPES


def test_defaults_are_recorded_as_they_are_encoded() -> None:
    schema = machine_schema(Machine)
    defaults = {
        f"{name}.{one.name}": one.default
        for name, message in schema.messages.items()
        for one in message.fields
        if one.default is not None
    }
    assert defaults == {
        "schema.Everything.later": "null",
        "schema.Everything.ratios": '{"mapping":[["one",1.0]]}',  # an int that is a float where it is decoded
        "schema.Everything.rights": "3",
        "schema.Line.amount": "1",
        "schema.Tree.branches": "[]",
        "schema.Tree.line": '["tea"]',  # without what is left at its default
        "schema.Point.y": "0.0",
        "schema.Later.text": '""',
    }


def test_commands_have_their_kind_and_their_reply() -> None:
    commands = machine_schema(Machine).commands
    found = {name: (one.is_query, type_text(one.reply)) for name, one in commands.items()}
    assert found == {
        "schema.Everything": (False, "schema.Line | None"),
        "schema.Ask": (True, "Mapping[str, schema.Line]"),
    }


def test_the_schema_does_not_depend_on_the_spelling_of_the_class_or_on_the_python() -> None:
    assert machine_schema(Machine) == machine_schema(Same)
    # The same on all supported versions of Python: it is compared between nodes and kept in logs.
    assert schema_hash(machine_schema(Machine)).hex() == "000000030a8d1abcb046dee63c439ce5"


def test_no_name_of_a_class_module_or_enum_is_in_it() -> None:
    text = str(schema_to_json(machine_schema(Machine)))
    assert not [name for name in ("Machine", "Colour", "Level", "test_machine_schema", "Sku") if name in text]


def test_a_machine_without_a_version_has_version_1_and_declares_no_state() -> None:
    class Plain(StateMachine[AskForIt]):
        pass

    assert (machine_schema(Plain).version, machine_schema(Plain).state) == (1, None)


@pytest.mark.parametrize("version", [0, -1, "2", 2.0, True, None, 2**32])
def test_a_version_that_is_no_number_from_1_is_refused(version: object) -> None:
    cls = types.new_class("Odd", (StateMachine[AskForIt],), {}, lambda body: body.update(version=version))
    with pytest.raises(MessageTypeError, match=r"Odd\.version is .*: it must be 1 … 4294967295"):
        machine_schema(cast("Any", cls))


def test_two_messages_with_one_wire_name_are_refused() -> None:
    @message(name="schema.Line")
    class OtherLine:
        pass

    @message(name="schema.Both")
    class Both(Ask[None]):
        line: Line
        other: OtherLine

    class Twice(StateMachine[Both]):
        pass

    with pytest.raises(MessageTypeError, match=r"Line and .*OtherLine have the same wire name, 'schema\.Line'"):
        machine_schema(Twice)


def test_a_default_that_differs_from_call_to_call_is_refused() -> None:
    numbers = itertools.count()

    @message(name="schema.Counted")
    class Counted(Ask[None]):
        number: int = field(default_factory=lambda: next(numbers))

    class Counter(StateMachine[Counted]):
        pass

    with pytest.raises(MessageTypeError, match=r"Counted\.number: its default differs from call to call"):
        machine_schema(Counter)


def test_a_state_that_cannot_be_encoded_is_refused() -> None:
    class Odd(StateMachine[AskForIt]):
        state_type = dict[str, int]

    with pytest.raises(MessageTypeError, match=r"Odd\.state_type: .*use Mapping"):
        machine_schema(Odd)
