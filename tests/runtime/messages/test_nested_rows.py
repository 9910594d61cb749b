"""A row that nests a message in itself many times is decoded in linear time, also if its innermost value is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from coterie.errors import BadMessage
from coterie.runtime.messages.message import message, message_type
from tests.runtime.messages.test_message_codecs import WORLD


@message(name="nested.Leaf")
class Leaf:
    number: int


@message(name="nested.Pair")
class Pair:
    left: Pair | Leaf
    right: Pair | Leaf | None = None


def nested(depth: int, innermost: object) -> Any:
    row: Any = ("nested.Leaf", (innermost,))
    for _ in range(depth):
        row = ("nested.Pair", (row, None))
    return row[1]


def test_it_reads_back() -> None:
    value: Any = message_type(Pair).decode(nested(50, 7), WORLD)

    for _ in range(50):
        value = value.left
    assert value == Leaf(7)


@pytest.mark.parametrize("depth", [1, 2, 3, 100])
def test_a_wrong_value_deep_inside_is_found_and_named(depth: int) -> None:
    """If each level were tried twice, a hundred of them would take longer than the universe exists."""
    with pytest.raises(BadMessage) as caught:
        message_type(Pair).decode(nested(depth, "seven"), WORLD)

    text = str(caught.value)
    assert text.startswith("message 'nested.Pair', field 'left': ")
    assert text.endswith("message 'nested.Leaf', field 'number': expected int, got str 'seven'")


def test_a_row_that_is_too_short_deep_inside_is_named() -> None:
    row: Any = ("nested.Leaf", ())
    for _ in range(100):
        row = ("nested.Pair", (row, None))

    with pytest.raises(BadMessage, match=r"message 'nested.Leaf': got 0 fields, at least 1 are required$"):
        message_type(Pair).decode(row[1], WORLD)
