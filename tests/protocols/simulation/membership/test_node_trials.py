"""The trials of one node's promises pass with the code as it is; the mutants show that each can fail."""

from __future__ import annotations

import pytest

from coterie.protocols.simulation.membership import node_trials


@pytest.mark.parametrize("name", [name for name in node_trials.__all__ if name != "settled_world"])
def test_a_trial_finds_nothing(name: str) -> None:
    getattr(node_trials, name)()
