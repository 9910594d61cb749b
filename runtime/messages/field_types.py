"""`FieldType`: describes the type of a field or a reply as data, read from its annotation.

    annotation                          field type
    None, bool, int, str, bytes         ExactType
    float                               FloatType
    an enum, a flag                     EnumType, FlagType
    tuple[T, ...], tuple[T, U]          SequenceType, TupleType
    Mapping[K, V]                       MappingType
    A | B, Optional[A]                  UnionType, flat
    a message                           RecordType
    Ref[M], Address                     CustomType

A `NewType` is the type that it stands for. `value_codecs` makes a codec of each of them, and the schema of a state
machine describes them: what a message is made of is read here and nowhere else.
"""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NewType, Protocol, get_args, get_origin

from coterie.errors import MessageTypeError

if TYPE_CHECKING:
    from coterie.runtime.messages.value_codecs import Resolver

__all__ = [
    "PRIMITIVES",
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
    "TupleType",
    "UnionType",
    "field_type_of",
    "records_in",
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


FieldType = (
    ExactType
    | FloatType
    | EnumType
    | FlagType
    | SequenceType
    | TupleType
    | MappingType
    | UnionType
    | RecordType
    | CustomType
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
    if origin in (Mapping, typing.Mapping) and len(arguments) == 2:
        key, value = (field_type_of(argument, where) for argument in arguments)
        if not _is_key(key):
            text = "keys of a Mapping are None, bool, int, str, bytes or enums of those"
            raise MessageTypeError(f"{where}: {annotation} cannot cross the wire: {text}")
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


def _is_key(kind: FieldType) -> bool:
    """Return whether values of this type may be keys: see `unpacking`."""
    if isinstance(kind, UnionType):
        return all(map(_is_key, kind.members))
    return isinstance(kind, ExactType | EnumType | FlagType)


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
    better: dict[object, str] = {
        list: "tuple[…, ...]",
        dict: "Mapping[…, …]",
        set: "tuple[…, ...]",
        bytearray: "bytes",
        tuple: "tuple[…, ...]",
        frozenset: "tuple[…, ...]",
        Sequence: "tuple[…, ...]",
        Mapping: "Mapping[…, …]",
    }
    hint = better.get(origin)
    advice = f"; use {hint}" if hint else ""
    return MessageTypeError(f"{where}: {shown} is mutable or cannot cross the wire{advice}")


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


def records_in(kind: FieldType) -> Iterator[Record]:
    """Yield the message classes that this type names, in order; not those that they name in turn."""
    match kind:
        case RecordType(record):
            yield record
        case SequenceType(item):
            yield from records_in(item)
        case TupleType(parts) | UnionType(parts):
            for part in parts:
                yield from records_in(part)
        case MappingType(key, value):
            yield from records_in(key)
            yield from records_in(value)
        case _:
            return
