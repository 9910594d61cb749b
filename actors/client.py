"""`Client`: connects a program outside a cluster to the nodes; finds the cluster's actors, groups and pools by name.

async with Client(["127.0.0.1:7401"]) as client:  # the client learns the addresses of the other nodes from that one
    await client.key_value("store").put(b"k", b"v")
    total = await client.group("totals").execute(Add(2))
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Final, Self

from coterie.actors.client_links import ClientLinks
from coterie.actors.cluster_api import ClusterApi
from coterie.actors.membership.receptionist.service_finder import listed_instances
from coterie.actors.network_addresses import parse_address
from coterie.actors.node_finder import NodeFinder
from coterie.errors import NodeUnreachable
from coterie.runtime.cells.ask_deadlines import check_timeout
from coterie.runtime.hosts.host import Host
from coterie.runtime.hosts.real_host import RealHost
from coterie.runtime.hosts.tls_config import TlsConfig
from coterie.runtime.refs import Ref
from coterie.runtime.system import System, SystemConfig
from coterie.runtime.transport.handshake.identity import CLIENT_SEPARATOR, PeerRole
from coterie.runtime.transport.handshake.shared_key import Auth, ClientKey

__all__ = ["Client"]

CONNECT_TIMEOUT_S: Final = 5.0
ALL_LINKED_TIMEOUT_S: Final = 1.0
FIND_TIMEOUT_S: Final = 5.0

PROVIDERS_LINKED_S: Final = 2.0
"""For so long at most `find_service` waits for links with the nodes of providers."""


class Client(ClusterApi):
    """A client of a cluster. It dials the given nodes, learns from them where the others are, and stays linked to all.

    One address is enough while that node is up when the client starts; give two or three in case it is not. The cluster
    may be down when the client starts, and at any time later: see `__aenter__`.

    Args:
        addresses: `host:port` of nodes.
        cluster: the only cluster whose nodes are accepted (default: any).
        name: this client's name (default: random; with a `ClientKey` or `tls`, the name of the key or certificate and a
            random suffix).
        connect_timeout_s: how long starting waits for the first link; 0: not at all.
        auth: this client's `ClientKey`, or the `SharedKey` of the nodes.
        tls, host, config: as for `System`.
        learn_addresses: False dials the given addresses alone: if the addresses that nodes have for each other are of
            no use where the client runs, for example behind forwarded ports.

    Raises:
        TypeError: `addresses` is one text in place of a list, or `connect_timeout_s` is no number.
        ValueError: no address, or a malformed one.
        OSError: the certificate cannot be read.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        *,
        cluster: str = "",
        name: str | None = None,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        auth: Auth | None = None,
        tls: TlsConfig | None = None,
        host: Host | None = None,
        config: SystemConfig | None = None,
        learn_addresses: bool = True,
    ) -> None:
        check_timeout(connect_timeout_s)
        if isinstance(addresses, str):
            raise TypeError(f"addresses={addresses!r} is one text: give a list, such as [{addresses!r}]")
        if not addresses:
            raise ValueError("a client needs the address of at least one node")
        self._addresses = [parse_address(address) for address in addresses]
        self._connect_timeout_s = connect_timeout_s
        self._learns_addresses = learn_addresses
        self._links: ClientLinks | None = None
        self._finder: NodeFinder | None = None
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
        """Start: dial the nodes, and wait for the first link for `connect_timeout_s` at most.

        Without a link the client starts all the same, and a warning is logged: it goes on dialling until it is closed.
        What is asked meanwhile fails by its own time limit (commands of groups and synods) or at once (`Ref.ask`), and
        the error says that no node is linked, and why.

        Raises:
            NodeUnreachable: each address has refused the client for a reason that does not pass (a wrong key, another
                cluster, a name that is taken, TLS at one end only, …); the text has the reasons, and what to change.
        """
        await self._exit.enter_async_context(self.system)
        try:
            self._exit.push_async_callback(self.handles.close)
            self._links = links = ClientLinks(self.system, self._addresses)
            self._exit.callback(links.close)
            self._finder = NodeFinder(self.system, self._addresses, links.note_change, dials=self._learns_addresses)
            self._exit.push_async_callback(self._finder.close)
            await self._wait_for_first_link(links)
        except BaseException:
            await self._exit.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the links."""
        await self._exit.__aexit__(kind, error, trace)

    async def linked(self, timeout_s: float = CONNECT_TIMEOUT_S) -> None:
        """Wait until a node is linked: for programs that have nothing to do without a cluster.

        Raises:
            NodeUnreachable: none is within `timeout_s` seconds, or as when the client starts; the text has the reasons.
            RuntimeError: outside the client's `async with`.
        """
        await self._running_links().first(timeout_s)

    async def all_linked(self, timeout_s: float = ALL_LINKED_TIMEOUT_S) -> bool:
        """Wait until all nodes of the cluster are linked, `timeout_s` seconds at most; return whether they are.

        All nodes are those that the linked ones know; if none of them knows any, as many as addresses were given.
        """
        links = self._running_links()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await links.until(self._is_linked_with_all)
        return self._is_linked_with_all()

    async def find_service(self, service: str, *, timeout_s: float = FIND_TIMEOUT_S) -> list[Ref[Any]]:
        """Return refs to the actors that provide a service on up members, by node and path, as one node knows them.

        Nodes of providers that this client is not linked with yet are dialled, and waited for: until `timeout_s` has
        passed, 2 s at most. Those that are not linked by then come last: asking them now fails with `NodeUnreachable`.
        Only those that are exported take messages of this client. Who registers: see `Receptionist`.

        Raises:
            ActorNotFound: the cluster has no view, and so no services.
            CoterieError: no node is linked, or none answers within `timeout_s` seconds.
        """
        clock = self.system.host.clock
        ends_s = clock.monotonic() + timeout_s
        found = [each.address for each in await listed_instances(self.system, self.nodes, service, timeout_s)]
        nodes = {address.node for address in found}
        await self._link_with(nodes, min(ends_s - clock.monotonic(), PROVIDERS_LINKED_S))
        linked = set(self.nodes)
        return [self.system.at(address) for address in sorted(found, key=lambda each: each.node not in linked)]

    async def _link_with(self, nodes: set[str], timeout_s: float) -> None:
        """Wait until these nodes are linked, `timeout_s` seconds at most; not for those whose address is of no use."""
        finder = self._finder
        if finder is None or nodes <= set(self.nodes):
            return
        finder.look()

        def is_over() -> bool:
            missing = nodes.difference(self.nodes)
            return not missing or not (finder.is_asking or any(map(finder.is_dialled, missing)))

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._running_links().until(is_over)

    def _is_linked_with_all(self) -> bool:
        if self._finder is None or self._finder.is_asking:
            return False
        if self._learns_addresses and (nodes := self._finder.nodes):
            return nodes <= set(self.nodes)
        return len(self.nodes) >= len(set(self._addresses))

    def _running_links(self) -> ClientLinks:
        if self._links is None:
            raise RuntimeError("this client does not run: use it inside `async with`")
        return self._links

    @property
    def known_nodes(self) -> list[str]:
        """The names of the nodes that the cluster has, linked now or not, as far as the client has learned, sorted."""
        return sorted({*self.nodes, *(self._finder.nodes if self._finder is not None else ())})

    @property
    def known_groups(self) -> frozenset[str] | None:
        """The groups that there are, as far as nodes have told; None: none has yet."""
        return None if self._finder is None else self._finder.groups

    def _singleton_names(self) -> frozenset[str] | None:
        return None if self._finder is None else self._finder.singletons

    def _node_names(self) -> list[str] | None:
        return None if self.known_groups is None else self.known_nodes

    async def _wait_for_first_link(self, links: ClientLinks) -> None:
        if self._connect_timeout_s <= 0:
            return
        try:
            await links.first(self._connect_timeout_s)
        except NodeUnreachable as error:
            if links.definite_refusal is not None:
                raise
            self.system.log.warning("client.not_linked", error=str(error))


def _default_name(host: Host, auth: Auth | None, tls: TlsConfig | None) -> str:
    suffix = f"{host.random.getrandbits(64):016x}"
    if isinstance(auth, ClientKey):
        return f"{auth.name}{CLIENT_SEPARATOR}{suffix}"
    if tls is None:
        return f"client-{suffix}"
    names = host.network.certificate_names(tls)
    return f"{names[0] if names else 'client'}{CLIENT_SEPARATOR}{suffix}"
