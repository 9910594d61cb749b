"""Member runs: simulates nodes that return with another store, or with another list of members; raises `Violation`.

No plan within the fault budget does either.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

from coterie.actors.groups.group_messages import GroupStatus
from coterie.actors.groups.key_value import KeyValue
from coterie.actors.simulation.simulated_client import SimulatedClient
from coterie.actors.simulation.simulation import Simulation
from coterie.actors.topology import Topology

__all__ = ["another_store", "readmitted_store", "scaled_down", "unheard_store"]

WITHIN_S: Final = 30.0
SETTLE_S: Final = 10.0
POLL_INTERVAL_S: Final = 0.01
INACTIVE: Final = ("registering", "refused")
FIVE: Final = ("n1", "n2", "n3", "n4", "n5")


def another_store(seed: int) -> None:
    """Replace and format the disk of a leader: its vote must not elect a follower that lacks an acknowledged write.

    Raises:
        Violation: a follower that lacks an acknowledged write leads.
    """
    sim = Simulation(seed)
    sim.run(partial(_replace_the_leader, sim))


async def _let_one_fall_behind(sim: Simulation) -> tuple[str, str, str]:
    """Start three nodes, and acknowledge a write that one of them lacks; return the leader, the other, and that one."""
    topology = Topology("kv", nodes=["n1", "n2", "n3"])
    topology.raft("store", machine=KeyValue)
    sim.deploy(topology)
    await sim.ready()
    await sim.clients(1, _put)
    leader = await sim.until(lambda: sim.leader_of("store"), within_s=WITHIN_S)
    holder, behind = [node.name for node in sim.nodes if node.name != leader]
    sim.partition([behind], [leader, holder])
    await sim.clients(1, _put)
    return leader, holder, behind


async def _replace_the_leader(sim: Simulation) -> None:
    leader, holder, _ = await _let_one_fall_behind(sim)
    sim.node(holder).crash()
    sim.node(leader).wipe(do_format=True)
    sim.node(leader).start()
    sim.heal()
    await asyncio.sleep(SETTLE_S)


async def _put(client: SimulatedClient) -> None:
    await client.key_value("store").put(b"k", b"%d" % client.number)


def unheard_store(seed: int) -> None:
    """Format a founder again while no log binds its seat at a node that never heard of its first store.

    Two of three nodes are all that is up. If they took part, one of them could lose its vote and its entries unnoticed.

    Raises:
        Violation: a node leads that lacks what the two had committed.
    """
    sim = Simulation(seed)
    sim.run(partial(_replace_a_follower, sim))


async def _replace_a_follower(sim: Simulation) -> None:
    topology = Topology("kv", nodes=["n1", "n2", "n3"])
    topology.raft("store", machine=KeyValue)
    sim.deploy(topology)
    sim.partition(["n1", "n2"], ["n3"])
    await asyncio.sleep(SETTLE_S)
    leader = sim.leader_of("store")
    if leader is None:
        return  # as it must be: too few remember the stores of each other
    wiped = "n1" if leader == "n2" else "n2"
    sim.node(wiped).wipe(do_format=True)
    sim.node(leader).crash()
    sim.node(wiped).start()
    sim.heal()
    await asyncio.sleep(SETTLE_S)


def readmitted_store(seed: int) -> None:
    """Format a leader again that all others know: if they let it back in, its vote elects one that lacks a write.

    Raises:
        Violation: a node leads that lacks what was committed.
    """
    sim = Simulation(seed)
    sim.run(partial(_let_the_leader_back_in, sim))


async def _let_the_leader_back_in(sim: Simulation) -> None:
    leader, holder, behind = await _let_one_fall_behind(sim)
    sim.node(leader).wipe(do_format=True)
    sim.heal()
    sim.partition([behind], [holder])
    sim.node(leader).start()
    await _wait_until_active(sim, leader)
    sim.node(holder).crash()
    await asyncio.sleep(SETTLE_S)


async def _wait_until_active(sim: Simulation, name: str) -> None:
    """Wait until the voter on `name` takes part, but no longer than `SETTLE_S`: as it must be, it never does."""
    group = (await sim.observer()).group("store")
    ends_at_s = sim.now() + SETTLE_S
    while sim.now() < ends_at_s:
        status = (await group.status()).get(name)
        if isinstance(status, GroupStatus) and status.role not in INACTIVE:
            return
        await asyncio.sleep(POLL_INTERVAL_S)


# Nodes return with another list of members.


def scaled_down(seed: int) -> None:
    """Restart two of five voters with a topology that lists three, and cut them off: they must elect no leader.

    Raises:
        Violation: they do, or record other members than their log.
    """
    sim = Simulation(seed)
    sim.run(partial(_scale_down, sim))


async def _scale_down(sim: Simulation) -> None:
    sim.deploy(_topology(FIVE))
    await sim.ready()
    await sim.clients(1, _put)
    for name in FIVE[:2]:
        sim.upgrade(name, _topology(FIVE[:3]))
        await asyncio.sleep(SETTLE_S)
    await sim.clients(1, _put)
    sim.partition(FIVE[:2], FIVE[2:])
    await asyncio.sleep(SETTLE_S)


def _topology(voters: tuple[str, ...]) -> Topology:
    topology = Topology("kv", nodes=FIVE)
    topology.raft("store", machine=KeyValue, nodes=voters)
    return topology
