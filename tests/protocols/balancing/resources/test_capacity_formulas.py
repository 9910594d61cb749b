from __future__ import annotations

import pytest

from coterie.protocols.balancing import NodeResources
from coterie.protocols.balancing.resources import OrleansScore, RemainingCapacity

GIB = 1 << 30
IDLE = NodeResources(
    cpu_used=0.0, cpu_granted=1.0, loop_used_elsewhere=0.0, memory_used=0.5, memory_available_bytes=4 * GIB,
    memory_total_bytes=8 * GIB, actors=100,
)  # fmt: skip


@pytest.mark.parametrize("field", ["memory_used", "memory_available", "memory_maximum", "actors"])
@pytest.mark.parametrize("value", [-1.0, float("inf"), float("nan")])
@pytest.mark.parametrize("formula", [RemainingCapacity, OrleansScore])
def test_a_weight_out_of_range_is_refused_and_named(
    formula: type[RemainingCapacity | OrleansScore], field: str, value: float
) -> None:
    with pytest.raises(ValueError, match=f"{field}={value}"):
        formula(**{field: value})


def test_a_memory_reserve_out_of_range_is_refused_and_named() -> None:
    with pytest.raises(ValueError, match=r"memory_reserve=1\.5"):
        RemainingCapacity(memory_reserve=1.5)


def test_the_remaining_capacity_by_hand() -> None:
    """(1 - 0.2) × 0.5 × 1 × (1 - (20 × 0.75 + 20 × 0.75 + 5 × 0.5 + 15 × 0.1) / 60)."""
    busy = NodeResources(
        cpu_granted=0.5, loop_used_elsewhere=0.2, memory_used=0.75, memory_available_bytes=GIB,
        memory_total_bytes=4 * GIB, actors=10,
    )  # fmt: skip

    capacities = RemainingCapacity().capacities({"busy": busy, "idle": IDLE})

    assert capacities["busy"] == pytest.approx(0.8 * 0.5 * (1 - (15 + 15 + 2.5 + 1.5) / 60))
    assert capacities["idle"] == pytest.approx(1 - (10 + 10 + 0 + 15) / 60)


def test_orleans_score_by_hand() -> None:
    """1 - (40 × 0.6 + 20 × 0.5 + 20 × 0.5 + 5 × 0 + 15 × 1) / 100."""
    busy = NodeResources(
        cpu_used=0.6, memory_used=0.5, memory_available_bytes=4 * GIB, memory_total_bytes=8 * GIB, actors=7
    )

    assert OrleansScore().capacities({"n": busy})["n"] == pytest.approx(1 - (24 + 10 + 10 + 0 + 15) / 100)


@pytest.mark.parametrize(
    "exhausted",
    [NodeResources(loop_used_elsewhere=1.0), NodeResources(cpu_granted=0.0), NodeResources(memory_used=1.0)],
)
def test_what_is_exhausted_is_not_made_up_for_by_the_rest(exhausted: NodeResources) -> None:
    assert RemainingCapacity().capacities({"n": exhausted, "idle": IDLE})["n"] == 0.0
    assert OrleansScore().capacities({"n": exhausted, "idle": IDLE})["n"] > 0.3 or exhausted.memory_used == 1.0


def test_the_last_memory_fades_the_capacity_out() -> None:
    formula = RemainingCapacity(0.0, 0.0, 0.0, 0.0, memory_reserve=0.1)
    resources = {str(used): NodeResources(memory_used=used) for used in (0.5, 0.9, 0.95, 1.0)}

    assert list(formula.capacities(resources).values()) == pytest.approx([1.0, 1.0, 0.5, 0.0])


def test_what_is_not_measured_changes_nothing() -> None:
    assert RemainingCapacity().capacities({"n": NodeResources()}) == {"n": 1.0}
    assert RemainingCapacity().capacities({"n": NodeResources(loop_used_elsewhere=0.5)})["n"] == 0.5
    assert OrleansScore().capacities({"n": NodeResources()}) == {"n": 1.0}
    assert RemainingCapacity().capacities({}) == {}


def test_measurements_beyond_their_range_are_held_within() -> None:
    odd = NodeResources(loop_used_elsewhere=1.2, cpu_granted=1.5, cpu_used=3.0, memory_used=1.1)

    assert RemainingCapacity().capacities({"n": odd})["n"] == 0.0
    assert 0.0 <= OrleansScore().capacities({"n": odd})["n"] <= 1.0
