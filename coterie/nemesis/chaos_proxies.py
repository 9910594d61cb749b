"""A proxy for each way from somebody who dials to a node: a network of real sockets whose links can be struck.

    n1 ──dials──▶ proxy n1→n2 ══▶ n2          bytes to n2 feel the weather of link (n1, n2), those back of (n2, n1)

Its verbs are those of a `VirtualNetwork`, so that the same faults strike both.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Self

from coterie.nemesis.proxy_pipe import Pipe
from coterie.nemesis.proxy_tunnel import Tunnel
from coterie.runtime.hosts.host import Clock
from coterie.runtime.hosts.simulation.link_conditions import WeatherLink
from coterie.runtime.hosts.simulation.random_durations import Duration

__all__ = ["TUNNELS_MAX", "Proxies"]

TUNNELS_MAX: Final = 1024
"""How many connections there may be at a time; one more is reset at once."""

AT_ONCE: Final = Duration(0.0)


class Proxies:
    """All proxies of a run. Use it as an async context manager: it listens, and at the end resets every connection.

    Args:
        nodes: the names of the nodes.
        clients: the names of those who only dial.
        rng: what the weather is drawn from.
        clock: for the weather.
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
        self.listens_at: Callable[[str], str] = _nowhere
        """Returns where a node listens (`host:port`); asked at each connection. To be set before there are any."""
        self._rng = rng
        self._clock = clock
        self._links: dict[tuple[str, str], WeatherLink] = {}
        self._servers: dict[tuple[str, str], asyncio.Server] = {}
        self._tunnels: dict[Tunnel, None] = {}
        self._dials: dict[asyncio.Task[None], None] = {}

    async def __aenter__(self) -> Self:
        """Listen. OSError if there is no port."""
        loop = asyncio.get_running_loop()
        try:
            for dialer in self._dialers:
                for node in self._nodes:
                    if dialer != node:
                        server = await loop.create_server(self._accepting(dialer, node), "127.0.0.1", 0)
                        self._servers[dialer, node] = server
        except BaseException:
            self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close everything."""
        self._close()
        await asyncio.gather(*self._dials, return_exceptions=True)

    def address(self, dialer: str, node: str) -> str:
        """Return where `dialer` reaches `node`: `host:port`."""
        host, port = self._servers[dialer, node].sockets[0].getsockname()[:2]
        return f"{host}:{port}"

    @property
    def held_bytes(self) -> int:
        """How much waits in all pipes (bytes)."""
        return sum(pipe.held_bytes for pipe in self._pipes())

    # --- faults (FaultyNetwork) -------------------------------------------------------------------------------------

    def link(self, source: str, target: str) -> WeatherLink:
        """Return the way from `source` to `target`, which all their connections share."""
        link = self._links.get((source, target))
        if link is None:
            rng = random.Random(self._rng.getrandbits(64))
            link = self._links[source, target] = WeatherLink(source, target, lambda: AT_ONCE, self._clock, rng)
        return link

    def connections(self) -> list[tuple[str, str]]:
        """Return (node, peer) for each end of each connection, oldest first."""
        return [(pipe.link.source, pipe.link.target) for pipe in self._pipes()]

    def block(self, source: str, target: str) -> None:
        """Hold back everything from `source` to `target` (one way)."""
        link = self.link(source, target)
        if not link.is_blocked:
            link.is_blocked, link.is_knocked_at = True, False

    def unblock(self, source: str, target: str) -> None:
        """End `block`, one way."""
        self.link(source, target).is_blocked = False
        for pipe in self._pipes(source, target):
            pipe.pump()

    def holds_back(self, source: str, target: str) -> bool:
        """Return whether something waits for a blocked way from `source` to `target`: bytes, or who would connect."""
        link = self.link(source, target)
        if not link.is_blocked:
            return False
        return link.is_knocked_at or any(not pipe.is_idle for pipe in self._pipes(source, target))

    def open_hole(self, source: str, target: str) -> None:
        """Swallow everything from `source` to `target` (one way), telling nobody, until `close_hole`."""
        self.link(source, target).is_hole = True

    def has_swallowed(self, source: str, target: str) -> bool:
        """Return whether an open connection has lost something in a hole from `source` to `target`."""
        return any(pipe.has_hole for pipe in self._pipes(source, target))

    def close_hole(self, source: str, target: str) -> int:
        """End `open_hole`: reset the connections that lost something, never whole again; return how many."""
        self.link(source, target).is_hole = False
        broken = [
            tunnel
            for tunnel in list(self._tunnels)
            if any(pipe.has_hole and _goes(pipe, source, target) for pipe in tunnel.pipes)
        ]
        for tunnel in broken:
            tunnel.break_off()
        return len(broken)

    def reset(self, source: str, target: str) -> None:
        """Reset every connection between the two, at both ends, losing what flies."""
        for tunnel in list(self._tunnels):
            if any(_goes(pipe, source, target) for pipe in tunnel.pipes):
                tunnel.break_off()

    def heal(self) -> None:
        """End all blocks, and let what is late arrive now."""
        for link in self._links.values():
            link.is_blocked = False
        for pipe in self._pipes():
            pipe.hurry()

    # --- connections ------------------------------------------------------------------------------------------------

    def _accepting(self, dialer: str, node: str) -> Callable[[], asyncio.Protocol]:
        def accept() -> asyncio.Protocol:
            there, back = self.link(dialer, node), self.link(node, dialer)
            there.is_knocked_at = back.is_knocked_at = True
            tunnel = Tunnel(there, back, self._clock, lambda tunnel: self._tunnels.pop(tunnel, None))
            if len(self._tunnels) >= TUNNELS_MAX:
                tunnel.dial_failed()
                return tunnel.near
            self._tunnels[tunnel] = None
            dial = asyncio.get_running_loop().create_task(self._dial(tunnel, node))
            self._dials[dial] = None
            dial.add_done_callback(lambda task: self._dials.pop(task, None))
            return tunnel.near

        return accept

    async def _dial(self, tunnel: Tunnel, node: str) -> None:
        host, _, port = self.listens_at(node).rpartition(":")
        try:
            await asyncio.get_running_loop().create_connection(lambda: tunnel.far, host, int(port))
        except OSError:
            tunnel.dial_failed()

    def _pipes(self, source: str | None = None, target: str | None = None) -> list[Pipe]:
        pipes = [pipe for tunnel in self._tunnels for pipe in tunnel.pipes]
        return pipes if source is None or target is None else [each for each in pipes if _goes(each, source, target)]

    def _close(self) -> None:
        for server in self._servers.values():
            server.close()
        for dial in list(self._dials):
            dial.cancel()
        for tunnel in list(self._tunnels):
            tunnel.break_off()


def _nowhere(node: str) -> str:
    raise LookupError(f"nobody has said where node {node!r} listens: set `listens_at`")


def _goes(pipe: Pipe, source: str, target: str) -> bool:
    return (pipe.link.source, pipe.link.target) == (source, target)
