"""`StateReader`: decodes values from pieces of tokens (see `state_tokens`), without nested calls.

It makes objects of the `KnownTypes` of a machine only. Their attributes are set as they were: no `__init__` and no
`__post_init__` is called.
"""

from __future__ import annotations

import struct
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any, Final, Protocol

from coterie.actors.groups.snapshots.known_types import KnownType, KnownTypes, slot_names
from coterie.actors.groups.snapshots.standard_values import STANDARD
from coterie.actors.groups.snapshots.state_tokens import (
    DEPTH_MAX,
    DEQUE_HEAD,
    DOUBLE,
    INT64,
    LENGTH,
    VERSION_BYTE,
    ShapeKind,
    Tag,
)
from coterie.runtime.observing.error_texts import error_line

__all__ = ["StateReader"]


class _Frame(Protocol):
    """A value whose parts are being read. `left`: how many of them are missing."""

    left: int

    def add(self, part: Any, /) -> object:
        """Add the next part. It returns nothing."""
        ...

    def value(self) -> object:
        """Return the value, once no part is missing."""
        ...


class _Items:
    """A value that is made of its items: at once, if these are collected in it."""

    __slots__ = ("_make", "add", "left")

    def __init__(self, left: int, add: Callable[[Any], object], make: Callable[[], object]) -> None:
        self.left = left
        self.add = add
        self._make = make

    def value(self) -> object:
        """Return the value."""
        return self._make()


class _Pairs:
    """A mapping that is filled: key, value, key, value, …"""

    __slots__ = ("_has_key", "_key", "_mapping", "_size", "left")

    def __init__(self, count: int, mapping: dict[Any, Any]) -> None:
        self.left = 2 * count
        self._size = count
        self._mapping = mapping
        self._key: object = None
        self._has_key = False

    def add(self, part: Any, /) -> None:
        """Add a key, or the value of the last one."""
        if self._has_key:
            self._mapping[self._key] = part
        else:
            self._key = part
        self._has_key = not self._has_key

    def value(self) -> object:
        """Return the mapping. ValueError if a key came twice."""
        if len(self._mapping) != self._size:
            raise ValueError("two keys of a saved dict are equal")
        return self._mapping


class _Shape:
    """A class with the names of the attributes that its saved objects have."""

    __slots__ = ("known", "make", "names")

    def __init__(self, known: KnownType, names: tuple[str, ...]) -> None:
        self.known = known
        self.names = names
        self.make = _makers(known, names)


