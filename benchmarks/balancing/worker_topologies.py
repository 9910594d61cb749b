"""Worker topologies: clusters for the balancing benchmarks with real processes; workers take time on request."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from coterie import Actor, Ask, Client, Topology, message
from coterie.actors.node import Node
from coterie.actors.pools.pool_messages import Idempotent

__all__ = [
    "FOUR_NODES",
    "THREE_NODES",
    "Hog",
    "HogActor",
    "Work",
    "Worker",
    "all_linked",
    "four_nodes",
    "three_nodes",
]

FOUR_NODES: Final = ("n1", "n2", "n3", "n4")
THREE_NODES: Final = ("n1", "n2", "n3")
SLICE_S: Final = 0.005


@message(name="bench.balancing.Work")
class Work(Idempotent[str]):
    """Keep the processor busy for `busy_s`, then wait for `wait_s`; the reply is the name of the node."""

    busy_s: float
    wait_s: float = 0.0


class Worker(Actor[Work]):
    """Does what `Work` asks for."""

    def __init__(self, node: Node) -> None:
        self._node = node.name

    async def receive(self, msg: Work, /) -> str:
        """Take the time."""
        _spin(msg.busy_s)
        if msg.wait_s:
            await asyncio.sleep(msg.wait_s)
        return self._node


@message(name="bench.balancing.Hog")
class Hog(Ask[None]):
    """From now on block the event loop of the node for this share of the time, 0 … 1."""

    share: float


class HogActor(Actor[Hog]):
    """Blocks the event loop of its node for a share of the time: another program part that takes capacity away."""

    def __init__(self, node: Node) -> None:
        del node
        self._task: asyncio.Task[None] | None = None

    async def receive(self, msg: Hog, /) -> None:
        """Begin, change or end."""
        if self._task is not None:
            self._task.cancel()
        self._task = asyncio.ensure_future(_hog(msg.share)) if msg.share else None


async def all_linked(client: Client, count: int) -> None:
    """Wait until a client is linked with so many nodes. TimeoutError after 30 s."""
    linked = asyncio.Event()
    unsubscribe = client.system.on_link(lambda _: linked.set())
    try:
        async with asyncio.timeout(30):
            while len(client.nodes) < count:
                linked.clear()
                await linked.wait()
    finally:
        unsubscribe()


async def _hog(share: float) -> None:
    """Block in slices of 5 ms wall time, and leave the loop free between them for the rest of the time."""
    while True:
        started_s = time.monotonic()
        while time.monotonic() < started_s + SLICE_S:
            pass
        await asyncio.sleep((time.monotonic() - started_s) * (1 / share - 1))


def _spin(seconds: float) -> None:
    """Use so much processor time of this thread."""
    end_s = time.thread_time() + seconds
    while time.thread_time() < end_s:
        pass


four_nodes = Topology("bench-four", nodes=FOUR_NODES)
four_nodes.pool("workers", Worker, per_node=8)

three_nodes = Topology("bench-three", nodes=THREE_NODES)
three_nodes.pool("workers", Worker, per_node=1)
three_nodes.actor("hog", HogActor)
