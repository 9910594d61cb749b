from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from coterie import Actor, Ask, KeyValue, Node, Topology, message
from coterie.actors.groups.group_messages import GroupStatus, ReportStatus
from coterie.actors.simulation.simulated_client import SimulatedClient
from coterie.actors.simulation.simulated_node import SimulatedNode
from coterie.actors.simulation.simulation import Simulation
from coterie.errors import NodeUnreachable, NotFormatted, PlanError, SimulationStuck, TopologyError
from coterie.protocols.checking.linearizability import Register
from coterie.protocols.checking.violation import Violation
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import Crash, Reorder
from coterie.runtime.refs import Address

NODES = ("n1", "n2", "n3")


@message(name="test_simulation.Ping")
class Ping(Ask[str]):
    pass


class Echo(Actor[Ping]):
    def __init__(self, node: Node) -> None:
        self.name = node.name

    def receive(self, msg: Ping) -> str:
        return self.name


def store() -> Topology:
    topology = Topology("kv", nodes=NODES)
    topology.raft("store", machine=KeyValue)
    topology.actor("echo", Echo)
    return topology


async def puts(client: SimulatedClient) -> None:
    kv = client.key_value("store")
    for at in client.rounds(10):
        await kv.put(b"k", b"%d.%d" % (client.number, at))
        await kv.get(b"k")


def run(body: Callable[[Simulation], Any], seed: int = 1, **options: Any) -> Simulation:
    sim = Simulation(seed, **options)
    sim.run(lambda: body(sim))
    return sim


def test_clients_use_a_cluster_and_are_checked() -> None:
    async def body(sim: Simulation) -> None:
        sim.deploy(store())
        await sim.clients(3, puts)
        sim.assert_linearizable()

    sim = run(body)

    assert sim.operations == 60
    assert len(sim.history) == 60


def test_a_leader_that_crashes_is_replaced_and_comes_back_with_its_data() -> None:
    async def body(sim: Simulation) -> None:
        sim.deploy(store())
        await sim.clients(1, puts)
        old = await sim.until(lambda: sim.leader_of("store"), within_s=5)
        sim.node(old).crash()
        new = await sim.until(lambda: sim.leader_of("store"), within_s=5)
        assert new != old
        with pytest.raises(NodeUnreachable, match=f"{old}.*down"):
            _ = sim.node(old).system
        sim.node(old).start()
        await sim.ready()
        raft = sim.deployment.raft_checkers[0]
        await sim.until(lambda: raft.has_converged(old), within_s=5)
        await sim.clients(1, puts)
        sim.assert_linearizable()

    run(body)


def test_a_minority_cannot_lead_and_all_nodes_agree_once_healed() -> None:
    async def body(sim: Simulation) -> None:
        sim.deploy(store())
        await sim.until(lambda: sim.leader_of("store"), within_s=5)
        sim.partition(["n1"], ["n2", "n3"])
        await asyncio.sleep(3.0)
        assert sim.leader_of("store") in {"n2", "n3"}
        sim.heal()
        await sim.clients(2, puts)
        await sim.until(lambda: sim.deployment.raft_checkers[0].has_converged("n1"), within_s=10)

    run(body)


def test_a_wiped_node_is_no_replica_any_more() -> None:
    async def body(sim: Simulation) -> None:
        sim.deploy(store())
        await sim.clients(1, puts)
        sim.node("n2").wipe(do_format=True)
        sim.node("n2").start()
        await sim.ready()
        await sim.clients(1, puts)
        await asyncio.sleep(3.0)
        assert sim.leader_of("store") != "n2"
        sim.assert_linearizable()

    run(body)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("wiped", [1, 2])
def test_followers_that_never_heard_of_a_store_do_not_believe_the_one_after_it(seed: int, wiped: int) -> None:
    async def one_put(client: SimulatedClient) -> None:
        for _ in client.rounds(1):
            await client.key_value("store").put(b"last", b"v")

    async def body(sim: Simulation) -> None:
        topology = Topology("kv", nodes=[f"n{number}" for number in range(1, 6)])
        topology.raft("store", machine=KeyValue)
        sim.deploy(topology)
        await sim.clients(1, puts)
        leader = sim.leader_of("store")
        assert leader is not None
        forgetful = [node for node in sim.nodes if node.name != leader][:wiped]
        for node in forgetful:
            node.wipe(do_format=True)
            node.start()
        await asyncio.sleep(1.0)
        sim.node(leader).crash()
        await asyncio.sleep(5.0)
        assert (sim.leader_of("store") is None) == (wiped == 2)  # with the leader, three of five are gone
        sim.node(leader).start()
        await sim.clients(1, one_put)
        await asyncio.sleep(1.0)
        for node in forgetful:
            assert await role_of(node) == "refused"
        sim.assert_linearizable()

    run(body, seed)


