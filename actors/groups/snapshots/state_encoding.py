"""`StateWriter`: encodes values of any depth as pieces of tokens (see `state_tokens`), without nested calls."""

from __future__ import annotations

import functools
import operator
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, Final

from coterie.actors.groups.snapshots.known_types import KnownType, KnownTypes, slot_names
from coterie.actors.groups.snapshots.standard_values import STANDARD
from coterie.actors.groups.snapshots.state_tokens import (
    DEPTH_MAX,
    DEQUE_HEAD,
    DOUBLE,
    INT64,
    LENGTH,
    PIECE_BYTES,
    PIECE_TOKENS,
    VERSION_BYTE,
    ShapeKind,
    Tag,
)

__all__ = ["ATOMS", "CONTAINERS", "StateWriter", "Unsavable", "attributes_of", "transient_names"]


class Unsavable(Exception):
    """A value that cannot be saved. `is_shared`: it can be reached in two ways; else `why`, if that is known."""

    def __init__(self, value: object, why: str = "", *, is_shared: bool = False) -> None:
        super().__init__(why)
        self.value = value
        self.why = why
        self.is_shared = is_shared


def _int(value: int) -> bytes:
    if -(2**63) <= value < 2**63:
        return INT64.pack(Tag.INT, value)
    octets = value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)
    return LENGTH.pack(Tag.BIG_INT, len(octets)) + octets


def _str(value: str) -> bytes:
    octets = value.encode("utf-8", "surrogatepass")
    return LENGTH.pack(Tag.STR, len(octets)) + octets


ATOMS: Final[dict[type, Callable[[Any], bytes]]] = {
    type(None): lambda _: bytes((Tag.NONE,)),
    bool: lambda value: bytes((Tag.TRUE if value else Tag.FALSE,)),
    int: _int,
    float: lambda value: DOUBLE.pack(Tag.FLOAT, value),
    str: _str,
    bytes: lambda value: LENGTH.pack(Tag.BYTES, len(value)) + value,
}
"""How immutable values that hold no others are encoded."""

CONTAINERS: Final[dict[type, Tag]] = {
    list: Tag.LIST,
    tuple: Tag.TUPLE,
    set: Tag.SET,
    frozenset: Tag.FROZENSET,
    deque: Tag.DEQUE,
    dict: Tag.DICT,
    Counter: Tag.COUNTER,
    OrderedDict: Tag.ORDERED_DICT,
    defaultdict: Tag.DEFAULT_DICT,
}
_IMMUTABLE: Final = frozenset({tuple, frozenset})
_MAPPINGS: Final = frozenset({dict, Counter, OrderedDict, defaultdict})

_ALONE, _IN_VALUE, _IN_MESSAGE, _IN_CODED = range(4)
"""Where a value is: in another one; in a message, whose values never change; in what a codec has made, which nothing
else holds."""


