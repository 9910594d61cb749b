"""Every order in which links come up, nodes list their workers, and a pool is asked first: all nodes are used soon."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest

from coterie.actors.cluster_api import ClusterApi
from coterie.actors.pools.pool_actor import PoolActor
from coterie.actors.pools.pool_messages import ListWorkers, Workers
from coterie.actors.pools.pool_size import SizeLimits
from coterie.actors.pools.requests.worker_lists import LIST_RETRY_S
from coterie.errors import NoTargets
from coterie.protocols.balancing import RoundRobin
from coterie.runtime.actor import Actor, Later
from coterie.runtime.hosts.host import Host
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.system import System
from coterie.runtime.transport.handshake.identity import PeerRole
from coterie.testing import Systems, advance

pytestmark = pytest.mark.virtual

NODES = ("n1", "n2")
ORDERS = list(itertools.permutations(("link n1", "link n2", "list n1", "list n2", "ask")))
SOON_S = 0.5
"""How long after the last event every node must be used, besides the pause before a node is asked again."""


@message(name="test.orders.Who")
class Who(Ask[str]):
    pass


class Worker(Actor[Who]):
    def receive(self, _: Who, /) -> str:
        return self.context.system.node


class SlowPool(PoolActor):
    """Answers its first questions when `answer` is called."""

    def __init__(self) -> None:
        super().__init__(Worker, SizeLimits(1, 1), weight=1.0, exported=True)
        self._early: list[Later[Workers]] | None = []

    def answer(self) -> None:
        early, self._early = self._early or [], None
        for later in early:
            self._answer(later)

    def _list(self, msg: ListWorkers) -> Workers | None:
        if self._early is None:
            return super()._list(msg)
        self._early.append(self.context.reply_later(msg))
        return None


class Unlinked(Systems):
    """A client and two nodes, without links until the client dials."""

    def __init__(self) -> None:
        super().__init__("client", *NODES)

    async def linked(self) -> None:
        """There are no links to wait for."""

    @asynccontextmanager
    async def _run_node(self, name: str, host: Host) -> AsyncIterator[System]:
        role = PeerRole.CLIENT if name == "client" else PeerRole.NODE
        async with System(name, cluster="test", host=host, role=role) as system:
            if name != "client":
                await system.listen("127.0.0.1", self._port(name))
            yield system

    def dial(self, name: str) -> None:
        self["client"].dial("127.0.0.1", self._port(name))

    def _port(self, name: str) -> int:
        return int(self.addresses[name].rpartition(":")[2])


def starting_late(systems: Unlinked, node: str) -> Callable[[], object]:
    """Return what lets a node list its workers: its pool does not run before."""
    make = partial(PoolActor, Worker, SizeLimits(1, 1), weight=1.0, exported=True)
    return lambda: systems[node].spawn(make, name="workers", exported=True)


def answering_late(systems: Unlinked, node: str) -> Callable[[], object]:
    """Return what lets a node list its workers: its pool keeps those waiting that ask before."""
    pool = SlowPool()
    systems[node].spawn(lambda: pool, name="workers", exported=True)
    return pool.answer


Listing = Callable[[Unlinked, str], Callable[[], object]]


async def used_after(order: tuple[str, ...], listings: tuple[Listing, ...], pause_s: float) -> Counter[str]:
    """Return the requests that each node gets, a moment after the events have happened in this order."""
    async with Unlinked() as systems:
        answers: list[str] = []
        api = ClusterApi(systems["client"])
        pool = api.pool("workers", balance=RoundRobin())

        async def ask_in_a_loop() -> None:
            while True:
                with contextlib.suppress(NoTargets):
                    answers.append(await pool.ask(Who()))
                await asyncio.sleep(0.05)

        asking: list[asyncio.Task[None]] = []
        events: dict[str, Callable[[], object]] = {
            f"list {node}": listing(systems, node) for node, listing in zip(NODES, listings, strict=True)
        }
        events |= {f"link {node}": partial(systems.dial, node) for node in NODES}
        events["ask"] = lambda: asking.append(asyncio.create_task(ask_in_a_loop()))
        for event in order:
            events[event]()
            await advance(pause_s)
        await advance(LIST_RETRY_S + SOON_S)
        answers.clear()
        await advance(SOON_S)
        asking[0].cancel()
        await api.handles.close()
        return Counter(answers)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("listings", "pause_s"),
    [
        ((answering_late, answering_late), 0.01),  # while the first request waits for other lists
        ((answering_late, starting_late), 0.1),  # after that, but before a node is asked again
        ((answering_late, starting_late), 0.6),  # one node is to be asked again while the other is waited for
    ],
)
async def test_a_pool_uses_all_nodes_soon_in_whatever_order_they_come(
    listings: tuple[Listing, ...], pause_s: float
) -> None:
    used = {order: await used_after(order, listings, pause_s) for order in ORDERS}

    assert [order for order, counts in used.items() if set(counts) != set(NODES)] == []


async def test_a_node_that_comes_while_another_is_silent_answers_the_first_request() -> None:
    async with Unlinked() as systems:
        answering_late(systems, "n1")
        starting_late(systems, "n2")()
        api = ClusterApi(systems["client"])
        systems.dial("n1")
        await advance(0.1)
        asked = asyncio.create_task(api.pool("workers").ask(Who()))
        await advance(0.1)

        systems.dial("n2")
        began = systems["client"].loop.time()

        assert await asked == "n2"
        assert systems["client"].loop.time() - began < 0.5
        await api.handles.close()
