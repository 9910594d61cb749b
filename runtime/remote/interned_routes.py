"""Interned routes: replaces an actor's path and message type by a number, so that names cross a connection only once.

Each connection has a table in each direction, new with each link. The sender defines a number with a ROUTE row ahead
of its first use. A full table starts over from the first number: rows sent before precede the new definitions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from coterie.errors import ActorNotFound, ActorStopped, AskError, BadMessage, NotExported
from coterie.runtime.cells.run_queue import URGENT
from coterie.runtime.messages.delivery_options import DeliveryOptions
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.speakers import Speaker
from coterie.runtime.remote.error_codes import dead_letter_reason
from coterie.runtime.remote.heard_peers import is_heard_from, refusal_of_name
from coterie.runtime.remote.rows import FIRST_ROUTE, ROUTE, ROUTE_AS_CLIENT, Row
from coterie.runtime.transport.handshake.identity import PeerRole

if TYPE_CHECKING:
    from coterie.runtime.cells.cell import Cell
    from coterie.runtime.messages.codec_generation import RowDecoder
    from coterie.runtime.messages.message_codecs import MessageType
    from coterie.runtime.messages.value_codecs import Resolver
    from coterie.runtime.remote.association import Association
    from coterie.runtime.system import System
    from coterie.runtime.transport.handshake.identity import Peer

__all__ = [
    "NAME_CHARS_MAX",
    "IncomingRoute",
    "IncomingRoutes",
    "OutgoingRoute",
    "OutgoingRoutes",
    "find_cell",
    "not_for_clients",
]

NAME_CHARS_MAX: Final = 1024
"""The longest path or message type name on the wire, in characters; bounds the memory of a table."""


class OutgoingRoute:
    """The sender's route to one actor for messages of one type. `is_live`: until its table ends or starts over.

    `tell` sends a message as a row, `send` any other row; `write` returns the fields of a message. Their errors are
    explained by `described.encoding_error`. `reply`: the codec of replies, if the type is an ask. The remaining
    attributes cache what each ask needs of the association and the class.
    """

    __slots__ = (
        "ask_deadlines", "association", "described", "is_live", "number", "pending_requests", "raises", "reply",
        "send", "tell", "write",
    )  # fmt: skip

    def __init__(
        self, association: Association, number: int, described: MessageType, send: Callable[[Row], None]
    ) -> None:
        self.association = association
        self.number = number
        self.described = described
        self.tell = described.make_sender(number, send)
        self.write = described.encode_unchecked
        self.raises = described.raises
        self.pending_requests = association.pending_requests
        self.ask_deadlines = association.system.registry.ask_deadlines
        self.reply = described.reply if described.is_ask else None
        self.send = send
        self.is_live = True


class OutgoingRoutes:
    """The sender's route table of one connection. `send` queues a row on that connection."""

    __slots__ = ("_association", "_limit", "_routes", "_send")

    def __init__(self, association: Association, send: Callable[[Row], None], limit: int) -> None:
        self._association = association
        self._send = send
        self._limit = limit
        self._routes: dict[tuple[str, int, str, bool], OutgoingRoute] = {}

    def route(self, path: str, uid: int, described: MessageType, *, as_client: bool = False) -> OutgoingRoute:
        """Return the route to an actor, with the rights of a client or our own; it is defined before its first use.

        Raises:
            ActorNotFound: a name exceeds `NAME_CHARS_MAX`.
            TransportError: the definition cannot be sent.
        """
        key = (path, uid, described.name, as_client)
        route = self._routes.get(key)
        if route is None:
            if max(len(path), len(described.name)) > NAME_CHARS_MAX:
                raise ActorNotFound(_names_too_long(path, described.name))
            if len(self._routes) >= self._limit:
                self.end()
            number = FIRST_ROUTE + len(self._routes)
            self._send((ROUTE_AS_CLIENT if as_client else ROUTE, number, path, uid, described.name))
            route = self._routes[key] = OutgoingRoute(self._association, number, described, self._send)
        return route

    def end(self) -> None:
        """Invalidate all routes; their holders must request new ones."""
        for route in self._routes.values():
            route.is_live = False
        self._routes.clear()


