from __future__ import annotations

from typing import Any

import pytest

from coterie.errors import BadMessage
from coterie.runtime.messages.short_values import short_value, types_of
from coterie.runtime.messages.value_codecs import NO_REFS
from coterie.runtime.refs import Address, Ref
from coterie.runtime.remote.incoming.incoming_ask import chain_of
from coterie.runtime.remote.rows import kind_of_row


class Counted:
    """Counts how often it is shown."""

    times = 0

    def __repr__(self) -> str:
        Counted.times += 1
        return "counted"


def wide(levels: int) -> Any:
    """Return rows of six parts in rows of six parts …"""
    return Counted() if levels == 0 else tuple(wide(levels - 1) for _ in range(6))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (2**64 - 1, "18446744073709551615"),
        ("a\n" * 100, "'" + "a\\n" * 18 + "a\\…"),
        (b"abc", "b'abc'"),
        ((), "()"),
        ((1,), "(1,)"),
        ((1, ("a",), {}, {"k": 2}, b"b"), "(1, ('a',), {}, {…}, b'b')"),
        (tuple(range(9)), "(0, 1, 2, 3, 4, 5, …)"),
        ({"a": (1, 2)}, "{'a': (1, 2)}"),
        (((1, (2,), 3), (1, 2, 3, 4)), "((1, (…), 3), (…))"),
        (dict.fromkeys(range(9)), "{0: None, 1: None, 2: None, 3: None, 4: None, 5: None, …}"),
    ],
)
def test_a_value_is_shown_by_its_first_parts(value: object, text: str) -> None:
    assert short_value(value) == text
    assert len(short_value(value)) <= 60


def test_a_row_is_shown_by_the_types_of_its_first_parts() -> None:
    assert types_of((1, "a", (), {}, None, 1.5, b"")) == "7 parts: int, str, tuple, dict, NoneType, float, …"


def test_errors_about_a_row_of_a_peer_do_not_visit_all_of_it() -> None:
    row = wide(4)  # 1,296 parts
    Counted.times = 0
    for refuse in (
        kind_of_row,
        chain_of,
        lambda row: Address.from_wire(row, NO_REFS),
        lambda row: Ref.from_wire(row, NO_REFS),
    ):
        with pytest.raises(BadMessage):
            refuse(row)
    assert short_value((row, Counted())) == "((…), counted)"
    assert Counted.times <= 1
