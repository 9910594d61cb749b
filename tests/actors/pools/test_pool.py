"""A pool: each worker in turn, dead workers left out, and every error with its outcome."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import pytest

from coterie import Node, Outcome, Topology
from coterie.actors.pools.pool_messages import Idempotent
from coterie.errors import ActorFailed, AskTimeout, CoterieError, NodeUnreachable
from coterie.protocols.algorithm import NodeId
from coterie.protocols.balancing import LoadReport, Picker, Probe, RequestOutcome, RoundRobin, RoutingKey, Target
from coterie.protocols.detection.failure_detector import Suspected, Trusted
from coterie.runtime.actor import Actor
from coterie.runtime.messages.message import Ask, message

pytestmark = pytest.mark.virtual


@message(name="test.pool.Who")
class Who(Ask[str]):
    pass


@message(name="test.pool.Fail")
class Fail(Ask[str]):
    pass


@message(name="test.pool.Sleep")
class Sleep(Ask[str]):
    node: str


@message(name="test.pool.SleepTwice")
class SleepTwice(Idempotent[str]):
    node: str


class Worker(Actor[Who | Fail | Sleep | SleepTwice]):
    """Sleeps for ever on the node that a message names, and answers with its own name elsewhere."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def receive(self, msg: Who | Fail | Sleep | SleepTwice, /) -> str:
        if isinstance(msg, Fail):
            raise RuntimeError("told to")
        if isinstance(msg, Sleep | SleepTwice) and msg.node == self._node.name:
            await asyncio.sleep(1e6)
        return f"{self._node.name}/{self.context.self_ref.path}"


class Recorder:
    """A policy that remembers every pick and every outcome."""

    def __init__(self) -> None:
        self.made = 0
        self.updates: list[list[str]] = []
        self.open: Counter[str] = Counter()
        self.outcomes: list[tuple[str, RequestOutcome]] = []

    def make(self, rng: random.Random) -> Picker:
        self.made += 1
        return _RecordingPicker(self, RoundRobin().make(rng))

    @property
    def is_settled(self) -> bool:
        return not any(self.open.values())


class _RecordingPicker(Picker):
    def __init__(self, recorder: Recorder, inner: Picker) -> None:
        self._recorder = recorder
        self._inner = inner

    def update(self, targets: Sequence[Target], *, now: float) -> None:
        keys = [target.key for target in targets]
        self._recorder.updates.append(keys)
        for key in [key for key in self._recorder.open if key not in keys]:
            del self._recorder.open[key]  # it left: nothing more is reported of it
        self._inner.update(targets, now=now)

    def choose(self, *, now: float, key: RoutingKey | None, exclude: AbstractSet[str]) -> str | None:
        return self._inner.choose(now=now, key=key, exclude=exclude)

    def picked(self, target: str, *, now: float) -> Sequence[Probe]:
        self._recorder.open[target] += 1
        return ()

    def settled(
        self, target: str, outcome: RequestOutcome, *, latency_s: float, load: LoadReport | None, now: float
    ) -> None:
        assert self._recorder.open[target] > 0
        assert latency_s >= 0
        self._recorder.open[target] -= 1
        self._recorder.outcomes.append((target, outcome))

    def explain(self) -> str:
        return self._inner.explain()


@pytest.fixture
async def pooled(make_cluster: Any) -> Any:
    topology = Topology("pooled", nodes=["n1", "n2", "n3"])
    topology.pool("workers", Worker, per_node=2)
    cluster = make_cluster(topology)
    await cluster.start()
    await asyncio.sleep(1)
    return cluster


async def linked_pool(cluster: Any) -> Any:
    client = await cluster.client()
    await asyncio.sleep(1)  # virtual: until it is linked with all
    return client.pool("workers")


EVERYBODY = {f"{node}/workers/{number}" for node in ("n1", "n2", "n3") for number in (1, 2)}


