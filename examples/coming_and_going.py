"""A cluster whose nodes come and go: workers join by their role, one crashes, and another takes over what it had.

    python coming_and_going.py

Three founders hold the view of the cluster, as a Raft group. All nodes are in this process here; as processes of their
own they are `coterie run coming_and_going:topology --node n4 --listen … --join … --role worker`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from coterie import Actor, Ask, Members, Node, Role, ServiceUpdate, Topology, message


@message(name="coming_and_going.Draw")
class Draw(Ask[str]):
    picture: str


class Thumbnails(Actor[Draw]):
    def __init__(self, node: Node) -> None:
        self._node = node

    def receive(self, msg: Draw, /) -> str:
        return f"{msg.picture}, drawn by {self._node.name}"


@message(name="coming_and_going.NextOrder")
class NextOrder(Ask[str]):
    pass


class Orders(Actor[NextOrder]):
    """One in the whole cluster. A store would refuse what an earlier epoch writes: see docs/singletons.md."""

    def __init__(self, node: Node, epoch: int) -> None:
        self._who = f"{node.name} in epoch {epoch}"
        self._number = 0

    def receive(self, msg: NextOrder, /) -> str:
        self._number += 1
        return f"order {self._number} of {self._who}"


topology = Topology("shop", nodes=Members(founders=["n1", "n2", "n3"]))
topology.actor("thumbnails", Thumbnails, nodes=Role("worker"), service="thumbnails")  # on whichever nodes are workers
topology.singleton("orders", Orders, nodes=Role("worker"))  # on one of them


async def work(name: str, seed: str) -> None:
    """Run one worker, until it is cancelled: then it ends without a word, as in a crash."""
    async with topology.start(node=name, join=[seed], roles=["worker"]):
        await asyncio.Event().wait()


async def main() -> None:
    async with topology.together() as founders:
        node = founders["n1"]
        providers: asyncio.Queue[list[str]] = asyncio.Queue()

        def note(update: ServiceUpdate) -> None:
            providers.put_nowait([instance.member.name for instance in update.instances])

        node.receptionist.subscribe("thumbnails", note)  # told at once of what there is, then of each change
        n4 = asyncio.create_task(work("n4", node.address))
        print(await node.singleton("orders").ask(NextOrder(), timeout_s=30))
        n5 = asyncio.create_task(work("n5", node.address))
        await until(providers, lambda names: names == ["n4", "n5"])
        print("n4 and n5 provide thumbnails")

        n4.cancel()
        await until(providers, lambda names: names == ["n5"])
        print(await first(node).ask(Draw("a cat")))
        print(await node.singleton("orders").ask(NextOrder(), timeout_s=30))
        n5.cancel()
        await asyncio.wait([n4, n5])


async def until(providers: asyncio.Queue[list[str]], is_so: Callable[[list[str]], bool]) -> None:
    while not is_so(await providers.get()):
        pass


def first(node: Node) -> Any:
    return node.receptionist.find("thumbnails")[0]


if __name__ == "__main__":
    logging.getLogger("coterie").setLevel(logging.ERROR)  # the others warn of the node that they have lost
    asyncio.run(main())
