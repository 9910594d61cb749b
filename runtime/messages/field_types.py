"""`FieldType`: describes the type of a field or a reply as data, read from its annotation.

    annotation                          field type
    None, bool, int, str, bytes         ExactType
    float                               FloatType
    an enum, a flag                     EnumType, FlagType
    tuple[T, ...], tuple[T, U]          SequenceType, TupleType
    frozenset[T]                        SetType
    Mapping[K, V]                       MappingType
    A | B, Optional[A]                  UnionType, flat
    a message                           RecordType
    Ref[M], Address                     CustomType
    datetime, Decimal, … (`codings`)    CodedType

A `NewType` is the type that it stands for. `value_codecs` makes a codec of each of them, and the schema of a state
machine describes them: what a message is made of is read here and nowhere else.
"""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NewType, Protocol, assert_never, get_args, get_origin

from coterie.errors import MessageTypeError
from coterie.runtime.messages.codings import Coding, coding_of

if TYPE_CHECKING:
    from coterie.runtime.messages.value_codecs import Resolver

__all__ = [
    "PRIMITIVES",
    "CodedType",
    "CustomType",
    "EnumType",
    "ExactType",
    "FieldType",
    "FlagType",
    "FloatType",
    "MappingType",
    "Record",
    "RecordType",
    "SequenceType",
    "SetType",
    "TupleType",
    "UnionType",
    "field_type_of",
    "parts_of",
    "records_in",
    "type_text",
    "with_records",
]

PRIMITIVES: Final = (type(None), bool, int, str, bytes)


class Record(Protocol):
    """A message class as the codec of a field sees it: it makes rows of its messages, and messages of rows."""

    @property
    def name(self) -> str:
        """The wire name."""
        ...

    @property
    def cls(self) -> type:
        """The class."""
        ...

    def encode(self, value: Any, /) -> Sequence[object]:
        """Return the row of a message of this class. BadMessage if a field cannot cross the wire."""
        ...

    def decode_nested(self, row: Any, resolver: Resolver, /) -> object:
        """Return the message in a row within another one. BadMessage if it is none, after one or two attempts.

        Were each level decoded again to find the field, the time would double with each.
        """
        ...


@dataclass(frozen=True, slots=True)
class ExactType:
    """A value of exactly this class, one of `PRIMITIVES`."""

    cls: type


@dataclass(frozen=True, slots=True)
class FloatType:
    """A float; an int is accepted, and becomes a float."""


@dataclass(frozen=True, slots=True)
class EnumType:
    """One of these members of an enum; it crosses as its value."""

    cls: type[enum.Enum]
    members: tuple[enum.Enum, ...]


@dataclass(frozen=True, slots=True)
class FlagType:
    """A combination of flags; it crosses as an integer. `mask`: the bits that may be set; None: the class decides."""

    cls: type[enum.Flag]
    mask: int | None = None


@dataclass(frozen=True, slots=True)
class SequenceType:
    """A tuple of any number of items of one type."""

    item: FieldType


@dataclass(frozen=True, slots=True)
class TupleType:
    """A tuple with a type for each of its items."""

    items: tuple[FieldType, ...]


@dataclass(frozen=True, slots=True)
class SetType:
    """A frozenset of items of one type, which may be a key of a mapping, too."""

    item: FieldType


@dataclass(frozen=True, slots=True)
class MappingType:
    """A mapping."""

    key: FieldType
    value: FieldType


@dataclass(frozen=True, slots=True)
class UnionType:
    """A value of one of these types, none of them a union."""

    members: tuple[FieldType, ...]


@dataclass(frozen=True, slots=True)
class RecordType:
    """A message of this class."""

    record: Record


@dataclass(frozen=True, slots=True)
class CustomType:
    """A class with `to_wire` and `from_wire` of its own: `Ref`, `Address`."""

    cls: Any


@dataclass(frozen=True, slots=True)
class CodedType:
    """A class with a `Coding`. `wire`: the type of its encoded values, without messages and refs."""

    coding: Coding
    wire: FieldType


FieldType = (
    ExactType
    | FloatType
    | EnumType
    | FlagType
    | SequenceType
    | TupleType
    | SetType
    | MappingType
    | UnionType
    | RecordType
    | CustomType
    | CodedType
)


def field_type_of(annotation: object, where: str) -> FieldType:
    """Return the type that a resolved annotation declares.

    Raises:
        MessageTypeError: such values are mutable or cannot cross the wire; it names `where`: the class and the field.
    """
    if annotation is None:
        return ExactType(type(None))
    while isinstance(annotation, NewType):
        annotation = annotation.__supertype__
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return _union(tuple(field_type_of(argument, where) for argument in arguments))
    if origin is tuple:
        return _tuple(arguments, where)
    if origin is frozenset and len(arguments) == 1:
        return _set(annotation, field_type_of(arguments[0], where), where)
    if origin in (Mapping, typing.Mapping) and len(arguments) == 2:
        key, value = (field_type_of(argument, where) for argument in arguments)
        if not _is_key(key):
            raise MessageTypeError(f"{where}: {annotation} cannot cross the wire: keys of a Mapping are {_KEYS}")
        return MappingType(key, value)
    if isinstance(origin or annotation, type):
        return _of_class(typing.cast("type", origin or annotation), where)
    raise _refused(annotation, where)