async def test_all_workers_of_all_nodes_are_asked_in_turn(pooled: Any) -> None:
    pool = await linked_pool(pooled)

    answers = [await pool.ask(Who()) for _ in range(18)]

    assert Counter(answers) == dict.fromkeys(EVERYBODY, 3)
    assert all(answers[at] == answers[at + 6] for at in range(12))
    assert all({answer[:2] for answer in answers[at : at + 3]} == {"n1", "n2", "n3"} for at in (0, 6))


async def test_a_node_of_the_cluster_has_the_same_pool(pooled: Any) -> None:
    pool = pooled["n2"].pool("workers")

    assert {await pool.ask(Who()) for _ in range(6)} == EVERYBODY


async def test_the_workers_of_a_dead_node_are_left_out_and_come_back(pooled: Any) -> None:
    pool = await linked_pool(pooled)
    await pool.ask(Who())

    await pooled.kill("n2")
    without = {await pool.ask(Who()) for _ in range(12)}
    await pooled.start("n2")
    await asyncio.sleep(3)
    again = {await pool.ask(Who()) for _ in range(12)}

    assert without == {who for who in EVERYBODY if not who.startswith("n2")}
    assert again == EVERYBODY


async def test_a_worker_that_fails_tells_its_asker_and_is_restarted(pooled: Any) -> None:
    pool = await linked_pool(pooled)

    with pytest.raises(ActorFailed, match=r"failed on Fail: RuntimeError$") as caught:  # its text is not for clients
        await pool.ask(Fail())

    assert caught.value.outcome is Outcome.UNKNOWN
    assert {await pool.ask(Who()) for _ in range(6)} == EVERYBODY


async def test_workers_that_fail_beyond_their_budget_are_made_anew(pooled: Any) -> None:
    pool = await linked_pool(pooled)
    for _ in range(60):
        with pytest.raises(ActorFailed):
            await pool.ask(Fail())

    await asyncio.sleep(5)

    assert {await pool.ask(Who()) for _ in range(6)} == EVERYBODY


async def test_without_any_node_an_ask_is_definitely_not_sent(pooled: Any) -> None:
    pool = await linked_pool(pooled)
    for name in list(pooled):
        await pooled.kill(name)
    await asyncio.sleep(10)

    with pytest.raises(NodeUnreachable, match="has no worker on a linked node") as caught:
        await pool.ask(Who())

    assert caught.value.outcome is Outcome.DEFINITE


# Policies, and what is reported to them.


async def recorded(cluster: Any) -> tuple[Any, Recorder]:
    recorder = Recorder()
    client = await cluster.client()
    await asyncio.sleep(1)
    return client.pool("workers", balance=recorder), recorder


async def test_every_pick_is_settled_once_with_what_became_of_it(pooled: Any) -> None:
    pool, policy = await recorded(pooled)

    await pool.ask(Who())
    with pytest.raises(ActorFailed):
        await pool.ask(Fail())
    for node in ("n1", "n2", "n3"):  # whoever is picked, one of the three sleeps
        with contextlib.suppress(AskTimeout):
            await pool.ask(Sleep(node), timeout_s=0.5)
    given_up = [asyncio.create_task(pool.ask(SleepTwice(node), timeout_s=60.0)) for node in ("n1", "n2", "n3")]
    await asyncio.sleep(0.5)
    for task in given_up:
        task.cancel()
    await asyncio.gather(*given_up, return_exceptions=True)

    assert policy.is_settled
    assert [outcome for _, outcome in policy.outcomes[:2]] == [RequestOutcome.ANSWERED, RequestOutcome.FAILED]
    assert {outcome for _, outcome in policy.outcomes[2:]} <= {RequestOutcome.ANSWERED, RequestOutcome.LOST}


async def test_a_lost_attempt_of_an_idempotent_message_is_made_again_elsewhere(pooled: Any) -> None:
    pool, policy = await recorded(pooled)

    answers = [await pool.ask(SleepTwice("n2"), timeout_s=10.0, attempt_s=0.2) for _ in range(6)]

    assert all(not answer.startswith("n2") for answer in answers)
    assert [key[:2] for key, outcome in policy.outcomes if outcome is RequestOutcome.LOST].count("n2") >= 1
    assert policy.is_settled


