"""Routes: a number for (path, uid, message type), so that names cross a connection once and not with each message.

Each connection has a table in each direction, new with each link. The sender defines a number with a ROUTE row ahead
of its first use. A full table starts over from the first number: what was sent before is ahead of the new definitions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from coterie.errors import ActorNotFound, ActorStopped, AskError, BadMessage, NotExported
from coterie.runtime.messages.delivery_options import Delivery
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.remote.error_codes import reason_of
from coterie.runtime.remote.rows import FIRST_ROUTE, ROUTE, Row
from coterie.runtime.transport.handshake.identity import Role

if TYPE_CHECKING:
    from coterie.runtime.cells.cell import Cell
    from coterie.runtime.messages.message_codecs import MessageType
    from coterie.runtime.remote.association import Association
    from coterie.runtime.system import System

__all__ = ["NAME_CHARS_MAX", "Arrivals", "Departures", "InRoute", "OutRoute", "find_cell"]

NAME_CHARS_MAX: Final = 1024
"""The longest path, or name of a message type, that crosses, in characters: it bounds what a table costs."""


class OutRoute:
    """The way to one actor for messages of one type. `is_live`: until its table ends or starts over.

    `tell` sends a message as the row that it is, `send` any other row; `write` makes the fields of a message. What
    these raise, `described.blame` explains. `reply`: the codec of their replies, if they are asks; what else asks need
    of the association and the class stands here, too.
    """

    __slots__ = (
        "asking", "association", "described", "is_live", "number", "questions", "raises", "reply", "send", "tell",
        "write",
    )  # fmt: skip

    def __init__(
        self, association: Association, number: int, described: MessageType, send: Callable[[Row], None]
    ) -> None:
        self.association = association
        self.number = number
        self.described = described
        self.tell = described.teller(number, send)
        self.write = described.write
        self.raises = described.raises
        self.questions = association.questions
        self.asking = association.system.asking
        self.reply = described.reply if described.is_ask else None
        self.send = send
        self.is_live = True


class Departures:
    """The sender's table of one connection. `send` queues a row on it."""

    __slots__ = ("_association", "_limit", "_routes", "_send")

    def __init__(self, association: Association, send: Callable[[Row], None], limit: int) -> None:
        self._association = association
        self._send = send
        self._limit = limit
        self._routes: dict[tuple[str, int, str], OutRoute] = {}

    def route(self, path: str, uid: int, described: MessageType) -> OutRoute:
        """Return the route to an actor; the other end knows it before anything that is sent on it.

        Raises:
            ActorNotFound: a name is longer than any that crosses.
            TransportError: its definition cannot be sent.
        """
        key = (path, uid, described.name)
        route = self._routes.get(key)
        if route is None:
            if max(len(path), len(described.name)) > NAME_CHARS_MAX:
                raise ActorNotFound(
                    f"{described.name!r:.60} to {path!r:.60}: names cross up to {NAME_CHARS_MAX} characters"
                )
            if len(self._routes) >= self._limit:
                self.end()
            number = FIRST_ROUTE + len(self._routes)
            self._send((ROUTE, number, path, uid, described.name))
            route = self._routes[key] = OutRoute(self._association, number, described, self._send)
        return route

    def end(self) -> None:
        """Forget all routes; who holds one must ask for another."""
        for route in self._routes.values():
            route.is_live = False
        self._routes.clear()


