"""The envelope has the same fields for every command, and is plain JSON whatever the data are."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import pytest

from coterie.cli.output.json_envelope import Code, envelope, problems
from coterie.errors import NodeUnreachable


@dataclass(frozen=True)
class Row:
    name: str
    values: tuple[object, ...]


def test_every_field_is_there_and_null_if_there_is_nothing_to_say() -> None:
    assert envelope("", release="1.0", cluster="") == {
        "command": None,
        "coterie": "1.0",
        "cluster": None,
        "verdict": None,
        "data": None,
        "errors": [],
    }


def test_errors_have_a_code_and_a_sentence() -> None:
    made = envelope("status", release="1.0", cluster="c", errors=problems(Code.DEGRADED, ["n1 is down", "n2 is down"]))

    assert made["errors"] == [
        {"code": "degraded", "message": "n1 is down"},
        {"code": "degraded", "message": "n2 is down"},
    ]


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Row("x", (1, Row("y", ()))), {"name": "x", "values": [1, {"name": "y", "values": []}]}),
        ({1: Code.VOID}, {"1": "void"}),
        (b"text", "text"),
        (b"\xff\x00", {"base64": "/wA="}),
        ([math.inf, -math.inf, math.nan, 1.5], [None, None, None, 1.5]),
        (
            NodeUnreachable("n1", "gone", advice="wait"),
            {"error": "node 'n1' is unreachable (gone): nothing was sent; wait"},
        ),
        ((True, None, "x"), [True, None, "x"]),
    ],
)
def test_data_become_plain_json(value: object, plain: object) -> None:
    made = envelope("x", release="1.0", cluster=None, data=value)

    assert json.loads(json.dumps(made, allow_nan=False))["data"] == plain
