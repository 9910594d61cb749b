"""`ChaosProxies`: runs proxies between the processes of a cluster, which inject faults into real connections.

    n1 ──dials──▶ proxy n1→n2 ══▶ n2          link (n1, n2) applies to bytes to n2, link (n2, n1) to those back

There is one TCP proxy for each pair of a dialer (node or client) and a node, and for two nodes a UDP proxy at the same
port (`datagram_relay.py`). A network fault on real processes: the fault
plan decides its time and links; `process_injector.py` begins it; `actors/simulation/faults/network_faults.py` turns it
into calls of this class, whose methods are those of a `VirtualNetwork`, so that the same faults apply to both; and
`proxy_pipe.py` carries it out on the bytes of a connection, with the rules of
`runtime/hosts/simulation/link_conditions.py`.
"""

from __future__ import annotations

import asyncio
import errno
import random
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Final, Self

from coterie.nemesis.datagram_relay import DatagramRelay
from coterie.nemesis.proxy_pipe import ProxyPipe
from coterie.nemesis.proxy_tunnel import ProxyTunnel
from coterie.runtime.hosts.host import Clock
from coterie.runtime.hosts.simulation.link_conditions import ConditionedLink
from coterie.runtime.hosts.simulation.random_durations import RandomDuration

__all__ = ["TUNNELS_MAX", "ChaosProxies"]

TUNNELS_MAX: Final = 1024
"""The largest number of connections at a time; one more is reset at once."""

_HOST: Final = "127.0.0.1"
_PORT_ATTEMPTS: Final = 16

NO_DELAY: Final = RandomDuration(0.0)