def _union(members: tuple[FieldType, ...]) -> FieldType:
    """Return the union of these types. It is flat, and names none of them twice: a `NewType` may hide either."""
    found: list[FieldType] = []
    for member in members:
        for one in member.members if isinstance(member, UnionType) else (member,):
            if one not in found:
                found.append(one)
    return found[0] if len(found) == 1 else UnionType(tuple(found))


def _tuple(arguments: tuple[Any, ...], where: str) -> FieldType:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return SequenceType(field_type_of(arguments[0], where))
    return TupleType(tuple(field_type_of(argument, where) for argument in arguments if argument != ()))


def _set(annotation: object, item: FieldType, where: str) -> FieldType:
    if not _is_key(item):
        raise MessageTypeError(f"{where}: {annotation} cannot cross the wire: items of a frozenset are {_KEYS}")
    return SetType(item)


_KEYS: Final = "None, bool, int, str, bytes, enums of those, or of a class that crosses as one of those"


def _is_key(kind: FieldType) -> bool:
    """Return whether values of this type may be keys: see `unpacking`."""
    if isinstance(kind, UnionType):
        return all(map(_is_key, kind.members))
    return isinstance(kind, ExactType | EnumType | FlagType) or (isinstance(kind, CodedType) and _is_key(kind.wire))


def _of_class(cls: type, where: str) -> FieldType:
    if cls in PRIMITIVES:
        return ExactType(cls)
    if cls is float:
        return FloatType()
    if issubclass(cls, enum.Enum):
        return _enum(cls, where)
    if (record := cls.__dict__.get("__coterie__")) is not None:
        return RecordType(record)
    if hasattr(cls, "to_wire") and hasattr(cls, "from_wire"):
        return CustomType(cls)
    if (coding := coding_of(cls)) is not None:
        return CodedType(coding, field_type_of(coding.wire, where))
    raise _refused(cls, where)


def _enum(cls: type[enum.Enum], where: str) -> FieldType:
    for member in cls:
        if type(member.value) not in PRIMITIVES:
            shown = f"{type(member.value).__name__} {member.value!r:.60}"
            raise MessageTypeError(f"{where}: a value of the enum {cls.__name__} is {shown}; use str or int")
    return FlagType(cls) if issubclass(cls, enum.Flag) else EnumType(cls, tuple(cls))


def _refused(annotation: object, where: str) -> MessageTypeError:
    shown = annotation.__name__ if isinstance(annotation, type) else repr(annotation)
    origin = get_origin(annotation) or annotation
    if (better := _BETTER.get(origin)) is not None:
        return MessageTypeError(f"{where}: {shown} is mutable, or does not say of what; use {better}")
    register = "; register how with coterie.codec, before the message" if isinstance(annotation, type) else ""
    return MessageTypeError(f"{where}: {shown} cannot cross the wire{register}")


_BETTER: Final[dict[object, str]] = {
    list: "tuple[…, ...]",
    dict: "Mapping[…, …]",
    set: "frozenset[…]",
    bytearray: "bytes",
    tuple: "tuple[…, ...]",
    frozenset: "frozenset[…]",
    AbstractSet: "frozenset[…]",
    Sequence: "tuple[…, ...]",
    Mapping: "Mapping[…, …]",
}
"""What to declare instead of types whose values may change, or that do not say of what they are."""


def with_records(kind: FieldType, replace: Callable[[Record], Record]) -> FieldType:
    """Return this type with each message class in it replaced."""
    match kind:
        case RecordType(record):
            return RecordType(replace(record))
        case SequenceType(item):
            return SequenceType(with_records(item, replace))
        case TupleType(items):
            return TupleType(tuple(with_records(item, replace) for item in items))
        case MappingType(key, value):
            return MappingType(with_records(key, replace), with_records(value, replace))
        case UnionType(members):
            return UnionType(tuple(with_records(member, replace) for member in members))
        case _:
            return kind


def parts_of(kind: FieldType) -> Iterator[FieldType]:
    """Yield this type and all types in it, in order; not those of the fields of a message."""
    yield kind
    match kind:
        case SequenceType(item) | SetType(item):
            yield from parts_of(item)
        case TupleType(parts) | UnionType(parts):
            for part in parts:
                yield from parts_of(part)
        case MappingType(key, value):
            yield from parts_of(key)
            yield from parts_of(value)
        case _:
            return


def records_in(kind: FieldType) -> Iterator[Record]:
    """Yield the message classes that this type names, in order; not those that they name in turn."""
    return (part.record for part in parts_of(kind) if isinstance(part, RecordType))


def type_text(kind: FieldType) -> str:
    """Return the type of a field in words, for errors."""
    match kind:
        case ExactType(cls) | EnumType(cls) | FlagType(cls) | CustomType(cls):
            return str(cls.__name__)
        case CodedType(coding):
            return str(coding.cls.__name__)
        case SetType(item):
            return f"frozenset[{type_text(item)}]"
        case RecordType(record):
            return record.cls.__name__
        case FloatType():
            return "float"
        case MappingType(key, value):
            return f"Mapping[{type_text(key)}, {type_text(value)}]"
        case SequenceType(item):
            return f"tuple[{type_text(item)}, ...]"
        case TupleType(items):
            return f"tuple[{', '.join(map(type_text, items)) or '()'}]"
        case UnionType(members):
            return " or ".join(map(type_text, members))
        case _:
            assert_never(kind)
