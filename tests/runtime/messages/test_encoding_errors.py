"""What cannot be encoded is told with its field, and with the type that is expected."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

import pytest

from coterie.runtime.messages.message import message, message_type


class Form(enum.Enum):
    DRY = 1


@message(name="codecs.Stored")
class Stored:
    form: Form = Form.DRY
    more: tuple[Form, ...] = ()
    by: Mapping[str, tuple[Form, int]] | None = None
    count: int = 0


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"form": "dry"}, "field 'form': expected Form, got str 'dry'"),
        ({"more": ("dry",)}, "field 'more': expected tuple[Form, ...], got tuple ('dry',)"),
        (
            {"by": {"a": ("dry", 1)}},
            "field 'by': expected Mapping[str, tuple[Form, int]] or NoneType, got dict {'a': ('dry', 1)}",
        ),
        ({"count": "1"}, "field 'count': expected int, got str '1'"),
        (
            {"count": 2**64},
            f"field 'count': int {2**64} is beyond 64 bits: MessagePack carries {-(2**63)} … {2**64 - 1}",
        ),
    ],
)
def test_a_value_of_another_type_is_told_with_the_type_that_is_expected(changes: dict[str, Any], text: str) -> None:
    value: Any = Stored(**changes)
    assert str(message_type(Stored).encoding_error(value)) == f"message 'codecs.Stored', {text}"
