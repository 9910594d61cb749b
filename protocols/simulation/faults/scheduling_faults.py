"""`SchedulingFaults`: carries out the faults that delay a node's handling of messages and timers."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Generic, TypeVar

from coterie.protocols.faults.fault_counts import FaultCounts
from coterie.protocols.faults.kinds.fault_kinds import Priorities, RandomOrder, SlowNode, Starve, TargetRole, kind
from coterie.protocols.simulation.event_heap import EventHeap
from coterie.protocols.simulation.faults.active_faults import ActiveFaults
from coterie.protocols.simulation.faults.fault_targeting import FaultTargeting
from coterie.protocols.simulation.protocol_node import ProtocolNode, TurnDelay

__all__ = ["SchedulingFault", "SchedulingFaults"]

W = TypeVar("W")
M = TypeVar("M")

SchedulingFault = Priorities | RandomOrder | SlowNode | Starve

STARVED_S = (0.02, 0.2)
"""The range of a starved node's delay: from a busy neighbour's burst to an election time-out."""

RANDOM_ORDER_S = 0.005
RANK_S = 0.004
"""The additional delay of a turn for each rank: several round trips."""


class SchedulingFaults(Generic[W, M]):
    """Carries out a plan's faults of scheduling. `rng`: the random stream of the faults."""

    __slots__ = ("_active", "_fault_counts", "_heap", "_nodes", "_rng", "_targeting")

    def __init__(
        self,
        nodes: Sequence[ProtocolNode[W, M]],
        heap: EventHeap,
        fault_counts: FaultCounts,
        targeting: FaultTargeting[W, M],
        active: ActiveFaults,
        rng: random.Random,
    ) -> None:
        self._nodes = nodes
        self._heap = heap
        self._fault_counts = fault_counts
        self._targeting = targeting
        self._active = active
        self._rng = rng

    def begin(self, fault: SchedulingFault) -> None:
        """Begin `fault` now."""
        match fault:
            case SlowNode():
                self._targeting.apply_to(fault.role, fault.target, partial(self._slow, fault, lambda: fault.turn_s))
            case Starve():
                self._targeting.apply_to(TargetRole.ANY, fault.target, partial(self._slow, fault, self._starved_s))
            case RandomOrder():
                self._delay_turns(fault, dict.fromkeys(range(len(self._nodes)), self._random_s))
            case Priorities():
                self._rank(fault)

    def _slow(self, fault: SchedulingFault, delay: TurnDelay, node: ProtocolNode[W, M]) -> bool:
        self._delay_turns(fault, {self._nodes.index(node): delay})
        return True

    def _starved_s(self) -> float:
        return self._rng.uniform(*STARVED_S)

    def _random_s(self) -> float:
        return self._rng.uniform(0, RANDOM_ORDER_S)

    def _rank(self, fault: Priorities) -> None:
        rank: dict[int, int] = {}

        def draw() -> None:
            rank.update(enumerate(self._rng.sample(range(len(self._nodes)), len(self._nodes))))

        draw()
        for change in range(1, fault.changes + 1):
            self._heap.after(fault.duration_s * change / (fault.changes + 1), draw)
        self._delay_turns(fault, {place: partial(_rank_s, rank, place) for place in rank})

    def _delay_turns(self, fault: SchedulingFault, delay_by_place: Mapping[int, TurnDelay]) -> None:
        name = kind(fault)
        delays = [
            (self._nodes[place], partial(self._counted_s, name, delay)) for place, delay in delay_by_place.items()
        ]

        def end() -> None:
            for node, delay in delays:
                node.remove_turn_delay(delay)

        for node, delay in delays:
            node.add_turn_delay(delay)
        self._active.begin(name, fault.duration_s, end)

    def _counted_s(self, name: str, delay: TurnDelay) -> float:
        delay_s = delay()
        if delay_s:
            self._fault_counts.note(name)
        return delay_s


def _rank_s(rank: Mapping[int, int], place: int) -> float:
    return rank[place] * RANK_S
