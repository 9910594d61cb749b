"""The scenario `pools`: it passes, it is the same again, and it notices broken promises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from coterie.actors.pools.pool import Pool
from coterie.actors.pools.requests import pool_request
from coterie.actors.pools.requests.target_source import PoolTarget
from coterie.actors.pools.requests.worker_lists import WorkerLists
from coterie.actors.simulation.scenarios.pool_scenario import POOLS
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import Crash, Pause
from coterie.protocols.simulation.mutants import Patch, patched

NODES = ("n1", "n2", "n3", "n4")

FAULTS = FaultPlan(
    NODES, (Crash(2.0, "n1", down_s=14.0), Pause(4.0, "n2", duration_s=5.0), Crash(9.0, "n3", down_s=1.0)), 18.0
)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_pools_keep_their_promises_under_everything(seed: int) -> None:
    result = POOLS.run(seed)

    assert result.violation is None
    assert result.fired


@pytest.mark.slow
def test_runs_of_one_seed_are_the_same() -> None:
    assert POOLS.run(7, plan=FAULTS, hashed=True).digest == POOLS.run(7, plan=FAULTS, hashed=True).digest


def leak(self: Pool, *_: Any) -> None:
    """Report nothing."""


def keep_lists(self: WorkerLists, _: Any) -> None:
    """Ignore that links change."""


LISTED = WorkerLists.targets


def targets_of_all_nodes(self: WorkerLists) -> Sequence[PoolTarget]:
    """List the workers of nodes without a link, too."""
    linked = self._nodes
    self._nodes = lambda: list(self._list_by_node)
    try:
        return LISTED(self)
    finally:
        self._nodes = linked


def repeat_all(_error: Any, *, is_idempotent: bool) -> bool:
    return True


@pytest.mark.slow
@pytest.mark.parametrize(
    ("patches", "rule"),
    [
        ([Patch(Pool, "_ended", leak)], "pool.picks_are_reported"),
        (
            [Patch(WorkerLists, "_link_changed", keep_lists), Patch(WorkerLists, "targets", targets_of_all_nodes)],
            "pool.dead_node_picked",
        ),
        ([Patch(pool_request, "may_be_repeated", repeat_all)], "pool.handled_once"),
    ],
)
def test_a_broken_pool_is_noticed(patches: list[Patch], rule: str) -> None:
    with patched(patches):
        results = [POOLS.run(seed, plan=FAULTS) for seed in (0, 7, 8)]

    assert rule in [result.violation.invariant for result in results if result.violation is not None]
