"""Trimmed rows: what may be left out, and what looks like a default and is none."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import field
from typing import Any

import msgpack
import pytest

from coterie.errors import BadMessage, MessageTypeError
from coterie.runtime.messages.message import message, message_type
from coterie.runtime.messages.trimmed_rows import encoded_default
from coterie.runtime.messages.value_codecs import NO_REFS


@message(name="trimmed.Line")
class Line:
    sku: str
    note: str = ""


@message(name="trimmed.Order")
class Order:
    line: Line
    ratio: float = 0
    is_gift: bool = False
    lines: tuple[Line, ...] = (Line("a"), Line("b", "ripe"))
    by: Mapping[str, Line | None] = field(default_factory=dict)


@message(name="trimmed.Plain")
class Plain:
    sku: str
    line: int


def row(value: object) -> tuple[object, ...]:
    return tuple(message_type(type(value)).trimmed.encode(value))


LINE = ("tea",)


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (Order(Line("tea")), (LINE,)),
        (Order(Line("tea", "ripe"), 0.0), (("tea", "ripe"),)),
        (Order(Line("tea"), 1.5), (LINE, 1.5)),
        (Order(Line("tea"), is_gift=True), (LINE, 0, True)),
        (Order(Line("tea"), lines=()), (LINE, 0, False, ())),
        (Order(Line("tea"), lines=(Line("a"), Line("b"))), (LINE, 0, False, (("a",), ("b",)))),
        (
            Order(Line("tea"), by={"a": Line("b"), "c": None}),
            (LINE, 0, False, (("a",), ("b", "ripe")), {"a": ("trimmed.Line", ("b",)), "c": None}),
        ),
    ],
)
def test_trailing_fields_with_their_default_are_left_out_at_every_depth(
    order: Order, expected: tuple[object, ...]
) -> None:
    assert row(order) == expected
    arrived = msgpack.unpackb(msgpack.packb(row(order)), use_list=False, strict_map_key=False)
    assert message_type(Order).decode(arrived, NO_REFS) == order


def test_what_only_equals_the_default_is_kept() -> None:
    assert repr(row(Order(Line("tea"), -0.0))) == "(('tea',), -0.0)"
    assert row(Order(Line("tea"), is_gift=0))[2:] == (0,)  # type: ignore[arg-type]  # which is refused where it arrives


def test_a_message_without_defaults_is_encoded_as_ever() -> None:
    described = message_type(Plain)
    assert described.trimmed.encode == described.encode


def test_a_field_that_cannot_cross_is_named() -> None:
    with pytest.raises(BadMessage, match=r"message 'trimmed\.Order', field 'line'"):
        row(Order(None))  # type: ignore[arg-type]


def default_of(cls: type, name: str) -> object:
    described = message_type(cls)
    return encoded_default(described, next(one for one in described.fields if one.name == name))


def test_a_default_is_encoded_as_the_value_that_it_means() -> None:
    assert repr(default_of(Order, "ratio")) == "0.0"
    assert default_of(Order, "lines") == (("a",), ("b", "ripe"))


def test_a_default_that_needs_itself_is_refused() -> None:
    @message(name="trimmed.Endless")
    class Endless:
        inner: Endless | None = field(default_factory=lambda: Endless(None))

    with pytest.raises(MessageTypeError, match=r"Endless\.inner: its default needs itself"):
        default_of(Endless, "inner")
    with pytest.raises(MessageTypeError, match=r"Endless\.inner: its default needs itself"):
        row(Endless())


@message(name="trimmed.Wrong")
class Wrong:
    number: int = "1"  # type: ignore[assignment]
    flag: bool = 1  # type: ignore[assignment]
    big: int = 2**64
    line: Line = Line(1)  # type: ignore[arg-type]
    counted: int = field(default_factory=itertools.count().__next__)


@pytest.mark.parametrize("name", ["number", "flag", "big", "line"])
def test_a_default_of_another_type_is_refused_by_name(name: str) -> None:
    with pytest.raises(MessageTypeError, match=rf"^Wrong\.{name}: its default does not fit its type: "):
        default_of(Wrong, name)


def test_a_default_that_differs_from_call_to_call_is_refused() -> None:
    with pytest.raises(MessageTypeError, match=r"^Wrong\.counted: its default differs from call to call"):
        default_of(Wrong, "counted")


def test_a_required_field_has_no_default() -> None:
    with pytest.raises(MessageTypeError, match=r"^Line\.sku has no default"):
        default_of(Line, "sku")


def test_what_is_stored_holds_no_refs() -> None:
    resolver: Any = NO_REFS
    with pytest.raises(BadMessage, match=r"a command cannot hold a Ref \('a' on 'n1'\): it outlives the actor"):
        resolver.ref("n1", 1, "a", 1)
