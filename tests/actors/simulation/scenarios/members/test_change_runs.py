"""Fixed situations in which members change: the clean code passes; its mutants fail (`member_mutants.py`)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coterie.actors.simulation.scenarios.members.change_runs import (
    all_disks_lost,
    lone_leader_changes,
    replaced_store_returns,
)


@pytest.mark.parametrize("run", [all_disks_lost, lone_leader_changes, replaced_store_returns])
def test_the_clean_code_passes(run: Callable[[int], None]) -> None:
    run(0)
