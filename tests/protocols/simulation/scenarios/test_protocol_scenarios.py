"""The scenarios have names."""

from __future__ import annotations

from coterie.protocols.simulation.scenarios.protocol_scenarios import SCENARIOS


def test_scenarios_are_the_algorithms() -> None:
    assert list(SCENARIOS) == ["raft", "synod"]
