"""Fields that no message may have are refused at the declaration of the class, by name and with advice."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from coterie.errors import MessageTypeError
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Address, Ref


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Right(enum.Flag):
    READ = enum.auto()
    WRITE = enum.auto()


@message(name="codecs.Leaf")
class Leaf:
    text: str


def holder(annotation: Any) -> type[Any]:
    """Make a message with one field `x` of this type."""
    plain = type("Holder", (), {"__annotations__": {"x": annotation}, "__module__": __name__})
    return message(name=f"codecs.Holder[{annotation}]")(plain)


@pytest.mark.parametrize(
    ("annotation", "advice"),
    [
        (list[int], "use tuple"),
        (list, "use tuple"),
        (dict[str, int], "use Mapping"),
        (dict, "use Mapping"),
        (set[int], "use frozenset"),
        (frozenset, "use frozenset"),
        (frozenset[float], "items of a frozenset are None, bool, int, str, bytes, enums"),
        (frozenset[tuple[int, ...]], "items of a frozenset"),
        (frozenset[timedelta], "items of a frozenset"),
        (Mapping[timedelta, int], "keys of a Mapping"),
        (datetime | str, "ambiguous"),
        (date | datetime, "ambiguous"),
        (frozenset[int] | tuple[int, ...], "ambiguous"),
        (Sequence[int], "use tuple"),
        (tuple, "use tuple"),
        (bytearray, "use bytes"),
        (object, "cannot cross"),
        (Any, "cannot cross"),
        (complex, "cannot cross the wire; register how with coterie.codec"),
        (tuple[list[int], ...], "use tuple"),
        (int | list[int], "use tuple"),
        (Mapping[str, dict[str, int]], "use Mapping"),
        (Mapping[float, int], "keys of a Mapping are None, bool, int, str, bytes, enums"),
        (Mapping[tuple[int, ...], int], "keys of a Mapping"),
        (Mapping[tuple[int, str], int], "keys of a Mapping"),
        (Mapping[str | float, int], "keys of a Mapping"),
        (Mapping[Address, int], "keys of a Mapping"),
    ],
    ids=str,
)
def test_a_mutable_or_unencodable_field_is_named_at_declaration_with_advice(annotation: Any, advice: str) -> None:
    with pytest.raises(MessageTypeError, match=rf"Holder\.x: .*{advice}"):
        holder(annotation)


def test_an_enum_whose_values_cannot_cross_is_refused_at_declaration() -> None:
    class Odd(enum.Enum):
        A = ("a", 1)

    with pytest.raises(MessageTypeError, match=r"Holder\.x: .*enum Odd"):
        holder(Odd)


@pytest.mark.parametrize(
    "annotation",
    [
        Level | int,
        Colour | str,
        Ref[Any] | Address,
        Leaf | tuple[int, ...],
        tuple[int, ...] | tuple[str, ...],
        Level | Right,
    ],
    ids=str,
)
def test_a_union_whose_members_look_alike_on_the_wire_is_refused_at_declaration(annotation: Any) -> None:
    with pytest.raises(MessageTypeError, match=r"Holder\.x: .*ambiguous"):
        holder(annotation)


def test_a_field_that_is_not_positional_is_refused_at_declaration() -> None:
    with pytest.raises(MessageTypeError, match=r"Keyword\.x: every field of a message must be positional"):

        @message(name="codecs.Keyword")
        class Keyword:
            x: int = field(kw_only=True)


def test_a_reply_type_that_cannot_cross_is_named_at_declaration() -> None:
    with pytest.raises(MessageTypeError, match=r"the reply of .*AskList: .*use tuple"):

        @message(name="codecs.AskList")
        class AskList(Ask[list[int]]):
            pass
