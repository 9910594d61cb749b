"""A network in memory: named nodes, listeners, connections, and the verbs partition, heal, freeze, thaw, reset.

All connections are ordered byte streams. What a partition or a freeze holds back is delivered afterwards unless the
connection was reset meanwhile; what never comes is for the program's own time-outs to notice.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from typing import TypeVar

from coterie.runtime.hosts.host import SecuredNetwork
from coterie.runtime.hosts.tls_config import TlsConfig
from coterie.runtime.hosts.virtual.handle_owners import Owner
from coterie.runtime.hosts.virtual.virtual_connection import Pipe, VirtualTransport
from coterie.runtime.hosts.virtual.virtual_link import Link, Signal
from coterie.runtime.hosts.virtual.virtual_loop import VirtualLoop

__all__ = ["NodeNetwork", "VirtualListener", "VirtualNetwork"]

ProtocolFactory = Callable[[], asyncio.Protocol]
Address = tuple[str, int]
L = TypeVar("L", bound=Link)

_FIRST_FREE_PORT = 49152  # RFC 6335 §6: the first of the dynamic ports
_LOOPBACK = "127.0.0.1"
_ANY = ("", "0.0.0.0", "::")


class VirtualListener:
    """A listening virtual socket of node `node`; keeps the `Listener` contract."""

    def __init__(self, node: str, address: Address, factory: ProtocolFactory, on_close: Callable[[], None]) -> None:
        self.node = node
        """The node that listens."""
        self.factory = factory
        """Makes a protocol for each accepted connection."""
        self.owner: Owner | None = VirtualLoop.running().owner
        """Whose it is."""
        self.is_open = True
        """Whether it still accepts."""
        self._address = address
        self._on_close = on_close

    @property
    def address(self) -> Address:
        """The (host, port) bound."""
        return self._address

    def close(self) -> None:
        """Stop accepting; accepted connections live on. Twice is harmless."""
        if self.is_open:
            self.is_open = False
            self._on_close()


class VirtualNetwork:
    """The network that all nodes of one virtual world share; `for_node(name)` is one node's side of it.

    A host is an address on one shared machine (`127.0.0.1`, `localhost`, or any text), except that a listener on a
    wildcard (`0.0.0.0`) is found under its node's name and, from the same node, under `127.0.0.1`.

    Args:
        latency_s: one-way delay in seconds: a number, or a function of (source node, target node), asked per write.
        window_bytes: what one direction of a connection takes in flight and unread before its writer is held up.
        max_segment_bytes: the most that one `data_received` is given; small values cut frames in nasty places.
        connect_timeout_s: after so long behind a partition a connect fails with TimeoutError (Linux: about 130 s).
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
        """As the argument; may be changed at any time, for what is written from then on."""
        self._window_bytes = window_bytes
        self._max_segment_bytes = max_segment_bytes
        self._connect_timeout_s = connect_timeout_s
        self._listeners: dict[Address, VirtualListener] = {}
        # Dictionaries without values: sets in the order of insertion, so that every run does the same.
        self._transports: dict[VirtualTransport, None] = {}
        self._links: dict[tuple[str, str], Link] = {}
        self._frozen: dict[str, None] = {}
        self._unaccepted: dict[VirtualTransport, VirtualListener] = {}
        self._silent: dict[VirtualTransport, None] = {}
        self._held_accepts: list[tuple[VirtualListener, VirtualTransport]] = []
        self._change = asyncio.Event()
        self._next_port = _FIRST_FREE_PORT

    def for_node(self, name: str) -> NodeNetwork:
        """Return node `name`'s side: its `Network`."""
        return NodeNetwork(self, name)

    # --- faults

    def link(self, source: str, target: str) -> Link:
        """Return the way from `source` to `target`, which all their connections share."""
        link = self._links.get((source, target))
        if link is None:
            link = self._add(Link(source, target, self._latency))
        return link

    def _add(self, link: L) -> L:
        self._links[link.source, link.target] = link
        link.is_frozen = link.source in self._frozen or link.target in self._frozen
        return link

    def block(self, source: str, target: str) -> None:
        """Hold back everything from `source` to `target` (one way) until healed."""
        link = self.link(source, target)
        if not link.is_blocked:
            link.is_blocked, link.is_knocked_at = True, False

    def unblock(self, source: str, target: str) -> None:
        """End `block`, one way."""
        link = self.link(source, target)
        if link.is_blocked:
            link.is_blocked = False
            self._stall_may_have_ended(link)

    def holds_back(self, source: str, target: str) -> bool:
        """Return whether something waits for a blocked way from `source` to `target`: bytes, or who would connect."""
        link = self.link(source, target)
        if not link.is_blocked:
            return False
        return link.is_knocked_at or any(
            each.outgoing.link is link and not each.outgoing.is_idle for each in self._transports
        )

    def partition(self, a: str, b: str) -> None:
        """Hold back everything between nodes `a` and `b`, both ways, until healed."""
        self.block(a, b)
        self.block(b, a)

    def heal(self, a: str | None = None, b: str | None = None) -> None:
        """End partitions and blocks: between `a` and `b`, of `a` with everybody, or (no argument) all."""
        named = {name for name in (a, b) if name is not None}
        for ends, link in self._links.items():
            if named.issubset(ends):
                link.is_blocked = False
        self._stall_may_have_ended()

    def freeze(self, node: str) -> None:
        """Black-hole `node`, as SIGSTOP does: nothing comes in or goes out, no connection closes, connects succeed."""
        self._frozen[node] = None
        self._note_frozen()

    def thaw(self, node: str) -> None:
        """End a freeze: what was held back flows on."""
        self._frozen.pop(node, None)
        self._note_frozen()
        self._stall_may_have_ended()

    def _note_frozen(self) -> None:
        for (source, target), link in self._links.items():
            link.is_frozen = source in self._frozen or target in self._frozen

    def reset(self, a: str, b: str | None = None) -> None:
        """Reset every connection between `a` and `b` (None: of `a` with everybody), at both ends, losing what flies."""
        for transport in list(self._transports):
            ends = _ends(transport)
            if a in ends and (b is None or sorted((a, b)) == sorted(ends)):
                _break(transport)

    def open_hole(self, source: str, target: str) -> None:
        """Swallow everything from `source` to `target` (one way), telling nobody, until `close_hole`."""
        link = self.link(source, target)
        link.is_hole, link.is_knocked_at = True, False

    def has_swallowed(self, source: str, target: str) -> bool:
        """Return whether an open connection from `source` to `target` has lost something in a hole, or none came up."""
        link = self.link(source, target)
        return (link.is_hole and link.is_knocked_at) or any(
            each.outgoing.link is link and each.outgoing.has_hole for each in self._transports
        )

    def close_hole(self, source: str, target: str) -> int:
        """End `open_hole`: reset the connections that lost something, never whole again; return how many."""
        self.link(source, target).is_hole = False
        lossy = [each for each in self._transports if each.outgoing.has_hole or each.incoming.has_hole]
        broken = [each for each in lossy if (source, target) in {_ends(each), _ends(each)[::-1]}]
        for transport in broken:
            _break(transport)
        self._stall_may_have_ended()
        return len(broken)

    def vanish(self, owner: Owner, *, is_silent: bool) -> list[object]:
        """Let the process `owner` be gone: of its listeners and connections nothing is told to it any more.

        Its peers get a reset, or nothing (`is_silent`: the machine is off) until `power_on`. Returns what it had.
        """
        listeners = [each for each in self._listeners.values() if each.owner is owner]
        for listener in listeners:
            listener.close()
        for client, listener in list(self._unaccepted.items()):
            if listener.owner is owner:
                del self._unaccepted[client]
                if not is_silent:
                    client.incoming.push(Signal.RESET)
        transports = [each for each in self._transports if each.owner is owner]
        for transport in transports:
            transport.vanish(is_silent=is_silent)
            if is_silent:
                self._silent[transport] = None
        return [*listeners, *transports]

    def power_on(self, node: str) -> None:
        """Let the machine of `node` answer again: who still writes to a connection of before gets a reset."""
        for transport in [each for each in self._silent if each.outgoing.link.source == node]:
            transport.is_silent = False
            del self._silent[transport]

    def connections(self) -> list[tuple[str, str]]:
        """Return (node, peer node) for each open connection end, oldest first."""
        return [_ends(transport) for transport in self._transports]

    # --- what the nodes' sides do

    def bind(self, node: str, factory: ProtocolFactory, host: str, port: int) -> VirtualListener:
        """Listen as `node`. OSError (EADDRINUSE) if somebody does already."""
        name = node if host in _ANY else _canonical(host)
        key = (name, port or self._free_port(name))
        if key in self._listeners:
            raise OSError(errno.EADDRINUSE, f"address already in use: {host}:{port}")
        listener = VirtualListener(node, (host, key[1]), factory, lambda: self._unbind(key))
        self._listeners[key] = listener
        return listener

    async def open(self, node: str, factory: ProtocolFactory, host: str, port: int) -> None:
        """Connect as `node`: a round trip, then a connected pair. OSError if it cannot be."""
        listener = self._find(node, host, port)
        await self._round_trip(node, listener.node if listener else node)
        if listener is None or not listener.is_open:
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"connect call failed: nobody listens at {host}:{port}")
        local = (_LOOPBACK, self._free_port(_LOOPBACK))
        forth, back = self._pipe(node, listener.node), self._pipe(listener.node, node)
        client = self._transport(factory(), forth, back, local, listener.address)
        client.start()
        self._unaccepted[client] = listener
        VirtualLoop.running().call_soon_for(listener.owner, self._accept, listener, client)

    async def _round_trip(self, source: str, target: str) -> None:
        """Let a kernel's handshake pass: it needs both ways open, but not a target that runs.

        TimeoutError if they are not for `connect_timeout_s`.
        """
        there, back = self.link(source, target), self.link(target, source)
        both_ways_s = there.delay_s(0) + back.delay_s(0)
        await asyncio.sleep(both_ways_s)
        if not self._is_passable(there, back):
            async with asyncio.timeout(self._connect_timeout_s - both_ways_s):
                while not self._is_passable(there, back):
                    there.is_knocked_at = back.is_knocked_at = True
                    await self._change.wait()

    def _is_passable(self, there: Link, back: Link) -> bool:
        is_barred = there.is_blocked or back.is_blocked or there.is_hole or back.is_hole
        return not (is_barred or there.source in self._frozen)

    def _accept(self, listener: VirtualListener, client: VirtualTransport) -> None:
        """Finish a connection at its listening end, once that runs."""
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

    def _find(self, node: str, host: str, port: int) -> VirtualListener | None:
        name = _canonical(host)
        found = self._listeners.get((name, port))
        return self._listeners.get((node, port)) if found is None and name == _LOOPBACK else found

    def _unbind(self, key: Address) -> None:
        del self._listeners[key]

    def _free_port(self, name: str) -> int:
        while (name, self._next_port) in self._listeners:
            self._next_port += 1
        self._next_port += 1
        return self._next_port - 1

    def _latency(self, source: str, target: str) -> float:
        return self.latency_s(source, target) if callable(self.latency_s) else self.latency_s

    def _stall_may_have_ended(self, on: Link | None = None) -> None:
        """Let what was held back on one link go on; None: on any."""
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
    """One node's side of a `VirtualNetwork`; keeps the `Network` contract."""

    def __init__(self, network: VirtualNetwork, node: str) -> None:
        self._network = network
        self._node = node

    async def listen(self, factory: ProtocolFactory, host: str, port: int) -> VirtualListener:
        """Accept connections at (host, port); port 0 gets a free one. OSError if somebody listens there."""
        return self._network.bind(self._node, factory, host, port)

    async def connect(self, factory: ProtocolFactory, host: str, port: int) -> None:
        """Connect to (host, port). ConnectionRefusedError if nobody listens, TimeoutError behind a partition."""
        await self._network.open(self._node, factory, host, port)

    def secured(self, tls: TlsConfig, refused: Callable[[str], None], *, handshake_timeout_s: float) -> SecuredNetwork:
        """Refuse with OSError: what TLS does can only be tried on real sockets."""
        del refused, handshake_timeout_s
        raise _no_tls(tls)

    def names_on(self, tls: TlsConfig) -> tuple[str, ...]:
        """Refuse with OSError, as `secured` does."""
        raise _no_tls(tls)


def _no_tls(tls: TlsConfig) -> OSError:
    return OSError(errno.EOPNOTSUPP, f"a virtual network has no TLS (asked for with {tls.certificate!r})")


def _ends(transport: VirtualTransport) -> tuple[str, str]:
    return transport.outgoing.link.source, transport.outgoing.link.target


def _break(transport: VirtualTransport) -> None:
    transport.outgoing.clear()
    transport.lose(ConnectionResetError(errno.ECONNRESET, "connection reset by the network"))


def _canonical(host: str) -> str:
    return _LOOPBACK if host in {"localhost", "::1"} else host