async def test_an_idempotent_message_whose_node_dies_on_it_is_answered_by_another(pooled: Any) -> None:
    pool, policy = await recorded(pooled)
    asks = [asyncio.create_task(pool.ask(SleepTwice("n2"), timeout_s=30.0)) for _ in range(12)]
    await asyncio.sleep(0.5)
    assert any(not ask.done() for ask in asks)

    await pooled.kill("n2")

    assert all(not answer.startswith("n2") for answer in await asyncio.gather(*asks))
    assert policy.is_settled


async def test_any_other_message_whose_node_dies_on_it_is_unknown_and_asked_once(pooled: Any) -> None:
    pool, policy = await recorded(pooled)
    asks = [asyncio.create_task(pool.ask(Sleep("n2"), timeout_s=30.0)) for _ in range(6)]
    await asyncio.sleep(0.5)

    await pooled.kill("n2")
    answers = await asyncio.gather(*asks, return_exceptions=True)

    lost = [answer for answer in answers if isinstance(answer, CoterieError)]
    assert len(lost) == 2  # two workers of that node
    assert {error.outcome for error in lost} == {Outcome.UNKNOWN}
    assert len(policy.outcomes) == 6


async def test_weights_of_the_topology_reach_clients(make_cluster: Any) -> None:
    topology = Topology("weighted", nodes=["n1", "n2", "n3"])
    topology.pool("workers", Worker, weights={"n2": 3.0}, nodes=["n1", "n2"])
    cluster = make_cluster(topology)
    await cluster.start()
    pool = await linked_pool(cluster)

    answers = Counter([(await pool.ask(Who()))[:2] for _ in range(40)])

    assert answers == {"n1": 10, "n2": 30}


async def test_within_the_cluster_the_policy_is_that_of_the_topology(make_cluster: Any) -> None:
    recorder = Recorder()
    topology = Topology("own", nodes=["n1", "n2", "n3"])
    topology.pool("workers", Worker, balance=recorder)
    cluster = make_cluster(topology)
    await cluster.start()
    await asyncio.sleep(1)

    await cluster["n3"].pool("workers").ask(Who())

    assert recorder.made == 1
    assert recorder.outcomes


# --- suspected nodes


def suspect(cluster: Any, observer: str, *peers: str) -> None:
    for peer in peers:
        cluster[observer].health.take(Suspected(NodeId(peer), "as the test wants"))


async def test_the_workers_of_a_suspected_node_are_left_out_until_it_is_trusted(pooled: Any) -> None:
    pool = pooled["n1"].pool("workers")
    assert {await pool.ask(Who()) for _ in range(6)} == EVERYBODY
    suspect(pooled, "n1", "n2")
    without = {await pool.ask(Who()) for _ in range(12)}
    pooled["n1"].health.take(Trusted(NodeId("n2"), "heard again"))
    again = {await pool.ask(Who()) for _ in range(12)}

    assert without == {who for who in EVERYBODY if not who.startswith("n2")}
    assert again == EVERYBODY


async def test_a_pool_serves_although_every_node_is_suspected(pooled: Any) -> None:
    pool = pooled["n1"].pool("workers")
    suspect(pooled, "n1", "n1", "n2", "n3")

    assert {await pool.ask(Who()) for _ in range(6)} == EVERYBODY


async def test_nobody_waits_for_the_worker_list_of_a_suspected_node(pooled: Any) -> None:
    loop = asyncio.get_running_loop()
    pooled.isolate("n3")
    suspect(pooled, "n1", "n3")
    begun = loop.time()

    await pooled["n1"].pool("workers").ask(Who())

    assert loop.time() - begun < 0.1


async def test_a_suspected_node_is_asked_when_the_others_have_not_answered(pooled: Any) -> None:
    pool = pooled["n1"].pool("workers")
    assert {await pool.ask(Who()) for _ in range(6)} == EVERYBODY
    suspect(pooled, "n1", "n2", "n3")

    answer = await pool.ask(SleepTwice("n1"), attempt_s=0.5)

    assert not answer.startswith("n1")
