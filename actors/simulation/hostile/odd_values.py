"""`OddValues`: draws encoded values of each field type, mostly at the edges of the type, and what the nodes have told.

What is drawn is what crosses the wire, not what a codec makes: an encoder would refuse most of it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

import msgpack

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
from coterie.runtime.messages.message_codecs import MessageType
from coterie.runtime.refs import Ref

__all__ = ["OddValues"]

LEARNED_MAX: Final = 200
"""The most values of one type that are kept of what nodes have told."""

TEXT_CHARS_MAX: Final = 200
DEPTH_MAX: Final = 6
EXTENSION_CODES: Final = 128

EXTENSION_SHARE: Final = 0.005
"""How often an extension type is drawn in its turn: it ends the link, and what was to follow is not taken."""

INTEGERS: Final = (0, 1, -1, 2, 7, 15, 16, 17, 255, 4095, 65_535, 2**31, 2**32, 2**53, 2**63 - 1, 2**63, 2**64 - 1)
FLOATS: Final = (0.0, -0.0, 1.5, 1e308, -1e308, 5e-324, float("inf"), float("-inf"), float("nan"))
TEXTS: Final = ("", "a", "/", "#node", "#pool", "..", "\x00", "\x1b[2J", "\n", "\u202e", "é", "\U0001f600", "x" * 2000)


class OddValues:
    """Draws values with one random generator.

    Args:
        rng: the source of all draws.
        names: the names of nodes, which texts may have.
        paths: of actors, for refs.
    """

    def __init__(self, rng: random.Random, names: Sequence[str], paths: Sequence[str]) -> None:
        self.rng = rng
        self.paths = tuple(paths)
        self.names = tuple(names)
        self.integers: list[int] = list(INTEGERS)
        self.texts: list[str] = [*TEXTS, *names, *paths]
        self.bytes: list[bytes] = [b"", b"\x00", b"\xff" * 16, b"x" * 3000]

    def learn(self, item: object, depth: int = 0) -> None:
        """Keep the integers, texts and bytes in what a node has sent, for later values."""
        if isinstance(item, tuple) and depth < DEPTH_MAX:
            for part in item:
                self.learn(part, depth + 1)
        elif type(item) is int:
            self._keep(self.integers, item)
        elif isinstance(item, str) and len(item) <= TEXT_CHARS_MAX:
            self._keep(self.texts, item)
        elif isinstance(item, bytes) and len(item) <= TEXT_CHARS_MAX:
            self._keep(self.bytes, item)

    def integer(self) -> int:
        """Draw an integer of 64 bits: at an edge, one that was told, or one beside it."""
        value = self.rng.choice(self.integers) + self.rng.choice((0, 0, 0, 1, -1))
        return min(max(value, -(2**63)), 2**64 - 1)

    def text(self) -> str:
        """Draw a text."""
        return self.rng.choice(self.texts)

    def octets(self) -> bytes:
        """Draw bytes."""
        chosen = self.rng.choice(self.bytes)
        return self.rng.randbytes(self.rng.choice((1, 16, 40))) if self.rng.random() < 0.3 else chosen

    def ref(self) -> tuple[object, ...]:
        """Draw a ref, mostly to whatever has a real path on a real node, with or without the mark of clients' refs."""
        if self.rng.random() < 0.7:
            real = (self.rng.choice(self.names), 0, self.rng.choice(self.paths), 0)
            return (*real, *self.rng.choice(((), (), (True,), (False,))))
        return (self.rng.choice((*self.names, self.text())), abs(self.integer()), self._path(), abs(self.integer()))

    def address(self) -> tuple[object, ...]:
        """Draw an address."""
        return (self.rng.choice((*self.names, self.text())), self._path())

    def of(self, kind: FieldType, depth: int = 0) -> object:
        """Draw a value of this type, as it crosses the wire."""
        match kind:
            case ExactType(cls):
                return self._primitive(cls)
            case FloatType():
                return self.rng.choice(FLOATS)
            case EnumType():
                return self.rng.choice(kind.members).value
            case FlagType():
                return self.integer()
            case CustomType(cls):
                return self.ref() if cls is Ref else self.address()
            case RecordType(record):
                return self.row(record, depth + 1)
            case SequenceType(item) | SetType(item):
                return tuple(self.of(item, depth + 1) for _ in range(self._count(depth)))
            case CodedType():
                return self.of(kind.wire, depth + 1)
            case TupleType(items):
                return tuple(self.of(item, depth + 1) for item in items)
            case MappingType(key, value):
                return {self._key(key): self.of(value, depth + 1) for _ in range(self._count(depth))}
            case UnionType(members):
                return self._member(self.rng.choice(members), depth)

    def row(self, record: object, depth: int = 0) -> tuple[object, ...]:
        """Draw the fields of a message of this class."""
        if not isinstance(record, MessageType) or depth > DEPTH_MAX:
            return ()
        return tuple(self.of(field.type, depth) for field in record.fields)

    def anything(self, depth: int = 0) -> object:
        """Draw any value that MessagePack carries."""
        roll = self.rng.randrange(12 if depth < DEPTH_MAX else 8)
        match roll:
            case 0 | 1:
                return self.integer()
            case 2 | 3:
                return self.text()
            case 4:
                return self.octets()
            case 5:
                return self.rng.choice(FLOATS)
            case 6:
                return self.rng.choice((None, True, False))
            case 7 if self.rng.random() < EXTENSION_SHARE:
                return msgpack.ExtType(self.rng.randrange(EXTENSION_CODES), self.rng.randbytes(4))
            case 7:
                return ()
            case 8:
                return {self.text(): self.anything(depth + 1) for _ in range(self._count(depth))}
            case _:
                return tuple(self.anything(depth + 1) for _ in range(self._count(depth)))

    def damaged(self, row: tuple[object, ...]) -> tuple[object, ...]:
        """Return the row with one value replaced, left out or added."""
        at, kept = self.rng.randrange(len(row) + 1), list(row)
        match self.rng.randrange(3):
            case 0 if at < len(kept):
                kept[at] = self.anything()
            case 1:
                del kept[at:]
            case _:
                kept.insert(at, self.anything())
        return tuple(kept)

    def _primitive(self, cls: type) -> object:
        if cls is int:
            return self.integer()
        if cls is str:
            return self.text()
        if cls is bytes:
            return self.octets()
        return self.rng.choice((True, False)) if cls is bool else None

    def _member(self, kind: FieldType, depth: int) -> object:
        if isinstance(kind, RecordType):
            return (kind.record.name, self.row(kind.record, depth + 1))  # in a union a message crosses with its name
        return self.of(kind, depth + 1)

    def _key(self, kind: FieldType) -> object:
        key = self.of(kind)
        return key if isinstance(key, None | bool | int | str | bytes) else None

    def _path(self) -> str:
        return self.rng.choice((*self.paths, self.text()))

    def _count(self, depth: int) -> int:
        return 0 if depth >= DEPTH_MAX else self.rng.choice((0, 1, 1, 2, 3, 30 if depth == 0 else 2))

    def _keep(self, values: list[object] | list[int] | list[str] | list[bytes], value: object) -> None:
        kept: list[object] = values  # type: ignore[assignment]
        if len(kept) < LEARNED_MAX:
            kept.append(value)
        else:
            kept[self.rng.randrange(len(kept))] = value
