"""What one peer sends: each row of a frame to whom it is for. A bad one is a dead letter; the link lives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from coterie.errors import AskError, BadMessage, CoterieError
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
    LOOKUP,
    OFFER,
    REPLY,
    ROUTE,
    SPAWN,
    UNWATCH,
    WATCH,
    WITHDRAW,
    kind_of_row,
)

if TYPE_CHECKING:
    from coterie.runtime.remote.association import Association
    from coterie.runtime.remote.interned_routes import Arrivals
    from coterie.runtime.remote.remoting import Remoting

__all__ = ["Inbound"]

_ASK_TYPES: Final = [int, int, int, tuple, int, tuple]

_LANES: Final = (Lane.CONSENSUS, Lane.BULK)
"""By class of connection: the lane on which what came by it is answered if its message does not say."""


class Inbound:
    """Takes the frames of one association."""

    __slots__ = ("_association", "_kinds", "_remoting", "_system")

    def __init__(self, remoting: Remoting, association: Association) -> None:
        self._remoting = remoting
        self._system = remoting.system
        self._association = association
        self._kinds: dict[int, Callable[..., None]] = {
            ASK: self._ask,
            OFFER: self._offer,
            ROUTE: self._route,
            WITHDRAW: self._withdraw,
            REPLY: self._reply,
            ERROR: self._error,
            DECLARED: self._declared,
            WATCH: self._watch,
            UNWATCH: self._unwatch,
            ENDED: self._ended,
            LOOKUP: self._lookup,
            SPAWN: self._spawn,
        }

    def take(self, lane_class: int, rows: Sequence[Any]) -> None:
        """Deliver the rows of one frame."""
        system, find = self._system, self._association.arrivals[lane_class].routes.get
        for row in rows:
            try:
                route = find(row[0]) if type(row) is tuple else None
            except (IndexError, TypeError):
                route = None
            try:
                if route is None:
                    self._take_other(lane_class, row)
                    continue
                # The commonest row: a bulk message on a route whose actor is known, and has room for it.
                cell = route.plain_cell
                if cell is not None and len(queue := cell.bulk) < cell.capacity:
                    queue.append(route.read(row, system))
                    if not cell.queued:
                        cell.run_queue.push_idle(cell)
                else:
                    route.tell(row)
            except (BadMessage, RecursionError) as error:
                self._association.complain(row, error if route is None else route.explained(row, error))

    def _take_other(self, lane_class: int, row: Any) -> None:
        # The two commonest rows that are no messages are told in fewer steps than `kind_of_row` takes.
        length = len(row) if type(row) is tuple else 0
        if length == 3 and type(row[0]) is type(row[1]) is int and row[0] == REPLY:
            self._reply(lane_class, row[1], row[2])
        elif length == 6 and list(map(type, row)) == _ASK_TYPES and row[0] == ASK:
            self._ask(lane_class, *row[1:])
        elif length and type(row[0]) is int and row[0] not in self._kinds:
            self._arrivals(lane_class).route(row[0]).tell(row)
        else:
            self._kinds[kind_of_row(row)](lane_class, *row[1:])

    # --- what is asked of us ----------------------------------------------------------------------------------------

    def _route(self, lane_class: int, number: int, path: str, uid: int, name: str) -> None:
        self._arrivals(lane_class).define(number, path, uid, name)

    def _ask(
        self, lane_class: int, number: int, route_number: int, fields: Any, left_ms: int, chain: tuple[Any, ...]
    ) -> None:
        association = self._association
        arrivals = association.arrivals[lane_class]
        try:
            route = arrivals.routes.get(route_number) or arrivals.route(route_number)
            described = route.described
            if not described.is_ask:
                raise BadMessage(f"message {described.name!r} is no Ask: it has no reply")
            message = route.message(fields)
            deadline = association.monotonic() + min(left_ms / 1000, route.patience_s)
            links = chain_of(chain) if chain else ()
            envelope = IncomingAsk(association, number, route, message, deadline, links)
            cell = route.known_cell
            if cell is None or cell.capacity < 0:
                cell = route.cell()
            cell.post(envelope, described.lane)
        except BadMessage as error:
            self._association.refuse(_LANES[lane_class], number, error)
            raise
        except AskError as error:
            self._association.refuse(_LANES[lane_class], number, error)

    def _offer(self, lane_class: int, number: int, route_number: int, fields: Any) -> None:
        try:
            route = self._arrivals(lane_class).route(route_number)
            take_offer(self._association, number, route, route.message(fields), self._remoting.config.offers_max)
        except BadMessage as error:
            self._association.refuse(_LANES[lane_class], number, error)
            raise
        except AskError as error:
            self._association.refuse(_LANES[lane_class], number, error)

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
            self._association.refuse(Lane.BULK, number, error)

    def _watch(self, lane_class: int, path: str, uid: int) -> None:
        watch_for(self._association, path, uid)

    def _unwatch(self, lane_class: int, path: str, uid: int) -> None:
        unwatch_for(self._association, path, uid)

    # --- what answers us --------------------------------------------------------------------------------------------

    def _reply(self, lane_class: int, number: int, value: object) -> None:
        question = self._association.questions.take(number)
        if question is not None:  # else it came too late: the asker has been told so
            question.answer(value, self._system)

    def _error(self, lane_class: int, number: int, code: str, text: str) -> None:
        question = self._association.questions.take(number)
        if question is not None:
            question.reject(error_of(code, text))

    def _declared(self, lane_class: int, number: int, name: str, values: tuple[object, ...]) -> None:
        question = self._association.questions.take(number)
        if question is not None:
            question.answer_declared(name, values)

    def _ended(self, lane_class: int, path: str, uid: int, cause: str) -> None:
        self._remoting.watches.ended(self._association.peer, path, uid, cause)

    def _arrivals(self, lane_class: int) -> Arrivals:
        return self._association.arrivals[lane_class]
