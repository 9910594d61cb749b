"""Encoded values as text: exact, canonical, strict."""

from __future__ import annotations

import math

import pytest

from coterie.protocols.evolution.schema_values import read_json, text_of_value, value_of_text

TEXTS = {
    "null": None,
    "true": True,
    "1": 1,
    "-9223372036854775808": -(2**63),
    "18446744073709551615": 2**64 - 1,
    "1.0": 1.0,
    "-0.0": -0.0,
    "0.1": 0.1,
    "1e+300": 1e300,
    '{"float":"inf"}': math.inf,
    '"\\u00e9\\n"': "é\n",
    '{"bytes":"00ff"}': b"\x00\xff",
    '[1,[2,"a"]]': (1, (2, "a")),
    '{"mapping":[["b",1],[{"bytes":"61"},null]]}': {"b": 1, b"a": None},
}


@pytest.mark.parametrize(("text", "value"), TEXTS.items())
def test_each_value_has_one_text(text: str, value: object) -> None:
    assert text_of_value(value) == text
    assert repr(value_of_text(text)) == repr(value)


def test_a_number_that_is_none_has_a_text_too() -> None:
    assert text_of_value(math.nan) == '{"float":"nan"}'
    assert repr(value_of_text('{"float":"nan"}')) == "nan"


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, [1], {1}, object(), 1j])
def test_what_no_row_can_hold_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="is no encoded value"):
        text_of_value(value)


@pytest.mark.parametrize(
    "text",
    [
        "[1, 2]", "NaN", "Infinity", "18446744073709551616", '{"bytes":"0"}', '{"bytes":"FF"}', '{"float":"1.0"}', "{}",
        '{"mapping":[[1,2]],"more":1}', '{"mapping":[[1,2,3]]}', '{"mapping":[1]}', '{"mapping":[[[1],1],[[1],2]]}', "",
        '{"a":1,"a":1}', "1.00", "[" * 100_000, '{"mapping":[[{"mapping":[]},1]]}',
    ],
)  # fmt: skip
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (each has a text of its own)
        value_of_text(text)


def test_a_key_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        read_json('{"a":{"b":1,"b":2}}')
