"""The schedules of client sessions break no promise in the code as it is; `make mutants` shows that each finds bugs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coterie.protocols.simulation.directed.session_trials import evicted_session, late_opening, retried_opening


@pytest.mark.parametrize("schedule", [evicted_session, late_opening, retried_opening])
def test_session_keeps_its_promises_when_commands_and_openings_are_repeated(schedule: Callable[[], None]) -> None:
    schedule()
