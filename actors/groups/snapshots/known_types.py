"""`KnownTypes`: finds the classes whose objects the state of a machine may hold, and their names in a snapshot.

They are what the machine can name: its commands and their replies, what the annotations and the `state_type` of its
class name (`orders: dict[str, Order]`), and what all of these name in turn. Nothing else is ever made of a snapshot.

A message has its wire name, a class with a codec the name of that, and an enum, a dataclass or a NamedTuple its
`__qualname__`: the module may be `__main__` on one node.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import inspect
import sys
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NewType, get_args

from coterie.actors.groups.snapshots.standard_values import STANDARD
from coterie.actors.groups.snapshots.state_tokens import ShapeKind
from coterie.errors import SnapshotFailed
from coterie.runtime.messages.codings import STANDARD_CODINGS, Coding, coding_of
from coterie.runtime.messages.field_types import (
    CodedType,
    CustomType,
    EnumType,
    FieldType,
    FlagType,
    RecordType,
    parts_of,
)
from coterie.runtime.messages.message_codecs import MessageType, message_type_of

__all__ = ["KnownType", "KnownTypes", "known_types", "slot_names"]

_MISSING: Final = dataclasses.MISSING


@dataclasses.dataclass(frozen=True, slots=True)
class KnownType:
    """A class whose objects can be saved.

    `fields`: those of a message, a dataclass or a NamedTuple, in order; each with what makes its default, if it has
    one; a field that is no argument of `__init__` and has no default may be missing, and is not there. `coding`: of a
    class with a codec.
    """

    kind: ShapeKind
    name: str
    cls: Any
    fields: dict[str, Callable[[], object] | None] = dataclasses.field(default_factory=dict)
    coding: Coding | None = None
    is_mutable: bool = False


class KnownTypes:
    """All of a machine's class: by class, and by kind and name."""

    def __init__(self) -> None:
        self.by_class: dict[type, KnownType] = {}
        self.by_name: dict[tuple[ShapeKind, str], KnownType] = {}

    def add(self, known: KnownType) -> None:
        """Add a class. SnapshotFailed if another one has its name."""
        other = self.by_name.setdefault((known.kind, known.name), known)
        if other.cls is not known.cls:
            both = (
                f"{other.cls.__module__}.{other.cls.__qualname__} and {known.cls.__module__}.{known.cls.__qualname__}"
            )
            raise SnapshotFailed(f"{both} have the same name {known.name!r} in a snapshot: rename one of them")
        self.by_class[known.cls] = known


@functools.lru_cache(maxsize=256)
def known_types(cls: type, commands: tuple[MessageType, ...]) -> KnownTypes:
    """Return the classes that a machine's class names, which has these commands.

    Raises:
        SnapshotFailed: two of them have one name.
    """
    found = KnownTypes()
    for name, standard in STANDARD.items():
        found.add(KnownType(ShapeKind.STANDARD, name, standard.cls))
    waiting: list[object] = [described.cls for described in commands]
    for described in commands:
        waiting += _classes_in(described.reply_type)
    waiting += _annotations(cls)
    waiting.append(getattr(cls, "state_type", None))
    for annotation in waiting:  # which grows
        named = _class_named(annotation)
        if named is None:
            waiting += _parts(annotation)
        elif named not in found.by_class and (known := _known(named)) is not None:
            found.add(known)
            waiting += _named_by(known)
    return found


def _class_named(annotation: object) -> type | None:
    return annotation if isinstance(annotation, type) and not get_args(annotation) else None


def _parts(annotation: object) -> Iterable[object]:
    """Return what an annotation that is no class is made of."""
    if isinstance(annotation, NewType):
        return [annotation.__supertype__]
    if (alias := getattr(annotation, "__value__", None)) is not None:  # `type X = …`, since Python 3.12
        return [alias]
    origin = typing.get_origin(annotation)
    parts = [part for part in get_args(annotation) if not isinstance(part, (str, list))]
    return parts + ([origin] if isinstance(origin, type) and origin is not types.UnionType else [])


def _known(cls: type) -> KnownType | None:
    """Return how objects of a class are saved; None: they are not, or every machine knows them."""
    if (described := message_type_of(cls)) is not None:
        return KnownType(ShapeKind.MESSAGE, described.name, cls, _fields_of(cls))
    if issubclass(cls, enum.Enum):
        kind = ShapeKind.FLAG if issubclass(cls, enum.Flag) else ShapeKind.ENUM
        return KnownType(kind, cls.__qualname__, cls)
    coding = coding_of(cls)
    if coding is not None:
        return None if coding in STANDARD_CODINGS else KnownType(ShapeKind.CODED, coding.name, cls, coding=coding)
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return KnownType(ShapeKind.NAMED_TUPLE, cls.__qualname__, cls, _fields_of(cls))
    if dataclasses.is_dataclass(cls) and _is_plain(cls):
        is_mutable = not cls.__dataclass_params__.frozen  # type: ignore[attr-defined]
        return KnownType(ShapeKind.DATACLASS, cls.__qualname__, cls, _fields_of(cls), is_mutable=is_mutable)
    return None


def _is_plain(cls: type) -> bool:
    """Return whether the attributes of an object are all that it holds: it is no list, dict or exception as well."""
    try:
        object.__new__(cls)
    except TypeError:
        return False
    return True


def _fields_of(cls: Any) -> dict[str, Callable[[], object] | None]:
    if (names := getattr(cls, "_fields", None)) is not None:
        defaults = cls._field_defaults
        return {name: functools.partial(_same, defaults[name]) if name in defaults else None for name in names}
    found = {field.name: (field.init, _default_of(field)) for field in dataclasses.fields(cls)}
    return {name: default for name, (is_given, default) in found.items() if is_given or default is not None}


def _default_of(field: dataclasses.Field[Any]) -> Callable[[], object] | None:
    if field.default is not _MISSING:
        return functools.partial(_same, field.default)
    return None if field.default_factory is _MISSING else field.default_factory


def _same(value: object) -> object:
    return value


def _named_by(known: KnownType) -> Iterator[object]:
    """Yield what a class names in turn."""
    described = message_type_of(known.cls)
    if described is not None:
        for declared in described.fields:
            yield from _classes_in(declared.type)
    elif known.kind in (ShapeKind.DATACLASS, ShapeKind.NAMED_TUPLE):
        yield from _annotations(known.cls)


def _classes_in(kind: FieldType) -> Iterator[object]:
    """Yield the classes that the type of a message's field names."""
    for part in parts_of(kind):
        match part:
            case RecordType(record):
                yield record.cls
            case EnumType(cls) | FlagType(cls) | CustomType(cls):
                yield cls
            case CodedType(coding):
                yield coding.cls


def _annotations(cls: type) -> Iterator[object]:
    """Yield the annotations of a class and its bases; not those with a name that cannot be resolved here."""
    overridden: set[str] = set()
    for base in cls.__mro__:
        module = vars(sys.modules.get(base.__module__, types))
        own = inspect.get_annotations(base)
        for name, annotation in own.items():
            if name in overridden:
                continue
            holder = types.SimpleNamespace(__annotations__={name: annotation})
            try:
                yield typing.get_type_hints(holder, globalns=module, localns={**vars(base), base.__name__: base})[name]
            except (NameError, TypeError, AttributeError, SyntaxError):
                continue
        overridden.update(own)


def slot_names(cls: type) -> tuple[str, ...]:
    """Return the names of the slots of a class and its bases, as its objects have them."""
    return tuple(
        name for base in cls.__mro__ for name, value in vars(base).items() if type(value) is types.MemberDescriptorType
    )
