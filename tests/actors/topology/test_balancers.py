"""Balancers in a topology: mistakes, diagrams, and whole clusters with nested ones."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from coterie import Node, Topology
from coterie.actors.pools.pool_reports import ReportPools
from coterie.errors import TopologyError
from coterie.protocols.algorithm import NodeId
from coterie.protocols.balancing import HashRing, LeastLoaded, OutlierEjection, Prequal, RoundRobin
from coterie.protocols.detection.failure_detector import Suspected
from coterie.runtime.actor import Actor
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Address

pytestmark = pytest.mark.virtual


@message(name="test.balancers.Who")
class Who(Ask[str]):
    pass


class Worker(Actor[Who]):
    def __init__(self, node: Node) -> None:
        self._node = node

    async def receive(self, msg: Who, /) -> str:
        await asyncio.sleep(0.01)
        return f"{self._node.name}/{self.context.self_ref.path}"


def unknown(node: Node) -> Actor[Any]:
    return Worker(node)


def annotated(node: Node) -> Worker:
    return Worker(node)


def nested() -> Topology:
    topology = Topology("nested", nodes=["n1", "n2", "n3"])
    topology.pool("workers", Worker, per_node=2, nodes=["n2", "n3"])
    topology.actor("single", annotated, nodes=["n1", "n2"])
    topology.balancer("inner", RoundRobin(), over="workers", nodes=["n2", "n3"])
    topology.balancer("front", RoundRobin(), over="inner", nodes=["n1"])
    topology.balancer("singles", RoundRobin(), over="single", nodes=["n3"])
    return topology


def mistakes(topology: Topology) -> tuple[str, ...]:
    with pytest.raises(TopologyError) as caught:
        topology.validate()
    return caught.value.mistakes


def with_worker(make: Any = Worker, **options: Any) -> Topology:
    topology = Topology("t", nodes=["n1"])
    topology.pool("workers", make, **options)
    return topology


# --- validation


def test_a_balancer_must_be_over_something_that_exists_and_takes_messages() -> None:
    topology = with_worker()
    topology.synod("config")
    topology.balancer("lost", RoundRobin(), over="wrokers")
    topology.balancer("odd", RoundRobin(), over="config")

    assert mistakes(topology) == (
        "balancer 'lost' is over 'wrokers', which the topology does not have",
        "balancer 'odd' is over 'config', a synod: it can be over a pool, a balancer or an actor",
    )


def test_a_circle_of_balancers_is_one_mistake() -> None:
    topology = with_worker()
    topology.balancer("a", RoundRobin(), over="b")
    topology.balancer("b", RoundRobin(), over="c")
    topology.balancer("c", RoundRobin(), over="a")
    topology.balancer("self", RoundRobin(), over="self")
    topology.balancer("outside", RoundRobin(), over="a")

    assert mistakes(topology) == (
        "balancer 'a' passes messages on in a circle: a → b → c → a",
        "balancer 'self' passes messages on in a circle: self → self",
    )


def test_a_policy_must_be_settings_and_not_a_class() -> None:
    topology = with_worker(balance=RoundRobin)
    topology.balancer("front", Prequal, over="workers")  # type: ignore[arg-type]
    topology.balancer("other", "prequal", over="workers")  # type: ignore[arg-type]

    assert mistakes(topology) == (
        "pool 'workers': balance=RoundRobin is a class: give its settings, for example RoundRobin()",
        "balancer 'front': policy=Prequal is a class: give its settings, for example RoundRobin()",
        "balancer 'other': policy='prequal' is no policy: give the settings of one, for example RoundRobin()",
    )


def test_the_retry_budget_and_the_hedging_must_be_settings() -> None:
    topology = with_worker(retry_budget=0.2)
    topology.balancer("front", RoundRobin(), over="workers", hedging=True)  # type: ignore[arg-type]

    assert mistakes(topology) == (
        "pool 'workers': retry_budget=0.2 is no retry budget: give its settings, for example RetryBudget()",
        "balancer 'front': hedging=True is no hedging: give its settings, for example Hedging()",
    )


def test_a_balancer_that_picks_by_keys_must_know_the_key_of_a_message() -> None:
    topology = with_worker()
    topology.balancer("front", OutlierEjection(HashRing()), over="workers")
    topology.balancer("keyed", HashRing(), over="workers", key_of=str)

    (mistake,) = mistakes(topology)

    assert mistake.startswith("balancer 'front': policy=OutlierEjection(policy=HashRing(virtual_nodes=128), ")
    assert mistake.endswith(" picks by keys: give key_of=, which returns the key of a message")


@pytest.mark.parametrize(
    ("worker", "text"),
    [
        (RoundRobin(), "RoundRobin() cannot be called: give an actor class, or a function of the node"),
        (HashRing, "HashRing is no actor class: give one, or a function of the node"),
    ],
)
def test_a_pool_of_policies_is_a_mistake(worker: Any, text: str) -> None:
    assert mistakes(with_worker(worker)) == (f"pool 'workers': {text}",)


def test_the_messages_of_targets_that_a_function_makes_must_be_known() -> None:
    topology = with_worker(unknown)
    topology.balancer("front", RoundRobin(), over="workers")
    topology.balancer("outer", RoundRobin(), over="front")
    topology.balancer("told", RoundRobin(), over="workers", messages=[Who])

    told = "the class of its targets is not known: give messages=, or annotate what makes them"
    assert mistakes(topology) == (f"balancer 'front': {told}", f"balancer 'outer': {told}")


def test_the_bounds_of_a_pool_must_fit_together() -> None:
    assert mistakes(with_worker(per_node=3, max_per_node=2)) == (
        "pool 'workers' has 3 workers per node, more than max_per_node=2",
    )


# --- display


def test_diagrams_show_where_balancers_pass_messages_on() -> None:
    topology = nested()

    assert "├─ inner    balancer over workers, RoundRobin(), on n2, n3" in str(topology).splitlines()
    assert [line.strip() for line in topology.diagram().splitlines() if "-->" in line] == [
        *(f"{balancer} --> {target}" for balancer in ("n1p2", "n2p2") for target in ("n1p0", "n2p0")),
        *(f"n0p3 --> {target}" for target in ("n1p2", "n2p2")),
        *(f"n2p4 --> {target}" for target in ("n0p1", "n1p1")),
    ]
    assert "n0p3 -- n1p2 [dir=forward];" in topology.diagram("dot")


# --- running


@pytest.fixture
async def cluster(make_cluster: Any) -> Any:
    made = make_cluster(nested())
    await made.start()
    await asyncio.sleep(1)
    return made


async def test_a_client_reaches_all_workers_through_nested_balancers(cluster: Any) -> None:
    client = await cluster.client()
    await asyncio.sleep(1)
    front = client.actor("front", node="n1")

    answers = Counter([await front.ask(Who()) for _ in range(16)])

    assert answers == {f"{node}/workers/{number}": 4 for node in ("n2", "n3") for number in (1, 2)}


async def test_a_balancer_over_an_actor_uses_the_actor_of_each_of_its_nodes(cluster: Any) -> None:
    answers = {await cluster["n1"].actor("singles", node="n3").ask(Who()) for _ in range(4)}

    assert answers == {"n1/single", "n2/single"}


async def test_a_balancer_leaves_out_what_is_lost_or_suspected(cluster: Any) -> None:
    front = cluster["n1"].actor("front", node="n1")
    cluster["n1"].health.take(Suspected(NodeId("n2"), "a test"))
    suspected = {(await front.ask(Who()))[:2] for _ in range(4)}

    await cluster.kill("n3")
    lost = {(await front.ask(Who()))[:2] for _ in range(4)}

    # The inner balancers share among the workers of both nodes; only the one that is asked differs.
    assert suspected == {"n2", "n3"}
    assert lost == {"n2"}


async def test_the_balancers_and_pools_of_a_node_are_reported(cluster: Any) -> None:
    client = await cluster.client()
    await asyncio.sleep(1)
    for _ in range(8):
        await client.actor("front", node="n1").ask(Who())
    cluster["n1"].health.take(Suspected(NodeId("n3"), "a test"))
    await client.actor("front", node="n1").ask(Who())

    report = await client.system.at(Address("n1", "#node")).ask(ReportPools())
    none = await client.system.at(Address("n1", "#node")).ask(ReportPools("nothing like it"))

    (caller,) = report.callers
    assert (caller.name, caller.kind, caller.policy, caller.targets_total) == ("front", "balancer", "RoundRobin()", 2)
    assert [(line.target, line.state, line.picks) for line in caller.targets] == [
        ("n2/inner", "serving", 5),
        ("n3/inner", "suspected", 4),
    ]
    assert sum(line.seen_share for line in caller.targets) == pytest.approx(1.0)
    assert "it was the turn of n2/inner" in caller.explanation
    assert none.callers == ()


async def test_an_outer_prequal_probes_the_inner_balancers(make_cluster: Any) -> None:
    topology = Topology("probing", nodes=["n1", "n2", "n3"])
    topology.pool("workers", Worker, nodes=["n2", "n3"])
    topology.balancer("inner", LeastLoaded(), over="workers", nodes=["n2", "n3"])
    topology.balancer("front", Prequal(probe_timeout_s=0.1), over="inner", nodes=["n1"])
    cluster = make_cluster(topology)
    await cluster.start()
    await asyncio.sleep(1)
    front = cluster["n1"].actor("front", node="n1")
    for _ in range(30):
        await front.ask(Who())

    (caller,) = (await cluster["n1"].system.at(Address("n1", "#node")).ask(ReportPools())).callers

    assert "among 2 probes" in caller.explanation
