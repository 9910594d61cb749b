"""The compiled functions do the same as the generic codecs, and leave classes with more than slots to them."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import msgpack
import pytest

from coterie.errors import BadMessage
from coterie.runtime.messages.message import message, message_type, register_message
from coterie.runtime.messages.message_codecs import MessageType


class World:
    def ref(self, node: str, incarnation: int, path: str, uid: int, *, as_client: bool = False) -> object:
        return (node, incarnation, path, uid)


class Colour(enum.IntEnum):
    RED = 1


@message(name="rowcode.Empty")
class Empty:
    pass


@message(name="rowcode.Plain")
class Plain:
    number: int
    text: str
    ratio: float


@message(name="rowcode.Rich")
class Rich:
    plain: Plain
    colour: Colour
    maybe: int | str | None
    many: tuple[Plain, ...] = ()


@message(name="rowcode.Checked")
class Checked:
    number: int

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ValueError("it must not be negative")


@message(name="rowcode.OwnInit")
class OwnInit:
    number: int

    def __init__(self, number: int) -> None:
        object.__setattr__(self, "number", number * 2)


class Pair(NamedTuple):
    left: int
    right: int


class Doubled(Pair):
    """A tuple that is more than its fields."""

    __slots__ = ()

    def __new__(cls, left: int, right: int) -> Self:
        return super().__new__(cls, left * 2, right * 2)


@dataclass(frozen=True)
class WithDict:
    number: int


register_message(Pair, name="rowcode.Pair")
register_message(Doubled, name="rowcode.Doubled")
register_message(WithDict, name="rowcode.WithDict")

PLAIN = Plain(1, "x", 2.0)
VALUES = [
    Empty(),
    PLAIN,
    Plain(-(2**63), "", 0.5),
    Rich(PLAIN, Colour.RED, None, (PLAIN, PLAIN)),
    Rich(PLAIN, Colour.RED, "text"),
    Checked(3),
    Pair(1, 2),
    WithDict(5),
]


def told(described: MessageType, head: object, value: object) -> object:
    rows: list[object] = []
    described.make_sender(head, rows.append)(value)
    (row,) = rows
    return row


def over_the_wire(row: object) -> Any:
    return msgpack.unpackb(msgpack.packb(row), use_list=False)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_with_and_without_a_head_a_message_comes_back_equal(value: object) -> None:
    described = message_type(type(value))

    row = over_the_wire(told(described, "head", value))
    assert row[0] == "head"
    assert row[1:] == over_the_wire(described.encode(value))
    for decoded in (described.decode_with_head(row, World()), described.decode(row[1:], World())):
        assert decoded == value
        assert type(decoded) is type(value)


def test_a_class_that_checks_or_makes_its_fields_itself_is_called() -> None:
    with pytest.raises(BadMessage, match="it must not be negative"):
        message_type(Checked).decode_with_head((0, -1), World())
    made: Any = message_type(OwnInit).decode_with_head((0, 4), World())
    doubled: Any = message_type(Doubled).decode_with_head((0, 1, 2), World())

    assert made.number == 8
    assert doubled == (2, 4)


@pytest.mark.parametrize("cls", [Plain, Rich, Pair], ids=lambda cls: cls.__name__)
def test_a_class_that_is_its_fields_is_read_the_fast_way(cls: type) -> None:
    described = message_type(cls)

    assert described.decode_with_head != described._decode_after_head


WRONG: list[tuple[type, tuple[object, ...]]] = [
    (Plain, (1, "x")),
    (Plain, ("1", "x", 2.0)),
    (Plain, (True, "x", 2.0)),
    (Plain, (1, "x", "2.0")),
    (Rich, ((1, "x", "2.0"), 1, None, ())),
    (Rich, ((1, "x", 2.0), 2, None, ())),
    (Rich, ((1, "x", 2.0), 1, 2.5, ())),
    (Checked, (None,)),
    (Pair, (1, "2")),
]


@pytest.mark.parametrize(("cls", "fields"), WRONG, ids=repr)
def test_a_wrong_field_is_a_bad_message_either_way(cls: type, fields: tuple[object, ...]) -> None:
    described = message_type(cls)

    with pytest.raises(BadMessage):
        described.decode_with_head((0, *fields), World())
    with pytest.raises(BadMessage, match=rf"message '{described.name}'"):
        described.decode(fields, World())


def test_an_integer_in_a_field_for_floats_becomes_one() -> None:
    decoded: Any = message_type(Plain).decode_with_head((0, 1, "x", 2), World())

    assert decoded == PLAIN
    assert type(decoded.ratio) is float


def test_surplus_fields_are_ignored_and_missing_ones_take_their_default() -> None:
    described: MessageType = message_type(Rich)
    row = over_the_wire(told(described, 0, Rich(PLAIN, Colour.RED, 7)))

    assert described.decode_with_head((*row, "of a later version"), World()) == Rich(PLAIN, Colour.RED, 7)
    assert described.decode_with_head(row[:-1], World()) == Rich(PLAIN, Colour.RED, 7)


def test_what_cannot_cross_is_blamed_on_its_field() -> None:
    wrong: Any = Rich(PLAIN, Colour.RED, 7, (3,))  # type: ignore[arg-type]
    with pytest.raises(BadMessage, match=r"field 'many': expected 'rowcode\.Plain', got int 3"):
        message_type(Rich).encode(wrong)

    assert "field 'text': str '\\ud800' has lone surrogates" in str(
        message_type(Plain).encoding_error(Plain(1, "\ud800", 1))
    )
    assert "field 'number': int" in str(message_type(Plain).encoding_error(Plain(2**64, "", 1)))
    assert "field 'text': expected str, got NoneType None" in str(message_type(Plain).encoding_error(Plain(1, None, 1)))  # type: ignore[arg-type]
