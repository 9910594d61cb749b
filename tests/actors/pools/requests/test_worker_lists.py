"""The workers of a pool, as a caller knows them: pushed when they change, not asked for when nobody needs them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from coterie import Node, Topology
from coterie.actors.pools.pool import Pool
from coterie.actors.pools.pool_actor import PoolActor
from coterie.actors.pools.pool_messages import ListWorkers, Workers
from coterie.actors.pools.requests.worker_lists import WorkerLists
from coterie.errors import NoTargets
from coterie.protocols.balancing import SmoothWeighted
from coterie.runtime.actor import Actor
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Address, Ref
from coterie.testing import Systems

pytestmark = pytest.mark.virtual


@message(name="test.lists.Work")
class Work(Ask[str]):
    seconds: float = 0.0


class Worker(Actor[Work]):
    def __init__(self, node: Node) -> None:
        self._node = node

    async def receive(self, msg: Work, /) -> str:
        await asyncio.sleep(msg.seconds)
        return f"{self._node.name}/{self.context.self_ref.path}"


@pytest.fixture
def questions(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The versions that callers knew when they asked for lists."""
    found: list[int] = []
    answer = PoolActor._list

    def noted(self: PoolActor, msg: ListWorkers) -> Any:
        found.append(msg.known_version)
        return answer(self, msg)

    monkeypatch.setattr(PoolActor, "_list", noted)
    return found


async def started(make_cluster: Any, **options: Any) -> Any:
    topology = Topology("lists", nodes=["n1", "n2", "n3"])
    topology.pool("workers", Worker, **options)
    cluster = make_cluster(topology)
    await cluster.start()
    await asyncio.sleep(1)
    return cluster


async def test_a_caller_uses_a_new_worker_as_soon_as_it_exists(make_cluster: Any) -> None:
    cluster = await started(make_cluster, nodes=["n2"], max_per_node=3)
    pool = cluster["n1"].pool("workers")
    waiting = [asyncio.create_task(pool.ask(Work(2.0), timeout_s=300.0)) for _ in range(30)]
    await asyncio.sleep(10.0)

    workers = {ref.path for ref in await pool.workers()}
    answers = {await pool.ask(Work(), timeout_s=300.0) for _ in range(6)}

    assert workers == {"workers/1", "workers/2", "workers/3"}
    assert answers == {f"n2/{path}" for path in workers}
    await asyncio.gather(*waiting)


async def test_no_request_fails_while_the_pool_grows_and_shrinks(make_cluster: Any) -> None:
    cluster = await started(make_cluster, max_per_node=4)
    pool = cluster["n1"].pool("workers")
    sizes = set()

    async def load(seconds: float, pause_s: float) -> None:
        asks = []
        while seconds > 0:
            asks.append(asyncio.create_task(pool.ask(Work(0.5), timeout_s=600.0)))
            await asyncio.sleep(pause_s)
            seconds -= pause_s
            sizes.add(len(await pool.workers()))
        await asyncio.gather(*asks)

    for _ in range(2):
        await load(20.0, 0.05)
        await load(120.0, 1.0)

    assert max(sizes) > 6
    assert min(sizes) == 3


async def test_a_pool_that_is_not_used_asks_for_nothing(make_cluster: Any, questions: list[int]) -> None:
    cluster = await started(make_cluster)
    await cluster["n1"].pool("workers").ask(Work())
    await asyncio.sleep(60.0)
    questions.clear()

    await asyncio.sleep(300.0)

    assert questions == []


async def test_a_pool_in_use_asks_now_and_then_and_not_at_each_request(make_cluster: Any, questions: list[int]) -> None:
    cluster = await started(make_cluster)
    pool = cluster["n1"].pool("workers")
    for _ in range(1000):
        await pool.ask(Work())
        await asyncio.sleep(0.1)

    assert len(questions) <= 3 * (2 + 100 / 20 * 2)


async def test_the_policy_is_told_of_targets_when_they_change_and_not_at_each_request(make_cluster: Any) -> None:
    cluster = await started(make_cluster)
    pool = cluster["n1"].pool("workers")
    updates: list[int] = []
    update = pool._balancer.update

    def noted(targets: Any, *, now: float) -> None:
        updates.append(len(targets))
        update(targets, now=now)

    pool._balancer.update = noted
    for _ in range(100):
        await pool.ask(Work())
    await cluster.kill("n3")
    for _ in range(100):
        await pool.ask(Work())
        await asyncio.sleep(0.1)

    assert updates == [3, 2]


