"""`Systems`: runs several actor systems in one process, with the real transport over a network in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, Self

from coterie.actors.network_addresses import parse_address
from coterie.runtime.hosts.host import Host
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.system import System
from coterie.testing.virtual_time import advance
from coterie.testing.virtual_world import World

__all__ = ["Systems"]

_LINK_TIMEOUT_S: Final = 60.0
_POLL_INTERVAL_S: Final = 0.01


def _default_system(node: str, host: Host) -> System:
    return System(node, cluster="test", host=host)


class Systems(World[System]):
    """Systems by name, each pair linked when the `async with` begins.

        async with Systems("n1", "n2") as systems:
            probe = Probe(systems["n1"], Pong)
            systems["n2"].spawn(Echo, name="echo")
            systems["n1"].at(Address("n2", "echo")).tell(Ping(probe.ref))
            await probe.expect(Pong)

    Args:
        nodes: the names of the systems.
        make: makes the system with a name on a host, at each start, with the configuration of your choice.
        seed: determines all random choices.
        datagrams: whether the systems have sockets for datagrams, see `System.listen`.

    Raises:
        TypeError: the running loop is not a `VirtualLoop`.
    """

    def __init__(
        self,
        *nodes: str,
        make: Callable[[str, Host], System] = _default_system,
        seed: int = 0,
        datagrams: bool = False,
    ) -> None:
        super().__init__(nodes, seed=seed)
        self._make = make
        self._has_datagrams = datagrams

    async def __aenter__(self) -> Self:
        """Start all systems, and wait for the links."""
        await super().__aenter__()
        try:
            await self.linked()
        except BaseException:
            await self._end_all()
            raise
        return self

    async def linked(self) -> None:
        """Wait until each pair of running systems is linked, for example after a `heal` or a `start`.

        Raises:
            TimeoutError: they are not linked after a minute of virtual time.
        """
        async with asyncio.timeout(_LINK_TIMEOUT_S):
            while not all(self._is_linked(node) for node in self):
                await advance(_POLL_INTERVAL_S)

    def _is_linked(self, node: str) -> bool:
        return {peer.node for peer in self[node].links} >= set(self) - {node}

    @asynccontextmanager
    async def _run_node(self, name: str, host: VirtualHost) -> AsyncIterator[System]:
        async with self._make(name, host) as system:
            await system.listen(*parse_address(self.addresses[name]), datagrams=self._has_datagrams)
            for peer, address in self.addresses.items():
                if peer != name:
                    system.add_peer(peer, *parse_address(address))
            yield system
