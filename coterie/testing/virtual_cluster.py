"""`Cluster`: runs a whole topology in virtual time: the real actors, transport and storage on virtual machines."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import TracebackType
from typing import Final

from coterie.actors.client import Client
from coterie.actors.groups.group_messages import GroupStatus
from coterie.actors.node import Node
from coterie.actors.topology import Topology
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.system import SystemConfig
from coterie.testing.virtual_world import World

__all__ = ["Cluster"]

_POLL_INTERVAL_S: Final = 0.05


class Cluster(World[Node]):
    """The nodes of a topology by name; they can be killed, and started again with the data on their disks.

        async with Cluster(topology) as cluster:
            store = (await cluster.client()).key_value("store")
            await store.put(b"k", b"v")
            await cluster.kill(await cluster.leader_of("store"))
            assert await store.get(b"k") == b"v"

    Args:
        topology: the topology that runs.
        durable: whether nodes have data directories. Without them, a killed voter cannot rejoin.
        joining: the nodes whose first start is with `bootstrap="join"`: they found no group, and wait to be added.
        config: configuration of the systems.
        seed: determines all random choices.

    Raises:
        TypeError: the running loop is not a `VirtualLoop`.
    """

    def __init__(
        self,
        topology: Topology,
        *,
        durable: bool = True,
        joining: Collection[str] = (),
        config: SystemConfig | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(topology.nodes, seed=seed)
        self.topology = topology
        """The topology that runs."""
        self._durable = durable
        self._config = config
        self._joining = set(joining)
        self._formatted: set[str] = set()
        self._clients = AsyncExitStack()
        self._observer: Client | None = None

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the clients and end every node; see `World`."""
        try:
            await self._clients.aclose()
        finally:
            await super().__aexit__(kind, error, trace)

    async def client(self) -> Client:
        """Return a new client, linked to the nodes; its name on the network is `client`. It closes with the cluster.

        Raises:
            NodeUnreachable: no node accepted it.
        """
        client = Client(list(self.addresses.values()), cluster=self.topology.name, host=self.host("client"))
        await self._clients.enter_async_context(client)
        await client.linked()
        return client

    async def leader_of(self, group: str) -> str:
        """Wait until a node leads a Raft group, in the latest term of those that answer; return its name."""
        self._observer = self._observer or await self.client()
        while True:
            answers = (await self._observer.group(group).status()).items()
            states = {node: answer for node, answer in answers if isinstance(answer, GroupStatus)}
            latest = max((state.term for state in states.values()), default=0)
            for node, state in states.items():
                if state.role == "leader" and state.term == latest:
                    return node
            await asyncio.sleep(_POLL_INTERVAL_S)

    def wipe(self, name: str, *, join: bool = False) -> None:
        """Give a stopped node a new, empty disk; its next start formats it, with `bootstrap="join"` if `join`."""
        if name in self:
            raise ValueError(f"wipe({name!r}): the node is running; kill it first")
        self.disks[name] = VirtualDisk()
        self._formatted.discard(name)
        if join:
            self._joining.add(name)

    def _run_node(self, name: str, host: VirtualHost) -> AbstractAsyncContextManager[Node]:
        is_fresh = self._durable and name not in self._formatted
        self._formatted.add(name)
        return self.topology.start(
            node=name,
            listen=self.addresses[name],
            peers={peer: address for peer, address in self.addresses.items() if peer != name},
            data="data" if self._durable else None,
            bootstrap=None if not is_fresh else "join" if name in self._joining else "new",
            host=host,
            config=self._config,
        )