class InRoute:
    """The receiver's end of a route: finds the actor, and makes the messages.

    `read` makes one of a row, see `MessageType.from_row`. `known_cell`: who lived there when last looked, he is still
    there while his capacity is not negative. `plain_cell`: the same, if a bulk message may go straight into his mailbox
    while there is room in it. (When he has gone there is none any more.)
    `encode_reply` makes what crosses of a reply to it, if it is an ask. `patience_s`: how long an ask of that type may
    wait in a mailbox.
    """

    __slots__ = (
        "_is_plain", "_role", "_system", "described", "encode_reply", "known_cell", "path", "patience_s", "plain_cell",
        "read", "uid",
    )  # fmt: skip

    def __init__(self, system: System, role: Role, path: str, uid: int, described: MessageType) -> None:
        self.path = path
        self.uid = uid
        self.described = described
        self.read = described.from_row
        self.encode_reply = described.reply.encode if described.is_ask else _no_reply
        self.known_cell: Cell | None = None
        self.plain_cell: Cell | None = None
        self._system = system
        self._role = role
        delivery = described.cls.__dict__.get("__lane__")
        self._is_plain = delivery is Lane.BULK
        ttl_s = delivery.ttl_s if isinstance(delivery, Delivery) else None
        self.patience_s = math.inf if ttl_s is None else ttl_s

    def tell(self, row: Any) -> None:
        """Deliver the message of a row to who lives at the end of the route now. BadMessage if it is none."""
        message = self.read(row, self._system)
        try:
            cell = self.known_cell
            if cell is None or cell.capacity < 0:
                cell = self.cell()
        except AskError as error:
            self._system.dead_letters.add(reason_of(error), self.path, message, str(error))
        else:
            cell.tell(message)

    def message(self, fields: tuple[object, ...]) -> object:
        """Return the message of its fields. BadMessage names what is wrong with it."""
        try:
            return self.described.decode(fields, self._system)
        except RecursionError as error:
            raise self._too_deep() from error

    def explained(self, row: Any, error: Exception) -> BadMessage:
        """Return what is wrong with a row whose message could not be made, with the name of the field."""
        try:
            self.described.decode(row[1:], self._system)
        except BadMessage as better:
            return better
        except RecursionError:
            return self._too_deep()
        return error if isinstance(error, BadMessage) else self._too_deep()

    def _too_deep(self) -> BadMessage:
        return BadMessage(f"message {self.described.name!r} is nested too deeply")

    def cell(self) -> Cell:
        """Return the cell at the end of this route.

        Raises:
            AskError: there is none that may be reached.
            BadMessage: it takes no such message.
        """
        cell = find_cell(self._system, self._role, self.path, self.uid)
        if not cell.kind.takes(self.described):
            # What comes from outside must not make an actor fail.
            where = f"actor {self.path!r} on node {self._system.node!r}"
            raise BadMessage(f"{where} does not take {self.described.name!r}")
        self.known_cell = cell
        self.plain_cell = cell if self._is_plain else None
        return cell


def _no_reply(value: object) -> object:
    raise TypeError(f"this message is no ask: {value!r:.60} is nobody's reply")


class Arrivals:
    """The receiver's table of one connection: `routes` by number."""

    __slots__ = ("_limit", "_role", "_system", "_unknown", "routes")

    def __init__(self, system: System, role: Role, limit: int) -> None:
        self.routes: dict[int, InRoute] = {}
        self._system = system
        self._role = role
        self._limit = limit
        self._unknown: dict[int, tuple[str, int, str]] = {}  # whose message type nobody has declared

    def define(self, number: int, path: str, uid: int, name: str) -> None:
        """Take a definition. BadMessage if its number or its names are beyond what a table holds."""
        is_sound = 0 <= number - FIRST_ROUTE < self._limit and max(len(path), len(name)) <= NAME_CHARS_MAX
        if not is_sound:
            raise BadMessage(f"route {number} to {path!r:.60} is beyond the {self._limit} that a table holds")
        self.routes.pop(number, None)
        self._unknown[number] = (path, uid, name)
        self._resolve(number)

    def route(self, number: int) -> InRoute:
        """Return the route of that number. BadMessage if there is none, or it is for a message unknown here."""
        route = self.routes.get(number) or self._resolve(number)
        if route is None:
            if number not in self._unknown:
                raise BadMessage(f"route {number} is not defined")
            _, _, name = self._unknown[number]
            raise BadMessage(f"unknown message type {name!r}: no actor of {self._system.node!r} declares it")
        return route

    def _resolve(self, number: int) -> InRoute | None:
        """Make a route of its definition once its message type is known: an actor may declare it at any time."""
        path, uid, name = self._unknown.get(number, ("", 0, ""))
        described = self._system.message_types.get(name)
        if described is None:
            return None
        del self._unknown[number]
        route = self.routes[number] = InRoute(self._system, self._role, path, uid, described)
        return route


def find_cell(system: System, role: Role, path: str, uid: int) -> Cell:
    """Return the cell at a path for a peer of that role; `uid` 0 means whoever lives there.

    Raises:
        ActorNotFound, NotExported, ActorStopped: there is none that may be reached.
    """
    cell = system.cell_at(path)
    if cell is None:
        raise ActorNotFound(f"no actor at {path!r:.100} on node {system.node!r}")
    if role is Role.CLIENT and not cell.plan.exported:
        raise NotExported(f"actor {path!r} on node {system.node!r} is not exported: clients cannot reach it")
    if uid not in (0, cell.ref.uid):
        raise ActorStopped(f"actor {path!r} on node {system.node!r} has stopped; another lives there now")
    return cell
