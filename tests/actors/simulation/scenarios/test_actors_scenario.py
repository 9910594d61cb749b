"""The scenario `actors`: it passes, much happens in it, and it is the same again."""

from __future__ import annotations

import pytest

from coterie.actors.simulation.scenarios.actors_scenario import ACTORS, OwnError, Sender
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import Crash, RaiseInHandler
from coterie.protocols.simulation.mutants import Patch, patched
from coterie.protocols.simulation.scenarios.run_result import RunOutcome

NODES = ("n1", "n2", "n3")


@pytest.mark.parametrize("seed", range(3))
def test_actors_keep_their_promises_under_everything(seed: int) -> None:
    result = ACTORS.run(seed)

    assert result.violation is None
    assert result.fired


def test_runs_of_one_seed_are_the_same() -> None:
    plan = FaultPlan(NODES, (Crash(0.5, "n1", down_s=0.2), RaiseInHandler(1.0, "n2", "sender")), 3.0)

    assert ACTORS.run(7, plan=plan, hashed=True).digest == ACTORS.run(7, plan=plan, hashed=True).digest


def test_run_in_which_no_message_is_handled_is_no_pass() -> None:
    def mute(self: Sender, msg: object, /) -> None:
        raise OwnError("I say nothing")

    with patched([Patch(Sender, "receive", mute)]):
        result = ACTORS.run(0, plan=FaultPlan(NODES, (), 1.0))

    assert result.outcome is RunOutcome.FAILED
    assert "messages were handled" in str(result.violation)
