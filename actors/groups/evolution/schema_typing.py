"""`schema_type`: describes the type of a field, which names classes of this code, as a schema does, without them."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import assert_never

from coterie.protocols.evolution.schema_text import one_of
from coterie.protocols.evolution.schema_types import (
    ChoiceType,
    CodecType,
    FlagsType,
    ListType,
    MapType,
    NamedType,
    RowType,
    ScalarType,
    SchemaType,
    UniqueType,
)
from coterie.protocols.evolution.schema_values import text_of_value
from coterie.runtime.messages.field_types import (
    CodedType,
    CustomType,
    EnumType,
    ExactType,
    FieldType,
    FlagType,
    FloatType,
    MappingType,
    RecordType,
    SequenceType,
    SetType,
    TupleType,
    UnionType,
)

__all__ = ["schema_type"]


def schema_type(kind: FieldType) -> SchemaType:
    """Return the type of a field as a schema describes it."""
    match kind:
        case ExactType(cls):
            return ScalarType("none" if cls is type(None) else cls.__name__)
        case FloatType():
            return ScalarType("float")
        case EnumType(cls):
            return ChoiceType(tuple(sorted((name, text_of_value(one.value)) for name, one in _members(cls))))
        case FlagType(cls):
            return FlagsType(tuple(sorted((name, int(one.value)) for name, one in _members(cls))))
        case SequenceType(item) | SetType(item):
            return (UniqueType if isinstance(kind, SetType) else ListType)(schema_type(item))
        case TupleType(items):
            return RowType(tuple(map(schema_type, items)))
        case MappingType(key, value):
            return MapType(schema_type(key), schema_type(value))
        case UnionType(members):
            return one_of(list(map(schema_type, members)))
        case RecordType(record):
            return NamedType(record.name)
        case CustomType(cls):
            return CodecType(cls.__name__)
        case CodedType(coding, wire):
            return CodecType(coding.name, schema_type(wire))
        case _:
            assert_never(kind)


def _members(cls: type[enum.Enum]) -> Iterable[tuple[str, enum.Enum]]:
    """Return the members by name, aliases too: a member may be renamed as long as its old name stays as an alias."""
    return cls.__members__.items()
