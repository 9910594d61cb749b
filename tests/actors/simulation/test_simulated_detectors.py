"""A failure detector in a simulated cluster: a crash is found, and a seed replays it."""

from __future__ import annotations

import asyncio

import pytest

from coterie import KeyValue, Node, Topology
from coterie.actors.simulation.simulation import Simulation
from coterie.protocols.detection.failure_detector import Failed
from coterie.protocols.detection.swim.swim import Swim

Heard = list[tuple[str, str, float]]


def crash(seed: int, heard: Heard) -> str:
    def on_failed(node: Node, change: Failed) -> None:
        heard.append((node.name, change.peer, asyncio.get_running_loop().time()))

    sim = Simulation(seed, is_hashed=True)

    async def body() -> None:
        topology = Topology("monitored", nodes=["n1", "n2", "n3"])
        topology.raft("store", machine=KeyValue)
        topology.detector(Swim.local(), on_failed=on_failed)
        sim.deploy(topology)
        await sim.ready()
        await asyncio.sleep(5)
        heard.clear()
        sim.node("n2").crash()
        await asyncio.sleep(5)

    sim.run(body)
    return sim.digest


def test_a_simulated_crash_is_found_by_all_and_replays_the_same() -> None:
    first, again = Heard(), Heard()

    digests = [crash(7, first), crash(7, again)]

    assert digests[0] == digests[1]
    assert first == again
    assert {(node, peer) for node, peer, _ in first} == {("n1", "n2"), ("n3", "n2")}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_in_a_lossy_network_every_crashed_node_is_suspected_by_all_the_living_and_no_other_fails(seed: int) -> None:
    suspected: set[tuple[str, str]] = set()
    failed: set[tuple[str, str]] = set()
    sim = Simulation(seed)

    async def body() -> None:
        nodes = [f"n{number}" for number in range(1, 8)]
        topology = Topology("monitored", nodes=nodes)
        topology.detector(
            Swim.local(),
            on_suspected=lambda node, change: suspected.add((node.name, change.peer)),
            on_failed=lambda node, change: failed.add((node.name, change.peer)),
        )
        sim.deploy(topology)
        await sim.ready()
        for source in nodes:
            for target in nodes:
                if source != target:
                    sim.world.network.link(source, target).loss = 0.05
        await asyncio.sleep(20)
        assert failed == set()  # 140 node-seconds of false alarms would show here
        crashed = sim.world.rng("crashed").sample(nodes, 2)
        for node in crashed:
            sim.node(node).crash(is_silent=True)
        await asyncio.sleep(15)
        living = set(nodes).difference(crashed)
        expected = {(observer, node) for observer in living for node in crashed}
        assert expected <= suspected
        assert failed == expected

    sim.run(body)
