"""A traced run writes down what its clients asked and saw; recording it changes nothing."""

from __future__ import annotations

import pytest

from coterie.protocols.simulation.scenarios.protocol_scenarios import SCENARIOS


@pytest.mark.parametrize("name", SCENARIOS)
def test_traced_run_has_a_linearizable_history_of_every_answered_operation(name: str) -> None:
    result = SCENARIOS[name].run(3, traced=True, operations=40)

    assert result.history is not None
    assert result.linearizability is not None
    assert result.linearizability.is_ok
    answered = [operation for operation in result.history.operations if operation.returned_at is not None]
    assert len(answered) > 5
    assert len({operation.client for operation in answered}) > 5


@pytest.mark.parametrize("name", SCENARIOS)
def test_recording_changes_nothing_and_is_not_done_unasked(name: str) -> None:
    scenario = SCENARIOS[name]

    plain = scenario.run(3, hashed=True, operations=40)
    recorded = scenario.run(3, hashed=True, traced=True, operations=40)

    assert plain.history is None
    assert plain.linearizability is None
    assert plain.digest == recorded.digest
    assert plain.operations == recorded.operations