async def test_a_node_without_the_pool_is_asked_once_a_second_at_most(make_cluster: Any) -> None:
    cluster = await started(make_cluster, nodes=["n1"])
    pool = cluster["n3"].pool("workers")

    for _ in range(50):
        await pool.ask(Work())
        await asyncio.sleep(0.1)

    letters = cluster["n2"].system.dead_letters.counts
    assert sum(letters.values()) <= 7


async def test_a_request_waits_no_longer_for_the_first_list_than_it_has_time(make_cluster: Any) -> None:
    cluster = await started(make_cluster, nodes=["n3"])
    cluster.isolate("n3")
    began = asyncio.get_running_loop().time()

    with pytest.raises(NoTargets):
        await cluster["n1"].pool("workers").ask(Work(), timeout_s=0.3)

    assert asyncio.get_running_loop().time() - began < 0.5


class Lister(Actor[ListWorkers]):
    """Lists what it is told to: a node with a defect."""

    def __init__(self, refs: Sequence[Ref[Any]], weight: float) -> None:
        self._workers = Workers(tuple(refs), weight)

    def receive(self, msg: ListWorkers, /) -> Workers:
        return self._workers


class Simple(Actor[Work]):
    def receive(self, msg: Work, /) -> str:
        return f"{self.context.system.node}/{self.context.self_ref.path}"


REASONS = {
    "0": "weight 0.0 must",
    "-1": "weight -1.0 must",
    "nan": "weight nan must",
    "inf": "weight inf must",
    "twice": "worker 'w' is listed twice",
    "elsewhere": "worker 'w' is on node 'n1'",
}


@pytest.mark.parametrize("flaw", list(REASONS))
async def test_one_nodes_bad_list_is_refused_alone(flaw: str, caplog: pytest.LogCaptureFixture) -> None:
    async with Systems("n1", "n2") as systems:
        near, far = systems["n1"], systems["n2"]
        good, bad = near.spawn(Simple, name="w"), far.spawn(Simple, name="w")
        refs = {"twice": [bad, bad], "elsewhere": [far.at(Address("n1", "w"))]}.get(flaw, [bad])
        weight = 1.0 if flaw in ("twice", "elsewhere") else float(flaw)
        near.spawn(partial(Lister, [good], 1.0), name="pool")
        far.spawn(partial(Lister, refs, weight), name="pool")
        pool = Pool(
            near,
            "pool",
            lambda is_used, subscribes: WorkerLists(
                near, "pool", lambda: ["n1", "n2"], is_suspected=lambda _: False, is_used=is_used, subscribes=subscribes
            ),
            policy=SmoothWeighted(),
        )
        answers = [await pool.ask(Work()) for _ in range(4)]
        pool.close()

    assert answers == ["n1/w"] * 4
    assert f"pool.list_refused node=n1 pool=pool peer=n2 reason={REASONS[flaw]}" in caplog.text
    assert "peer=n1" not in caplog.text


@message(name="test.lists.Tick")
class Tick:
    pass


TICKS: list[str] = []


class Counting(Actor[Work | Tick]):
    def __init__(self, node: Node) -> None:
        self._node = node

    async def receive(self, msg: Work | Tick, /) -> str | None:
        if isinstance(msg, Tick):
            TICKS.append(self.context.self_ref.path)
            return None
        await asyncio.sleep(msg.seconds)
        return self.context.self_ref.path


@pytest.mark.parametrize("idle_s", [60.0, 75.0, 120.0, 500.0])
async def test_what_is_told_to_a_pool_that_was_idle_goes_to_present_workers(make_cluster: Any, idle_s: float) -> None:
    TICKS.clear()
    topology = Topology("idle", nodes=["n1", "n2"])
    topology.pool("workers", Counting, nodes=["n2"], max_per_node=3)
    cluster = make_cluster(topology)
    await cluster.start()
    await asyncio.sleep(1)
    pool = cluster["n1"].pool("workers")
    await asyncio.gather(*(pool.ask(Work(0.3), timeout_s=200.0) for _ in range(60)))
    assert len(await pool.workers()) == 3
    await asyncio.sleep(idle_s)

    for _ in range(30):
        pool.tell(Tick())
    await asyncio.sleep(1.0)

    assert len(TICKS) == 30
    assert sum(cluster["n2"].system.dead_letters.counts.values()) == 0


async def test_a_pool_in_steady_use_never_waits_for_a_list(make_cluster: Any) -> None:
    cluster = await started(make_cluster, nodes=["n2"])
    pool = cluster["n1"].pool("workers")
    await pool.ask(Work())
    cluster_time = asyncio.get_running_loop().time
    longest = 0.0
    for _ in range(600):
        await asyncio.sleep(0.1)
        began = cluster_time()
        await pool.ask(Work())
        longest = max(longest, cluster_time() - began)
        assert pool._source._has_waited

    assert longest < 0.2
