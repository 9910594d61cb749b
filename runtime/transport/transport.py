"""`Transport`: listens, dials and sends for one system, and reports links and arriving items to `TransportEvents`.

    send ─▶ pack ─▶ queue per connection ─▶ few writes a tick ═▶ ═▶ frames ─▶ unpack ─▶ events.delivered

Between two systems there is one link of two connections: control and consensus on one, bulk on the other, so that a
heartbeat does not wait behind a large item. Items of one connection arrive in the order they were sent, at most once.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from coterie.errors import InsecureBind, NodeUnreachable, TooManyParts, TransportError
from coterie.runtime.hosts.host import Connections, Host, Listener, SecuredNetwork
from coterie.runtime.hosts.resource_reading import DescriptorReading
from coterie.runtime.hosts.tls_config import TlsConfig
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.unpacking import allowed_parts
from coterie.runtime.transport.descriptor_budget import AcceptLimits, DescriptorBudget, check_room
from coterie.runtime.transport.dialer import Dialer, DialTarget, try_target
from coterie.runtime.transport.framing.items import PACK_ERRORS, SHORT_BYTES, ItemPacker
from coterie.runtime.transport.handshake.identity import Peer, PeerRole, SystemIdentity
from coterie.runtime.transport.handshake.shared_key import Auth, ClientKey, SharedKey
from coterie.runtime.transport.link import Link
from coterie.runtime.transport.listener import LinkListener
from coterie.runtime.transport.peers import Peers
from coterie.runtime.transport.transport_config import TransportConfig
from coterie.runtime.transport.transport_events import TransportEvents
from coterie.runtime.transport.transport_state import TransportState

__all__ = ["Transport", "is_loopback"]

CHECKS_PER_READING: Final = 4
"""The open descriptors are counted at every so many checks of liveness: the count takes some µs for each."""


class Transport:
    """Moves items between systems. Create it on the running loop; all its callbacks run on that loop.

    Args:
        host: the outside world.
        identity: of this system.
        events: the owner's callbacks.
        config: sizes and times.
        auth: the shared keys that each end must prove to know; None: no proof is required.
        tls: the certificates for mutual TLS on every connection; None: connections are plain.

    Raises:
        OSError: a certificate cannot be read.
    """

    def __init__(
        self,
        host: Host,
        identity: SystemIdentity,
        events: TransportEvents,
        config: TransportConfig | None = None,
        *,
        auth: Auth | None = None,
        tls: TlsConfig | None = None,
    ) -> None:
        if auth is not None and not isinstance(auth, (SharedKey, ClientKey)):
            raise TypeError(f"auth= is a SharedKey or a ClientKey, not {type(auth).__name__}")
        if identity.role is PeerRole.NODE and isinstance(auth, ClientKey):
            raise TypeError(f"node {identity.node!r} has the key of client {auth.name!r}: a node needs a SharedKey")
        self._host = host
        self._events = events
        self._is_unauthenticated = auth is None and tls is None
        loop, settings = asyncio.get_running_loop(), config or TransportConfig()
        self._shared = TransportState(loop, host.clock.monotonic, identity, settings, host.random, auth)
        self.cork = self._shared.cork  # the methods themselves, without a wrapper: every turn of a system calls them
        """Hold items sent from now on until `uncork`, in the same call of the loop."""
        self.uncork = self._shared.uncork
        """Write the items queued since `cork`."""
        self._secured = None if tls is None else self._secure(tls)
        self._peers = Peers(self._shared, events)
        self._link_listener = LinkListener(self._shared, self._peers, events)
        self._packer = ItemPacker()
        self._links = self._peers.links
        self._soft_bytes = self._shared.soft_bytes
        self._short_bytes = min(SHORT_BYTES, self._soft_bytes)
        self._listeners: list[Listener] = []
        self._dialers: dict[str, tuple[DialTarget, asyncio.Task[None]]] = {}
        self._is_closed = False
        self._budget = DescriptorBudget(self._shared.config)
        self._checks_until_reading = 0
        self._liveness_checked_s = host.clock.monotonic()
        self._liveness_timer = self._shared.loop.call_later(
            self._shared.config.keepalive_interval_s, self._check_liveness
        )

    @property
    def identity(self) -> SystemIdentity:
        """Identity of this system; a client created without a cluster takes it from the first Welcome."""
        return self._shared.identity

    async def listen(self, host: str, port: int, *, insecure: bool = False) -> tuple[str, int]:
        """Accept links at (host, port) and return the bound address (port 0: any free port).

        Raises:
            InsecureBind: `host` is not loopback, there is neither auth nor TLS, and `insecure` is False; nothing was
                bound.
            OSError: the address cannot be bound.
            TransportError: this system is a client, the transport is closed, or the limit of open files is too low.
        """
        self.check_may_listen(host, insecure=insecure)
        check_room(self._host.resources.descriptors(), members=self._peers.member_count)
        listener = await self._network().listen(self._link_listener.accept, host, port)
        if self._is_closed:
            listener.close()
            self._check_open()
        self._listeners.append(listener)
        self._divide_descriptors()
        return listener.address

    def check_may_listen(self, host: str, *, insecure: bool) -> None:
        """Raise what `listen` raises before it binds: InsecureBind or TransportError."""
        self._check_open()
        if self.identity.role is PeerRole.CLIENT:
            raise TransportError(f"client {self.identity.node!r} cannot listen: only nodes are dialled")
        if self._is_unauthenticated and not insecure and not is_loopback(host):
            raise InsecureBind(host)

    def add_peer(self, node: str, host: str, port: int, *, may_dial: bool = True, is_known_there: bool = True) -> None:
        """Keep a link to `node`, a node of our cluster: this end dials if its name is smaller, else the other end does.

        Called again with another address, the node is dialled there once the current link is down. `may_dial`: False
        before `listen`, so that places are kept for all nodes from the first connection on; then call it again.
        `is_known_there`: False if that node may not know our address: then this end dials in any case.

        Raises:
            ValueError: `node` is this node.
            TransportError: the transport is closed.
        """
        self._check_open()
        if node == self.identity.node:
            raise ValueError(f"node {node!r} cannot be its own peer")
        if self._peers.address_of(node) != (host, port):
            self._shared.slots.expect_member(node, host)
        self._peers.add_member(node, (host, port))
        self._shared.slots.release_members(self._peers.is_member)
        if self._listeners:
            self._divide_descriptors()  # its connections are kept back from clients at once
        if may_dial and (self.identity.node < node or not is_known_there):
            self._keep_dialling(f"node {node}", DialTarget(host, port, node))

    def remove_peer(self, node: str) -> None:
        """Undo `add_peer`: `node` is not dialled any more. A link that is up stays. No effect if it was not added."""
        _, task = self._dialers.pop(f"node {node}", (None, None))
        if task is not None:
            task.cancel()
        self._peers.remove_member(node)
        self._shared.slots.expect_no_member(node)
        if self._listeners:
            self._divide_descriptors()

    def reserve_names(self, nodes: Iterable[str]) -> None:
        """Keep these names for nodes: no client may take them. Those of peers (`add_peer`) are kept anyway."""
        self._peers.reserve(nodes)

    def keep_first_processes(self) -> None:
        """Let no second process without a store take the name of one that is linked and heard."""
        self._peers.keeps_first_process = True

    def trust_store(self, node: str, store: str) -> None:
        """Note that the cluster knows `store` as one of `node`, a member: it wins over another process of that name."""
        self._peers.trust_store(node, store)

    def dial(self, host: str, port: int, *, node: str = "") -> None:
        """Keep a link to the node at (host, port); clients connect this way.

        `node`: the only one that is accepted there; "": any. Several addresses of one node make one link.

        Raises:
            TransportError: the transport is closed.
        """
        self._check_open()
        target = DialTarget(host, port, node)
        self._keep_dialling(_dial_key(target), target)

    async def try_address(self, host: str, port: int) -> Peer:
        """Return which node of our cluster answers at (host, port), authenticated. No link is made, and none changed.

        Raises:
            HandshakeRefused: what listens there is no node of this cluster, or takes no link from this one.
            OSError: nothing listens there.
            UnicodeError: `host` cannot be the name of a host.
            TransportError: the transport is closed.
        """
        self._check_open()
        return await try_target(DialTarget(host, port), self._host, self._network(), self._shared)

    def stop_dialling(self, host: str, port: int, *, node: str = "") -> None:
        """Undo `dial` with the same arguments; a link that is up stays. No effect if it was not dialled."""
        _, task = self._dialers.pop(_dial_key(DialTarget(host, port, node)), (None, None))
        if task is not None:
            task.cancel()

    def address_of(self, node: str) -> tuple[str, int] | None:
        """Return the (host, port) given to `add_peer` for `node` last; None if it was not added."""
        return self._peers.address_of(node)

    @property
    def member_addresses(self) -> dict[str, tuple[str, int]]:
        """The (host, port) of every node that was added by `add_peer`."""
        return self._peers.member_addresses

    def known_peer(self, node: str) -> Peer | None:
        """Return the process with which we had the latest handshake as `node`, linked or not; None if there was none.

        Only for nodes that were added with `add_peer`.
        """
        return self._peers.member(node)

    def version_of(self, node: str) -> int:
        """Return the protocol version of the link to `node`; 0 if there is none."""
        link = self._links.get(node)
        return 0 if link is None else link.version

    def unsent_bytes(self, node: str) -> int:
        """Return how many bytes wait for the bulk connection to `node`, without the socket's buffer; 0: no link."""
        link = self._links.get(node)
        return 0 if link is None else link.bulk.queued_bytes

    def all_unsent_bytes(self) -> Iterable[int]:
        """Return the `unsent_bytes` of each link."""
        return (link.bulk.queued_bytes for link in self._links.values())

    def declare_lost(self, node: str, reason: str) -> None:
        """Close the link to `node` and report it lost now; no effect if it is lost already, or was never linked.

        If this end dials, it goes on; the same incarnation may come back.
        """
        self._peers.declare_lost(node, reason)

    def end_link(self, node: str, reason: str) -> None:
        """Close the link to `node`, which may dial again; no effect if there is none."""
        link = self._links.get(node)
        if link is not None:
            link.down(reason)

    def send(self, node: str, lane: Lane, item: object) -> None:
        """Queue `item`; it leaves by the end of this tick. It is packed now: later changes to it have no effect.

        Raises:
            NodeUnreachable: no link to `node` is up.
            OutboundFull: the send queue to `node` is full.
            FrameTooLarge: the item alone exceeds the size that the node accepts (`message_cap_bytes`; from a client
                `client_frame_cap_bytes`).
            TooManyParts: it has more arrays, maps and entries than the node accepts at that size (see `unpacking.py`).
            TypeError: MessagePack cannot encode some part of it, which the error names.
            In each case the item was not queued and nothing else changed.
        """
        self.sender(node, lane)(item)

    def sender(self, node: str, lane: Lane) -> Callable[[object], None]:
        """Return a function that does what `send` does, for one node and lane: faster for callers that send often."""
        find, pack, short_bytes = self._links.get, self._packer.pack_short, self._short_bytes

        def send(item: object) -> None:
            link = find(node)
            if link is None:
                raise NodeUnreachable(node, self.unreachable_reason(node))
            try:
                packed = pack(item)
            except PACK_ERRORS:
                packed = self._packer.pack(item)  # raises a TypeError that names the part
            if len(packed) < short_bytes:
                link.queue_by_lane[lane].queue(packed, node)
            else:
                self._send_long(link, lane, item, packed)

        return send

    def unreachable_reason(self, node: str) -> str:
        """Return why nothing can be sent to `node`."""
        return "this transport is closed" if self._is_closed else self._peers.unreachable_reason(node)

    def flush(self) -> None:
        """Write queued items now instead of at the end of the tick; for owners whose turn is over."""
        self._shared.flush()

    def reload_certificates(self) -> list[str]:
        """Read the certificate files again, for new connections; end links whose certificate does not count any more.

        That is: it has expired, it is revoked, or its authority has left the file. The other links stay up.

        Returns:
            The peers whose links have ended.

        Raises:
            TransportError: this transport has no TLS.
            OSError: a file cannot be read or is invalid; nothing was changed.
        """
        if self._secured is None:
            raise TransportError(f"{self.identity.node!r} has no certificates to reload: it was made without tls=")
        self._secured.reload()
        ended: list[str] = []
        for link in list(self._links.values()):
            distrust = self._shared.distrust
            shown = (link.control.certificate, link.bulk.certificate)  # two if it was renewed between the connections
            whys = [why for one in shown if one is not None and distrust is not None and (why := distrust(one))]
            if whys:
                ended.append(link.peer.node)
                link.down(f"the certificate of {link.peer.node!r} does not count any more: {whys[0]}")
        return ended

    def peers(self) -> list[Peer]:
        """Return the linked peers, oldest link first."""
        return [link.peer for link in self._links.values()]

    def stats(self) -> dict[str, int]:
        """Return counters since the start (see `TransportCounters`) and gauges.

        Gauges: `links`, `connections`, and `queued_bytes` (waiting for the end of a tick or for a socket to drain).
        """
        counters = self._shared.counters
        stats = {name: int(getattr(counters, name)) for name in counters.__slots__}
        stats["links"] = len(self._links)
        stats["connections"] = len(self._shared.connections)
        stats["queued_bytes"] = sum(connection.queued_bytes for connection in self._shared.connections)
        return stats

    async def close(self) -> None:
        """Stop listening and dialling, send queued items (for at most `close_timeout_s`), close every connection.

        Each link that is up is reported down at once. No task, timer or socket is left. Calling it twice is harmless.
        """
        self._is_closed = True
        self._liveness_timer.cancel()
        for listener in self._listeners:
            listener.close()
        self._link_listener.close()
        dialling = [task for _, task in self._dialers.values()]
        for task in dialling:
            task.cancel()
        busy = self._peers.finish("this end was closed")
        for connection in list(self._shared.connections):
            if connection not in busy:
                connection.abort()
        try:
            await asyncio.gather(*dialling, return_exceptions=True)
            await self._shared.wait_until_closed(self._shared.config.close_timeout_s)
        finally:
            for connection in list(self._shared.connections):
                connection.abort()
        await self._shared.wait_until_closed(self._shared.config.close_timeout_s)

    def _send_long(self, link: Link, lane: Lane, item: object, packed: bytes) -> None:
        self._packer.check(item)
        parts_max = allowed_parts(packed, item)
        if parts_max is not None:
            raise TooManyParts(link.peer.node, size_bytes=len(packed), parts_max=parts_max)
        if len(packed) > self._soft_bytes:
            link.queue_large(packed, lane)
        else:
            link.queue_by_lane[lane].queue(packed, link.peer.node)

    def _secure(self, tls: TlsConfig) -> SecuredNetwork:
        config, wall = self._shared.config, self._host.clock.wall
        secured = self._host.network.secured(
            tls,
            self._report_unauthenticated,
            handshake_timeout_s=config.handshake_timeout_s,
            handshakes_max=config.handshakes_max,
        )
        self._shared.distrust = lambda certificate: secured.distrust(certificate, now=wall())
        return secured

    def _network(self) -> Connections:
        return self._secured or self._host.network

    def _report_unauthenticated(self, address: str, reason: str) -> None:
        """Report a connection without a valid certificate, or without TLS."""
        self._shared.counters.refused_handshakes += 1
        self._events.refused(address, reason)

    def _check_open(self) -> None:
        if self._is_closed:
            raise TransportError(f"the transport of {self.identity.node!r} is closed; make a new one")

    def _keep_dialling(self, key: str, target: DialTarget) -> None:
        if key in self._dialers:
            known, task = self._dialers[key]
            if known == target:
                return
            task.cancel()
        refused = partial(self._events.refused, is_dialled=True)
        dialer = Dialer(target, self._host, self._network(), self._shared, self._peers, refused)
        task = self._shared.loop.create_task(dialer.run(), name=f"coterie dials {target}")
        task.add_done_callback(self._dialer_ended)
        self._dialers[key] = (target, task)

    def _dialer_ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            context = {"message": f"{task.get_name()}: the dialer failed and will not dial again", "exception": error}
            self._shared.loop.call_exception_handler(context)

    def _check_liveness(self) -> None:
        """Advance the time of keep-alives and lost nodes.

        A step counts as two intervals at most: after a stall of our own loop, the bytes that peers sent meanwhile are
        still unread, and must be read before a peer counts as silent.
        """
        interval_s = self._shared.config.keepalive_interval_s
        self._liveness_timer = self._shared.loop.call_later(interval_s, self._check_liveness)
        now_s = self._host.clock.monotonic()
        step_s = min(now_s - self._liveness_checked_s, 2 * interval_s)
        self._liveness_checked_s = now_s
        self._peers.check_liveness(step_s)
        self._checks_until_reading -= 1
        if self._listeners and self._checks_until_reading <= 0:
            self._checks_until_reading = CHECKS_PER_READING
            for report in self._budget.report(*self._divide_descriptors()):
                self._events.descriptors_changed(report)

    def _divide_descriptors(self) -> tuple[DescriptorReading, AcceptLimits]:
        """Read how many descriptors are open, and set how many clients and strangers may be; return both."""
        shared, reading = self._shared, self._host.resources.descriptors()
        members = self._peers.member_count
        limits = self._budget.limits(reading, connections=len(shared.connections), members=members)
        shared.slots.clients_max, shared.slots.strangers_max = limits.clients_max, limits.strangers_max
        for connection in shared.slots.newest_clients(self._budget.missing(reading)):
            connection.fail("file descriptors ran out: those of the newest clients were given to the log and to nodes")
        return reading, limits


def _dial_key(target: DialTarget) -> str:
    return f"address {target} of {target.node}" if target.node else f"address {target}"


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
