"""Directed runs pass for the unchanged code, whatever the seed; that they can fail is shown by the mutants."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coterie.actors.simulation.scenarios.compaction.careless_machines import (
    attribute_filled_late,
    attribute_left_out,
    machine_emptied,
)
from coterie.actors.simulation.scenarios.compaction.snapshot_runs import (
    apart_leader_compacts,
    crash_after_compaction,
    damaged_at_the_sender,
    restarts_under_load,
)
from coterie.actors.simulation.scenarios.datagram_runs import doubled_datagrams, forged_datagrams
from coterie.actors.simulation.scenarios.directed_runs import crowded_mailbox, second_process, strangers_key
from coterie.actors.simulation.scenarios.hostile_runs import bombs, kept_letters, unheard_messages
from coterie.actors.simulation.scenarios.member_runs import (
    another_store,
    readmitted_store,
    scaled_down,
    unheard_store,
)
from coterie.actors.simulation.scenarios.past_store_runs import cut_log, restored_copy

DIRECTED_RUNS = (
    another_store,
    apart_leader_compacts,
    attribute_filled_late,
    attribute_left_out,
    bombs,
    crash_after_compaction,
    crowded_mailbox,
    cut_log,
    damaged_at_the_sender,
    doubled_datagrams,
    forged_datagrams,
    kept_letters,
    machine_emptied,
    readmitted_store,
    restarts_under_load,
    restored_copy,
    scaled_down,
    second_process,
    strangers_key,
    unheard_messages,
    unheard_store,
)


@pytest.mark.parametrize("directed_run", DIRECTED_RUNS)
@pytest.mark.parametrize("seed", range(5))
def test_directed_run_passes(directed_run: Callable[[int], None], seed: int) -> None:
    directed_run(seed)
