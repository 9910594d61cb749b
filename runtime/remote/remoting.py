"""Between systems: the links of one system, and what it has open with whoever is linked."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from coterie.errors import CoterieError, NodeUnreachable
from coterie.runtime.cells.asks import PendingAsk
from coterie.runtime.messages.declared_errors import NO_ERRORS
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.refs import Address
from coterie.runtime.remote.association import Association
from coterie.runtime.remote.incoming.incoming_rows import Inbound
from coterie.runtime.remote.incoming.remote_spawn import spawn_for
from coterie.runtime.remote.link_events import LinkEvent
from coterie.runtime.remote.lookup import address_of, find, type_names
from coterie.runtime.remote.node_requests import REF, Lookup, Spawn
from coterie.runtime.remote.pending_requests import OutgoingAsk
from coterie.runtime.remote.refused_handshakes import Refusals
from coterie.runtime.remote.remote_config import RemoteConfig
from coterie.runtime.remote.remote_watches import Watches
from coterie.runtime.transport.handshake.identity import Role

if TYPE_CHECKING:
    import asyncio

    from coterie.runtime.actor import Actor
    from coterie.runtime.system import System
    from coterie.runtime.transport.handshake.identity import Peer
    from coterie.runtime.transport.transport import Transport

__all__ = ["Remoting"]


class Remoting:
    """Hears of links (it is the transport's `TransportEvents`) and keeps an `Association` for each that stands."""

    def __init__(self, system: System, config: RemoteConfig | None = None) -> None:
        self.system = system
        self.config = config or RemoteConfig()
        self.transport: Transport | None = None
        self.watches = Watches(self)
        self.refusals = Refusals(system.host.clock)
        self.next_number = itertools.count(1).__next__
        self._associations: dict[str, Association] = {}
        self._inbound: dict[str, Inbound] = {}
        self._listeners: list[Callable[[LinkEvent], None]] = []

    # --- looking outward --------------------------------------------------------------------------------------------

    def association(self, node: str) -> Association | None:
        """Return what is open with a node; None if there is no link to it."""
        return self._associations.get(node)

    def reach(self, node: str) -> Association:
        """Return what is open with a node. NodeUnreachable if there is no link to it."""
        association = self._associations.get(node)
        if association is not None:
            return association
        if self.transport is None:
            raise NodeUnreachable(node, "this system has no network: it neither listens nor dials")
        raise NodeUnreachable(node, self.transport.absence(node))

    @property
    def linked(self) -> Iterable[Peer]:
        """Who is linked now."""
        return [association.peer for association in self._associations.values()]

    @property
    def asks_pending(self) -> int:
        """How many asks, offers and requests are out."""
        return sum(len(association.questions) for association in self._associations.values())

    def lookup(
        self, place: Address | str, kind: type[Actor[Any]] | None, timeout_s: float | None
    ) -> asyncio.Future[Any]:
        """Return a future of the ref of the actor that lives at `place` now: an address, or "node/path".

        `kind`: it must take the messages that this actor class takes; the ref is typed by it.

        Raises:
            ValueError: `place` names no actor.
            AskError: through the future: `ActorNotFound`, or `NotExported` to a client; `ConnectionLost`, `AskTimeout`.
            BadMessage: through the future: it does not take a message that `kind` takes.
            TransportError: through the future: the node cannot be asked.
        """
        place = address_of(place)
        names = type_names(kind)
        if place.node == self.system.node:
            ask = self.system.asking.begin(Lookup(place.path, names), timeout_s, str(place), PendingAsk)
            _settle(ask, lambda: find(self.system, Role.NODE, place.path, names))
            return ask.future
        return self._request(place.node, Lookup(place.path, names), timeout_s)

    def spawn_on(
        self, node: str, kind: str, arguments: tuple[object, ...], name: str | None, timeout_s: float | None
    ) -> asyncio.Future[Any]:
        """Let `node` spawn an actor of a kind that it has registered (`System(spawnable=…)`); return its ref.

        `arguments` go to what is registered there: None, bool, int, float, str, bytes, and tuples and dicts of those.

        Raises:
            AskError: through the future: `SpawnRefused`: the kind is not registered there, the name is taken, or
                clients may not spawn; `ActorFailed`: making the actor failed; `ConnectionLost`, `AskTimeout`: it may
                live.
            TransportError, TypeError: through the future: it was not sent; an argument cannot cross.
        """
        spawn = Spawn(kind, arguments, name)
        if node == self.system.node:
            ask = self.system.asking.begin(spawn, timeout_s, node, PendingAsk)
            _settle(ask, lambda: spawn_for(self.system, Role.NODE, spawn.kind, spawn.arguments, spawn.name))
            return ask.future
        return self._request(node, spawn, timeout_s)

    def _request(self, node: str, request: Lookup | Spawn, timeout_s: float | None) -> asyncio.Future[Any]:
        try:
            association = self.reach(node)
        except CoterieError as error:
            refused = self.system.asking.begin(request, timeout_s, node, PendingAsk)
            refused.reject(error)
            return refused.future
        ask = self.system.asking.begin(request, timeout_s, node, OutgoingAsk)
        try:
            number = self.next_number()
            ask.enter(association.questions, number, REF, NO_ERRORS)
            association.send(Lane.BULK, request.row(number))
        except (CoterieError, TypeError) as error:
            ask.reject(error)
        return ask.future

    # --- listeners --------------------------------------------------------------------------------------------------

    def listen_to_links(self, listener: Callable[[LinkEvent], None]) -> None:
        """Call `listener` with each link event from now on."""
        self._listeners.append(listener)

    def ignore_links(self, listener: Callable[[LinkEvent], None]) -> None:
        """Call `listener` no more."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def close(self) -> None:
        """Wait for nobody any more. The transport, closed next, reports each link down."""
        self.watches.close()

    # --- the transport's events -------------------------------------------------------------------------------------

    def link_up(self, peer: Peer) -> None:
        """Begin an association."""
        if self.transport is None:
            raise RuntimeError("a link is up, but the system has no transport")
        association = Association(self, self.transport, peer)
        self._associations[peer.node] = association
        self._inbound[peer.node] = Inbound(self, association)
        self.watches.link_up(association)
        self._tell("up", peer, "")

    def link_down(self, peer: Peer, reason: str) -> None:
        """End an association."""
        self._inbound.pop(peer.node, None)
        association = self._associations.pop(peer.node, None)
        if association is not None:
            association.end(reason)
        self._tell("down", peer, reason)

    def node_lost(self, peer: Peer, reason: str) -> None:
        """Tell that a node's life is over as far as we can know."""
        self.watches.node_lost(peer, reason)
        self._tell("lost", peer, reason)

    def refused(self, address: object, reason: str) -> None:
        """Tell the log of a handshake that failed; of those that are like it soon after, for debugging only."""
        times = self.refusals.note(str(address), reason)
        tell = self.system.log.warning if times else self.system.log.debug
        tell("transport.handshake_refused", address=str(address), reason=reason, times=max(1, times))

    def delivered(self, peer: Peer, lane_class: int, items: list[Any]) -> None:
        """Hand each row of a frame to whom it is for, and let them have their turn."""
        run_queue = self.system.run_queue
        is_held = run_queue.hold()
        try:
            self._inbound[peer.node].take(lane_class, items)
        finally:
            if is_held:
                run_queue.release()

    def _tell(self, kind: str, peer: Peer, reason: str) -> None:
        event = LinkEvent(kind, peer.node, peer.incarnation, peer.role, reason)
        self.system.log.info("link.changed", kind=kind, peer=peer.node, reason=reason)
        for listener in list(self._listeners):
            listener(event)


def _settle(ask: PendingAsk, find_out: Callable[[], object]) -> None:
    try:
        ask.resolve(find_out())
    except CoterieError as error:
        ask.reject(error)
