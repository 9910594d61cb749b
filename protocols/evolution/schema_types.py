"""`SchemaType`: describes the type of a field, a reply or a state, as far as it can be seen in encoded values.

    type                 JSON                               as text
    ScalarType           "int"                              int
    ChoiceType           {"enum": {"RED": 1, "BLUE": 2}}    enum(BLUE=2, RED=1)
    FlagsType            {"flags": {"READ": 1}}             flags(READ=1)
    ListType             {"sequence": "int"}                tuple[int, ...]
    RowType              {"tuple": ["int", "str"]}          tuple[int, str]
    UniqueType           {"set": "int"}                     frozenset[int]
    MapType              {"mapping": ["str", "int"]}        Mapping[str, int]
    OneOfType            {"union": ["int", "none"]}         int | None
    NamedType            {"message": "shop.Line"}           shop.Line
    CodecType            {"codec": "Address"}               Address
                         {"codec": ["Decimal", "str"]}      Decimal

An enum has no name here: its class may be renamed or moved. Its members have, because a value that changes hands from
one name to another means something else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, assert_never

__all__ = [
    "SCALARS",
    "ChoiceType",
    "CodecType",
    "FlagsType",
    "ListType",
    "MapType",
    "NamedType",
    "OneOfType",
    "RowType",
    "ScalarType",
    "SchemaType",
    "UniqueType",
    "messages_in",
    "type_text",
]

SCALARS: Final = ("none", "bool", "int", "float", "str", "bytes")


@dataclass(frozen=True, slots=True)
class ScalarType:
    """One of `SCALARS`."""

    name: str

    def __post_init__(self) -> None:
        """Check the name."""
        if self.name not in SCALARS:
            raise ValueError(f"{self.name!r} is no type of a schema: it must be one of {', '.join(SCALARS)}")


@dataclass(frozen=True, slots=True)
class ChoiceType:
    """A member of an enum. `members`: name and value (as JSON, see `schema_values`), by name."""

    members: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class FlagsType:
    """A combination of flags. `members`: name and bits, by name."""

    members: tuple[tuple[str, int], ...]

    @property
    def mask(self) -> int:
        """All bits that a member has."""
        bits = 0
        for _, value in self.members:
            bits |= value
        return bits


@dataclass(frozen=True, slots=True)
class ListType:
    """Any number of items of one type."""

    item: SchemaType


@dataclass(frozen=True, slots=True)
class RowType:
    """A type for each of the items."""

    items: tuple[SchemaType, ...]


@dataclass(frozen=True, slots=True)
class UniqueType:
    """A set of items of one type: a row of them, each once, in ascending order."""

    item: SchemaType


@dataclass(frozen=True, slots=True)
class MapType:
    """A mapping."""

    key: SchemaType
    value: SchemaType


@dataclass(frozen=True, slots=True)
class OneOfType:
    """A union: two types or more, none of them a union, in the order of their JSON (see `schema_text.one_of`)."""

    members: tuple[SchemaType, ...]

    def __post_init__(self) -> None:
        """Check the members."""
        if len(set(self.members)) < 2 or any(isinstance(member, OneOfType) for member in self.members):
            raise ValueError(f"a union of {self.members} must have two members at least, and none that is a union")


@dataclass(frozen=True, slots=True)
class NamedType:
    """The message with this wire name; the schema has its fields."""

    message: str


@dataclass(frozen=True, slots=True)
class CodecType:
    """A value with a codec of its own, known by this name. `encoded`: the type that it makes; None: rows of its own."""

    codec: str
    encoded: SchemaType | None = None


SchemaType = (
    ScalarType | ChoiceType | FlagsType | ListType | RowType | UniqueType | MapType | OneOfType | NamedType | CodecType
)


def messages_in(kind: SchemaType) -> Iterator[str]:
    """Yield the names of the messages in this type, in order; not those that are in them in turn."""
    match kind:
        case NamedType(message):
            yield message
        case ListType(item) | UniqueType(item):
            yield from messages_in(item)
        case RowType(parts) | OneOfType(parts):
            for part in parts:
                yield from messages_in(part)
        case MapType(key, value):
            yield from messages_in(key)
            yield from messages_in(value)
        case ScalarType() | ChoiceType() | FlagsType() | CodecType():
            return
        case _:
            assert_never(kind)


def type_text(kind: SchemaType) -> str:
    """Return the type as an annotation would write it."""
    match kind:
        case ScalarType(name):
            return "None" if name == "none" else name
        case ChoiceType(members):
            return f"enum({', '.join(f'{name}={value}' for name, value in members)})"
        case FlagsType(flags):
            return f"flags({', '.join(f'{name}={bits}' for name, bits in flags)})"
        case ListType(item):
            return f"tuple[{type_text(item)}, ...]"
        case RowType(items):
            return f"tuple[{', '.join(map(type_text, items)) or '()'}]"
        case UniqueType(item):
            return f"frozenset[{type_text(item)}]"
        case MapType(key, value):
            return f"Mapping[{type_text(key)}, {type_text(value)}]"
        case OneOfType(alternatives):
            last = [one for one in alternatives if one == ScalarType("none")]
            return " | ".join(type_text(one) for one in [one for one in alternatives if one not in last] + last)
        case NamedType(message):
            return message
        case CodecType(codec):
            return codec
        case _:
            assert_never(kind)
