"""The rows that systems exchange: each is one item of the transport. Pure.

    (route, *fields)                                a message for the actor at the end of that route
    (ROUTE, route, path, uid, type name)            what a number from 16 on stands for, on this connection
    (ASK, id, route, fields, milliseconds left, chain)
    (OFFER, id, route, fields)
    (WITHDRAW, id)                                  an offer that nobody waits for any more
    (REPLY, id, value)                              the answer to an ask or a request; an offer is in the mailbox
    (ERROR, id, code, text)                         the answer is an error of ours
    (DECLARED, id, name, values)                    the answer is an error that the message declares
    (WATCH, path, uid)   (UNWATCH, path, uid)
    (ENDED, path, uid, cause)                       that actor, which was watched, is no more
    (LOOKUP, id, path, type names)
    (SPAWN, id, kind, arguments, name or None)

A row that starts with a number from `FIRST_ROUTE` on is a message: the commonest row is the shortest. `uid` 0 means
"whoever lives at that path". A connection delivers in order, so a route is known before it is used; routes are new
with each link. `id` counts what one system asked for: the answer carries it back.
"""

from __future__ import annotations

import reprlib
from typing import Any, Final

from coterie.errors import BadMessage

__all__ = [
    "ASK",
    "DECLARED",
    "ENDED",
    "ERROR",
    "FIRST_ROUTE",
    "LOOKUP",
    "OFFER",
    "REPLY",
    "ROUTE",
    "SPAWN",
    "UNWATCH",
    "WATCH",
    "WITHDRAW",
    "Row",
    "kind_of_row",
]

Row = tuple[object, ...]

ROUTE: Final = 0
ASK: Final = 1
OFFER: Final = 2
WITHDRAW: Final = 3
REPLY: Final = 4
ERROR: Final = 5
DECLARED: Final = 6
WATCH: Final = 7
UNWATCH: Final = 8
ENDED: Final = 9
LOOKUP: Final = 10
SPAWN: Final = 11

FIRST_ROUTE: Final = 16

_SHAPES: Final[dict[int, tuple[int, list[type]]]] = {
    ROUTE: (5, [int, int, str, int, str]),
    ASK: (6, [int, int, int, tuple, int, tuple]),
    OFFER: (4, [int, int, int, tuple]),
    WITHDRAW: (2, [int, int]),
    REPLY: (3, [int, int]),
    ERROR: (4, [int, int, str, str]),
    DECLARED: (4, [int, int, str, tuple]),
    WATCH: (3, [int, str, int]),
    UNWATCH: (3, [int, str, int]),
    ENDED: (4, [int, str, int, str]),
    LOOKUP: (4, [int, int, str, tuple]),
    SPAWN: (5, [int, int, str, tuple]),
}
"""By kind: how long a row is, and the types it begins with."""


def kind_of_row(row: Any) -> int:
    """Return the kind of a row that is no message. BadMessage if it is none of the above.

    By lists of exact types, not by patterns: those take ten times as long.
    """
    kind = row[0] if type(row) is tuple and row else None
    shape = _SHAPES.get(kind) if type(kind) is int else None
    if shape is None:
        raise _no_row(row)
    length, types = shape
    if len(row) != length or list(map(type, row[: len(types)])) != types:
        raise _no_row(row)
    return int(row[0])


def _no_row(row: object) -> BadMessage:
    return BadMessage(
        f"not a row of the wire: {reprlib.repr(row):.80}"
    )  # which looks into large or deep rows no further
