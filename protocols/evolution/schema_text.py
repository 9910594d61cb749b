"""Schema text: encodes a schema as canonical JSON, decodes it strictly, and hashes it.

    {"level": 1, "version": 1, "schema": {
        "commands": {"shop.Order": {"query": false, "reply": "int"}},
        "messages": {"shop.Order": [{"name": "sku", "type": "str"}, {"name": "amount", "type": "int", "default": 1}]},
        "state": null}}

The text of a schema is the same on every machine and every Python, and a text that is decoded has exactly this form:
two different texts are two different schemas.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final, NewType, assert_never, cast

from coterie.protocols.evolution.schema import CommandSchema, MessageSchema, Schema, SchemaField
from coterie.protocols.evolution.schema_types import (
    ChoiceType,
    CodecType,
    FlagsType,
    ListType,
    MapType,
    NamedType,
    OneOfType,
    RowType,
    ScalarType,
    SchemaType,
    UniqueType,
)
from coterie.protocols.evolution.schema_values import JSON, json_text, read_json, value_of_text

__all__ = [
    "FORMAT",
    "NO_HASH",
    "SchemaHash",
    "hashed_version",
    "one_of",
    "schema_from_json",
    "schema_hash",
    "schema_to_json",
]

FORMAT: Final = 1
"""The form of these texts: part of each text that is stored."""

SchemaHash = NewType("SchemaHash", bytes)
"""16 bytes: the version (4, big-endian), and the beginning of the SHA-256 of the whole text."""

NO_HASH: Final = SchemaHash(bytes(16))
"""Stands for no schema: of a machine without one, or of code that has not been heard of."""


def schema_hash(schema: Schema) -> SchemaHash:
    """Return the hash by which nodes know a schema."""
    digest = hashlib.sha256(json_text(schema_to_json(schema)).encode()).digest()
    return SchemaHash(schema.version.to_bytes(4, "big") + digest[:12])


def hashed_version(value: SchemaHash) -> int:
    """Return the version of the schema with this hash."""
    return int.from_bytes(value[:4], "big")


def one_of(members: list[SchemaType]) -> SchemaType:
    """Return the union of these types, in canonical order; a single one as it is."""
    ordered = tuple(sorted(members, key=lambda member: json_text(_type_to_json(member))))
    return ordered[0] if len(ordered) == 1 else OneOfType(ordered)


# --- encoding ---------------------------------------------------------------------------------------------------------


def schema_to_json(schema: Schema) -> dict[str, JSON]:
    """Return the schema as a value for `json_text`."""
    commands = {
        name: {"query": one.is_query, "reply": _type_to_json(one.reply)} for name, one in schema.commands.items()
    }
    messages = {name: [_field_to_json(part) for part in one.fields] for name, one in schema.messages.items()}
    state = None if schema.state is None else _type_to_json(schema.state)
    body = {"commands": commands, "messages": messages, "state": state}
    return {"level": schema.level, "version": schema.version, "schema": body}


def _field_to_json(part: SchemaField) -> dict[str, JSON]:
    default = {} if part.default is None else {"default": read_json(part.default)}
    return {"name": part.name, "type": _type_to_json(part.type), **default}


def _type_to_json(kind: SchemaType) -> JSON:
    match kind:
        case ScalarType(name):
            return name
        case ChoiceType(members):
            return {"enum": {name: read_json(value) for name, value in members}}
        case FlagsType(flags):
            return {"flags": dict(flags)}
        case ListType(item):
            return {"sequence": _type_to_json(item)}
        case RowType(items):
            return {"tuple": [_type_to_json(item) for item in items]}
        case UniqueType(item):
            return {"set": _type_to_json(item)}
        case MapType(key, value):
            return {"mapping": [_type_to_json(key), _type_to_json(value)]}
        case OneOfType(alternatives):
            return {"union": [_type_to_json(one) for one in alternatives]}
        case NamedType(message):
            return {"message": message}
        case CodecType(codec, encoded):
            return {"codec": codec if encoded is None else [codec, _type_to_json(encoded)]}
        case _:
            assert_never(kind)


# --- decoding ---------------------------------------------------------------------------------------------------------


def schema_from_json(value: JSON) -> Schema:
    """Return the schema of a value that `schema_to_json` made.

    Raises:
        ValueError: it is not exactly such a value.
    """
    outer = _object(value, "a schema", ("level", "version", "schema"))
    body = _object(outer["schema"], "a schema", ("commands", "messages", "state"))
    commands = {name: _command(one) for name, one in _mapping(body["commands"], "commands").items()}
    messages = {name: _message(one) for name, one in _mapping(body["messages"], "messages").items()}
    state = None if body["state"] is None else _type(body["state"])
    schema = Schema(commands, messages, state, _number(outer["version"]), _number(outer["level"]))
    if json_text(schema_to_json(schema)) != json_text(value):
        raise ValueError("a schema is not in its canonical form: a union or a value is written in another way")
    return schema


def _command(value: JSON) -> CommandSchema:
    found = _object(value, "a command", ("query", "reply"))
    if type(found["query"]) is not bool:
        raise ValueError(f"'query' of a command must be true or false: {found['query']!r:.60}")
    return CommandSchema(found["query"], _type(found["reply"]))


def _message(value: JSON) -> MessageSchema:
    if not isinstance(value, list):
        raise ValueError(f"a message must be an array of its fields: {value!r:.60}")
    return MessageSchema(tuple(_field(one) for one in value))


def _field(value: JSON) -> SchemaField:
    has_default = isinstance(value, dict) and "default" in value
    found = _object(value, "a field", ("name", "type", *(["default"] if has_default else [])))
    default = _value(found["default"]) if has_default else None
    return SchemaField(_string(found["name"]), _type(found["type"]), default)


def _value(value: JSON) -> str:
    text = json_text(value)
    value_of_text(text)  # which checks it
    return text


def _type(value: JSON) -> SchemaType:
    match value:
        case str():
            return ScalarType(value)
        case {"enum": dict(members)} if len(value) == 1:
            return ChoiceType(tuple(sorted((name, _value(member)) for name, member in members.items())))
        case {"flags": dict(members)} if len(value) == 1:
            return FlagsType(tuple(sorted((name, _number(bits)) for name, bits in members.items())))
        case {"sequence": item} if len(value) == 1:
            return ListType(_type(item))
        case {"tuple": list(items)} if len(value) == 1:
            return RowType(tuple(_type(item) for item in items))
        case {"set": item} if len(value) == 1:
            return UniqueType(_type(item))
        case {"mapping": [key, item]} if len(value) == 1:
            return MapType(_type(key), _type(item))
        case {"union": [_, _, *_] as members} if len(value) == 1:
            return one_of([_type(member) for member in members])
        case {"message": str(name)} if len(value) == 1:
            return NamedType(name)
        case {"codec": str(name)} if len(value) == 1:
            return CodecType(name)
        case {"codec": [str(name), encoded]} if len(value) == 1:
            return CodecType(name, _type(encoded))
        case _:
            raise ValueError(f"{value!r:.60} is no type of a schema")


def _object(value: JSON, what: str, keys: tuple[str, ...]) -> dict[str, JSON]:
    if not isinstance(value, dict) or sorted(value) != sorted(keys):
        raise ValueError(f"{what} must be an object with the keys {', '.join(keys)}: {value!r:.60}")
    return cast("dict[str, JSON]", value)


def _mapping(value: JSON, what: str) -> Mapping[str, JSON]:
    if not isinstance(value, dict):
        raise ValueError(f"the {what} of a schema must be an object: {value!r:.60}")
    return cast("dict[str, JSON]", value)


def _number(value: JSON) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r:.60} is no number of 0 or more")
    return value


def _string(value: JSON) -> str:
    if type(value) is not str:
        raise ValueError(f"{value!r:.60} is no string")
    return value
