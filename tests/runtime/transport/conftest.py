"""What the tests of the transport share: a world of nodes on one virtual network, each recording what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from coterie.runtime.hosts.host import Host
from coterie.runtime.hosts.real_host import RealHost
from coterie.runtime.hosts.tls_config import TlsConfig
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.hosts.virtual.virtual_loop import VirtualLoop
from coterie.runtime.hosts.virtual.virtual_network import VirtualNetwork
from coterie.runtime.transport import Peer, PeerRole, SharedKey, SystemIdentity, Transport, TransportConfig
from coterie.runtime.transport.descriptor_budget import DescriptorReport
from coterie.testing import no_leaks

CLUSTER = "test"
CONFIG = TransportConfig(handshake_timeout_s=2.0)


class Recorder:
    """Keeps every event in order, as a tuple that begins with its name, and holds the transport to its promises."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []
        self.items: list[object] = []
        self.lane_classes: list[int] = []
        self.frames: list[int] = []  # how many items each had
        self.up: dict[str, Peer] = {}
        self.dialled: list[bool] = []  # of each refused handshake

    def link_up(self, peer: Peer) -> None:
        assert peer.node not in self.up, "a second link without link_down"
        self.up[peer.node] = peer
        self.told.append(("up", peer.node, peer.incarnation))

    def link_down(self, peer: Peer, reason: str) -> None:
        assert self.up.pop(peer.node) == peer, "link_down for a link that was not up"
        self.told.append(("down", peer.node, peer.incarnation, reason))

    def node_lost(self, peer: Peer, reason: str) -> None:
        assert peer.node not in self.up, "lost while its link is up"
        self.told.append(("lost", peer.node, peer.incarnation, reason))

    def delivered(self, peer: Peer, lane_class: int, items: list[object]) -> None:
        assert self.up.get(peer.node) == peer, "delivered without a link"
        assert items, "an empty frame was delivered"
        self.items += items
        self.lane_classes += [lane_class] * len(items)
        self.frames.append(len(items))

    def descriptors_changed(self, report: DescriptorReport) -> None:
        self.told.append(("descriptors", report.event, report.open_count, report.limit, report.clients_max))

    def refused(self, address: str, reason: str, *, is_dialled: bool = False) -> None:
        self.told.append(("refused", address, reason))
        self.dialled.append(is_dialled)

    def kinds(self) -> list[object]:
        return [event[0] for event in self.told]

    def only(self, kind: str) -> list[tuple[object, ...]]:
        return [event for event in self.told if event[0] == kind]


class Node:
    """One transport with its recorder; `node` listens at `address`."""

    def __init__(
        self,
        host: Host,
        identity: SystemIdentity,
        config: TransportConfig | None,
        auth: SharedKey | None,
        tls: TlsConfig | None,
    ) -> None:
        self.recorder = Recorder()
        self.transport = Transport(host, identity, self.recorder, config, auth=auth, tls=tls)
        self.host = host
        self.address: tuple[str, int] = ("", 0)

    @property
    def told(self) -> list[tuple[object, ...]]:
        return self.recorder.told

    @property
    def items(self) -> list[object]:
        return self.recorder.items


class World:
    """Nodes on one virtual network (or, with `is_real`, on real loopback sockets)."""

    def __init__(self, *, is_real: bool = False, network: VirtualNetwork | None = None) -> None:
        self.network = network or VirtualNetwork()
        self._is_real = is_real
        self._lives = 0
        self.nodes: list[Node] = []

    def make(
        self,
        name: str,
        *,
        role: PeerRole = PeerRole.NODE,
        cluster: str = CLUSTER,
        config: TransportConfig | None = None,
        incarnation: int | None = None,
        auth: SharedKey | None = None,
        tls: TlsConfig | None = None,
        store: str = "",
    ) -> Node:
        self._lives += 1
        host: Host = RealHost() if self._is_real else VirtualHost(name, network=self.network, seed=self._lives)
        identity = SystemIdentity(cluster, name, self._lives if incarnation is None else incarnation, role, store)
        node = Node(host, identity, config or CONFIG, auth, tls)
        self.nodes.append(node)
        return node

    async def start(
        self,
        name: str,
        *,
        port: int = 0,
        cluster: str = CLUSTER,
        config: TransportConfig | None = None,
        incarnation: int | None = None,
        auth: SharedKey | None = None,
        tls: TlsConfig | None = None,
        store: str = "",
    ) -> Node:
        """Make a node that listens; on a virtual network its host is its name."""
        node = self.make(name, cluster=cluster, config=config, incarnation=incarnation, auth=auth, tls=tls, store=store)
        host = "127.0.0.1" if self._is_real else name
        node.address = await node.transport.listen(host, port, insecure=not self._is_real)
        return node

    async def pair(self, config: TransportConfig | None = None) -> tuple[Node, Node]:
        """Return nodes a and b, linked; a dials."""
        a, b = await self.start("a", config=config), await self.start("b", config=config)
        introduce(a, b)
        await self.linked(a, b)
        return a, b

    async def linked(self, *nodes: Node) -> None:
        """Wait until each of `nodes` has as many links as there are others (a single one: at least one)."""
        await self.until(lambda: all(len(node.recorder.up) >= max(1, len(nodes) - 1) for node in nodes))

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition()` holds (for a minute at most, virtual or real)."""
        async with asyncio.timeout(20.0):
            while not condition():  # noqa: ASYNC110 - no event tells when any condition comes true
                await asyncio.sleep(0.001)

    async def close(self) -> None:
        """Close everything, and hold every transport to leaving nothing behind."""
        for node in self.nodes:
            await node.transport.close()
            node.host.executor.close()
            assert node.transport.stats()["connections"] == 0
            assert not node.recorder.up
        # asyncio accepts a TLS connection in a task of its own, which ends shortly after the handshake was refused.
        await self.until(lambda: not any(_is_accepting(task) for task in asyncio.all_tasks()))
        self.assert_nothing_is_left()

    def assert_nothing_is_left(self) -> None:
        """No task and (where the loop can tell) no timer and no connection of a transport."""
        loop = asyncio.get_running_loop()
        here = asyncio.current_task(loop)
        assert [task.get_name() for task in asyncio.all_tasks(loop) if task is not here] == []
        if isinstance(loop, VirtualLoop):
            assert [
                timer
                for timer in loop.timers
                if "transport" in getattr(getattr(timer, "_callback", None), "__module__", "")
            ] == []
            ours = {node.transport.identity.node for node in self.nodes}
            assert [ends for ends in self.network.connections() if ends[0] in ours] == []


def _is_accepting(task: asyncio.Task[object]) -> bool:
    return getattr(task.get_coro(), "__name__", "") == "_make_transport"


def introduce(*nodes: Node) -> None:
    """Tell each node where the others are."""
    for node in nodes:
        for other in nodes:
            if other is not node:
                node.transport.add_peer(other.transport.identity.node, *other.address)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A world in virtual time; the test must be marked `virtual`."""
    async with no_leaks():
        made = World()
        yield made
        await made.close()


@pytest.fixture
async def real_world() -> AsyncIterator[World]:
    """The same on real loopback sockets."""
    async with no_leaks():
        made = World(is_real=True)
        yield made
        await made.close()
