"""Every kind of fault that systems can suffer takes effect, and a store survives it."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from coterie import Actor, Ask, CoterieError, KeyValue, Node, Topology, message
from coterie.actors.simulation.simulated_client import SimulatedClient
from coterie.actors.simulation.simulation import Simulation
from coterie.errors import PlanError, StorageDamaged, StorageFailed
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import (
    KINDS,
    Attack,
    Bandwidth,
    BitRot,
    CancelHandler,
    ClockRate,
    Clog,
    Corrupt,
    Crash,
    Delay,
    DiskFull,
    Fault,
    Flap,
    FsyncError,
    FullMailbox,
    HalfOpen,
    HangHandler,
    HostileClient,
    Level,
    Loss,
    Outage,
    Partition,
    Pause,
    PoisonMessage,
    Priorities,
    RaiseInHandler,
    RandomOrder,
    Reset,
    ResetMidFrame,
    Shape,
    ShortWrite,
    SlowDisk,
    SlowNode,
    StaleDisk,
    Starve,
    TargetRole,
    WallJump,
    WipedDisk,
    kind,
)

NODES = ("n1", "n2", "n3")


@message(name="test_injector.Nap")
class Nap(Ask[int]):
    pass


class Napper(Actor[Nap]):
    def __init__(self, _node: Node) -> None:
        self.naps = 0

    async def receive(self, _msg: Nap) -> int:
        await asyncio.sleep(0.001)
        self.naps += 1
        return self.naps


def topology() -> Topology:
    made = Topology("kv", nodes=NODES)
    made.raft("store", machine=KeyValue)
    made.actor("napper", Napper)
    return made


async def work(client: SimulatedClient) -> None:
    kv = client.key_value("store")
    for at in client.rounds(30):
        await asyncio.sleep(0.2 * client.random.random())
        with contextlib.suppress(CoterieError):
            await client.access.actor("napper", node=NODES[at % 3]).ask(Nap(), timeout_s=0.5)
        with contextlib.suppress(CoterieError):
            await kv.put(b"k", b"%d.%d" % (client.number, at))
            await kv.get(b"k")


def suffer(*faults: Fault, seed: int = 1, ends_at_s: float = 4.0) -> Simulation:
    """Run a store with clients under `faults`, until all has healed, everybody is up and the clients are done."""
    sim = Simulation(seed, plan=FaultPlan(NODES, faults, ends_at_s))

    async def main() -> None:
        sim.deploy(topology())
        clients = sim.clients(3, work)
        await sim.until(lambda: sim.injector.is_over, within_s=20)
        await sim.until(lambda: clients.is_done, within_s=60)
        await sim.until(lambda: all(node.is_up or node.is_gone for node in sim.nodes), within_s=10)
        raft = sim.deployment.raft_checkers[0]
        await sim.until(
            lambda: all(raft.has_converged(node.name) for node in sim.nodes if not node.is_gone), within_s=20
        )
        sim.assert_linearizable()

    sim.run(main)
    return sim


FAULTS: list[Fault] = [
    Bandwidth(0.5, 1.0, 5_000),
    BitRot(1.5, "n2", down_s=0.1),
    CancelHandler(0.5, "n1", "napper"),
    CancelHandler(0.5, "n1", "store"),
    ClockRate(0.5, "n1", 2.0, 1.1),
    Clog(0.5, 1.0, (("n1", "n2"), ("n2", "n3")), (("n2", "n3"), ("n1", "n2"))),
    Corrupt(0.5, 1.0, 0.2),
    Crash(0.5, "n1", TargetRole.LEADER, 0.001, 0.002),
    Crash(0.5, "n1", TargetRole.CANDIDATE, 0.001, 0.2),
    Delay(0.5, 1.0, 0.02, tail=0.2, tail_s=0.01),
    DiskFull(0.5, "n1", 0.5),
    Flap(0.5, 1.0, 0.3, "n1"),
    FsyncError(0.5, "n1", TargetRole.LEADER, 0.1),
    FullMailbox(0.5, "n1", 0.5, "store"),
    HalfOpen(0.5, 1.0, "n1", "n2"),
    HangHandler(0.5, "n1", 0.5, "napper"),
    HangHandler(0.5, "n1", 0.5, "store"),
    *(HostileClient(0.5, "n1", 1.0, attack, 1) for attack in Attack),
    Loss(0.5, 1.0, 0.3),
    Outage(0.5, (0.001, 0.5, 0.02)),
    *(Partition(0.5, 1.0, shape, "n1") for shape in Shape),
    Pause(0.5, "n1", 0.7, TargetRole.LEADER),
    PoisonMessage(0.5, "n1", "store"),
    Priorities(0.5, 1.0, 2),
    RaiseInHandler(0.5, "n1", "store"),
    RandomOrder(0.5, 1.0),
    Reset(0.5),
    ResetMidFrame(0.5),
    ShortWrite(0.5, "n1", down_s=0.1),
    SlowDisk(0.5, "n1", 1.0, 20.0, TargetRole.LEADER),
    SlowNode(0.5, "n1", 1.0, 0.01, TargetRole.BUSIEST),
    StaleDisk(1.5, "n2", 0.5),
    Starve(0.5, "n1", 1.0, "store"),
    WallJump(0.5, "n1", -3600.0),
    WipedDisk(0.5, "n2", down_s=0.1),
]


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{kind(fault)}-{getattr(fault, 'actor', '')}")
def test_a_fault_takes_effect_and_the_store_survives_it(fault: Fault) -> None:
    sim = suffer(fault)

    assert sim.fault_counts.count(kind(fault)) >= 1
    assert sim.operations >= 100


@pytest.mark.parametrize("fault", [RaiseInHandler(0.5, "n1"), PoisonMessage(0.5, "n1"), FullMailbox(0.5, "n1", 0.1)])
def test_an_actor_fault_on_a_node_without_actors_hits_the_next_node_that_has_some(fault: Fault) -> None:
    sim = Simulation(1, plan=FaultPlan(NODES, (fault,), 2.0))

    async def main() -> None:
        made = Topology("nap", nodes=NODES)
        made.actor("napper", Napper, nodes=["n2"])
        sim.deploy(made, durable=False)
        sim.clients(1, naps)
        await sim.until(lambda: sim.injector.is_over, within_s=20)

    async def naps(client: SimulatedClient) -> None:
        for _ in client.rounds(30):
            await asyncio.sleep(0.1)
            with contextlib.suppress(CoterieError):
                await client.access.actor("napper", node="n2").ask(Nap(), timeout_s=0.5)

    sim.run(main)
    assert sim.fault_counts.count(kind(fault)) == 1


def test_an_actor_fault_without_any_actors_takes_no_effect() -> None:
    sim = Simulation(1, plan=FaultPlan(NODES, (CancelHandler(0.5, "n1"),), 2.0))

    async def main() -> None:
        sim.deploy(Topology("void", nodes=NODES), durable=False)
        await sim.until(lambda: sim.injector.is_over, within_s=20)

    sim.run(main)
    assert not sim.fault_counts.count("cancel_handler")


def test_no_kind_is_forgotten_here() -> None:
    known = {name for name, each in KINDS.items() if Level.SYSTEM in each.LEVELS}
    assert {fault.KIND for fault in FAULTS} == known


def test_without_faults_nothing_fires() -> None:
    assert suffer().fault_counts.count_by_kind == {}


def test_a_failed_sync_stops_the_node() -> None:
    sim = Simulation(1, plan=FaultPlan(NODES, (FsyncError(1.0, "n1", down_s=1e3),), 3.0))

    async def main() -> None:
        sim.deploy(topology())
        sim.clients(1, work)
        await sim.until(lambda: sim.node("n1").is_down, within_s=5)
        assert isinstance(sim.node("n1").failure, StorageFailed)

    sim.run(main)


def test_rot_is_noticed_and_the_node_stays_down() -> None:
    sim = suffer(BitRot(2.0, "n2", down_s=0.1))

    assert isinstance(sim.node("n2").failure, StorageDamaged)
    assert sim.node("n2").is_gone


def test_a_stale_replica_never_comes_back() -> None:
    assert suffer(StaleDisk(1.5, "n2", 0.5, down_s=0.1)).node("n2").is_down


def test_a_fault_for_a_role_waits_for_a_node_with_that_role() -> None:
    sim = Simulation(3, plan=FaultPlan(NODES, (Crash(0.0, "n1", TargetRole.LEADER, 0.0, 100.0),), 10.0))

    async def main() -> None:
        sim.deploy(topology())
        await sim.until(lambda: any(node.is_down for node in sim.nodes), within_s=5)

    sim.run(main)

    led = [line.node for line in sim.trace if line.what == "raft.leader_elected"]
    assert led[0] == next(line.node for line in sim.trace if line.what == "node.crashed")


def test_everything_heals_when_the_plan_ends() -> None:
    faults = (Crash(0.5, "n1", down_s=1e4), Pause(0.5, "n2", 1e4), Partition(0.5, 1e4, Shape.ONE, "n3"))
    sim = Simulation(1, plan=FaultPlan(NODES, faults, 2.0))

    async def main() -> None:
        sim.deploy(topology())
        await asyncio.sleep(1.9)
        assert sim.node("n1").is_down
        assert sim.node("n2").is_paused
        await sim.until(lambda: sim.leader_of("store"), within_s=7)
        await sim.clients(1, work)
        assert all(node.is_up and not node.is_paused for node in sim.nodes)

    sim.run(main)


def test_a_plan_beyond_the_budget_is_refused() -> None:
    sim = Simulation(1, plan=FaultPlan(NODES, (WipedDisk(0.5, "n1"), WipedDisk(0.6, "n2")), 2.0))

    async def main() -> None:
        sim.deploy(topology())

    with pytest.raises(PlanError, match="budget"):
        sim.run(main)
