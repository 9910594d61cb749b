"""`NodeFinder`: asks a client's linked nodes for the addresses of the others, and dials those, so that one is enough.

Each node is asked as soon as it is linked, and again every `INTERVAL_S`: a node that moved is found at its new address
as soon as one linked node knows that. All addresses that the latest list of any node has are dialled, until no list has
them any more; the list of a node that is down stays. So a client whose nodes are all down tries every address again.

A learned address is trusted no more than a given one: the handshake is the same, with the same keys and certificates,
and it must be the node of that name which answers there. Nodes may list a loopback address because they are all on one
machine; it means another machine here, unless the client was itself given a loopback address.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
from collections.abc import Callable, Collection
from functools import partial
from typing import Final, NamedTuple

from coterie.actors.network_addresses import parse_address
from coterie.actors.node_report import NODE_REPORT_PATH, NodeDirectory, ReportDirectory
from coterie.errors import NodeStarting
from coterie.runtime.observing.printable_text import printable
from coterie.runtime.refs import Address
from coterie.runtime.remote.link_events import LinkEvent
from coterie.runtime.system import System
from coterie.runtime.transport.handshake.identity import PeerRole
from coterie.runtime.transport.transport import is_loopback

__all__ = ["NodeFinder"]

INTERVAL_S: Final = 10.0
"""How long until linked nodes are asked again. Lower: a moved node is found sooner, and nodes answer more often."""

ANSWER_LIMIT_S: Final = 5.0

STARTING_S: Final = 0.2
"""How long until a node is asked again that was starting."""

NODES_MAX: Final = 256
"""The most entries of one list that count, and the most nodes whose lists are kept."""

GROUPS_MAX: Final = 4096
"""The most groups of one list that count."""

SINGLETONS_MAX: Final = 1024
"""The most singletons of one list that count: a cluster has no more."""

HOST_CHARS_MAX: Final = 255
"""The longest name in the DNS (RFC 1035, 2.3.4)."""


class _Place(NamedTuple):
    """A node, and where it is dialled."""

    node: str
    host: str
    port: int


class NodeFinder:
    """Learns where the nodes of a client's cluster are, and dials them.

    Args:
        system: the client's system.
        given: the addresses that the client dials anyway.
        changed: is called when a node has answered, or is not asked any more.
        dials: False dials nothing; the names alone are learned.
    """

    def __init__(
        self, system: System, given: Collection[tuple[str, int]], changed: Callable[[], None], *, dials: bool = True
    ) -> None:
        self._system = system
        self._dials = dials
        self._changed = changed
        self._given = frozenset(given)
        self._has_loopback = any(is_loopback(host) for host, _ in given)
        self._places_by_teller: dict[str, tuple[_Place, ...]] = {}
        self._groups_by_teller: dict[str, frozenset[str]] = {}
        self._singletons_by_teller: dict[str, frozenset[str]] = {}
        self._dialled: set[_Place] = set()
        self._asked: set[str] = set()
        self._context = contextvars.Context()  # no deadline of who started the client limits what is asked here
        self._ignore_links = system.on_link(self._link_changed)
        self._asking = system.loop.create_task(self._ask_repeatedly(), context=self._context)

    @property
    def nodes(self) -> set[str]:
        """The names of the cluster's nodes, as far as is known: those that told, and those of their lists."""
        learned = {place.node for places in self._places_by_teller.values() for place in places}
        return {*learned, *self._places_by_teller}

    @property
    def groups(self) -> frozenset[str] | None:
        """The groups that there are, as far as nodes have told; None: none has."""
        return frozenset().union(*self._groups_by_teller.values()) if self._groups_by_teller else None

    @property
    def singletons(self) -> frozenset[str] | None:
        """The singletons that there are, as far as nodes have told; None: none has."""
        return frozenset().union(*self._singletons_by_teller.values()) if self._singletons_by_teller else None

    @property
    def is_asking(self) -> bool:
        """Whether a node has not answered yet."""
        return bool(self._asked)

    def is_dialled(self, node: str) -> bool:
        """Return whether an address is dialled that a list has for this node."""
        listed = (place for places in self._places_by_teller.values() for place in places if place.node == node)
        return any(place in self._dialled or (place.host, place.port) in self._given for place in listed)

    def look(self) -> None:
        """Ask the linked nodes now; those that have not answered yet are not asked twice."""
        for peer in self._system.links:
            if peer.node not in self._asked:
                self._context.run(self._ask, peer.node)

    async def close(self) -> None:
        """Ask no more."""
        self._ignore_links()
        self._asking.cancel()
        await asyncio.wait([self._asking])

    async def _ask_repeatedly(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL_S)
            for peer in self._system.links:
                self._ask(peer.node)

    def _link_changed(self, event: LinkEvent) -> None:
        if event.kind == "up" and event.role is PeerRole.NODE:
            self._context.run(self._ask, event.node)

    def _ask(self, node: str) -> None:
        self._asked.add(node)
        ref = self._system.at(Address(node, NODE_REPORT_PATH))
        asked: asyncio.Future[NodeDirectory] = ref.ask(ReportDirectory(), timeout_s=ANSWER_LIMIT_S)
        asked.add_done_callback(partial(self._take, node))

    def _take(self, node: str, asked: asyncio.Future[NodeDirectory]) -> None:
        self._asked.discard(node)
        if asked.cancelled() or self._asking.done():
            return
        error = asked.exception()
        if isinstance(error, NodeStarting):
            self._asked.add(node)
            self._system.loop.call_later(STARTING_S, self._ask_again, node, context=self._context)
            return
        if error is not None:  # it is no node of a topology, or it is busy: it is asked again
            self._system.log.debug("client.directory_unknown", peer=node, error=str(error))
        elif node in self._places_by_teller or len(self._places_by_teller) < NODES_MAX:
            told = asked.result()
            entries = itertools.islice(told.address_by_node.items(), NODES_MAX)
            self._places_by_teller[node] = tuple(filter(None, itertools.starmap(_place, entries)))
            self._groups_by_teller[node] = frozenset(itertools.islice(told.groups, GROUPS_MAX))
            self._singletons_by_teller[node] = frozenset(itertools.islice(told.singletons, SINGLETONS_MAX))
            self._dial()
        self._changed()

    def _ask_again(self, node: str) -> None:
        """Ask a node that was starting, if it is linked still."""
        self._asked.discard(node)
        if not self._asking.done():
            if any(peer.node == node for peer in self._system.links):
                self._ask(node)
            self._changed()

    def _dial(self) -> None:
        """Dial all places of the lists that are of use here, and no others."""
        listed = (place for places in self._places_by_teller.values() for place in places)
        wanted = dict.fromkeys(place for place in listed if self._is_of_use(place))
        transport = self._system.remoting.transport
        for place in sorted(self._dialled - wanted.keys()):
            if transport is not None:
                transport.stop_dialling(place.host, place.port, node=place.node)
        for place in wanted:
            if place not in self._dialled:
                self._system.dial(place.host, place.port, node=place.node)
        self._dialled = set(wanted)

    def _is_of_use(self, place: _Place) -> bool:
        is_new = self._dials and (place.host, place.port) not in self._given
        return is_new and (self._has_loopback or not is_loopback(place.host))


def _place(node: str, address: str) -> _Place | None:
    """Return an entry of a list; None if it is no name and address."""
    try:
        host, port = parse_address(address)
    except ValueError:
        return None
    is_text = len(host) <= HOST_CHARS_MAX and printable(host) == host and printable(node) == node
    return _Place(node, host, port) if is_text and node and port else None