class ChaosProxies:
    """All proxies of a run, as an async context manager: it listens, and at the end resets every connection.

    Args:
        nodes: the names of the nodes.
        clients: the names of the clients, which only dial.
        rng: the source of random link conditions.
        clock: the clock of the link conditions.
    """

    def __init__(
        self,
        nodes: Sequence[str],
        clients: Sequence[str],
        *,
        rng: random.Random,
        clock: Clock,
    ) -> None:
        self._nodes = tuple(nodes)
        self._dialers = (*nodes, *clients)
        self.listens_at: Callable[[str], str] = _no_address
        """Returns the address of a node (`host:port`); called for each connection. Set it before the first one."""
        self._rng = rng
        self._clock = clock
        self._links: dict[tuple[str, str], ConditionedLink] = {}
        self._servers: dict[tuple[str, str], asyncio.Server] = {}
        self._relays: list[DatagramRelay] = []
        self._tunnels: dict[ProxyTunnel, None] = {}
        self._dials: dict[asyncio.Task[None], None] = {}

    async def __aenter__(self) -> Self:
        """Listen. OSError if no port is free."""
        try:
            for dialer in self._dialers:
                for node in self._nodes:
                    if dialer != node:
                        await self._listen(dialer, node)
        except BaseException:
            self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all sockets."""
        self._close()
        await asyncio.gather(*self._dials, return_exceptions=True)

    async def _listen(self, dialer: str, node: str) -> None:
        """Listen at a port that is free for TCP and, if the dialer is a node, for UDP."""
        loop = asyncio.get_running_loop()
        for attempts_left in reversed(range(_PORT_ATTEMPTS)):
            server = await loop.create_server(self._accepting(dialer, node), _HOST, 0)
            try:
                if dialer in self._nodes:
                    await self._relay(dialer, node, server.sockets[0].getsockname()[1])
            except OSError as error:
                server.close()
                if error.errno != errno.EADDRINUSE or not attempts_left:
                    raise
            else:
                self._servers[dialer, node] = server
                return

    async def _relay(self, source: str, target: str, port: int) -> None:
        relay = DatagramRelay(self.link(source, target), partial(self._address_of, target))
        await relay.open(_HOST, port)
        self._relays.append(relay)

    def _address_of(self, node: str) -> str:
        return self.listens_at(node)  # it may be set later

    def address(self, dialer: str, node: str) -> str:
        """Return the address at which `dialer` reaches `node` (`host:port`)."""
        host, port = self._servers[dialer, node].sockets[0].getsockname()[:2]
        return f"{host}:{port}"

    @property
    def held_bytes(self) -> int:
        """The bytes that wait in all pipes."""
        return sum(pipe.held_bytes for pipe in self._pipes())

    # --- faults (FaultyNetwork) -------------------------------------------------------------------------------------

    def link(self, source: str, target: str) -> ConditionedLink:
        """Return the link from `source` to `target` (one way), shared by all their connections."""
        link = self._links.get((source, target))
        if link is None:
            rng = random.Random(self._rng.getrandbits(64))
            link = self._links[source, target] = ConditionedLink(source, target, lambda: NO_DELAY, self._clock, rng)
        return link

    def connections(self) -> list[tuple[str, str]]:
        """Return (node, peer) for each end of each connection, oldest first."""
        return [(pipe.link.source, pipe.link.target) for pipe in self._pipes()]

    def block(self, source: str, target: str) -> None:
        """Hold all bytes from `source` to `target` (one way) until `unblock`, and drop datagrams."""
        link = self.link(source, target)
        if not link.is_blocked:
            link.is_blocked, link.has_connect_attempt, link.has_dropped_datagram = True, False, False

    def unblock(self, source: str, target: str) -> None:
        """End `block`, one way."""
        self.link(source, target).is_blocked = False
        for pipe in self._pipes(source, target):
            pipe.pump()

    def holds_back(self, source: str, target: str) -> bool:
        """Return whether the link is blocked, and bytes or a connection attempt wait for it, or a datagram was lost."""
        link = self.link(source, target)
        if not link.is_blocked:
            return False
        has_struck = link.has_connect_attempt or link.has_dropped_datagram
        return has_struck or any(not pipe.is_idle for pipe in self._pipes(source, target))

    def open_black_hole(self, source: str, target: str) -> None:
        """Drop all bytes from `source` to `target` (one way) without an error, until `close_black_hole`."""
        link = self.link(source, target)
        link.is_black_hole, link.has_dropped_datagram = True, False

    def has_lost_data(self, source: str, target: str) -> bool:
        """Return whether a black hole from `source` to `target` has lost bytes of an open connection, or a datagram."""
        link = self.link(source, target)
        has_lost_datagram = link.is_black_hole and link.has_dropped_datagram
        return has_lost_datagram or any(pipe.has_lost_bytes for pipe in self._pipes(source, target))

    def close_black_hole(self, source: str, target: str) -> int:
        """End `open_black_hole`: reset the connections that lost bytes; return how many."""
        self.link(source, target).is_black_hole = False
        broken = [
            tunnel
            for tunnel in list(self._tunnels)
            if any(pipe.has_lost_bytes and _has_direction(pipe, source, target) for pipe in tunnel.pipes)
        ]
        for tunnel in broken:
            tunnel.reset()
        return len(broken)

    def reset(self, source: str, target: str) -> None:
        """Reset every connection between the two at both ends; bytes in flight are lost."""
        for tunnel in list(self._tunnels):
            if any(_has_direction(pipe, source, target) for pipe in tunnel.pipes):
                tunnel.reset()

    def heal(self) -> None:
        """End all blocks, and deliver delayed bytes now."""
        for link in self._links.values():
            link.is_blocked = False
        for pipe in self._pipes():
            pipe.deliver_now()

    # --- connections ------------------------------------------------------------------------------------------------

    def _accepting(self, dialer: str, node: str) -> Callable[[], asyncio.Protocol]:
        def accept() -> asyncio.Protocol:
            forward, backward = self.link(dialer, node), self.link(node, dialer)
            forward.has_connect_attempt = backward.has_connect_attempt = True
            tunnel = ProxyTunnel(forward, backward, self._clock, lambda tunnel: self._tunnels.pop(tunnel, None))
            if len(self._tunnels) >= TUNNELS_MAX:
                tunnel.dial_failed()
                return tunnel.accepted
            self._tunnels[tunnel] = None
            dial = asyncio.get_running_loop().create_task(self._dial(tunnel, node))
            self._dials[dial] = None
            dial.add_done_callback(lambda task: self._dials.pop(task, None))
            return tunnel.accepted

        return accept

    async def _dial(self, tunnel: ProxyTunnel, node: str) -> None:
        host, _, port = self.listens_at(node).rpartition(":")
        try:
            await asyncio.get_running_loop().create_connection(lambda: tunnel.dialled, host, int(port))
        except OSError:
            tunnel.dial_failed()

    def _pipes(self, source: str | None = None, target: str | None = None) -> list[ProxyPipe]:
        pipes = [pipe for tunnel in self._tunnels for pipe in tunnel.pipes]
        return (
            pipes
            if source is None or target is None
            else [each for each in pipes if _has_direction(each, source, target)]
        )

    def _close(self) -> None:
        for server in self._servers.values():
            server.close()
        for relay in self._relays:
            relay.close()
        for dial in list(self._dials):
            dial.cancel()
        for tunnel in list(self._tunnels):
            tunnel.reset()


def _no_address(node: str) -> str:
    raise LookupError(f"the address of node {node!r} is unknown: set `listens_at` first")


def _has_direction(pipe: ProxyPipe, source: str, target: str) -> bool:
    return (pipe.link.source, pipe.link.target) == (source, target)