class StateReader:
    """Values that are being read: `add` each piece in order; each value is given to `take` as soon as it is whole.

    Args:
        types: the classes that may occur.
        take: called with each value, in order.
        factory: returns the `default_factory` of a defaultdict, which only a value itself may be, not what is in one.
    """

    def __init__(
        self,
        types: KnownTypes,
        take: Callable[[Any], None],
        factory: Callable[[], Callable[[], Any] | None],
    ) -> None:
        self._types = types
        self._factory = factory
        self._shapes: list[_Shape] = []
        self._stack: list[_Frame] = [_Items(0, take, lambda: None)]

    @property
    def is_within_value(self) -> bool:
        """Whether a value is not whole yet."""
        return len(self._stack) > 1

    def add(self, piece: bytes) -> None:
        """Read the next piece. ValueError if it is none, or names a class that is not known."""
        if piece[:1] != VERSION_BYTE:
            raise ValueError(f"a piece of a state begins with {VERSION_BYTE!r}, this one with {piece[:1]!r}")
        at, end = len(VERSION_BYTE), len(piece)
        try:
            while at < end:
                at = self._read(piece, at)
        except (struct.error, IndexError) as error:
            raise ValueError(f"a piece of a state ends within a token, at byte {at} of {end}") from error
        except ValueError:
            raise
        except Exception as error:
            raise ValueError(
                f"a piece of a state cannot be read, at byte {at} of {end}: {error_line(error)}"
            ) from error

    def _read(self, piece: bytes, at: int) -> int:
        """Read the token at `at`; return where the next one begins."""
        tag = piece[at]
        if tag <= Tag.FALSE:
            self._give(_BARE[tag])
            return at + 1
        if tag == Tag.INT:
            self._give(INT64.unpack_from(piece, at)[1])
            return at + INT64.size
        if tag == Tag.FLOAT:
            self._give(DOUBLE.unpack_from(piece, at)[1])
            return at + DOUBLE.size
        if tag <= Tag.BYTEARRAY:
            octets, at = _octets(piece, at)
            self._give(_FROM_OCTETS[tag](octets))
            return at
        if tag == Tag.SHAPE:
            return self._read_shape(piece, at)
        if tag == Tag.OBJECT:
            number = LENGTH.unpack_from(piece, at)[1]
            shape = (
                self._shapes[number] if number < len(self._shapes) else _refuse(f"the shape {number} is not defined")
            )
            self._open(_object_frame(shape))
            return at + LENGTH.size
        if tag == Tag.DEQUE:
            _, count, greatest = DEQUE_HEAD.unpack_from(piece, at)
            made: deque[object] = deque(maxlen=None if greatest < 0 else greatest)
            self._open(_Items(count, made.append, lambda: made))
            return at + DEQUE_HEAD.size
        if tag <= Tag.DEFAULT_DICT:
            self._open(self._container_frame(tag, LENGTH.unpack_from(piece, at)[1]))
            return at + LENGTH.size
        raise ValueError(f"no token of a state has the tag {tag}")

    def _container_frame(self, tag: int, count: int) -> _Frame:
        items: list[object] = []
        match tag:
            case Tag.LIST:
                return _Items(count, items.append, lambda: items)
            case Tag.TUPLE:
                return _Items(count, items.append, lambda: tuple(items))
            case Tag.SET:
                found: set[object] = set()
                return _Items(count, found.add, lambda: _whole(found, count))
            case Tag.FROZENSET:
                return _Items(count, items.append, lambda: _whole(frozenset(items), count))
            case Tag.DEFAULT_DICT if not self.is_within_value:
                return _Pairs(count, defaultdict(self._factory()))
            case Tag.DICT | Tag.COUNTER | Tag.ORDERED_DICT:
                return _Pairs(count, _MAPPINGS[tag]())
            case _:
                raise ValueError("a defaultdict stands within another value: its default_factory is not known")

    def _open(self, frame: _Frame) -> None:
        """Begin a value."""
        if frame.left == 0:
            self._give(frame.value())
            return
        if len(self._stack) > DEPTH_MAX + 1:
            raise ValueError(f"saved values are nested more than {DEPTH_MAX} levels deep")
        self._stack.append(frame)

    def _give(self, value: object) -> None:
        """Add a value that is whole to the one that it is in, which may be whole then, too."""
        stack = self._stack
        while True:
            frame = stack[-1]
            frame.add(value)
            frame.left -= 1
            if frame.left != 0:  # below 0 in the lowest frame, which never ends
                return
            value = frame.value()
            stack.pop()

    def _read_shape(self, piece: bytes, at: int) -> int:
        kind = ShapeKind(piece[at + 1])
        octets, at = _octets(piece, at + 2)
        name = octets.decode()
        _, count = LENGTH.unpack_from(piece, at)
        at += LENGTH.size
        names = []
        for _ in range(count):
            octets, at = _octets(piece, at)
            names.append(octets.decode("utf-8", "surrogatepass"))
        known = self._types.by_name.get((kind, name))
        if known is None:
            what = kind.name.lower().replace("_", " ")
            raise ValueError(
                f"the saved state holds the {what} {name!r}, which the class of this machine does not name"
            )
        self._shapes.append(_Shape(known, tuple(names)))
        return at


_BARE: Final[dict[int, bool | None]] = {Tag.NONE: None, Tag.TRUE: True, Tag.FALSE: False}
_FROM_OCTETS: Final[dict[int, Callable[[bytes], object]]] = {
    Tag.BIG_INT: lambda octets: int.from_bytes(octets, "big", signed=True),
    Tag.STR: lambda octets: octets.decode("utf-8", "surrogatepass"),
    Tag.BYTES: lambda octets: octets,
    Tag.BYTEARRAY: bytearray,
}
_MAPPINGS: Final[dict[int, Callable[[], dict[Any, Any]]]] = {
    Tag.DICT: dict,
    Tag.COUNTER: Counter,
    Tag.ORDERED_DICT: OrderedDict,
}


