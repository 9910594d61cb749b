"""Field types: what an annotation declares, as data."""

from __future__ import annotations

import enum
import typing
import uuid
from collections.abc import Mapping
from typing import NewType, Optional, Union

import pytest

from coterie.errors import MessageTypeError
from coterie.runtime.messages.codings import STANDARD_CODINGS
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
    field_type_of,
    records_in,
    with_records,
)
from coterie.runtime.messages.message import message, message_type
from coterie.runtime.refs import Address


class Colour(enum.Enum):
    RED = 1
    CRIMSON = 1  # noqa: PIE796 (an alias)


class Right(enum.Flag):
    READ = 1


@message(name="types.Leaf")
class Leaf:
    text: str


LEAF = RecordType(message_type(Leaf))
INT, STR, NONE = ExactType(int), ExactType(str), ExactType(type(None))
UUID = CodedType(next(coding for coding in STANDARD_CODINGS if coding.cls is uuid.UUID), ExactType(bytes))
Number = NewType("Number", int)
MaybeNumber = NewType("MaybeNumber", Optional[Number])  # type: ignore[valid-newtype]  # noqa: UP045

ANNOTATIONS: list[tuple[object, FieldType]] = [
    (None, NONE),
    (int, INT),
    (float, FloatType()),
    (Number, INT),
    (Colour, EnumType(Colour, (Colour.RED,))),
    (Right, FlagType(Right)),
    (tuple[Number, ...], SequenceType(INT)),
    (typing.Tuple[int, str], TupleType((INT, STR))),  # noqa: UP006 (another spelling)
    (tuple[()], TupleType(())),
    (Mapping[str, int], MappingType(STR, INT)),
    (typing.Mapping[str, int], MappingType(STR, INT)),
    (int | None, UnionType((INT, NONE))),
    (Optional[int], UnionType((INT, NONE))),  # noqa: UP045 (another spelling)
    (Union[MaybeNumber, str, int], UnionType((INT, NONE, STR))),  # noqa: UP007 (another spelling)
    (Union[Number, int], INT),  # noqa: UP007 (another spelling)
    (Leaf, LEAF),
    (frozenset[Number], SetType(INT)),
    (frozenset[uuid.UUID | None], SetType(UnionType((UUID, NONE)))),
    (uuid.UUID, UUID),
    (Mapping[uuid.UUID, int], MappingType(UUID, INT)),
    (Address, CustomType(Address)),
]


@pytest.mark.parametrize(("annotation", "expected"), ANNOTATIONS)
def test_each_annotation_declares_a_type(annotation: object, expected: FieldType) -> None:
    assert field_type_of(annotation, "here") == expected


@pytest.mark.parametrize("annotation", [list[int], dict, set[int], object, "int", Mapping, typing.Mapping, tuple])
def test_other_annotations_are_refused_by_name(annotation: object) -> None:
    with pytest.raises(MessageTypeError, match=r"^here: "):
        field_type_of(annotation, "here")


def test_the_messages_of_a_type_are_found_and_replaced_at_every_depth() -> None:
    @message(name="types.Other")
    class Other:
        pass

    kind = field_type_of(tuple[Mapping[str, Leaf | None], tuple[Leaf, ...], int, Leaf], "here")
    replaced = with_records(kind, lambda _: message_type(Other))

    assert list(records_in(kind)) == [message_type(Leaf)] * 3
    assert list(records_in(replaced)) == [message_type(Other)] * 3
    assert with_records(replaced, lambda _: message_type(Leaf)) == kind
