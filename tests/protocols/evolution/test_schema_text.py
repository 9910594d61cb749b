"""The text of a schema: canonical, strict, and the same for ever."""

from __future__ import annotations

import contextlib
import copy
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from coterie.protocols.evolution.schema import CommandSchema, MessageSchema, Schema, SchemaField
from coterie.protocols.evolution.schema_text import (
    hashed_version,
    one_of,
    schema_from_json,
    schema_hash,
    schema_to_json,
)
from coterie.protocols.evolution.schema_types import (
    ChoiceType,
    CodecType,
    FlagsType,
    ListType,
    MapType,
    NamedType,
    RowType,
    ScalarType,
    UniqueType,
)
from coterie.protocols.evolution.schema_values import json_text

INT, STR = ScalarType("int"), ScalarType("str")
EVERYTHING = Schema(
    commands={"shop.Order": CommandSchema(False, one_of([NamedType("shop.Line"), ScalarType("none")]))},
    messages={
        "shop.Order": MessageSchema(
            (
                SchemaField("colour", ChoiceType((("BLUE", '"b"'), ("RED", '"r"')))),
                SchemaField("rights", FlagsType((("READ", 1), ("WRITE", 2)))),
                SchemaField("to", CodecType("Address")),
                SchemaField("price", CodecType("shop.Money", RowType((CodecType("Decimal", STR), STR)))),
                SchemaField("tags", UniqueType(one_of([STR, ScalarType("none")]))),
                SchemaField("lines", ListType(NamedType("shop.Line")), "[]"),
                SchemaField(
                    "by", MapType(STR, RowType((INT, ScalarType("bytes")))), '{"mapping":[["a",[1,{"bytes":"00"}]]]}'
                ),
            )
        ),
        "shop.Line": MessageSchema((SchemaField("inner", ListType(NamedType("shop.Line"))),)),
    },
    state=one_of([INT, ScalarType("float"), ScalarType("bool")]),
    version=3,
    level=2,
)


def test_a_schema_survives_its_text() -> None:
    assert schema_from_json(schema_to_json(EVERYTHING)) == EVERYTHING


def test_the_text_never_changes() -> None:
    """What is in logs must be readable by every release to come: a change of this text needs another format."""
    assert json_text(schema_to_json(EVERYTHING)) == (
        '{"level":2,"schema":{"commands":{"shop.Order":{"query":false,"reply":{"union":["none",{"message":"shop.Line"}]'
        '}}},"messages":{"shop.Line":[{"name":"inner","type":{"sequence":{"message":"shop.Line"}}}],"shop.Order":[{"name'
        '":"colour","type":{"enum":{"BLUE":"b","RED":"r"}}},{"name":"rights","type":{"flags":{"READ":1,"WRITE":2}}},{"na'
        'me":"to","type":{"codec":"Address"}},{"name":"price","type":{"codec":["shop.Money",{"tuple":[{"codec":["Decimal","'
        'str"]},"str"]}]}},{"name":"tags","type":{"set":{"union":["none","str"]}}},'
        '{"default":[],"name":"lines","type":{"sequence":{"message":"shop.Line"}}},'
        '{"default":{"mapping":[["a",[1,{"bytes":"00"}]]]},"name":"by","type":{"mapping":["str",{"tuple":["int","bytes"]'
        '}]}}]},"state":{"union":["bool","float","int"]}},"version":3}'
    )
    assert schema_hash(EVERYTHING).hex() == "000000033fccc8e0a88a4a83de4c3968"


def test_the_hash_tells_the_version() -> None:
    assert hashed_version(schema_hash(EVERYTHING)) == 3
    assert len(schema_hash(EVERYTHING)) == 16


def test_schemas_that_differ_in_anything_have_different_hashes() -> None:
    others = [
        replace(EVERYTHING, version=4),
        replace(EVERYTHING, level=1),
        replace(EVERYTHING, state=None),
        replace(EVERYTHING, commands={"shop.Order": replace(EVERYTHING.commands["shop.Order"], is_query=True)}),
    ]
    assert len({schema_hash(one) for one in [EVERYTHING, *others]}) == 5


