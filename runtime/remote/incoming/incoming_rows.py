"""`IncomingRows`: dispatches each wire message of another node; a bad one is a dead letter, and the link stays up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgpack

from coterie.errors import AskError, BadMessage, CoterieError, FrameTooLarge
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.remote.error_codes import error_of
from coterie.runtime.remote.incoming.incoming_ask import IncomingAsk, chain_of
from coterie.runtime.remote.incoming.incoming_offer import take_offer
from coterie.runtime.remote.incoming.remote_spawn import spawn_for
from coterie.runtime.remote.lookup import find
from coterie.runtime.remote.remote_watches import unwatch_for, watch_for
from coterie.runtime.remote.rows import (
    ASK,
    DECLARED,
    ENDED,
    ERROR,
    LOAD,
    LOOKUP,
    OFFER,
    REPLY,
    ROUTE,
    ROUTE_AS_CLIENT,
    SPAWN,
    UNWATCH,
    WATCH,
    WITHDRAW,
    kind_of_row,
)
from coterie.runtime.transport.framing.chunks import OversizedItem

if TYPE_CHECKING:
    from coterie.runtime.remote.association import Association
    from coterie.runtime.remote.interned_routes import IncomingRoutes
    from coterie.runtime.remote.remoting import Remoting

__all__ = ["IncomingRows"]

_ASK_TYPES: Final = [int, int, int, tuple, int, tuple]

_LANES: Final = (Lane.CONSENSUS, Lane.BULK)
"""By lane class of the connection: the lane of an error for a row whose message type is unknown."""


_NUMBERED: Final = (ASK, OFFER, LOOKUP, SPAWN)


class IncomingRows:
    """Handles the frames of one association."""

    __slots__ = ("_association", "_kinds", "_remoting", "_system")

    def __init__(self, remoting: Remoting, association: Association) -> None:
        self._remoting = remoting
        self._system = remoting.system
        self._association = association
        self._kinds: dict[int, Callable[..., None]] = {
            ASK: self._ask,
            OFFER: self._offer,
            ROUTE: self._route,
            ROUTE_AS_CLIENT: self._route_as_client,
            WITHDRAW: self._withdraw,
            REPLY: self._reply,
            ERROR: self._error,
            DECLARED: self._declared,
            WATCH: self._watch,
            UNWATCH: self._unwatch,
            ENDED: self._ended,
            LOOKUP: self._lookup,
            SPAWN: self._spawn,
            LOAD: self._load,
        }

    def take(self, lane_class: int, rows: Sequence[Any]) -> None:
        """Deliver the rows of one frame."""
        resolver, find = self._association.resolver, self._association.incoming_routes[lane_class].routes.get
        for row in rows:
            try:
                route = find(row[0]) if type(row) is tuple else None
            except (IndexError, TypeError):
                route = None
            try:
                if route is None:
                    self._take_other(lane_class, row)
                    continue
                # Fast path: a bulk message to a known actor whose mailbox has room.
                cell = route.plain_cell
                if cell is not None and len(queue := cell.bulk) < cell.capacity:
                    queue.append(route.read(row, resolver))
                    if not cell.queued:
                        cell.run_queue.push_idle(cell)
                else:
                    route.tell(row)
            except (BadMessage, RecursionError, AskError) as error:  # an AskError: a client does not reach the actor
                self._association.drop_bad_row(row, error if route is None else route.explained(row, error))

    def _take_other(self, lane_class: int, row: Any) -> None:
        # Fast path for the two commonest rows that are not messages.
        length = len(row) if type(row) is tuple else 0
        if length == 3 and type(row[0]) is type(row[1]) is int and row[0] == REPLY:
            self._reply(lane_class, row[1], row[2])
        elif length == 6 and list(map(type, row)) == _ASK_TYPES and row[0] == ASK:
            self._ask(lane_class, *row[1:])
        elif type(row) is OversizedItem:
            self._oversized(lane_class, row)
        elif length and type(row[0]) is int and row[0] not in self._kinds:
            self._incoming_routes(lane_class).route(row[0]).tell(row)
        else:
            self._kinds[kind_of_row(row)](lane_class, *row[1:])

    # --- requests ---------------------------------------------------------------------------------------------------

    def _route(self, lane_class: int, number: int, path: str, uid: int, name: str) -> None:
        self._incoming_routes(lane_class).define(number, path, uid, name)

    def _route_as_client(self, lane_class: int, number: int, path: str, uid: int, name: str) -> None:
        self._incoming_routes(lane_class).define(number, path, uid, name, as_client=True)

    def _ask(
        self, lane_class: int, number: int, route_number: int, fields: Any, left_ms: int, chain: tuple[Any, ...]
    ) -> None:
        association = self._association
        incoming_routes = association.incoming_routes[lane_class]
        try:
            route = incoming_routes.routes.get(route_number) or incoming_routes.route(route_number)
            described = route.described
            if not described.is_ask:
                raise BadMessage(f"message {described.name!r} is no Ask: it has no reply")
            cell = route.known_cell
            if cell is None or cell.capacity < 0:
                cell = route.cell()
            message = route.message(fields)
            deadline = association.monotonic() + min(left_ms / 1000, route.mailbox_ttl_s)
            links = chain_of(chain) if chain else ()
            envelope = IncomingAsk(association, number, route, message, deadline, links)
            cell.post(envelope, described.lane)
        except BadMessage as error:
            self._association.answer_error(_LANES[lane_class], number, error)
            raise
        except AskError as error:
            self._association.answer_error(_LANES[lane_class], number, error)

    def _offer(self, lane_class: int, number: int, route_number: int, fields: Any) -> None:
        try:
            route = self._incoming_routes(lane_class).route(route_number)
            take_offer(self._association, number, route, fields, self._remoting.config.offers_max)
        except BadMessage as error:
            self._association.answer_error(_LANES[lane_class], number, error)
            raise
        except AskError as error:
            self._association.answer_error(_LANES[lane_class], number, error)

    def _oversized(self, lane_class: int, item: OversizedItem) -> None:
        """Answer a request that was dropped because of its size, if it is one."""
        error = FrameTooLarge(
            self._system.node,
            size_bytes=item.size_bytes,
            limit_bytes=item.limit_bytes,
            setting="client_frame_cap_bytes= of every node and client",
        )
        number = _request_number(item.head)
        if number is not None:
            self._association.answer_error(_LANES[lane_class], number, error)
        raise BadMessage(str(error))

    def _withdraw(self, lane_class: int, number: int) -> None:
        offer = self._association.offers.get(number)
        if offer is not None:
            offer.withdraw()

    def _lookup(self, lane_class: int, number: int, path: str, names: tuple[object, ...]) -> None:
        self._answer_request(number, lambda: find(self._system, self._association.peer.role, path, names).to_wire())

    def _spawn(self, lane_class: int, number: int, kind: str, arguments: tuple[object, ...], name: object) -> None:
        role = self._association.peer.role
        self._answer_request(number, lambda: spawn_for(self._system, role, kind, arguments, name).to_wire())

    def _answer_request(self, number: int, carry_out: Callable[[], object]) -> None:
        try:
            self._association.answer(Lane.BULK, (REPLY, number, carry_out()))
        except CoterieError as error:
            self._association.answer_error(Lane.BULK, number, error)

    def _watch(self, lane_class: int, path: str, uid: int) -> None:
        watch_for(self._association, path, uid)

    def _unwatch(self, lane_class: int, path: str, uid: int) -> None:
        unwatch_for(self._association, path, uid)

    # --- answers ----------------------------------------------------------------------------------------------------

    def _reply(self, lane_class: int, number: int, value: object) -> None:
        request = self._association.pending_requests.take(number)
        if request is not None:  # else it came too late: the ask has timed out
            request.answer(value, self._association.resolver)

    def _error(self, lane_class: int, number: int, code: str, text: str) -> None:
        request = self._association.pending_requests.take(number)
        if request is not None:
            request.reject(error_of(code, text))

    def _declared(self, lane_class: int, number: int, name: str, values: tuple[object, ...]) -> None:
        request = self._association.pending_requests.take(number)
        if request is not None:
            request.answer_declared(name, values)

    def _load(self, lane_class: int, number: int, values: tuple[object, ...]) -> None:
        self._remoting.take_load(self._association.peer.node, self._association.pending_requests.get(number), values)

    def _ended(self, lane_class: int, path: str, uid: int, cause: str) -> None:
        self._remoting.watches.ended(self._association.peer, path, uid, cause)

    def _incoming_routes(self, lane_class: int) -> IncomingRoutes:
        return self._association.incoming_routes[lane_class]


def _request_number(head: bytes) -> int | None:
    """Return the number of the request whose row begins with these bytes; None if it is none."""
    walker = msgpack.Unpacker(max_buffer_size=len(head))
    walker.feed(head)
    try:
        if walker.read_array_header() < len(("kind", "number")) or walker.unpack() not in _NUMBERED:
            return None
        number = walker.unpack()
    except (ValueError, TypeError, msgpack.UnpackException):
        return None
    return number if type(number) is int else None
