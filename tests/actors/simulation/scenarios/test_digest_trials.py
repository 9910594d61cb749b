"""The digest trials pass with the present code; `make mutants` shows that they can fail."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coterie.actors.simulation.scenarios.digest_trials import apart_leader, lost_session


@pytest.mark.parametrize("trial", [lost_session, apart_leader])
def test_a_trial_breaks_no_promise(trial: Callable[[int], None]) -> None:
    trial(0)
