"""Directed runs pass for the unchanged code, whatever the seed; that they can fail is shown by the mutants."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coterie.actors.simulation.scenarios.datagram_runs import doubled_datagrams, forged_datagrams
from coterie.actors.simulation.scenarios.directed_runs import (
    another_store,
    crowded_mailbox,
    strangers_key,
    unheard_store,
)


@pytest.mark.parametrize(
    "directed_run",
    [another_store, crowded_mailbox, doubled_datagrams, forged_datagrams, strangers_key, unheard_store],
)
@pytest.mark.parametrize("seed", range(5))
def test_directed_run_passes(directed_run: Callable[[int], None], seed: int) -> None:
    directed_run(seed)