async def role_of(node: SimulatedNode) -> str:
    with node.life:
        asking = node.system.at(Address(node.name, "store")).ask(ReportStatus())
    status: GroupStatus = await asking
    return status.role


def test_a_wiped_node_refuses_to_start_under_its_old_name() -> None:
    async def body(sim: Simulation) -> None:
        sim.deploy(store())
        await sim.ready()
        sim.node("n2").wipe()
        sim.node("n2").start()
        await sim.until(lambda: sim.node("n2").is_down, within_s=1)
        assert isinstance(sim.node("n2").failure, NotFormatted)

    run(body)


def test_a_paused_node_stands_still_until_it_is_resumed() -> None:
    async def body(sim: Simulation) -> None:
        sim.deploy(store())
        await sim.ready()
        echo = await sim.actor("echo", node="n2")
        assert await echo.ask(Ping()) == "n2"
        sim.node("n2").pause()
        with pytest.raises(TimeoutError):
            await echo.ask(Ping(), timeout_s=1.0)
        sim.node("n2").resume()
        assert await sim.until(lambda: echo.ask(Ping()), within_s=10) == "n2"

    run(body)


def test_a_node_that_stops_in_good_order_says_goodbye() -> None:
    said: list[str] = []

    class Polite(Echo):
        def on_stop(self) -> None:
            said.append(self.name)

    topology = Topology("t", nodes=NODES)
    topology.actor("polite", Polite)

    async def body(sim: Simulation) -> None:
        sim.deploy(topology)
        await sim.ready()
        await sim.node("n1").stop()
        sim.node("n2").crash()
        await asyncio.sleep(1.0)

    run(body)

    assert said == ["n1"]


def test_a_wrong_answer_to_a_client_is_found_and_shown() -> None:
    async def body(sim: Simulation) -> None:
        sim.deploy(store())

        async def lie(client: SimulatedClient) -> None:
            register = client.recorder("register", Register())
            await register.record(("write", 1), asyncio.sleep(0.1))
            await register.record(("read",), asyncio.sleep(0.1, 2))

        await sim.clients(1, lie)
        sim.assert_linearizable()

    with pytest.raises(Violation, match=r"linearizability.*group 'register'"):
        run(body)


def test_a_check_of_no_recordings_is_an_error() -> None:
    async def body(sim: Simulation) -> None:
        sim.assert_linearizable()

    with pytest.raises(AssertionError, match="nothing was recorded"):
        run(body)


def test_a_condition_that_does_not_come_true_is_named_with_the_state_of_the_nodes() -> None:
    async def body(sim: Simulation) -> None:
        sim.deploy(store())
        await sim.until(lambda: sim.leader_of("store"), within_s=5)
        sim.node("n3").crash()
        await sim.until(lambda: sim.leader_of("store"), within_s=5)
        await sim.until(lambda: False, within_s=2)

    with pytest.raises(AssertionError, match=r"not within 2 s: .*test_simulation.py:\d+.*n3 down; n\d leads store"):
        run(body)


def test_a_client_that_fails_ends_the_run_with_its_own_error() -> None:
    async def stumble(client: SimulatedClient) -> None:
        raise LookupError(client.name)

    async def body(sim: Simulation) -> None:
        sim.deploy(store())
        sim.clients(1, stumble)
        await asyncio.sleep(60)

    with pytest.raises(LookupError, match="c1"):
        run(body)


def test_a_client_that_gives_up_is_no_failure_and_is_named() -> None:
    async def body(sim: Simulation) -> None:
        sim.deploy(store())
        await sim.ready()
        for name in NODES:
            sim.node(name).pause()
        clients = sim.clients(1, puts)
        sim.node("n1").resume()
        await clients
        assert list(clients.gave_up) == ["c1"]

    run(body)


def test_a_run_that_takes_too_long_is_ended_and_says_where_it_waits() -> None:
    async def body(sim: Simulation) -> None:
        sim.deploy(store())
        await asyncio.Event().wait()

    with pytest.raises(SimulationStuck, match=r"seed 1: still running after 30.*test_simulation.py.*n1 up"):
        run(body, max_s=30.0)


def test_a_run_that_goes_round_in_circles_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "coterie.runtime.hosts.simulation.simulated_loop._MAX_STALLED_CHECKS", 2
    )  # a million steps take too long

    async def body(sim: Simulation) -> None:
        while True:  # noqa: ASYNC110 (that is the mistake)
            await asyncio.sleep(0)

    with pytest.raises(SimulationStuck, match="time stands still"):
        run(body)


