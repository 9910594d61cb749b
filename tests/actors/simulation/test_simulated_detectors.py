"""A failure detector in a simulated cluster: a crash is found, and a seed replays it."""

from __future__ import annotations

import asyncio

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
