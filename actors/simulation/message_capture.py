"""`MessageCapture`: writes the messages that simulated nodes receive over the network into the trace of the run.

Used only when the log keeps all lines, because it costs time. Messages on the consensus lane are left to the group
checkers, which log them as messages of their algorithms.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from coterie.actors.node_report import NODE_REPORT_PATH
from coterie.actors.simulation.run_log import RunLog
from coterie.errors import BadMessage
from coterie.runtime.remote import rows
from coterie.runtime.system import System
from coterie.runtime.transport.handshake.identity import Peer, PeerRole

__all__ = ["MessageCapture"]

CONSENSUS: Final = 0
"""The lane class of the connection that voters use."""

Route = tuple[str, str]
"""An actor's path, and the name of a message type."""


class MessageCapture:
    """Records in `run_log` each message that arrives at a system passed to `follow`.

    Args:
        run_log: gets the lines: `from n1` for a message from a node, `told by c1` or `asked by c1` for a client's.
    """

    def __init__(self, run_log: RunLog) -> None:
        self._run_log = run_log
        self._pending_asks: dict[tuple[str, int], str] = {}
        """The message type of each pending ask, by the asking node and the number of the ask."""

    def follow(self, system: System) -> None:
        """Record every message that arrives at `system` from now on."""
        defined: dict[tuple[Peer, int], dict[int, Route]] = {}
        deliver: Callable[[Peer, int, list[Any]], None] = system.remoting.delivered

        def delivered(peer: Peer, lane_class: int, items: list[Any]) -> None:
            routes = _known_routes(system, peer, lane_class) | defined.setdefault((peer, lane_class), {})
            for row in items:
                if _kind(row) == rows.ROUTE:
                    _, number, path, _, name = row
                    routes[number] = defined[peer, lane_class][number] = path, _short(name)
                else:
                    self._read(system.node, peer, row, {} if lane_class == CONSENSUS else routes)
            deliver(peer, lane_class, items)

        vars(system.remoting)["delivered"] = delivered

    def _read(self, node: str, peer: Peer, row: Any, routes: Mapping[int, Route]) -> None:
        match _kind(row), row:
            case (_, (_, _, int(route), *_)) if routes.get(route, ("",))[0] == NODE_REPORT_PATH:
                pass  # what each client, and each observer, asks again and again
            case ((rows.ASK | rows.OFFER as kind), (_, number, route, fields, *_)) if route in routes:
                self._pending_asks[peer.node, number] = routes[route][1]
                self._record(node, peer, routes[route], fields, verb="asked" if kind == rows.ASK else "offered")
            case ((rows.REPLY | rows.ERROR | rows.DECLARED as kind), (_, number, *rest)) if (
                node,
                number,
            ) in self._pending_asks:
                reply = reprlib.repr(rest[0]) if kind == rows.REPLY else f"error {': '.join(map(str, rest))}"
                self._run_log.record(
                    node, f"from {peer.node}", f"answer to {self._pending_asks.pop((node, number))}: {reply}"
                )
            case rows.ENDED, (_, path, *_, cause):
                self._run_log.record(node, f"from {peer.node}", f"{path} has ended: {cause}")
            case None, (int(route), *fields) if route in routes:
                self._record(node, peer, routes[route], fields, verb="told")
            case _:
                pass  # watches, look-ups and corrupted rows

    def _record(self, node: str, peer: Peer, route: Route, fields: Sequence[object], *, verb: str) -> None:
        path, name = route
        what = f"from {peer.node}" if peer.role is PeerRole.NODE else f"{verb} by {peer.node}"
        self._run_log.record(node, what, f"{path}: {name}({', '.join(map(reprlib.repr, fields))})")


def _kind(row: object) -> int | None:
    """Return the kind of a row; None if it is a message or not a valid row."""
    try:
        return rows.kind_of_row(row)
    except BadMessage:
        return None


def _known_routes(system: System, peer: Peer, lane_class: int) -> dict[int, Route]:
    association = system.remoting.association(peer.node)
    routes = {} if association is None else association.incoming_routes[lane_class].routes
    return {number: (route.path, _short(route.described.name)) for number, route in routes.items()}


def _short(name: str) -> str:
    return name.rpartition(".")[2]
