"""A world reports whatever breaks in it."""

from __future__ import annotations

import random

import pytest

from coterie.errors import InvariantViolated
from coterie.protocols.algorithm import NodeId, Received
from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import TargetRole
from coterie.protocols.simulation.protocol_node import AnyAlgorithm
from coterie.protocols.simulation.protocol_world import ProtocolWorld

A, B = NodeId("a"), NodeId("b")


class Failing:
    """An algorithm that raises `error` when it is handed anything."""

    deadline: float | None = None

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.seen: list[object] = []

    def handle(self, events: object, *, now: float) -> list[object]:
        self.seen.append(events)
        raise self.error

    def tick(self, *, now: float) -> list[object]:
        return []


class Bed:
    def __init__(self, error: Exception) -> None:
        self.context = ViolationContext()
        self.algorithm = Failing(error)
        self.world: ProtocolWorld[str, str] = ProtocolWorld("seed", FaultPlan((A, B), (), 1.0), self, self.context)
        self.world.heap.at(0.5, lambda: self.world.send(A, B, "hello"))

    def build(self, node: NodeId, rng: random.Random) -> AnyAlgorithm:
        return self.algorithm

    def ended(self, node: NodeId) -> None: ...

    def wrote(self, node: NodeId, write: str) -> None: ...

    def sent(self, node: NodeId, to: NodeId, message: str) -> None: ...

    def perform(self, node: NodeId, effect: object) -> None: ...

    def turn_ended(self, node: NodeId) -> None: ...

    def healed(self) -> None: ...

    def sender_role(self, message: str) -> TargetRole | None:
        return None


@pytest.mark.parametrize(
    ("error", "invariant"), [(InvariantViolated("ouch"), "algorithm.halted"), (KeyError("ouch"), "algorithm.raised")]
)
def test_world_names_what_an_algorithm_raises_as_a_violation(error: Exception, invariant: str) -> None:
    bed = Bed(error)

    violation = bed.world.run(until_s=9.0, end=lambda: None)

    assert violation is not None
    assert violation.invariant == invariant
    assert "ouch" in violation.detail
    assert bed.algorithm.seen == [[Received(A, "hello")]]
    assert any("hello" in line for line in bed.world.trace.tail())


def test_world_checks_the_end_too() -> None:
    bed = Bed(KeyError())

    violation = bed.world.run(until_s=0.1, end=lambda: bed.context.fail("raft.converged", None, "they differ"))

    assert violation is not None
    assert violation.invariant == "raft.converged"
