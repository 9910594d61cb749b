"""`VirtualNetwork`: connects nodes in memory, partitions and freezes them, and resets their connections on demand.

All connections are ordered byte streams. Data held back by a partition or a freeze is delivered afterwards unless the
connection was reset meanwhile; lost data is detected only by the program's own timeouts. Datagrams
(`virtual_datagrams.py`) travel over the same links, and are dropped instead.

A partition is decided elsewhere: `protocols/faults/kinds/network_kinds.py` declares it as a fault, and
`actors/simulation/faults/network_faults.py` chooses its links. It is carried out here: `block` marks a `VirtualLink`,
and `Pipe` (`virtual_connection.py`) delivers nothing while it is marked. On real sockets
`coterie/nemesis/chaos_proxies.py` has the same methods.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from typing import TypeVar

from coterie.runtime.hosts.host import DatagramReceiver, SecuredNetwork
from coterie.runtime.hosts.tls_config import TlsConfig
from coterie.runtime.hosts.virtual.handle_owners import Owner
from coterie.runtime.hosts.virtual.port_table import LOOPBACK, PortTable
from coterie.runtime.hosts.virtual.virtual_connection import Pipe, VirtualTransport
from coterie.runtime.hosts.virtual.virtual_datagrams import DatagramRoutes, VirtualDatagramSocket
from coterie.runtime.hosts.virtual.virtual_link import Signal, VirtualLink
from coterie.runtime.hosts.virtual.virtual_loop import VirtualLoop

__all__ = ["NodeNetwork", "VirtualListener", "VirtualNetwork"]

ProtocolFactory = Callable[[], asyncio.Protocol]
Address = tuple[str, int]
L = TypeVar("L", bound=VirtualLink)


class VirtualListener:
    """A listening virtual socket of node `node`; implements `Listener`."""

    def __init__(self, node: str, address: Address, factory: ProtocolFactory, on_close: Callable[[], None]) -> None:
        self.node = node
        """The node that listens."""
        self.factory = factory
        """Makes a protocol for each accepted connection."""
        self.owner: Owner | None = VirtualLoop.running().owner
        """The process that owns it."""
        self.is_open = True
        """Whether it still accepts."""
        self._address = address
        self._on_close = on_close

    @property
    def address(self) -> Address:
        """The (host, port) bound."""
        return self._address

    def close(self) -> None:
        """Stop accepting; accepted connections stay open. Idempotent."""
        if self.is_open:
            self.is_open = False
            self._on_close()


class VirtualNetwork:
    """The network that all nodes of one virtual world share; `for_node(name)` is one node's interface to it.

    `PortTable` describes the addresses.

    Args:
        latency_s: one-way delay in seconds: a number, or a function of (source node, target node), called per write.
        window_bytes: the most bytes of one direction of a connection in flight and unread before its writer stalls.
        max_segment_bytes: the most bytes passed to one `data_received`; small values split frames at unusual places.
        connect_timeout_s: after this time behind a partition a connect fails with TimeoutError (Linux: about 130 s).
    """

    def __init__(
        self,
        *,
        latency_s: float | Callable[[str, str], float] = 0.0005,
        window_bytes: int = 64 * 1024,
        max_segment_bytes: int = 64 * 1024,
        connect_timeout_s: float = 130.0,
    ) -> None:
        if window_bytes < 1 or max_segment_bytes < 1:
            raise ValueError(f"window_bytes ({window_bytes}) and max_segment_bytes ({max_segment_bytes}) must be >= 1")
        self.latency_s: float | Callable[[str, str], float] = latency_s
        """As the argument; may be changed at any time, for later writes."""
        self._window_bytes = window_bytes
        self._max_segment_bytes = max_segment_bytes
        self._connect_timeout_s = connect_timeout_s
        self._listeners: PortTable[VirtualListener] = PortTable()
        self._datagrams = DatagramRoutes(self.link, self._is_frozen)
        # Dictionaries without values: sets in insertion order, so that every run is the same.
        self._transports: dict[VirtualTransport, None] = {}
        self._links: dict[tuple[str, str], VirtualLink] = {}
        self._frozen: dict[str, None] = {}
        self._unaccepted: dict[VirtualTransport, VirtualListener] = {}
        self._silent: dict[VirtualTransport, None] = {}
        self._held_accepts: list[tuple[VirtualListener, VirtualTransport]] = []
        self._change = asyncio.Event()

    def for_node(self, name: str) -> NodeNetwork:
        """Return the `Network` of node `name`."""
        return NodeNetwork(self, name)

    # --- faults

    def link(self, source: str, target: str) -> VirtualLink:
        """Return the link from `source` to `target`, which all their connections share."""
        link = self._links.get((source, target))
        if link is None:
            link = self._add(VirtualLink(source, target, self._link_latency_s))
        return link

    def _add(self, link: L) -> L:
        self._links[link.source, link.target] = link
        link.is_frozen = link.source in self._frozen or link.target in self._frozen
        return link

    def block(self, source: str, target: str) -> None:
        """Hold back everything from `source` to `target` (one way) until `unblock` or `heal`."""
        link = self.link(source, target)
        if not link.is_blocked:
            link.is_blocked, link.has_connect_attempt, link.has_dropped_datagram = True, False, False

    def unblock(self, source: str, target: str) -> None:
        """End `block`, one way."""
        link = self.link(source, target)
        if link.is_blocked:
            link.is_blocked = False
            self._resume_stalled(link)

    def holds_back(self, source: str, target: str) -> bool:
        """Return whether the link from `source` to `target` is blocked and holds back bytes or a connect.

        A blocked link that has dropped a datagram counts, too.
        """
        link = self.link(source, target)
        if not link.is_blocked:
            return False
        return (
            link.has_connect_attempt
            or link.has_dropped_datagram
            or any(each.outgoing.link is link and not each.outgoing.is_idle for each in self._transports)
        )

    def partition(self, a: str, b: str) -> None:
        """Hold back everything between nodes `a` and `b`, both ways, until `heal`."""
        self.block(a, b)
        self.block(b, a)

    def heal(self, a: str | None = None, b: str | None = None) -> None:
        """End partitions and blocks: between `a` and `b`, between `a` and all nodes, or (no argument) all."""
        named = {name for name in (a, b) if name is not None}
        for ends, link in self._links.items():
            if named.issubset(ends):
                link.is_blocked = False
        self._resume_stalled()

    def freeze(self, node: str) -> None:
        """Freeze `node`, as SIGSTOP does: nothing is delivered from or to it; connections stay, connects succeed.

        Datagrams to it wait in its sockets' buffers, as many as fit.
        """
        self._frozen[node] = None
        self._update_frozen_links()

    def thaw(self, node: str) -> None:
        """End a freeze: held-back data is delivered."""
        self._frozen.pop(node, None)
        self._update_frozen_links()
        self._resume_stalled()
        self._datagrams.thaw(node)

    def _is_frozen(self, node: str) -> bool:
        return node in self._frozen

    def _update_frozen_links(self) -> None:
        for (source, target), link in self._links.items():
            link.is_frozen = source in self._frozen or target in self._frozen

    def reset(self, a: str, b: str | None = None) -> None:
        """Reset every connection between `a` and `b` (None: all of `a`), at both ends; data in flight is lost."""
        for transport in list(self._transports):
            ends = _ends(transport)
            if a in ends and (b is None or sorted((a, b)) == sorted(ends)):
                _break(transport)

    def open_black_hole(self, source: str, target: str) -> None:
        """Drop everything from `source` to `target` (one way) silently, until `close_black_hole`."""
        link = self.link(source, target)
        link.is_black_hole, link.has_connect_attempt, link.has_dropped_datagram = True, False, False

    def has_lost_data(self, source: str, target: str) -> bool:
        """Return whether a black hole from `source` to `target` has lost data of an open connection, or a connect.

        One that has dropped a datagram counts, too.
        """
        link = self.link(source, target)
        return (link.is_black_hole and (link.has_connect_attempt or link.has_dropped_datagram)) or any(
            each.outgoing.link is link and each.outgoing.has_gap for each in self._transports
        )

    def close_black_hole(self, source: str, target: str) -> int:
        """End `open_black_hole`: reset the connections that lost data, since they cannot recover; return how many."""
        self.link(source, target).is_black_hole = False
        lossy = [each for each in self._transports if each.outgoing.has_gap or each.incoming.has_gap]
        broken = [each for each in lossy if (source, target) in {_ends(each), _ends(each)[::-1]}]
        for transport in broken:
            _break(transport)
        self._resume_stalled()
        return len(broken)

    def crash_process(self, owner: Owner, *, is_silent: bool) -> list[object]:
        """End all listeners, connections and datagram sockets of the process `owner`, without calling its protocols.

        Its peers get a reset, or nothing (`is_silent`: the machine is off) until `power_on`. Returns its listeners,
        transports and sockets.
        """
        listeners = [each for each in self._listeners.all() if each.owner is owner]
        for listener in listeners:
            listener.close()
        for client, listener in list(self._unaccepted.items()):
            if listener.owner is owner:
                del self._unaccepted[client]
                if not is_silent:
                    client.incoming.push(Signal.RESET)
        transports = [each for each in self._transports if each.owner is owner]
        for transport in transports:
            transport.crash(is_silent=is_silent)
            if is_silent:
                self._silent[transport] = None
        return [*listeners, *transports, *self._datagrams.crash(owner)]

    def power_on(self, node: str) -> None:
        """Let the machine of `node` answer again: a peer that writes to an earlier connection gets a reset."""
        for transport in [each for each in self._silent if each.outgoing.link.source == node]:
            transport.is_silent = False
            del self._silent[transport]

    def connections(self) -> list[tuple[str, str]]:
        """Return (node, peer node) for each open connection end, oldest first."""
        return [_ends(transport) for transport in self._transports]

    # --- what `NodeNetwork` calls

    def bind(self, node: str, factory: ProtocolFactory, host: str, port: int) -> VirtualListener:
        """Listen as `node`. OSError (EADDRINUSE) if the address is in use."""
        key = self._listeners.key(node, host, port)
        listener = VirtualListener(node, (host, key[1]), factory, lambda: self._listeners.unbind(key))
        self._listeners.bind(key, listener)
        return listener

    def open_datagrams(self, node: str, received: DatagramReceiver, host: str, port: int) -> VirtualDatagramSocket:
        """Open a datagram socket as `node`. OSError (EADDRINUSE) if the address is in use."""
        return self._datagrams.open(node, received, host, port)

    async def open(self, node: str, factory: ProtocolFactory, host: str, port: int) -> None:
        """Connect as `node`: a round trip, then a connected pair. OSError if it fails."""
        listener = self._listeners.find(node, host, port)
        await self._round_trip(node, listener.node if listener else node)
        if listener is None or not listener.is_open:
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"connect call failed: no listener at {host}:{port}")
        local = (LOOPBACK, self._listeners.free_port(LOOPBACK))
        forth, back = self._pipe(node, listener.node), self._pipe(listener.node, node)
        client = self._transport(factory(), forth, back, local, listener.address)
        client.start()
        self._unaccepted[client] = listener
        VirtualLoop.running().call_soon_for(listener.owner, self._accept, listener, client)

    async def _round_trip(self, source: str, target: str) -> None:
        """Wait for the kernel's handshake: it needs both directions open, but not a running target.

        TimeoutError if they are not open within `connect_timeout_s`.
        """
        there, back = self.link(source, target), self.link(target, source)
        both_ways_s = there.delay_s(0) + back.delay_s(0)
        await asyncio.sleep(both_ways_s)
        if not self._is_passable(there, back):
            async with asyncio.timeout(self._connect_timeout_s - both_ways_s):
                while not self._is_passable(there, back):
                    there.has_connect_attempt = back.has_connect_attempt = True
                    await self._change.wait()

    def _is_passable(self, there: VirtualLink, back: VirtualLink) -> bool:
        is_cut = there.is_blocked or back.is_blocked or there.is_black_hole or back.is_black_hole
        return not (is_cut or there.source in self._frozen)

    def _accept(self, listener: VirtualListener, client: VirtualTransport) -> None:
        """Complete a connection at its listening end, unless that node is frozen."""
        if listener.node in self._frozen:
            self._held_accepts.append((listener, client))
            return
        self._unaccepted.pop(client, None)
        if client.is_lost and client.outgoing.is_idle:
            return  # reset before it was accepted
        if not listener.is_open:
            client.incoming.push(Signal.RESET)
            return
        try:
            protocol = listener.factory()
        except BaseException:
            client.incoming.push(Signal.RESET)
            raise
        remote = client.get_extra_info("sockname")
        self._transport(protocol, client.incoming, client.outgoing, listener.address, remote).start()

    def _transport(
        self, protocol: asyncio.Protocol, outgoing: Pipe, incoming: Pipe, local: Address, remote: Address
    ) -> VirtualTransport:
        transport = VirtualTransport(
            protocol,
            outgoing,
            incoming,
            names={"sockname": local, "peername": remote},
            max_segment_bytes=self._max_segment_bytes,
            on_lost=lambda transport: self._transports.pop(transport, None),
        )
        self._transports[transport] = None
        return transport

    def _pipe(self, source: str, target: str) -> Pipe:
        return Pipe(self.link(source, target), window_bytes=self._window_bytes)

    def _link_latency_s(self, source: str, target: str) -> float:
        return self.latency_s(source, target) if callable(self.latency_s) else self.latency_s

    def _resume_stalled(self, on: VirtualLink | None = None) -> None:
        """Continue connects, accepts and deliveries that may have been held back, on one link or (None) on all."""
        self._change.set()
        self._change = asyncio.Event()
        held, self._held_accepts = self._held_accepts, []
        for listener, client in held:
            VirtualLoop.running().call_soon_for(listener.owner, self._accept, listener, client)
        for transport in self._transports:
            for pipe in (transport.incoming, transport.outgoing):
                if on is None or pipe.link is on:
                    pipe.kick()


class NodeNetwork:
    """One node's interface to a `VirtualNetwork`; implements `Network`."""

    def __init__(self, network: VirtualNetwork, node: str) -> None:
        self._network = network
        self._node = node

    async def listen(self, factory: ProtocolFactory, host: str, port: int) -> VirtualListener:
        """Accept connections at (host, port); port 0 gets a free one. OSError if the address is in use."""
        return self._network.bind(self._node, factory, host, port)

    async def connect(self, factory: ProtocolFactory, host: str, port: int) -> None:
        """Connect to (host, port). ConnectionRefusedError without a listener, TimeoutError behind a partition."""
        await self._network.open(self._node, factory, host, port)

    async def resolve(self, host: str, port: int) -> list[tuple[str, int]]:
        """Return the one address: there are no other names."""
        return [(host, port)]

    async def open_datagrams(self, received: DatagramReceiver, host: str, port: int) -> VirtualDatagramSocket:
        """Open a datagram socket at (host, port); port 0 gets a free one. OSError if the address is in use."""
        return self._network.open_datagrams(self._node, received, host, port)

    def secured(
        self, tls: TlsConfig, on_refused: Callable[[str, str], None], *, handshake_timeout_s: float, handshakes_max: int
    ) -> SecuredNetwork:
        """Raise OSError: TLS needs real sockets."""
        del on_refused, handshake_timeout_s, handshakes_max
        raise _no_tls(tls)

    def certificate_names(self, tls: TlsConfig) -> tuple[str, ...]:
        """Raise OSError, as `secured` does."""
        raise _no_tls(tls)


def _no_tls(tls: TlsConfig) -> OSError:
    return OSError(
        errno.EOPNOTSUPP, f"a virtual network has no TLS (requested with {tls.certificate!r}): use real sockets"
    )


def _ends(transport: VirtualTransport) -> tuple[str, str]:
    return transport.outgoing.link.source, transport.outgoing.link.target


def _break(transport: VirtualTransport) -> None:
    transport.outgoing.clear()
    transport.lose(ConnectionResetError(errno.ECONNRESET, "connection reset by the network"))
