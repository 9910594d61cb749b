"""The schedules of client sessions break no promise in the code as it is; `make mutants` shows that each finds bugs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coterie.protocols.simulation.directed.session_trials import (
    crowding_owner,
    evicted_session,
    full_session,
    greedy_owner,
    late_opening,
    restored_order,
    restored_session,
    retried_opening,
)

SCHEDULES = [
    crowding_owner,
    evicted_session,
    full_session,
    greedy_owner,
    late_opening,
    restored_order,
    restored_session,
    retried_opening,
]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_sessions_keep_their_promises(schedule: Callable[[], None]) -> None:
    schedule()
