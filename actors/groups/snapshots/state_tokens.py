"""State tokens: the format of the encoded state of a machine.

The format is durable. Each piece is a version byte and whole tokens; a token is a tag and what follows it (big-endian):

    NONE, TRUE, FALSE                nothing
    INT                              >q
    FLOAT                            >d
    BIG_INT, STR, BYTES, BYTEARRAY   >I length, bytes (an int: two's complement; a str: UTF-8, lone surrogates as well)
    LIST, TUPLE, SET, FROZENSET      >I number of items; then these
    DICT, COUNTER, ORDERED_DICT,
    DEFAULT_DICT                     >I number of items; then key, value, key, value, …
    DEQUE                            >I number of items, >q its greatest length (-1: none); then these
    SHAPE                            >B kind, then a name and a tuple of names: defines the next shape, from 0
    OBJECT                           >I shape; then one value for each of its names

A shape is a class with the names of attributes that its objects have:

    MESSAGE, DATACLASS, NAMED_TUPLE  name of the class; names of its attributes
    ENUM                             name of the class; no value follows, the member is the name
    FLAG, CODED, STANDARD            name of the class; one value: its bits, or what its coding makes of it
"""

from __future__ import annotations

import enum
import struct
from typing import Final

__all__ = [
    "DEPTH_MAX",
    "DEQUE_HEAD",
    "DOUBLE",
    "INT64",
    "LENGTH",
    "PIECE_BYTES",
    "PIECE_TOKENS",
    "VERSION_BYTE",
    "ShapeKind",
    "Tag",
]

PIECE_BYTES: Final = 256 * 1024
"""A piece has at most so many bytes, unless a single str or bytes has more."""

PIECE_TOKENS: Final = 2048
"""A piece has about so many tokens: it is made, and restored, in about a millisecond."""

DEPTH_MAX: Final = 200
"""Values may be nested so deeply."""

VERSION_BYTE: Final = b"\1"
LENGTH: Final = struct.Struct(">BI")
INT64: Final = struct.Struct(">Bq")
DOUBLE: Final = struct.Struct(">Bd")
DEQUE_HEAD: Final = struct.Struct(">BIq")


class Tag(enum.IntEnum):
    """The first byte of a token. Numbers are durable: never reuse one."""

    NONE = 0
    TRUE = 1
    FALSE = 2
    INT = 3
    FLOAT = 4
    BIG_INT = 5
    STR = 6
    BYTES = 7
    BYTEARRAY = 8
    LIST = 9
    TUPLE = 10
    SET = 11
    FROZENSET = 12
    DICT = 13
    COUNTER = 14
    ORDERED_DICT = 15
    DEFAULT_DICT = 16
    DEQUE = 17
    SHAPE = 18
    OBJECT = 19


class ShapeKind(enum.IntEnum):
    """What the class of a shape is. Numbers are durable: never reuse one."""

    MESSAGE = 0
    DATACLASS = 1
    NAMED_TUPLE = 2
    ENUM = 3
    FLAG = 4
    CODED = 5
    STANDARD = 6