def _refuse(text: str) -> Any:
    raise ValueError(text)


def _octets(piece: bytes, at: int) -> tuple[bytes, int]:
    """Return the bytes of a token with a length, and where the next one begins."""
    _, length = LENGTH.unpack_from(piece, at)
    start = at + LENGTH.size
    octets = piece[start : start + length]
    if len(octets) < length:
        raise ValueError(f"a piece of a state ends within a value of {length} bytes")
    return octets, start + length


def _whole(items: set[object] | frozenset[object], count: int) -> object:
    return items if len(items) == count else _refuse("two items of a saved set are equal")


def _object_frame(shape: _Shape) -> _Frame:
    values: list[object] = []
    count = 0 if shape.known.kind is ShapeKind.ENUM else len(shape.names)
    return _Items(count, values.append, lambda: shape.make(values))


def _makers(known: KnownType, names: tuple[str, ...]) -> Callable[[list[object]], object]:
    """Return what makes an object of a class from the values of these attributes."""
    cls = known.cls
    match known.kind:
        case ShapeKind.ENUM:
            member = cls.__members__.get(names[0]) if len(names) == 1 else None
            if member is None:
                raise ValueError(f"the saved state holds {known.name}.{names[:1]}, which this code does not have")
            return lambda values: member
        case ShapeKind.FLAG:
            return lambda values: cls(values[0])
        case ShapeKind.CODED | ShapeKind.STANDARD:
            return lambda values: _decoded(known, values[0])
        case ShapeKind.DATACLASS:
            return _attribute_setter(known, names)
        case _:
            unknown = [name for name in names if name not in known.fields]
            if unknown:
                raise ValueError(
                    f"the saved state has a field {known.name}.{unknown[0]}, which this code does not have"
                )
            return _tuple_maker(known, names) if issubclass(cls, tuple) else _attribute_setter(known, names)


def _tuple_maker(known: KnownType, names: tuple[str, ...]) -> Callable[[list[object]], object]:
    defaults = _missing(known, names)
    if tuple(known.fields) == names:
        return lambda values: tuple.__new__(known.cls, values)

    def make(values: list[object]) -> object:
        by_name = {**dict(zip(names, values, strict=True)), **{name: default() for name, default in defaults.items()}}
        return tuple.__new__(known.cls, [by_name[name] for name in known.fields])

    return make


def _attribute_setter(known: KnownType, names: tuple[str, ...]) -> Callable[[list[object]], object]:
    """Return what makes an object without a call of its class; attributes that newer code has get their default."""
    cls = known.cls
    slots = frozenset(slot_names(cls))
    defaults = _missing(known, names)
    _check_has_dict(known, [name for name in (*names, *defaults) if name not in slots])

    def make(values: list[object]) -> object:
        made = object.__new__(cls)
        for name, value in zip(names, values, strict=True):
            if name in slots:
                object.__setattr__(made, name, value)
            else:
                made.__dict__[name] = value
        for name, default in defaults.items():
            object.__setattr__(made, name, default())
        return made

    return make


def _missing(known: KnownType, names: tuple[str, ...]) -> dict[str, Callable[[], object]]:
    """Return what makes the fields that a saved object does not have. ValueError if one has no default."""
    found = {}
    for name, default in known.fields.items():
        if name not in names:
            if default is None:
                raise ValueError(f"the saved state lacks the field {known.name}.{name}, which has no default")
            found[name] = default
    return found


def _check_has_dict(known: KnownType, unknown: list[str]) -> None:
    if unknown and not any("__dict__" in vars(base) for base in known.cls.__mro__):
        raise ValueError(f"the saved state has {known.name}.{unknown[0]}, for which this code has no slot")


def _decoded(known: KnownType, value: Any) -> object:
    """Return what the coding of a class makes of a saved value; ValueError for whatever it raises."""
    decode = STANDARD[known.name].decode if known.coding is None else known.coding.decode
    try:
        made = decode(value)
    except Exception as error:
        raise ValueError(f"a saved {known.name} cannot be made: {error_line(error)}") from error
    if not isinstance(made, known.cls):
        raise ValueError(f"the codec {known.name!r} makes a {type(made).__name__} of a saved value")
    return made
