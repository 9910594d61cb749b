"""`IncomingDatagrams`: checks the datagrams that arrive, and delivers the messages of those that it believes.

A datagram is believed only if its sender is the process of a peer with which we had the latest handshake, if it is for
this very process, if its sequence number is fresh and if its authentication code is right. Nothing of its body is
decoded before, and no datagram is ever answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from coterie.errors import BadMessage
from coterie.runtime.datagrams.datagram_format import Datagram, parse, unpack_body
from coterie.runtime.datagrams.dropped_datagrams import DroppedDatagrams, DropReason
from coterie.runtime.datagrams.replay_window import ReplayWindow
from coterie.runtime.observing.dead_letters import Reason
from coterie.runtime.remote.interned_routes import NAME_CHARS_MAX, IncomingRoute
from coterie.runtime.remote.wired_refs import WiredRefs
from coterie.runtime.transport.handshake.identity import Peer, PeerRole

if TYPE_CHECKING:
    from coterie.runtime.datagrams.authentication import DatagramAuthentication
    from coterie.runtime.system import System

__all__ = ["IncomingDatagrams"]

_ROUTES_MAX: Final = 4096
"""The most triples of sender, path and message type whose actor is remembered."""


class IncomingDatagrams:
    """Takes the datagrams of one system. `delivered` counts those that were believed and decoded."""

    def __init__(self, system: System, authentication: DatagramAuthentication, replay_window: int) -> None:
        self.delivered = 0
        self.dropped = DroppedDatagrams(system)
        """The datagrams that were not believed."""
        self._system = system
        self._authentication = authentication
        self._replay_window = replay_window
        # One for each peer: a peer is a node that this program has added, so they are bounded.
        self._windows: dict[str, tuple[int, ReplayWindow]] = {}
        self._routes: dict[tuple[str, str, str], IncomingRoute] = {}

    def take(self, data: bytes, source: tuple[str, int]) -> None:
        """Take a datagram that has arrived. Never raises."""
        datagram = parse(data)
        if isinstance(datagram, DropReason):
            self.dropped.note(datagram, source)
        elif (reason := self._why_not_believed(datagram)) is not None:
            self.dropped.note(reason, source)
        else:
            self._deliver(datagram, source)

    def _why_not_believed(self, datagram: Datagram) -> DropReason | None:
        identity, sender, receiver = self._system.identity, datagram.sender, datagram.receiver
        if datagram.cluster != identity.cluster:
            return DropReason.FOREIGN_CLUSTER
        if (receiver.node, receiver.incarnation) != (identity.node, identity.incarnation):
            return DropReason.NOT_FOR_US
        peer = self._system.remoting.known_peer(sender.node)
        if peer is None:
            return DropReason.UNKNOWN_PEER
        if peer.incarnation != sender.incarnation:
            return DropReason.OLD_INCARNATION
        window = self._window(peer)
        if not window.is_fresh(datagram.sequence):
            return DropReason.REPLAYED
        if not self._authentication.accepts(datagram.covered, datagram.code):
            return DropReason.FORGED
        window.take(datagram.sequence)
        return None

    def _window(self, peer: Peer) -> ReplayWindow:
        """Return the window of that incarnation of a peer; it is kept while its link is down."""
        incarnation, window = self._windows.get(peer.node, (None, None))
        if window is None or incarnation != peer.incarnation:
            window = ReplayWindow(self._replay_window)
            self._windows[peer.node] = (peer.incarnation, window)
        return window

    def _deliver(self, datagram: Datagram, source: tuple[str, int]) -> None:
        """Put the message into the actor's mailbox, and run the actor; a bad message is a dead letter."""
        run_queue = self._system.run_queue
        is_held = run_queue.hold()
        try:
            self._deliver_body(datagram.sender.node, datagram.covered[datagram.body_at :])
            self.delivered += 1
        except BadMessage as error:
            self.dropped.note(DropReason.BAD_MESSAGE, source, str(error))
            self._system.dead_letters.add(Reason.BAD_MESSAGE, f"from {datagram.sender.node}", "a datagram", str(error))
        finally:
            if is_held:
                run_queue.release()

    def _deliver_body(self, node: str, body: bytes) -> None:
        path, name, fields = unpack_body(body)
        route = self._route(node, path, name)
        row = (name, *fields)
        try:
            route.tell(row)
        except (BadMessage, RecursionError) as error:
            raise route.explained(row, error) from error

    def _route(self, node: str, path: str, name: str) -> IncomingRoute:
        route = self._routes.get((node, path, name))
        if route is None:
            described = self._system.registry.message_types.get(name)
            where = f"for node {self._system.node!r}"
            if len(path) > NAME_CHARS_MAX:
                raise BadMessage(f"a path of {len(path)} characters, the longest has {NAME_CHARS_MAX}, {where}")
            if described is None:
                raise BadMessage(f"unknown message type {name!r:.60} {where}")
            if len(self._routes) >= _ROUTES_MAX:
                self._routes.clear()
            peer = Peer(node, 0, PeerRole.NODE)  # only nodes have the key that authenticates datagrams
            route = self._routes[node, path, name] = IncomingRoute(
                self._system, peer, WiredRefs(self._system, peer), path, 0, described
            )
        return route
