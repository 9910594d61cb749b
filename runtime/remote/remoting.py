"""`Remoting`: manages a system's links, looks up and spawns actors on other nodes, and dispatches incoming messages."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from coterie.errors import CoterieError, NodeUnreachable
from coterie.runtime.cells.asks import PendingAsk
from coterie.runtime.messages.declared_errors import NO_ERRORS
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.refs import Address
from coterie.runtime.remote.association import Association
from coterie.runtime.remote.incoming.incoming_rows import IncomingRows
from coterie.runtime.remote.incoming.remote_spawn import spawn_for
from coterie.runtime.remote.link_events import LinkEvent
from coterie.runtime.remote.lookup import address_of, find, type_names
from coterie.runtime.remote.node_requests import REF_CODEC, LookupRequest, SpawnRequest
from coterie.runtime.remote.pending_requests import OutgoingAsk, PendingRequest
from coterie.runtime.remote.refused_handshakes import RefusedHandshakes
from coterie.runtime.remote.remote_config import RemoteConfig
from coterie.runtime.remote.remote_watches import RemoteWatches
from coterie.runtime.transport.handshake.handshake_messages import RefusalReason
from coterie.runtime.transport.handshake.identity import PeerRole
from coterie.runtime.transport.transport import Transport
from coterie.runtime.user_code import notify

if TYPE_CHECKING:
    import asyncio

    from coterie.runtime.actor import Actor
    from coterie.runtime.hosts.tls_config import TlsConfig
    from coterie.runtime.system import System
    from coterie.runtime.transport.descriptor_budget import DescriptorReport
    from coterie.runtime.transport.handshake.identity import Peer
    from coterie.runtime.transport.handshake.shared_key import Auth

__all__ = ["LoadListener", "RefusalListener", "Remoting"]

RefusalListener = Callable[[str, str], None]
"""Takes a failed handshake: ("host:port" of the other end, the code of the reason with its text)."""

LoadListener = Callable[[str, str, tuple[object, ...]], None]
"""Takes the values of a LOAD row: (node, path of the actor that was asked, values). BadMessage: they are wrong."""


class Remoting:
    """Implements the transport's `TransportEvents`; keeps an `Association` for each link that is up.

    `load_listener`: gets the load reports that come with replies; None: they are dropped. `loads_dropped` counts those
    that were not taken: without a listener, or for a request that is over. `refusal_listeners`: get each
    failed handshake.
    """

    def __init__(
        self,
        system: System,
        config: RemoteConfig | None = None,
        *,
        auth: Auth | None = None,
        tls: TlsConfig | None = None,
    ) -> None:
        self.system = system
        self._auth, self._tls = auth, tls
        self.config = config or RemoteConfig()
        self.transport: Transport | None = None
        self.watches = RemoteWatches(self)
        self.refused_handshakes = RefusedHandshakes(system.host.clock)
        self.next_number = itertools.count(1).__next__
        self._associations: dict[str, Association] = {}
        self._incoming_rows: dict[str, IncomingRows] = {}
        self.load_listener: LoadListener | None = None
        self.loads_dropped = 0
        self.spawned_paths: dict[str, None] = {}  # of actors that were spawned on request, and of some that have ended
        self.refusal_listeners: list[RefusalListener] = []
        self._listeners: list[Callable[[LinkEvent], None]] = []
        self._lost: dict[str, None] = {}  # nodes whose loss was logged, and not yet their return

    # --- the network ------------------------------------------------------------------------------------------------

    def network(self) -> Transport:
        """Return the transport, made at the first call. RuntimeError outside the system's `async with`."""
        if self.transport is None:
            system = self.system
            system.loop  # noqa: B018 (raises outside `async with`)
            transport = Transport(
                system.host, system.identity, self, system.config.transport, auth=self._auth, tls=self._tls
            )
            system.run_queue.set_turn_hooks(transport.cork, transport.uncork)
            self.transport = transport
        return self.transport

    def identify_store(self, store: str) -> None:
        """Name our durable store in handshakes: no other process can push us out. RuntimeError: there is a network."""
        if self.transport is not None:
            raise RuntimeError(
                f"system {self.system.node!r} has a network already: identify its store before it listens"
            )
        self.system.identity = replace(self.system.identity, store=store)

    def trust_store(self, node: str, store: str) -> None:
        """Note that the cluster knows `store` as a store of `node`: it wins over another process of that name."""
        if self.transport is not None:
            self.transport.trust_store(node, store)

    # --- requests to other nodes ------------------------------------------------------------------------------------

    def association(self, node: str) -> Association | None:
        """Return the association with a node; None if there is no link to it."""
        return self._associations.get(node)

    def reach(self, node: str) -> Association:
        """Return the association with a node. NodeUnreachable if there is no link to it."""
        association = self._associations.get(node)
        if association is not None:
            return association
        if self.system.registry.not_running:
            raise NodeUnreachable(node, self.system.registry.not_running, advice="it cannot be sent again from here")
        if self.transport is None:
            raise NodeUnreachable(node, "this system has no network: it neither listens nor dials")
        raise NodeUnreachable(node, self._unreachable_reason(node, self.transport))

    def _unreachable_reason(self, node: str, transport: Transport) -> str:
        if self.system.identity.role is not PeerRole.CLIENT or transport.known_peer(node) is not None:
            return transport.unreachable_reason(node)
        if not self._associations:
            return self.unlinked_reason
        return f"this client has had no link to it; it is linked to {', '.join(sorted(self._associations))}"

    @property
    def unlinked_reason(self) -> str:
        """Why none of the nodes that could be asked is linked: for a client without any link the latest refusals."""
        if self.system.identity.role is not PeerRole.CLIENT or self._associations:
            return "none of its nodes is linked"
        return f"this client is linked with no node: {str(self.refused_handshakes) or 'none answers'}"

    @property
    def linked(self) -> Iterable[Peer]:
        """The linked peers."""
        return [association.peer for association in self._associations.values()]

    @property
    def linked_names(self) -> set[str]:
        """The names of the linked peers."""
        return {peer.node for peer in self.linked}

    @property
    def asks_pending(self) -> int:
        """Number of pending asks, offers and requests."""
        return sum(len(association.pending_requests) for association in self._associations.values())

    def lookup(
        self, place: Address | str, kind: type[Actor[Any]] | None, timeout_s: float | None
    ) -> asyncio.Future[Any]:
        """Return a future of the ref of the current actor at `place`: an Address, or "node/path".

        `kind`: an actor class; the actor must accept its messages, and the ref is typed by it.

        Raises:
            ValueError: `place` names no actor.
            AskError: through the future: `ActorNotFound`, or `NotExported` to a client; `ConnectionLost`, `AskTimeout`.
            BadMessage: through the future: it does not accept a message of `kind`.
            TransportError: through the future: the node cannot be asked.
        """
        place = address_of(place)
        names = type_names(kind)
        if place.node == self.system.node:
            ask = self.system.registry.ask_deadlines.begin(
                LookupRequest(place.path, names), timeout_s, str(place), PendingAsk
            )
            _resolve_with(ask, lambda: find(self.system, PeerRole.NODE, place.path, names))
            return ask.future
        return self._request(place.node, LookupRequest(place.path, names), timeout_s)

    def spawn_on(
        self, node: str, kind: str, arguments: tuple[object, ...], name: str | None, timeout_s: float | None
    ) -> asyncio.Future[Any]:
        """Spawn an actor on `node`, of a kind registered there (`System(spawnable=…)`); return a future of its ref.

        `arguments` are passed to the registered factory: None, bool, int, float, str, bytes, and tuples and dicts of
        those.

        Raises:
            AskError: through the future: `SpawnRefused`: the kind is not registered there, the name is taken, or
                clients may not spawn; `ActorFailed`: the factory failed; `ConnectionLost`, `AskTimeout`: it may have
                been spawned.
            TransportError, TypeError: through the future: not sent; an argument cannot be encoded.
        """
        spawn = SpawnRequest(kind, arguments, name)
        if node == self.system.node:
            ask = self.system.registry.ask_deadlines.begin(spawn, timeout_s, node, PendingAsk)
            _resolve_with(ask, lambda: spawn_for(self.system, PeerRole.NODE, spawn.kind, spawn.arguments, spawn.name))
            return ask.future
        return self._request(node, spawn, timeout_s)

    def _request(
        self, node: str, request: LookupRequest | SpawnRequest, timeout_s: float | None
    ) -> asyncio.Future[Any]:
        try:
            association = self.reach(node)
        except CoterieError as error:
            refused = self.system.registry.ask_deadlines.begin(request, timeout_s, node, PendingAsk)
            refused.reject(error)
            return refused.future
        ask = self.system.registry.ask_deadlines.begin(request, timeout_s, node, OutgoingAsk)
        try:
            number = self.next_number()
            ask.enter(association.pending_requests, number, REF_CODEC, NO_ERRORS)
            association.send(Lane.BULK, request.row(number))
        except (CoterieError, TypeError) as error:
            ask.reject(error)
        return ask.future

    # --- verdicts of failure detectors ------------------------------------------------------------------------------

    def known_peer(self, node: str) -> Peer | None:
        """Return the process with which we had the latest handshake as `node`; see `Transport.known_peer`."""
        return None if self.transport is None else self.transport.known_peer(node)

    def declare_lost(self, node: str, reason: str) -> None:
        """Act as if `node` had crashed; see `System.declare_lost`."""
        if self.transport is not None:
            self.transport.declare_lost(node, reason)
        self.watches.end_all(node, reason)

    def end_unread(self, association: Association) -> None:
        """End the link of a peer that does not read what it has asked for; no effect if it has ended."""
        node = association.peer.node
        if self._associations.get(node) is association and self.transport is not None:
            self.transport.end_link(node, f"{association.signals_waiting} notices wait: it does not read them")

    # --- listeners --------------------------------------------------------------------------------------------------

    def add_link_listener(self, listener: Callable[[LinkEvent], None]) -> None:
        """Call `listener` with each link event from now on."""
        self._listeners.append(listener)

    def remove_link_listener(self, listener: Callable[[LinkEvent], None]) -> None:
        """Remove `listener`."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def close(self) -> None:
        """Cancel the timers of watches. The transport, closed next, reports each link down."""
        self.watches.close()

    # --- load reports -----------------------------------------------------------------------------------------------

    def take_load(self, node: str, request: PendingRequest | None, values: tuple[object, ...]) -> None:
        """Pass the load report of the actor that was asked on to the listener. BadMessage: the report is wrong."""
        if self.load_listener is None or not isinstance(request, OutgoingAsk):
            self.loads_dropped += 1
        else:
            self.load_listener(node, request.target.removesuffix(f"@{node}"), values)

    # --- the transport's events -------------------------------------------------------------------------------------

    def link_up(self, peer: Peer) -> None:
        """Create the association of a link."""
        if self.transport is None:
            raise RuntimeError("a link is up, but the system has no transport")
        association = Association(self, self.transport, peer)
        self._associations[peer.node] = association
        self._incoming_rows[peer.node] = IncomingRows(self, association)
        self.watches.link_up(association)
        self._notify("up", peer, "")

    def link_down(self, peer: Peer, reason: str) -> None:
        """End the association of a link."""
        self._incoming_rows.pop(peer.node, None)
        association = self._associations.pop(peer.node, None)
        if association is not None:
            association.end(reason)
        self._notify("down", peer, reason)

    def node_lost(self, peer: Peer, reason: str) -> None:
        """End the watches of an incarnation that is lost, and notify link listeners."""
        self.watches.node_lost(peer, reason)
        self._notify("lost", peer, reason)

    def refused(self, address: str, reason: str, *, is_dialled: bool = False) -> None:
        """Log a failed handshake: as a warning, or as debug output if one of its kind was logged recently.

        One that passes as soon as a former process of that name is lost is no warning.
        """
        for listener in list(self.refusal_listeners):
            listener(address, reason)
        times = self.refused_handshakes.note(address, reason, is_dialled=is_dialled)
        if times and reason.startswith(f"{RefusalReason.FORMER_STORE.value}:"):
            self.system.log.info("transport.handshake_deferred", address=address, reason=reason, times=times)
            return
        log = self.system.log.warning if times else self.system.log.debug
        log("transport.handshake_refused", address=address, reason=reason, times=max(1, times))

    def descriptors_changed(self, report: DescriptorReport) -> None:
        """Log that file descriptors run out, are ample again, or allow clients fewer connections than configured."""
        facts = {
            "open": report.open_count,
            "limit": report.limit,
            "clients_max": report.clients_max,
            "connections_max": report.connections_max,
        }
        self.system.log.warning(report.event, **facts)

    def delivered(self, peer: Peer, lane_class: int, items: list[Any]) -> None:
        """Deliver the rows of a frame, then run the actors that received messages."""
        run_queue = self.system.run_queue
        is_held = run_queue.hold()
        try:
            self._incoming_rows[peer.node].take(lane_class, items)
        finally:
            if is_held:
                run_queue.release()

    def _notify(self, kind: str, peer: Peer, reason: str) -> None:
        event = LinkEvent(kind, peer.node, peer.incarnation, peer.role, reason)
        self.system.log.info("link.changed", kind=kind, peer=peer.node, reason=reason)
        self._tell_operators(event)
        notify(self.system.log, list(self._listeners), event)

    def _tell_operators(self, event: LinkEvent) -> None:
        """Log that a node is lost, and that it is back: each once."""
        if event.role is not PeerRole.NODE:
            return
        if event.kind == "lost" and not self.system.is_stopping:
            self._lost[event.node] = None
            self.system.log.warning("node.lost", peer=event.node, reason=event.reason)
        elif event.kind == "up" and event.node in self._lost:
            del self._lost[event.node]
            self.system.log.warning("node.back", peer=event.node)


def _resolve_with(ask: PendingAsk, compute: Callable[[], object]) -> None:
    try:
        ask.resolve(compute())
    except CoterieError as error:
        ask.reject(error)
