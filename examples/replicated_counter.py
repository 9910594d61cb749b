"""A user-defined state machine that Raft replicates on three nodes, and a failover when the leader stops.

python examples/replicated_counter.py

All three nodes run in this process and keep their logs in memory. In production, each node is a process of its own with
a data directory: see `coterie run` and examples/wordcount_cluster.py.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from coterie import Ask, Client, Node, Query, StateMachine, Topology, message


@message(name="totals.Add")
class Add(Ask[int]):
    amount: int


@message(name="totals.Total")
class Total(Query[int]):  # a Query does not change the state
    pass


class Totals(StateMachine[Add | Total]):
    total = 0

    def apply(self, command: Add | Total, /) -> int:  # must be deterministic: every node applies the same commands
        if isinstance(command, Add):
            self.total += command.amount
        return self.total


topology = Topology("example", nodes=["n1", "n2", "n3"])
topology.raft("totals", machine=Totals)


async def start_all(lives: dict[str, AsyncExitStack]) -> list[str]:
    """Start every node on a free port, give each the addresses of the others, and return all addresses."""
    nodes: dict[str, Node] = {}
    for name in topology.nodes:
        nodes[name] = await lives[name].enter_async_context(topology.start(node=name))
    for node in nodes.values():
        for peer in nodes.values():
            if peer is not node:
                host, port = peer.address.rsplit(":", 1)
                node.system.add_peer(peer.name, host, int(port))
    return [node.address for node in nodes.values()]


async def main() -> None:
    lives = {name: AsyncExitStack() for name in topology.nodes}
    async with AsyncExitStack() as program:
        for life in lives.values():
            await program.enter_async_context(life)
        addresses = await start_all(lives)
        client = await program.enter_async_context(Client(addresses))
        totals = client.group("totals")
        print(sorted(await asyncio.gather(*(totals.execute(Add(1)) for _ in range(3)))))
        leader = totals.leader or "n1"
        await lives[leader].aclose()
        total = await totals.execute(Total())
        print("the leader is gone; the total is", total)
        total = await totals.execute(Add(10))
        print("and counting goes on:", total)


if __name__ == "__main__":
    asyncio.run(main())
