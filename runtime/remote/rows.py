"""Rows: defines the messages on the wire between systems, called rows; each one is a tuple. Does no I/O.

    (route, *fields)                                a message for the actor of that route
    (ROUTE, route, path, uid, type name)            defines a route number (from 16 on) for this connection
    (ROUTE_AS_CLIENT, route, path, uid, type name)  the same; what comes by it has the rights of a client
    (ASK, id, route, fields, milliseconds left, chain)
    (OFFER, id, route, fields)
    (WITHDRAW, id)                                  cancels an offer
    (REPLY, id, value)                              the answer to an ask or a request; an offer is in the mailbox
    (ERROR, id, code, text)                         the answer is an error of the runtime
    (DECLARED, id, name, values)                    the answer is an error that the message declares
    (WATCH, path, uid)   (UNWATCH, path, uid)
    (ENDED, path, uid, cause)                       the watched actor has ended
    (LOOKUP, id, path, type names)
    (SPAWN, id, kind, arguments, name or None)
    (LOAD, id, values)                              the load of the actor that was asked, ahead of the answer

A row that starts with a number from `FIRST_ROUTE` on is a message: the commonest row is the shortest. `uid` 0 means
"any actor at that path". A connection delivers in order, so a route is defined before it is used; routes are new with
each link. `id` numbers the requests of one system; the answer carries it back.
"""

from __future__ import annotations

from typing import Any, Final

from coterie.errors import BadMessage
from coterie.runtime.messages.short_values import short_value, types_of

__all__ = [
    "ASK",
    "DECLARED",
    "ENDED",
    "ERROR",
    "FIRST_ROUTE",
    "LOAD",
    "LOOKUP",
    "OFFER",
    "REPLY",
    "ROUTE",
    "ROUTE_AS_CLIENT",
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
LOAD: Final = 12
ROUTE_AS_CLIENT: Final = 13

FIRST_ROUTE: Final = 16

_SHAPES: Final[dict[int, tuple[int, list[type]]]] = {
    ROUTE: (5, [int, int, str, int, str]),
    ROUTE_AS_CLIENT: (5, [int, int, str, int, str]),
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
    LOAD: (3, [int, int, tuple]),
}
"""By kind: length of a row, and the types of its first fields."""


def kind_of_row(row: Any) -> int:
    """Return the kind of a row that is not a message. BadMessage if it is invalid.

    Compares lists of exact types: `match` patterns take ten times as long.
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
    what = f"a row of {types_of(row)}" if type(row) is tuple else short_value(row)
    return BadMessage(f"not a row of the wire: {what}")
