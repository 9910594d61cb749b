"""Balancers in front of a pool: the slow node gets few requests, and nobody told the balancers which one it is.

python examples/load_balancing.py

    front (n1, Prequal) ──▶ gate (n2, n3: least latency × requests) ──▶ workers (n2 fast, n3 slow)

A client that links with the cluster itself needs no balancer on the way: its pool picks in the client.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from coterie import (
    Actor,
    Ask,
    Client,
    LeastLoaded,
    Node,
    PeakEwma,
    Prequal,
    RoundRobin,
    Topology,
    message,
)

SECONDS_BY_NODE = {"n2": 0.002, "n3": 0.2}


@message(name="photos.Shrink")
class Shrink(Ask[str]):
    """Make a photo smaller; the answer is the node that did it."""

    photo: int


class Worker(Actor[Shrink]):
    def __init__(self, node: Node) -> None:
        self._node = node.name

    async def receive(self, msg: Shrink, /) -> str:
        await asyncio.sleep(SECONDS_BY_NODE[self._node])
        return self._node


topology = Topology("photos", nodes=["n1", "n2", "n3"])
topology.pool("workers", Worker, per_node=2, max_per_node=4, nodes=["n2", "n3"], balance=RoundRobin())
topology.balancer("gate", LeastLoaded(PeakEwma()), over="workers", nodes=["n2", "n3"])
topology.balancer("front", Prequal(), over="gate", nodes=["n1"])


async def shares(ask: Callable[[Shrink], Awaitable[str]], count: int) -> Counter[str]:
    """Let 8 callers ask in turn, and count which node answered."""
    answered: Counter[str] = Counter()
    photos = iter(range(count))

    async def caller() -> None:
        for photo in photos:
            answered[await ask(Shrink(photo))] += 1

    await asyncio.gather(*(caller() for _ in range(8)))
    return answered


async def main() -> None:
    async with topology.together() as nodes, Client([node.address for node in nodes.values()]) as client:
        for node in nodes.values():
            for peer in nodes:
                if peer != node.name:
                    await node.system.linked(peer)
        in_turn = await shares(nodes["n1"].pool("workers").ask, 12)
        print(f"in turn, the slow node gets its half: {in_turn['n3'] == 6}")
        front = client.actor("front", node="n1")
        balanced = await shares(front.ask, 160)
        print(f"through the balancers, it gets less than a quarter: {balanced['n3'] < 40}")
        pool = client.pool("workers", balance=Prequal())
        picked = await shares(pool.ask, 160)
        print(f"picked in the client, it gets less than a quarter: {picked['n3'] < 40}")


if __name__ == "__main__":
    asyncio.run(main())