class StateWriter:
    """Encodes values one after another. Each class is described once, so a reader must get all pieces in order."""

    def __init__(self, types: KnownTypes) -> None:
        self._types = types
        self._number_by_shape: dict[tuple[type, tuple[str, ...]], int] = {}
        self._getter_by_class: dict[type, Callable[[Any], tuple[object, ...]]] = {}
        self._seen: set[int] = set()

    def pieces(self, values: Iterable[object]) -> Iterator[bytes]:
        """Yield the pieces of these values, which must stay as they are until the last piece is taken.

        Raises:
            Unsavable: a value cannot be saved.
        """
        out, tokens = bytearray(VERSION_BYTE), 0
        stack, where = [iter(values)], [_ALONE]
        while stack:
            if tokens >= PIECE_TOKENS or len(out) >= PIECE_BYTES:
                yield bytes(out)
                out, tokens = bytearray(VERSION_BYTE), 0
            for value in stack[-1]:
                tokens += 1
                encode = ATOMS.get(type(value))
                if encode is not None:
                    token = encode(value)
                    if len(out) + len(token) > PIECE_BYTES and len(out) > len(VERSION_BYTE):
                        yield bytes(out)
                        out, tokens = bytearray(VERSION_BYTE), 0
                    out += token
                else:
                    if len(stack) > DEPTH_MAX:
                        raise Unsavable(value, f"it is nested more than {DEPTH_MAX} levels deep")
                    place, children = self._open(value, where[-1], out)
                    stack.append(children)
                    where.append(place)
                    break
                if tokens >= PIECE_TOKENS:
                    break
            else:
                stack.pop()
                where.pop()
        if len(out) > len(VERSION_BYTE):
            yield bytes(out)

    def note(self, value: object) -> None:
        """Note a value that will be written later, as a copy. Unsavable if it was written before."""
        if type(value) not in _IMMUTABLE:
            self._note(value, _ALONE)

    def _open(self, value: Any, where: int, out: bytearray) -> tuple[int, Iterator[object]]:
        """Begin a value that may hold others; return where these are, and them."""
        cls = type(value)
        if cls is bytearray:
            self._note(value, where)
            out += LENGTH.pack(Tag.BYTEARRAY, len(value)) + value
            return where, iter(())
        if cls in CONTAINERS:
            return max(where, _IN_VALUE), self._open_container(value, where, out)
        known = self._types.by_class.get(cls)
        if known is None:
            raise Unsavable(value)
        if known.is_mutable:
            self._note(value, where)
        names, children = self._parts(known, value)
        self._open_object(known, names, out)
        inside = {ShapeKind.MESSAGE: _IN_MESSAGE, ShapeKind.CODED: _IN_CODED, ShapeKind.STANDARD: _IN_CODED}
        return max(where, inside.get(known.kind, _IN_VALUE)), iter(children)

    def _open_container(self, value: Any, where: int, out: bytearray) -> Iterator[object]:
        cls = type(value)
        if cls is defaultdict and where != _ALONE:
            raise Unsavable(value, "only an attribute can be a defaultdict: its default_factory is that of `__init__`")
        if cls not in _IMMUTABLE and not (cls is dict and where == _IN_MESSAGE):
            self._note(value, where)
        if cls is deque:
            out += DEQUE_HEAD.pack(Tag.DEQUE, len(value), -1 if value.maxlen is None else value.maxlen)
        else:
            out += LENGTH.pack(CONTAINERS[cls], len(value))
        return chain.from_iterable(value.items()) if cls in _MAPPINGS else iter(value)

    def _note(self, value: object, where: int) -> None:
        """Note that a value that may change has been reached; Unsavable if it was before."""
        if where == _IN_CODED:
            return
        if where == _IN_MESSAGE:
            raise Unsavable(value, "it can be changed, and stands in a message, which cannot")
        if id(value) in self._seen:
            raise Unsavable(value, is_shared=True)
        self._seen.add(id(value))

    def _parts(self, known: KnownType, value: Any) -> tuple[tuple[str, ...], Iterable[object]]:
        """Return the names of a known object's shape, and its values."""
        match known.kind:
            case ShapeKind.MESSAGE | ShapeKind.NAMED_TUPLE:
                get = self._getter_by_class.get(known.cls)
                if get is None:
                    get = self._getter_by_class[known.cls] = _getter(tuple(known.fields))
                return tuple(known.fields), get(value)
            case ShapeKind.DATACLASS:
                attributes = attributes_of(value)
                return tuple(attributes), attributes.values()
            case ShapeKind.ENUM:
                return (value._name_,), ()
            case ShapeKind.FLAG:
                return ("value",), (value._value_,)
            case ShapeKind.CODED | ShapeKind.STANDARD:
                return ("value",), (_coded(known, value),)

    def _open_object(self, known: KnownType, names: tuple[str, ...], out: bytearray) -> None:
        number = self._number_by_shape.get((known.cls, names))
        if number is None:
            number = self._number_by_shape[known.cls, names] = len(self._number_by_shape)
            out += bytes((Tag.SHAPE, known.kind)) + _str(known.name)
            out += LENGTH.pack(Tag.TUPLE, len(names)) + b"".join(map(_str, names))
        out += LENGTH.pack(Tag.OBJECT, number)


def _getter(names: tuple[str, ...]) -> Callable[[Any], tuple[object, ...]]:
    if not names:
        return lambda value: ()
    get = operator.attrgetter(*names)
    return (lambda value: (get(value),)) if len(names) == 1 else get


def _coded(known: KnownType, value: object) -> object:
    """Return what the coding of a class makes of a value, whatever that raises."""
    encode = STANDARD[known.name].encode if known.coding is None else known.coding.encode
    try:
        return encode(value)
    except Exception as error:
        raise Unsavable(value, str(error)) from error


_slots = functools.lru_cache(maxsize=256)(slot_names)


def attributes_of(value: object) -> dict[str, Any]:
    """Return the attributes of an object, those in slots first."""
    found = {}
    cls: Any = type(value)
    for name in _slots(cls):
        try:
            found[name] = object.__getattribute__(value, name)
        except AttributeError:
            continue
    return {**found, **getattr(value, "__dict__", {})}


@functools.lru_cache(maxsize=256)
def transient_names(cls: type) -> frozenset[str]:
    """Return the names that a class and its bases have in `transient`: attributes that are no state."""
    found: set[str] = set()
    for base in cls.__mro__:
        names = vars(base).get("transient")
        if type(names) is tuple:
            found.update(name for name in names if type(name) is str)
    return frozenset(found)
