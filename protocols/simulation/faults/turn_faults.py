"""Carries out the faults of turns: whose turn waits how long before a node handles what has arrived, or ticks."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Generic, TypeVar

from coterie.protocols.faults.fault_counts import Firings
from coterie.protocols.faults.kinds.fault_kinds import Priorities, RandomOrder, Role, SlowNode, Starve, kind
from coterie.protocols.simulation.event_heap import Timeline
from coterie.protocols.simulation.faults.fault_targeting import Aiming
from coterie.protocols.simulation.faults.lasting_faults import Lasting
from coterie.protocols.simulation.protocol_node import Lag, Node

__all__ = ["TurnFault", "TurnFaults"]

W = TypeVar("W")
M = TypeVar("M")

TurnFault = Priorities | RandomOrder | SlowNode | Starve

STARVED_S = (0.02, 0.2)
"""Between these a starved node's turn waits: from a busy neighbour's burst to an election time-out."""

RANDOM_ORDER_S = 0.005
RANK_S = 0.004
"""How much longer a turn waits for each rank: several round trips."""


class TurnFaults(Generic[W, M]):
    """Makes the schedule's part of a plan happen. `rng` is the plan's own stream."""

    __slots__ = ("_aiming", "_firings", "_lasting", "_nodes", "_rng", "_timeline")

    def __init__(
        self,
        nodes: Sequence[Node[W, M]],
        timeline: Timeline,
        firings: Firings,
        aiming: Aiming[W, M],
        lasting: Lasting,
        rng: random.Random,
    ) -> None:
        self._nodes = nodes
        self._timeline = timeline
        self._firings = firings
        self._aiming = aiming
        self._lasting = lasting
        self._rng = rng

    def begin(self, fault: TurnFault) -> None:
        """Let `fault` begin, now."""
        match fault:
            case SlowNode():
                self._aiming.strike(fault.role, fault.target, partial(self._slow, fault, lambda: fault.turn_s))
            case Starve():
                self._aiming.strike(Role.ANY, fault.target, partial(self._slow, fault, self._hunger_s))
            case RandomOrder():
                self._hold_up(fault, dict.fromkeys(range(len(self._nodes)), self._random_s))
            case Priorities():
                self._rank(fault)

    def _slow(self, fault: TurnFault, lag: Lag, node: Node[W, M]) -> bool:
        self._hold_up(fault, {self._nodes.index(node): lag})
        return True

    def _hunger_s(self) -> float:
        return self._rng.uniform(*STARVED_S)

    def _random_s(self) -> float:
        return self._rng.uniform(0, RANDOM_ORDER_S)

    def _rank(self, fault: Priorities) -> None:
        rank: dict[int, int] = {}

        def draw() -> None:
            rank.update(enumerate(self._rng.sample(range(len(self._nodes)), len(self._nodes))))

        draw()
        for change in range(1, fault.changes + 1):
            self._timeline.after(fault.duration_s * change / (fault.changes + 1), draw)
        self._hold_up(fault, {place: partial(_rank_s, rank, place) for place in rank})

    def _hold_up(self, fault: TurnFault, lag_by_place: Mapping[int, Lag]) -> None:
        name = kind(fault)
        lags = [(self._nodes[place], partial(self._noting, name, lag)) for place, lag in lag_by_place.items()]

        def end() -> None:
            for node, lag in lags:
                node.end_lag(lag)

        for node, lag in lags:
            node.begin_lag(lag)
        self._lasting.begin(name, fault.duration_s, end)

    def _noting(self, name: str, lag: Lag) -> float:
        lag_s = lag()
        if lag_s:
            self._firings.note(name)
        return lag_s


def _rank_s(rank: Mapping[int, int], place: int) -> float:
    return rank[place] * RANK_S
