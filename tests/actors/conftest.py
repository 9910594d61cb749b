"""A whole cluster in virtual time: the real actors, transport and storage on virtual hosts."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

import pytest

from coterie import Client, KeyValue, Node, Topology
from coterie.errors import CoterieError
from coterie.runtime.virtual.disk import VirtualDisk
from coterie.runtime.virtual.host import VirtualHost
from coterie.runtime.virtual.network import VirtualNetwork

NAMES = ("n1", "n2", "n3")


def default_topology() -> Topology:
    topology = Topology("test", nodes=NAMES)
    topology.raft("store", machine=KeyValue)
    topology.synod("config")
    return topology


class Cluster:
    """Nodes that can be killed (their unsynced writes are lost) and started again on what their disks hold."""

    def __init__(self, topology: Topology | None = None, *, durable: bool = True) -> None:
        self.topology = topology or default_topology()
        self.network = VirtualNetwork()
        self.disks = {name: VirtualDisk() for name in self.topology.nodes}
        self.addresses = {name: f"127.0.0.1:{7401 + at}" for at, name in enumerate(self.topology.nodes)}
        self.nodes: dict[str, Node] = {}
        self._durable = durable
        self._formatted: set[str] = set()
        self.processes: dict[str, asyncio.Task[None]] = {}
        self._ends: dict[str, asyncio.Event] = {}
        self._clients = AsyncExitStack()
        self._lives = 0

    async def start(self, *names: str) -> None:
        for name in names or self.topology.nodes:
            self._lives += 1
            host = VirtualHost(name, network=self.network, disk=self.disks[name], seed=self._lives)
            fresh = self._durable and name not in self._formatted
            self._formatted.add(name)
            running = self.topology.start(
                node=name,
                listen=self.addresses[name],
                peers={peer: at for peer, at in self.addresses.items() if peer != name},
                data="data" if self._durable else None,
                bootstrap="new" if fresh else None,
                host=host,
            )
            ready: asyncio.Future[Node] = asyncio.get_running_loop().create_future()
            end = self._ends[name] = asyncio.Event()
            self.processes[name] = asyncio.create_task(self._live(running, ready, end))
            either: list[asyncio.Future[Any]] = [ready, self.processes[name]]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                await self.processes[name]
            self.nodes[name] = ready.result()

    @staticmethod
    async def _live(
        running: AbstractAsyncContextManager[Node], ready: asyncio.Future[Node], end: asyncio.Event
    ) -> None:
        """One life of one node, in a task of its own as a process has a main of its own."""
        async with running as node:
            ready.set_result(node)
            await end.wait()

    async def kill(self, name: str) -> None:
        """End a node as SIGKILL and a power failure do: nothing leaves any more, what was not synced is lost."""
        self.network.reset(name)
        for other in (*self.topology.nodes, "client"):
            self.network.partition(name, other)
        self.disks[name].crash(random.Random(self._lives))
        await self._end(name)
        for other in (*self.topology.nodes, "client"):
            self.network.heal(name, other)

    async def _end(self, name: str) -> None:
        del self.nodes[name]
        self._ends[name].set()
        with contextlib.suppress(CoterieError, OSError):
            await self.processes.pop(name)

    def wipe(self, name: str) -> None:
        self.disks[name] = VirtualDisk()
        self._formatted.discard(name)

    async def client(self) -> Client:
        self._lives += 1
        host = VirtualHost("client", network=self.network, seed=self._lives)
        return await self._clients.enter_async_context(Client(list(self.addresses.values()), host=host))

    async def leader(self) -> str:
        client = await self.client()
        while (leader := client.group("store").leader) is None or leader not in self.nodes:
            await client.key_value("store").get(b"who leads?")
        return leader

    async def close(self) -> None:
        await self._clients.aclose()
        for name in list(self.nodes):
            await self._end(name)


MakeCluster = Callable[..., Cluster]


@pytest.fixture
async def make_cluster() -> AsyncIterator[MakeCluster]:
    made: list[Cluster] = []

    def make(topology: Topology | None = None, *, durable: bool = True) -> Cluster:
        made.append(Cluster(topology, durable=durable))
        return made[-1]

    yield make
    for cluster in made:
        await cluster.close()


@pytest.fixture
async def cluster(make_cluster: MakeCluster) -> Cluster:
    """Three started nodes with durable logs."""
    made = make_cluster()
    await made.start()
    return made