class IncomingRoute:
    """The receiver's end of a route: finds the actor and decodes the messages.

    `read` decodes the message of a row, see `MessageType.decode_with_head`; not before the peer is known to be one from
    whom it is heard. `known_cell`: the cell found last; it is
    valid while its capacity is not negative. `plain_cell`: the same cell, if bulk messages may be put into its mailbox
    directly while there is room. `encode_reply` encodes a reply, if the type is an ask. `mailbox_ttl_s`: how long an
    ask of that type may wait in a mailbox.
    """

    __slots__ = (
        "_is_consensus",
        "_is_plain",
        "_peer",
        "_resolver",
        "_system",
        "described",
        "encode_reply",
        "known_cell",
        "mailbox_ttl_s",
        "path",
        "plain_cell",
        "read",
        "uid",
    )  # fmt: skip

    def __init__(
        self, system: System, peer: Peer, resolver: Resolver, path: str, uid: int, described: MessageType
    ) -> None:
        self.path = path
        self.uid = uid
        self.described = described
        in_own_name = described.speaker is Speaker.MEMBER
        self.read: RowDecoder = self._read_in_own_name if in_own_name else described.decode_with_head
        self.encode_reply = described.reply.encode if described.is_ask else _no_reply
        self.known_cell: Cell | None = None
        self.plain_cell: Cell | None = None
        self._system = system
        self._peer = peer
        self._resolver = resolver
        delivery = described.cls.__dict__.get("__lane__")
        self._is_plain = delivery is Lane.BULK
        self._is_consensus = delivery is Lane.CONSENSUS
        ttl_s = delivery.ttl_s if isinstance(delivery, DeliveryOptions) else None
        self.mailbox_ttl_s = math.inf if ttl_s is None else ttl_s

    def tell(self, row: Any) -> None:
        """Deliver the message of a row to the current actor of the route. BadMessage if it does not decode."""
        try:
            cell = self.known_cell
            if cell is None or cell.capacity < 0:
                cell = self.cell()
        except AskError as error:
            # Not the message: it is not decoded, and what a peer sends must not be kept.
            self._system.dead_letters.add(dead_letter_reason(error), self.path, self.described.name, str(error))
        else:
            message, queue = self.read(row, self._resolver), cell.consensus
            # Fast path, as that for bulk messages in `IncomingRows.take`.
            if self._is_consensus and queue is not None and len(queue) < cell.capacity:
                queue.append(message)
                cell.is_bulk_only = False
                cell.run_queue.push(cell, URGENT)
            else:
                cell.tell(message)

    def message(self, fields: tuple[object, ...]) -> object:
        """Decode a message from its fields, once `cell` has found an actor. BadMessage names the invalid field."""
        try:
            message = self.described.decode(fields, self._resolver)
        except RecursionError as error:
            raise self._too_deep() from error
        if self.described.speaker is Speaker.MEMBER:
            self._check_name(message)
        return message

    def _read_in_own_name(self, row: Any, resolver: Resolver) -> object:
        message = self.described.decode_with_head(row, resolver)
        self._check_name(message)
        return message

    def _check_name(self, message: object) -> None:
        refusal = refusal_of_name(message, self._peer)
        if refusal is not None:
            raise BadMessage(refusal)

    def explained(self, row: Any, error: Exception) -> BadMessage:
        """Return a BadMessage that names the invalid field of a row that did not decode."""
        if self.known_cell is None:
            return error if isinstance(error, BadMessage) else self._too_deep()  # it was not decoded at all
        try:
            self.described.decode(row[1:], self._resolver)
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
            AskError: there is no reachable actor, or none for such a message of a client.
            BadMessage: the actor does not accept this message type, or no other node may send it.
        """
        operators = self._system.config.remote.operators
        if not is_heard_from(self.described.speaker, self._peer, operators):
            if self._peer.role is PeerRole.CLIENT:
                self._system.registry.check_complete()
                raise not_for_clients(self._system, self.path)
            raise BadMessage(f"message {self.described.name!r} is heard from no other node")
        cell = find_cell(self._system, self._peer.role, self.path, self.uid)
        if cell.options.for_operators and not is_heard_from(Speaker.OPERATOR, self._peer, operators):
            raise not_for_clients(self._system, self.path)
        if not cell.actor_class.takes(self.described):
            # A peer must not be able to make an actor fail.
            raise _not_taken(self._system, self.path, self.described.name)
        self.known_cell = cell
        self.plain_cell = cell if self._is_plain else None
        return cell


def _no_reply(value: object) -> object:
    raise TypeError(f"this message is no ask: {value!r:.60} cannot be its reply")


class IncomingRoutes:
    """The receiver's route table of one connection: `routes` by number. `resolver` makes the refs in messages."""

    __slots__ = ("_limit", "_peer", "_resolver", "_system", "_unknown", "routes")

    def __init__(self, system: System, peer: Peer, resolver: Resolver, limit: int) -> None:
        self.routes: dict[int, IncomingRoute] = {}
        self._system = system
        self._peer = peer
        self._resolver = resolver
        self._limit = limit
        self._unknown: dict[int, tuple[Peer, str, int, str]] = {}  # message type not declared here (yet)

    def define(self, number: int, path: str, uid: int, name: str, *, as_client: bool = False) -> None:
        """Add a definition. BadMessage if its number or its names exceed the limits.

        `as_client`: the peer passes on what a client may say, and no more.
        """
        is_sound = 0 <= number - FIRST_ROUTE < self._limit and max(len(path), len(name)) <= NAME_CHARS_MAX
        if not is_sound:
            too_long = max(len(path), len(name)) > NAME_CHARS_MAX
            beyond = f"route {number} to {path!r:.60} is beyond the {self._limit} routes of a table: see routes_max="
            raise BadMessage(_names_too_long(path, name) if too_long else beyond)
        self.routes.pop(number, None)
        speaker = replace(self._peer, role=PeerRole.CLIENT, could_be_node=False) if as_client else self._peer
        self._unknown[number] = (speaker, path, uid, name)
        self._resolve(number)

    def route(self, number: int) -> IncomingRoute:
        """Return the route of a number.

        Raises:
            BadMessage: it is undefined, or its message type is unknown here.
            AskError: the same, and a client does not reach the actor, or this node is starting or being stopped.
        """
        route = self.routes.get(number) or self._resolve(number)
        if route is None:
            if number not in self._unknown:
                raise BadMessage(f"route {number} is not defined")
            speaker, path, uid, name = self._unknown[number]
            if speaker.role is PeerRole.CLIENT:  # it does not learn which types are declared here
                find_cell(self._system, speaker.role, path, uid)
                raise _not_taken(self._system, path, name)
            self._system.registry.check_complete()  # the actor that declares it may be to come
            raise BadMessage(f"unknown message type {name!r}: no actor of {self._system.node!r} declares it")
        return route

    def _resolve(self, number: int) -> IncomingRoute | None:
        """Create the route of a definition once its message type is known: an actor may declare it at any time."""
        speaker, path, uid, name = self._unknown.get(number, (self._peer, "", 0, ""))
        described = self._system.registry.message_types.get(name)
        if described is None:
            return None
        del self._unknown[number]
        route = IncomingRoute(self._system, speaker, self._resolver, path, uid, described)
        self.routes[number] = route
        return route


