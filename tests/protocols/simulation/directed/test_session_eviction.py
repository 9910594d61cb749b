"""The directed schedule of sessions passes; its mutant shows that it can fail."""

from __future__ import annotations

from coterie.protocols.simulation.directed.session_eviction import evicted_session


def test_command_of_an_evicted_session_takes_effect_once() -> None:
    evicted_session()
