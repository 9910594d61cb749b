"""Change runs: simulates fixed situations in which members change; a failed run raises `Violation`."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

from coterie.actors.groups.group_client import GroupClient
from coterie.actors.groups.key_value import KeyValue
from coterie.actors.simulation.simulated_client import SimulatedClient
from coterie.actors.simulation.simulation import Simulation
from coterie.actors.topology import Topology
from coterie.errors import CoterieError

__all__ = ["all_disks_lost", "lone_leader_changes", "replaced_store_returns"]

GROUP: Final = "store"
NODES: Final = ("n1", "n2", "n3")
SETTLE_S: Final = 10.0
CHANGE_S: Final = 3.0


async def _begin(sim: Simulation) -> GroupClient[object]:
    """Start three nodes, of which n1 leads, and acknowledge a write."""
    topology = Topology("kv", nodes=NODES)
    topology.raft(GROUP, machine=KeyValue)
    sim.deploy(topology)
    await sim.ready()
    await sim.clients(1, _put)
    group = (await sim.observer()).group(GROUP)
    await group.transfer("n1")
    return group


async def _put(client: SimulatedClient) -> None:
    await client.key_value(GROUP).put(b"k", b"%d" % client.number)


# The disk that was replaced comes back.


def replaced_store_returns(seed: int) -> None:
    """Replace a lost disk, and bring the lost one back later: its vote must not count as that of the new store.

    Raises:
        Violation: a node leads that lacks what the new store had helped to commit.
    """
    sim = Simulation(seed)
    sim.run(partial(_bring_the_old_disk_back, sim))


async def _bring_the_old_disk_back(sim: Simulation) -> None:
    group, node = await _begin(sim), sim.node("n3")
    old = sim.world.disk("n3").copy()
    (store,) = [member.store for member in await group.members() if member.node == "n3"]
    node.wipe(join=True)
    node.start()
    await group.replace("n3", store=str(store))
    sim.partition(["n2"], ["n1", "n3"])
    await sim.clients(1, _put)
    node.replace_disk(old)
    sim.node("n1").crash()
    sim.heal()
    node.start()
    await asyncio.sleep(SETTLE_S)


# All disks are lost.


def all_disks_lost(seed: int) -> None:
    """Give all nodes empty disks that are to join: they must wait, also after a restart, and not found the group anew.

    Raises:
        Violation: one of them leads, without what the group had committed.
    """
    sim = Simulation(seed)
    sim.run(partial(_lose_all_disks, sim))


async def _lose_all_disks(sim: Simulation) -> None:
    await _begin(sim)
    for name in NODES:
        sim.node(name).wipe(join=True)
        sim.node(name).start()
    await asyncio.sleep(SETTLE_S)
    for name in NODES:
        sim.node(name).restart()
    await asyncio.sleep(SETTLE_S)


# A leader is cut off while it changes the members.


def lone_leader_changes(seed: int) -> None:
    """Cut a leader off, and let it remove a member: it must not say that this is done, since no quorum has it.

    Raises:
        Violation: `members.change_kept`: what it said is not so.
    """
    sim = Simulation(seed)
    sim.run(partial(_change_alone, sim))


async def _change_alone(sim: Simulation) -> None:
    group = await _begin(sim)
    sim.partition(["n1"], ["n2", "n3"])
    try:
        await group.remove("n3", timeout_s=CHANGE_S)
    except CoterieError:
        return  # as it must be
    await asyncio.sleep(SETTLE_S)
    found = await group.members()
    if found.leader is None:
        return  # a replica's word may be old
    members = [member.node for member in found]
    if "n3" in members:
        detail = f"n3 is a member after its removal was acknowledged: {', '.join(members)}"
        sim.check(sim.violation_context.fail, "members.change_kept", None, detail)
