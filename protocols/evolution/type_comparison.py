"""Type comparison: finds how the type of one field changed: members added, members removed, or another type.

A type may become wider: an enum or a union may gain members, also deep inside a tuple or a mapping, and `int` may
become `int | None`. Whatever the old type could hold is then encoded as before, and means the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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
    type_text,
)
from coterie.protocols.evolution.schema_values import text_of_value

__all__ = [
    "EnumChanged",
    "Retyped",
    "TypeChange",
    "UnionChanged",
    "alternative_of",
    "change_text",
    "counterpart",
    "type_changes",
]


@dataclass(frozen=True, slots=True)
class Retyped:
    """The two types have nothing in common that could be decoded alike."""

    old: SchemaType
    new: SchemaType


@dataclass(frozen=True, slots=True)
class EnumChanged:
    """A member of an enum or flag came (`is_added`) or went; `member` is its name and value."""

    member: str
    is_added: bool


@dataclass(frozen=True, slots=True)
class UnionChanged:
    """A member of a union came (`is_added`) or went."""

    member: SchemaType
    is_added: bool


TypeChange = Retyped | EnumChanged | UnionChanged


def type_changes(old: SchemaType, new: SchemaType) -> Iterator[TypeChange]:
    """Yield the changes from one type to the other. Messages are compared by name: their fields stand elsewhere."""
    match old, new:
        case _ if old == new:
            return
        case ChoiceType(), ChoiceType():
            yield from _enum_changes(dict(old.members), dict(new.members))
        case FlagsType(), FlagsType():
            bits = ({name: str(value) for name, value in flags.members} for flags in (old, new))
            yield from _enum_changes(*bits)
        case (ListType(item), ListType(other)) | (UniqueType(item), UniqueType(other)):
            yield from type_changes(item, other)
        case RowType(), RowType() if len(old.items) == len(new.items):
            for before, after in zip(old.items, new.items, strict=True):
                yield from type_changes(before, after)
        case MapType(), MapType():
            yield from type_changes(old.key, new.key)
            yield from type_changes(old.value, new.value)
        case _ if _is_alternative(old) and _is_alternative(new) and OneOfType in (type(old), type(new)):
            yield from _union_changes(old, new)
        case _:
            yield Retyped(old, new)


def _enum_changes(old: dict[str, str], new: dict[str, str]) -> Iterator[TypeChange]:
    for name, value in old.items():
        if new.get(name) != value:
            yield EnumChanged(f"{name}={value}", is_added=False)
    for name, value in new.items():
        if old.get(name) != value:
            yield EnumChanged(f"{name}={value}", is_added=True)


def _is_alternative(kind: SchemaType) -> bool:
    """Return True if a value is encoded alike within a union: only a message is not, which gets its name there."""
    return not isinstance(kind, NamedType)


def _union_changes(old: SchemaType, new: SchemaType) -> Iterator[TypeChange]:
    kept = []
    for member in _alternatives(old):
        same = counterpart(member, new)
        if same is None:
            yield UnionChanged(member, is_added=False)
        else:
            kept.append(same)
            yield from type_changes(member, same)
    for member in _alternatives(new):
        if member not in kept:
            if "int" in _encodings(member) and _reads_int_as_float(old):
                yield Retyped(old, new)
            yield UnionChanged(member, is_added=True)


def _alternatives(kind: SchemaType) -> tuple[SchemaType, ...]:
    return kind.members if isinstance(kind, OneOfType) else (kind,)


def counterpart(member: SchemaType, within: SchemaType) -> SchemaType | None:
    """Return the alternative of a type that holds the values of `member`; None if none does.

    The members of a union are encoded in different ways, so there is at most one.
    """
    for candidate in _alternatives(within):
        if isinstance(member, NamedType) or isinstance(candidate, NamedType):
            if member == candidate:
                return candidate
        elif type(member) is type(candidate) and _encodings(member) <= _encodings(candidate):
            return candidate
    return None


def alternative_of(kind: SchemaType, value: object) -> tuple[SchemaType, object]:
    """Return the member of a union that an encoded value is of, and the value as that member alone encodes it."""
    if not isinstance(kind, OneOfType):
        return kind, value
    if type(value) is tuple and len(value) == 2:
        for member in kind.members:
            if isinstance(member, NamedType) and member.message == value[0]:
                return member, value[1]
    found = _encoding_of(text_of_value(value))
    return next((member for member in kind.members if found in _encodings(member)), kind), value


def _encodings(kind: SchemaType) -> frozenset[str]:
    """Return the kinds of encoded values by which a union distinguishes this member from the others."""
    match kind:
        case ScalarType(name):
            return frozenset({name})
        case FlagsType():
            return frozenset({"int"})
        case ChoiceType(members):
            return frozenset(_encoding_of(value) for _, value in members)
        case CodecType(_, encoded) if encoded is not None:
            return _encodings(encoded)
        case ListType() | RowType() | UniqueType() | NamedType() | CodecType():
            return frozenset({"row"})
        case MapType():
            return frozenset({"mapping"})
        case OneOfType(alternatives):
            return frozenset().union(*map(_encodings, alternatives))


def _encoding_of(text: str) -> str:
    """Return the kind of a value by its text: null, true, 1, 1.5, "x", […], {"bytes": …}."""
    if text.startswith("{"):
        return next(kind for kind in ("bytes", "float", "mapping") if text.startswith(f'{{"{kind}":'))
    by_sign = {"n": "none", "t": "bool", "f": "bool", '"': "str", "[": "row"}
    return by_sign.get(text[0], "int" if text.lstrip("-").isdigit() else "float")


def _reads_int_as_float(kind: SchemaType) -> bool:
    """Return True if an encoded int means a float: it would no longer, beside a member of ints."""
    found = [_encodings(member) for member in _alternatives(kind)]
    return frozenset({"float"}) in found and not any("int" in one for one in found)


def change_text(change: TypeChange) -> str:
    """Return the change in words."""
    match change:
        case Retyped(old, new):
            return f"{type_text(old)} became {type_text(new)}"
        case EnumChanged(member, is_added):
            return f"the enum member {member} was {'added' if is_added else 'removed, renamed or given another value'}"
        case UnionChanged(kind, is_added):
            return f"{type_text(kind)} was {'added' if is_added else 'removed'}"
