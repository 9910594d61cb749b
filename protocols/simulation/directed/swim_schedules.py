"""SWIM schedules: directed runs of SWIM members, each of which raises `Violation` if one promise is broken."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from coterie.protocols.algorithm import NodeId, Received, Send
from coterie.protocols.checking.violation import Violation
from coterie.protocols.detection.failure_detector import Failed, MemberState, Suspected
from coterie.protocols.detection.swim.swim import Swim, SwimEffect, initial_records
from coterie.protocols.detection.swim.swim_config import SwimConfig
from coterie.protocols.detection.swim.swim_messages import (
    Ack,
    Gossip,
    MemberRecord,
    Ping,
    SwimMessage,
    records_size_bytes,
)
from coterie.protocols.simulation.detection.detection_world import DetectionWorld
from coterie.protocols.simulation.detection.member_network import MemberNetwork

__all__ = [
    "amplification",
    "confirmed_suspicion",
    "cut_direct_path",
    "dissemination",
    "paused_member",
    "probe_spread",
    "refutation",
    "repeated_accusation",
    "stale_accusation",
    "swim_world",
]

A, B, C = NodeId("a"), NodeId("b"), NodeId("c")
SIX: Final = (A, B, C, NodeId("d"), NodeId("e"), NodeId("f"))
CONFIG: Final = SwimConfig(exchange_interval_s=0.0, announce_interval_s=0.0, start_grace_s=0.0)


def swim_world(
    count: int, config: SwimConfig, *, seed: int = 0, loss: float = 0.0
) -> tuple[DetectionWorld, tuple[NodeId, ...]]:
    """Return a world of `count` SWIM members that have run for long and know one another, and their names."""
    config = replace(config, start_grace_s=0.0)
    names = tuple(NodeId(f"m{number:04}") for number in range(count))
    initial = initial_records(names)
    members = {node: Swim(node, config, initial, random.Random(f"{seed}/{node}")) for node in names}
    return DetectionWorld(members, MemberNetwork(random.Random(f"{seed}/network"), loss=loss)), names


def stale_accusation() -> None:
    """B has refuted with incarnation 1; an accusation of its incarnation 0 arrives late, and must have no effect."""
    member = _member()
    _hear(member, Gossip((MemberRecord(B, 1, MemberState.ALIVE),)))
    effects = _hear(
        member, Gossip((MemberRecord(B, 0, MemberState.SUSPECTED, C), MemberRecord(B, 0, MemberState.FAILED, C)))
    )
    changes = [effect for effect in effects if isinstance(effect, Suspected | Failed)]
    _require(not changes, "swim.incarnation_order", f"an accusation of an old incarnation had effect: {changes}")


def refutation() -> None:
    """A is told that it is suspected: its acknowledgement must contradict under a higher incarnation."""
    member = _member()
    effects = _hear(member, Ping(7, (MemberRecord(A, 0, MemberState.SUSPECTED, B),)))
    told = [record for ack in _sent(effects, Ack) for record in ack.records if record.node == A]
    is_refuted = bool(told) and told[0].state is MemberState.ALIVE and told[0].incarnation > 0
    _require(is_refuted, "swim.refutation", f"the accused answered with {told}")


def repeated_accusation() -> None:
    """B accuses C again and again: the suspicion of C must last as long as if B had accused once."""
    member, config = _member(), CONFIG
    for _ in range(5):
        _hear(member, Gossip((MemberRecord(C, 0, MemberState.SUSPECTED, B),)))
    shortest_s = config.suspicion_multiplier * config.period_s
    effects = member.tick(now=shortest_s + 0.1) if member.deadline is not None else ()
    failed = [effect for effect in effects if isinstance(effect, Failed)]
    _require(not failed, "swim.independent_confirmations", f"one accuser's repetitions shortened a suspicion: {failed}")


def confirmed_suspicion() -> None:
    """Three members accuse C: the suspicion must have shrunk to its minimum."""
    member, config = _member(), CONFIG
    for accuser in (B, SIX[3], SIX[4]):
        _hear(member, Gossip((MemberRecord(C, 0, MemberState.SUSPECTED, accuser),)), sender=accuser)
    shortest_s = config.suspicion_multiplier * config.period_s
    failed = [effect for effect in member.tick(now=shortest_s + 0.1) if isinstance(effect, Failed)]
    _require(bool(failed), "swim.shrinking_suspicion", "the suspicion outlasted its minimum despite all confirmations")


def paused_member() -> None:
    """A probes, then stands still; its timers are handled before the waiting acknowledgements: it accuses nobody."""
    member = _member()
    member.tick(now=0.0)
    now = member.deadline or 0.0
    member.tick(now=now)  # sends a ping
    effects = [*member.tick(now=now + 30.0), *member.tick(now=now + 30.5)]
    accused = [effect for effect in effects if isinstance(effect, Suspected | Failed)]
    _require(not accused, "swim.self_doubt", f"a member that stood still accused others: {accused}")


def cut_direct_path() -> None:
    """A and B cannot reach each other directly, all other links work: nobody may be suspected."""
    world, names = swim_world(6, CONFIG)
    arrivals_s = world.network.arrivals_s

    class HalfCut(MemberNetwork):
        def arrivals_s(self, sender: NodeId, target: NodeId, message: object) -> tuple[float, ...]:
            if {sender, target} == set(names[:2]):
                return ()
            return arrivals_s(sender, target, message)

    world.network = HalfCut(world.network.rng)
    world.run(60 * CONFIG.period_s)
    suspected = [seen for seen in world.changes if isinstance(seen.change, Suspected)]
    _require(not suspected, "swim.indirect_probes", f"{len(suspected)} suspicions although others reach the member")


def probe_spread() -> None:
    """Thirty members probe at the same time: they must not all probe the same one."""
    world, names = swim_world(30, replace(CONFIG, local_health_max=0))
    targets = _count_pings(world)
    world.run(CONFIG.period_s)
    busiest, probes = targets.most_common(1)[0]
    is_spread = probes <= len(names) // 2
    _require(is_spread, "swim.probe_spread", f"{probes} of {len(names)} members probed {busiest} in one period")


def dissemination(seed: int) -> None:
    """One of sixty members crashes while every fifth datagram is lost: soon all others know."""
    world, names = swim_world(60, CONFIG, seed=seed, loss=0.2)
    world.run(5.0)
    world.crash(names[0])
    world.run(7 * CONFIG.period_s)
    knowing = {seen.observer for seen in world.changes if seen.change.peer == names[0]}
    missing = len(names) - 1 - len(knowing)
    _require(missing == 0, "swim.dissemination", f"{missing} of {len(names) - 1} members have not heard of the crash")


def amplification() -> None:
    """A member with much news is pinged with few records: its answers must not be larger than the questions."""
    member = _member()
    everyone = tuple(MemberRecord(node, 3, MemberState.SUSPECTED, B) for node in SIX)
    _hear(member, Gossip(everyone))
    for question in (Ping(1), Ping(2, (MemberRecord(B, 0, MemberState.ALIVE),)), Ping(3, everyone[:2])):
        asked_bytes = records_size_bytes(question.records)
        for ack in _sent(_hear(member, question), Ack):
            answered_bytes = records_size_bytes(ack.records)
            is_small = answered_bytes <= asked_bytes
            _require(is_small, "swim.amplification", f"{asked_bytes} bytes were answered with {answered_bytes}")


def _member() -> Swim:
    return Swim(A, CONFIG, initial_records(SIX), random.Random(1))


def _hear(member: Swim, message: SwimMessage, *, sender: NodeId = B) -> Sequence[SwimEffect]:
    return member.handle((Received(sender, message),), now=0.0)


def _sent(effects: Sequence[SwimEffect], kind: type[Ack]) -> list[Ack]:
    return [effect.message for effect in effects if isinstance(effect, Send) and isinstance(effect.message, kind)]


def _count_pings(world: DetectionWorld) -> Counter[NodeId]:
    targets: Counter[NodeId] = Counter()

    class Counting(MemberNetwork):
        def arrivals_s(self, sender: NodeId, target: NodeId, message: object) -> tuple[float, ...]:
            targets[target] += 1
            return ()

    world.network = Counting(world.network.rng)
    return targets


def _require(holds: bool, invariant: str, detail: str) -> None:
    if not holds:
        raise Violation(invariant, detail, node=None, step=0, time_s=0.0)
