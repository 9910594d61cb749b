"""`Client`: connects a program outside a cluster to the nodes; finds the cluster's actors, groups and pools by name.

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

from coterie.actors.cluster_api import ClusterApi
from coterie.actors.network_addresses import parse_address
from coterie.errors import NodeUnreachable
from coterie.runtime.hosts.host import Host
from coterie.runtime.hosts.real_host import RealHost
from coterie.runtime.hosts.tls_config import TlsConfig
from coterie.runtime.observing.printable_text import printable
from coterie.runtime.remote.link_events import LinkEvent
from coterie.runtime.remote.refused_handshakes import TEXT_CHARS_MAX
from coterie.runtime.system import System, SystemConfig
from coterie.runtime.transport.handshake.definite_refusals import advice_on
from coterie.runtime.transport.handshake.identity import CLIENT_SEPARATOR, PeerRole
from coterie.runtime.transport.handshake.shared_key import Auth, ClientKey

__all__ = ["Client"]


class Client(ClusterApi):
    """A client of a running cluster. It dials the given nodes and stays linked to them; give all nodes if possible.

    Args:
        addresses: `host:port` of nodes.
        cluster: the only cluster whose nodes are accepted (default: any).
        name: this client's name (default: random; with a `ClientKey` or `tls`, the name of the key or certificate and a
            random suffix).
        connect_timeout_s: how long to wait for the first link.
        auth: this client's `ClientKey`, or the `SharedKey` of the nodes.
        tls, host, config: as for `System`.

    Raises:
        ValueError: no address, or a malformed one.
        OSError: the certificate cannot be read.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        *,
        cluster: str = "",
        name: str | None = None,
        connect_timeout_s: float = 5.0,
        auth: Auth | None = None,
        tls: TlsConfig | None = None,
        host: Host | None = None,
        config: SystemConfig | None = None,
    ) -> None:
        if not addresses:
            raise ValueError("a client needs the address of at least one node")
        self._addresses = [parse_address(address) for address in addresses]
        self._connect_timeout_s = connect_timeout_s
        used_host: Host = host if host is not None else RealHost()
        own_name = name or _default_name(used_host, auth, tls)
        super().__init__(
            System(own_name, cluster=cluster, role=PeerRole.CLIENT, host=used_host, config=config, auth=auth, tls=tls)
        )
        self._exit = AsyncExitStack()

    @property
    def cluster(self) -> str:
        """The id of the cluster: the one that was given, or that of the first node; "" before there is a link."""
        transport = self.system.remoting.transport
        return self.system.identity.cluster if transport is None else transport.identity.cluster

    async def __aenter__(self) -> Self:
        """Link to the cluster.

        Raises:
            NodeUnreachable: no node accepted the client within `connect_timeout_s`, or each has refused it for a reason
                that does not pass (a wrong key, a name that is taken, …); the text has the known reasons.
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
        addresses = tuple(dict.fromkeys(f"{host}:{port}" for host, port in self._addresses))
        first_link = _FirstLink(addresses)
        unsubscribe = self.system.on_link(first_link.note_event)
        remoting = self.system.remoting
        listener, remoting.refusal_listener = remoting.refusal_listener, first_link.note_refusal
        for host, port in self._addresses:
            self.system.dial(host, port)
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                await first_link.decided.wait()
        except TimeoutError as error:
            why = str(remoting.refused_handshakes) or "no node answers"
            advice = first_link.advice or "compare the addresses (--connect), and see the logs of the nodes"
            why = f"no link in {self._connect_timeout_s:g} s: {why}"
            raise NodeUnreachable(", ".join(addresses), why, advice=advice) from error
        finally:
            remoting.refusal_listener = listener
            unsubscribe()
        first_link.raise_if_refused()


class _FirstLink:
    """Waits for the first link, or until each address has refused this client for a reason that does not pass.

    `decided` is set then. It stays unset while an address has not answered, or may accept this client later.
    """

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses
        self._refusal_by_address: dict[str, str] = {}  # the latest one of each address, if it is definite
        self._is_up = False
        self.decided = asyncio.Event()

    @property
    def advice(self) -> str:
        """What to change, for each kind of definite refusal; "" without one."""
        codes = dict.fromkeys(reason.partition(":")[0] for reason in self._refusal_by_address.values())
        return "; ".join(dict.fromkeys(filter(None, map(advice_on, codes))))

    def note_event(self, event: LinkEvent) -> None:
        """Take a change of a link."""
        if event.kind == "up":
            self._is_up = True
            self.decided.set()

    def note_refusal(self, address: str, reason: str) -> None:
        """Take a failed handshake; `reason` is a code, a colon, and a text of the other end's choice."""
        if advice_on(reason.partition(":")[0]) is None:
            self._refusal_by_address.pop(address, None)
            return
        self._refusal_by_address[address] = printable(reason, TEXT_CHARS_MAX)
        if all(one in self._refusal_by_address for one in self._addresses):
            self.decided.set()

    def raise_if_refused(self) -> None:
        """Raise NodeUnreachable, with each address, its reason and what to change, unless there is a link."""
        if not self._is_up:
            why = "; ".join(f"{address}: {reason}" for address, reason in self._refusal_by_address.items())
            raise NodeUnreachable(", ".join(self._addresses), f"this client is refused: {why}", advice=self.advice)


def _default_name(host: Host, auth: Auth | None, tls: TlsConfig | None) -> str:
    suffix = f"{host.random.getrandbits(64):016x}"
    if isinstance(auth, ClientKey):
        return f"{auth.name}{CLIENT_SEPARATOR}{suffix}"
    if tls is None:
        return f"client-{suffix}"
    names = host.network.certificate_names(tls)
    return f"{names[0] if names else 'client'}{CLIENT_SEPARATOR}{suffix}"