def test_the_order_of_declarations_does_not_matter() -> None:
    reversed_messages = dict(reversed(list(EVERYTHING.messages.items())))
    assert schema_hash(replace(EVERYTHING, messages=reversed_messages)) == schema_hash(EVERYTHING)


def without(value: Any, *path: Any) -> Any:
    for key in path[:-1]:
        value = value[key]
    del value[path[-1]]
    return value


BREACHES: list[Callable[[Any], object]] = [
    lambda value: without(value, "level"),
    lambda value: value.update(extra=1),
    lambda value: value.update(version=0),
    lambda value: value.update(version=True),
    lambda value: value.update(version="1"),
    lambda value: value.update(level=0),
    lambda value: value["schema"].update(state="integer"),
    lambda value: value["schema"].update(state={"union": ["int"]}),
    lambda value: value["schema"].update(state={"union": ["int", "bool"]}),  # not in order
    lambda value: value["schema"].update(state={"union": ["bool", {"union": ["int", "str"]}]}),
    lambda value: value["schema"].update(state={"union": ["int", "int"]}),
    lambda value: value["schema"].update(state={"message": "shop.Unknown"}),
    lambda value: value["schema"].update(state={"sequence": "int", "tuple": []}),
    lambda value: value["schema"].update(state={"set": ["int"]}),
    lambda value: value["schema"].update(state={"codec": ["Decimal"]}),
    lambda value: value["schema"].update(state={"codec": ["Decimal", "text"]}),
    lambda value: without(value, "schema", "messages", "shop.Line"),
    lambda value: value["schema"]["messages"].update(idle=[]),
    lambda value: value["schema"]["messages"]["shop.Line"].append({"name": "inner", "type": "int"}),
    lambda value: value["schema"]["messages"]["shop.Order"].append({"name": "required", "type": "int"}),
    lambda value: value["schema"]["messages"]["shop.Line"].append({"name": 1, "type": "int"}),
    lambda value: value["schema"]["messages"]["shop.Line"].append({"name": "x", "type": "int", "default": {"a": 1}}),
    lambda value: value["schema"]["messages"]["shop.Line"].append({"name": "x", "type": {"flags": {"READ": -1}}}),
    lambda value: value["schema"]["commands"]["shop.Order"].update(query=0),
    lambda value: value["schema"].update(commands=[]),
    lambda value: value["schema"]["messages"].update({"shop.Line": {}}),
]


@pytest.mark.parametrize("breach", BREACHES)
def test_what_is_not_exactly_a_schema_is_refused(breach: Callable[[Any], object]) -> None:
    value = copy.deepcopy(schema_to_json(EVERYTHING))
    breach(value)
    with pytest.raises(ValueError):  # noqa: PT011 (each has a text of its own)
        schema_from_json(value)


def test_arbitrary_values_are_refused_with_a_value_error() -> None:
    rng = random.Random(1)

    def draw(depth: int) -> Any:
        choices: list[Any] = [None, True, 1, -1, 1.5, "int", "union", [], {}]
        if depth:
            keys = ["level", "version", "schema", "commands", "messages", "state", "enum", "union", "tuple", "name"]
            choices += [[draw(depth - 1)], {key: draw(depth - 1) for key in rng.sample(keys, 3)}]
        return rng.choice(choices)

    for _ in range(2000):
        value = copy.deepcopy(schema_to_json(EVERYTHING))
        inner: Any = value
        while rng.random() < 0.8 and isinstance(inner, dict | list) and inner:
            key = rng.choice(list(inner) if isinstance(inner, dict) else range(len(inner)))
            if rng.random() < 0.3:
                inner[key] = draw(3)
            inner = inner[key]
        with contextlib.suppress(ValueError):
            assert schema_to_json(schema_from_json(value)) == value
