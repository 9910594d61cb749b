"""Faults as data: which, when, and at whom. A plan is generated from a seed before anything happens.

Plain random crashes miss the worst moments (Raft's Figure 8, a vote forgotten by a fast restart): most crashes here
are aimed at whoever leads, stands for election or has just voted, and most restarts come within 5 ms.
"""

from __future__ import annotations

import enum
import random
from dataclasses import dataclass

from coterie.protocols.simulation.network import Weather

__all__ = [
    "Aim",
    "Crash",
    "Fault",
    "Outage",
    "Partition",
    "Pause",
    "Plan",
    "Shape",
    "SlowDisk",
    "Storm",
    "kind",
    "random_plan",
]


class Aim(enum.Enum):
    """At whom a crash or pause is aimed, told by the messages a node sends."""

    ANYONE = "anyone"
    LEADER = "leader"  # sends AppendEntries, Accept
    CANDIDATE = "candidate"  # sends RequestVote, Prepare
    VOTER = "voter"  # grants a vote, promises


class Shape(enum.Enum):
    """Which links a partition breaks."""

    ONE = "one"  # a node from all others, both ways
    HALVES = "halves"  # two groups from each other
    ONE_WAY = "one_way"  # from a node to all others, but not back
    LEADER = "leader"  # the leader from all others, both ways


@dataclass(frozen=True, slots=True)
class Crash:
    """From `at_s` on, the next node that shows itself as `aim` crashes `delay_s` later and restarts after `down_s`.

    `victim` (an index) is the node if `aim` is ANYONE, or if nobody has shown himself for a second.
    """

    at_s: float
    aim: Aim
    victim: int
    delay_s: float
    down_s: float


@dataclass(frozen=True, slots=True)
class Pause:
    """At `at_s` the latest `aim` (or `victim`) stops for `duration_s`, as in a SIGSTOP; its disk goes on."""

    at_s: float
    aim: Aim
    victim: int
    duration_s: float


@dataclass(frozen=True, slots=True)
class Partition:
    """At `at_s` links break for `duration_s`. `victim` and `others` (indexes) form one side."""

    at_s: float
    shape: Shape
    victim: int
    others: tuple[int, ...]
    duration_s: float


@dataclass(frozen=True, slots=True)
class Storm:
    """At `at_s` the weather turns for `duration_s`."""

    at_s: float
    weather: Weather
    duration_s: float


@dataclass(frozen=True, slots=True)
class SlowDisk:
    """At `at_s` the disk of `victim` becomes `factor` times slower for `duration_s`."""

    at_s: float
    victim: int
    factor: float
    duration_s: float


@dataclass(frozen=True, slots=True)
class Outage:
    """At `at_s` the power fails: every node crashes at once, and restarts after its own of `down_s`."""

    at_s: float
    down_s: tuple[float, ...]


Fault = Crash | Outage | Pause | Partition | Storm | SlowDisk


@dataclass(frozen=True, slots=True)
class Plan:
    """All faults of a run, by time. At `ends_at_s` everything heals."""

    faults: tuple[Fault, ...]
    ends_at_s: float

    def kinds(self) -> list[str]:
        """Return the kinds of faults in it, each once, sorted."""
        return sorted(dict.fromkeys(kind(fault) for fault in self.faults))


def kind(fault: Fault) -> str:
    """Return the stable name of a fault's kind."""
    match fault:
        case Crash():
            return "crash"
        case Outage():
            return "outage"
        case Pause():
            return "pause"
        case Partition():
            return f"partition.{fault.shape.value}"
        case Storm():
            return "storm"
        case SlowDisk():
            return "slow_disk"


def random_plan(rng: random.Random, *, nodes: int, faults: int, duration_s: float, haste: float = 1.0) -> Plan:
    """Draw a plan of `faults` faults within `duration_s` for `nodes` nodes; a `haste` above 1 brings them forward."""
    times = sorted(0.9 * rng.random() ** haste * duration_s for _ in range(faults))
    return Plan(tuple(_random_fault(rng, at_s, nodes, duration_s) for at_s in times), duration_s)


def _random_fault(rng: random.Random, at_s: float, nodes: int, duration_s: float) -> Fault:
    victim = rng.randrange(nodes)
    lasting_s = min(rng.choice((0.25, 0.5, 1.0)) * rng.uniform(0.7, 1.5), duration_s - at_s)
    chance = rng.random()
    if chance < 0.5:
        aim = rng.choice((Aim.ANYONE, Aim.LEADER, Aim.LEADER, Aim.CANDIDATE, Aim.CANDIDATE, Aim.VOTER))
        return Crash(at_s, aim, victim, rng.choice((0.0, rng.uniform(0, 0.005))), _random_down_s(rng))
    if chance < 0.55:
        return Outage(at_s, tuple(_random_down_s(rng) for _ in range(nodes)))
    if chance < 0.65:
        return Pause(at_s, rng.choice((Aim.ANYONE, Aim.LEADER)), victim, lasting_s)
    if chance < 0.8:
        others = tuple(rng.sample([node for node in range(nodes) if node != victim], (nodes - 1) // 2))
        return Partition(at_s, rng.choice(list(Shape)), victim, others, lasting_s)
    if chance < 0.93:
        return Storm(at_s, _random_weather(rng), lasting_s)
    return SlowDisk(at_s, victim, rng.choice((5.0, 50.0)), lasting_s)


def _random_down_s(rng: random.Random) -> float:
    # Mostly at once; else within an election time-out, or long after it.
    return rng.choice((rng.uniform(0, 0.005), rng.uniform(0, 0.005), rng.uniform(0.01, 0.15), rng.uniform(0.5, 1.5)))


def _random_weather(rng: random.Random) -> Weather:
    # The slowest takes a round trip as long as an election time-out, so that answers come when nobody waits any more.
    return Weather(
        loss=rng.choice((0.05, 0.2)),
        duplication=rng.choice((0.05, 0.3)),
        tail=rng.choice((0.05, 0.3)),
        delay_s=rng.choice((0.001, 0.01, 0.12)),
        tail_s=rng.choice((0.01, 0.05)),
    )
