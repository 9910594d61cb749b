"""What nodes and clients say to each other across the network, as a run's story tells it to people.

Only a story that keeps everything is told so: it costs time, and a run that nobody reads need not pay. What travels on
the consensus lane is left to the judges of groups, who tell it in the words of their algorithms.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from coterie.actors.simulation.run_log import Story
from coterie.errors import BadMessage
from coterie.runtime.remote import rows
from coterie.runtime.system import System
from coterie.runtime.transport.handshake.identity import Peer, Role

__all__ = ["Letters"]

CONSENSUS: Final = 0
"""The class of connection that voters use."""

Route = tuple[str, str]
"""An actor's path, and the name of a message type."""


class Letters:
    """Tells `story` of each letter that arrives at a system which it has been made to `follow`.

    Args:
        story: hears `from n1` at a node for what another node sent, `told by c1` or `asked by c1` for a client's.
    """

    def __init__(self, story: Story) -> None:
        self._story = story
        self._asked: dict[tuple[str, int], str] = {}
        """By who asked and by the number of the question: what was asked."""

    def follow(self, system: System) -> None:
        """Tell of what arrives at `system` from now on."""
        defined: dict[tuple[Peer, int], dict[int, Route]] = {}
        deliver: Callable[[Peer, int, list[Any]], None] = system.remoting.delivered

        def delivered(peer: Peer, lane_class: int, items: list[Any]) -> None:
            routes = _known(system, peer, lane_class) | defined.setdefault((peer, lane_class), {})
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
            case ((rows.ASK | rows.OFFER as kind), (_, number, route, fields, *_)) if route in routes:
                self._asked[peer.node, number] = routes[route][1]
                self._tell(node, peer, routes[route], fields, verb="asked" if kind == rows.ASK else "offered")
            case ((rows.REPLY | rows.ERROR | rows.DECLARED as kind), (_, number, *rest)) if (
                node,
                number,
            ) in self._asked:
                said = reprlib.repr(rest[0]) if kind == rows.REPLY else f"error {': '.join(map(str, rest))}"
                self._story.tell(node, f"from {peer.node}", f"answer to {self._asked.pop((node, number))}: {said}")
            case rows.ENDED, (_, path, *_, cause):
                self._story.tell(node, f"from {peer.node}", f"{path} has ended: {cause}")
            case None, (int(route), *fields) if route in routes:
                self._tell(node, peer, routes[route], fields, verb="told")
            case _:
                pass  # watches, look-ups and what was spoilt on its way

    def _tell(self, node: str, peer: Peer, route: Route, fields: Sequence[object], *, verb: str) -> None:
        path, name = route
        what = f"from {peer.node}" if peer.role is Role.NODE else f"{verb} by {peer.node}"
        self._story.tell(node, what, f"{path}: {name}({', '.join(map(reprlib.repr, fields))})")


def _kind(row: object) -> int | None:
    """Return the kind of a row, None if it is a message (or nothing at all)."""
    try:
        return rows.kind_of_row(row)
    except BadMessage:
        return None


def _known(system: System, peer: Peer, lane_class: int) -> dict[int, Route]:
    association = system.remoting.association(peer.node)
    routes = {} if association is None else association.arrivals[lane_class].routes
    return {number: (route.path, _short(route.described.name)) for number, route in routes.items()}


def _short(name: str) -> str:
    return name.rpartition(".")[2]