def test_a_node_that_ends_by_itself_is_a_failure_that_names_it() -> None:
    async def body(sim: Simulation) -> None:
        sim.deploy(store())
        await sim.ready()
        with sim.node("n2").life:
            sim.node("n2").system.fail(OSError("out of luck"))
        await asyncio.sleep(5)

    with pytest.raises(Violation, match=r"node.failed broken at n2.*out of luck"):
        run(body)


def test_misuse_is_named() -> None:
    with pytest.raises(ValueError, match="not both"):
        Simulation(plan=FaultPlan(NODES, (), 1.0), profile="calm")
    with pytest.raises(PlanError, match="crashes"):
        Simulation(profile="crashse")
    with pytest.raises(PlanError, match=r"reorder.*level 'system'"):
        Simulation(plan=FaultPlan(NODES, (Reorder(0.5, 1.0, 0.1, 0.1),), 1.0))

    async def body(sim: Simulation) -> None:
        with pytest.raises(RuntimeError, match="deploy"):
            sim.node("n1")
        sim.deploy(store())
        with pytest.raises(RuntimeError, match="one topology"):
            sim.deploy(store())
        with pytest.raises(TopologyError, match=r"n4.*n1, n2, n3"):
            sim.node("n4")
        with pytest.raises(TypeError, match=r"\['n1'\]"):
            sim.partition("n1", ["n2"])
        with pytest.raises(ValueError, match="store"):
            sim.leader_of("shop")

    run(body)


def test_a_plan_for_other_nodes_is_refused() -> None:
    async def body(sim: Simulation) -> None:
        sim.deploy(store())

    with pytest.raises(PlanError, match="a, b"):
        run(body, plan=FaultPlan(("a", "b"), (Crash(0.1, "a"),), 1.0))


SCRIPT = """
from coterie.actors.simulation.scenarios.raft_kv import RAFT_KV
result = RAFT_KV.run(5, nodes=3, operations=60, hashed=True)
print(result.outcome.value, result.events, result.digest, sorted(result.fired.items()))
"""


def test_one_seed_is_one_run_in_every_process() -> None:
    told = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            timeout=100,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]

    assert told[0] == told[1]
    assert told[0].startswith("passed")


def test_another_seed_is_another_run() -> None:
    async def body(sim: Simulation) -> None:
        sim.deploy(store())
        await sim.clients(2, puts)

    digests = {run(body, seed, is_hashed=True).digest for seed in (1, 1, 2)}

    assert len(digests) == 2


@message(name="test_simulation.Ping")
class PingOfNextRelease(Ask[str]):
    pass


class EchoOfNextRelease(Actor[PingOfNextRelease]):
    def __init__(self, node: Node) -> None:
        self.name = node.name

    def receive(self, msg: PingOfNextRelease) -> str:
        return f"{self.name} runs the next release"


def store_of_next_release(nodes: tuple[str, ...] = NODES) -> Topology:
    topology = Topology("kv", nodes=nodes)
    topology.raft("store", machine=KeyValue)
    topology.actor("echo", EchoOfNextRelease)
    return topology


def test_one_node_after_the_other_runs_other_code_on_its_own_disk() -> None:
    async def main(sim: Simulation) -> None:
        async def answer(name: str) -> str:
            ref = await sim.actor("echo", node=name)
            return await sim.until(partial(ref.ask, Ping(), timeout_s=1.0), within_s=20.0)

        sim.deploy(store())
        await sim.ready()
        observer = await sim.observer()
        await observer.key_value("store").put(b"k", b"v")
        for upgraded, name in enumerate(NODES, 1):
            sim.upgrade(name, store_of_next_release(), down_s=0.5)
            await sim.until(lambda: all(node.is_up for node in sim.nodes), within_s=20.0)
            expected = [f"{each} runs the next release" for each in NODES[:upgraded]] + list(NODES[upgraded:])
            assert [await answer(each) for each in NODES] == expected
        assert await observer.key_value("store").get(b"k") == b"v"
        sim.upgrade("n2", store())
        assert await answer("n2") == "n2"

    run(main)


def test_an_upgrade_to_another_cluster_is_refused() -> None:
    async def main(sim: Simulation) -> None:
        sim.deploy(store())
        with pytest.raises(TopologyError, match="n2 cannot run it: the cluster is 'kv' with the nodes n1, n2, n3"):
            sim.upgrade("n2", store_of_next_release(("n1", "n2")))
        with pytest.raises(TopologyError, match="it has no node 'n9'"):
            sim.upgrade("n9", store_of_next_release())

    run(main)
