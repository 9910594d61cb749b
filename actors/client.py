"""A program outside the cluster.

async with Client(["127.0.0.1:7401", "127.0.0.1:7402"]) as client:
    await client.key_value("store").put(b"k", b"v")
    total = await client.group("totals").execute(Add(2))
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from coterie.actors.access import Access
from coterie.actors.network_addresses import parse_address
from coterie.errors import NodeUnreachable
from coterie.runtime.hosts.host import Host
from coterie.runtime.hosts.real_host import RealHost
from coterie.runtime.hosts.tls_config import TlsConfig
from coterie.runtime.remote.link_events import LinkEvent
from coterie.runtime.system import System, SystemConfig
from coterie.runtime.transport.handshake.certificate import CLIENT_SEPARATOR
from coterie.runtime.transport.handshake.identity import Role
from coterie.runtime.transport.handshake.shared_key import SharedKey

__all__ = ["Client"]


class Client(Access):
    """A client of a running cluster. It dials the given nodes and stays linked to them; name all nodes if you can.

    Args:
        addresses: `host:port` of nodes.
        cluster: refuse nodes of any other cluster (default: any).
        name: this client's name (default: a random one; with `tls` the certificate's, with something random added).
        connect_timeout_s: how long to wait for the first link.
        auth, tls, host, config: as for `System`.

    Raises:
        ValueError: no address, or one that is none.
        OSError: the certificate cannot be read.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        *,
        cluster: str = "",
        name: str | None = None,
        connect_timeout_s: float = 5.0,
        auth: SharedKey | None = None,
        tls: TlsConfig | None = None,
        host: Host | None = None,
        config: SystemConfig | None = None,
    ) -> None:
        if not addresses:
            raise ValueError("a client needs the address of at least one node")
        self._addresses = [parse_address(address) for address in addresses]
        self._connect_timeout_s = connect_timeout_s
        world: Host = host if host is not None else RealHost()
        own_name = name or _usual_name(world, tls)
        super().__init__(
            System(own_name, cluster=cluster, role=Role.CLIENT, host=world, config=config, auth=auth, tls=tls)
        )
        self._exit = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Link to the cluster.

        Raises:
            NodeUnreachable: nobody let us in within `connect_timeout_s`; it says why, as far as is known.
        """
        await self._exit.enter_async_context(self.system)
        try:
            self._exit.push_async_callback(self.close_handles)
            await self._connect()
        except BaseException:
            await self._exit.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the links."""
        await self._exit.__aexit__(kind, error, trace)

    async def _connect(self) -> None:
        linked = asyncio.Event()

        def note(event: LinkEvent) -> None:
            if event.kind == "up":
                linked.set()

        ignore = self.system.on_link(note)
        for host, port in self._addresses:
            self.system.dial(host, port)
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                await linked.wait()
        except TimeoutError as error:
            where = ", ".join(f"{host}:{port}" for host, port in self._addresses)
            why = str(self.system.remoting.refusals) or "nobody answers"
            raise NodeUnreachable(where, f"no link in {self._connect_timeout_s:g} s: {why}") from error
        finally:
            ignore()


def _usual_name(host: Host, tls: TlsConfig | None) -> str:
    chance = f"{host.random.getrandbits(64):016x}"
    if tls is None:
        return f"client-{chance}"
    names = host.network.names_on(tls)
    return f"{names[0] if names else 'client'}{CLIENT_SEPARATOR}{chance}"