def find_cell(system: System, role: PeerRole, path: str, uid: int) -> Cell:
    """Return the cell at a path for a peer of that role; `uid` 0 matches any actor there.

    Raises:
        ActorNotFound, NotExported, ActorStopped: there is no reachable actor.
        NodeStarting: there is none yet.
    """
    cell = system.registry.cell_at(path)
    if (failed := system.registry.failed_at(path, is_client=role is PeerRole.CLIENT)) is not None:
        raise failed
    if cell is None or (role is PeerRole.CLIENT and not cell.options.exported):
        system.registry.check_complete()
        if role is PeerRole.CLIENT:
            raise not_for_clients(system, path)
    if cell is None:
        raise ActorNotFound(f"no actor at {path!r:.100} on node {system.node!r}")
    if uid not in (0, cell.ref.uid):
        raise ActorStopped(f"actor {path!r} on node {system.node!r} has stopped; another actor has its path now")
    return cell


def _not_taken(system: System, path: str, name: str) -> BadMessage:
    return BadMessage(f"actor {path!r} on node {system.node!r} does not take {name!r}")


def not_for_clients(system: System, path: str) -> NotExported:
    """Return the one error for what is not there and what is not for clients: they must not learn which it is."""
    return NotExported(
        f"no actor at {path!r:.100} on node {system.node!r} for clients: it is not there, it is not exported, "
        "or it takes no such message from clients (reports of nodes are for operators: see Topology(operators=…))"
    )


def _names_too_long(path: str, name: str) -> str:
    sizes = f"{len(name)} and {len(path)} characters"
    return f"{name!r:.60} to {path!r:.60}: these names have {sizes}; on the wire each may have {NAME_CHARS_MAX}"
