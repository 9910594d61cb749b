"""Directed stories hold for the code as it is, whatever the seed; that they can fail is shown by the mutants."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coterie.actors.simulation.scenarios.directed_runs import (
    another_store,
    crowded_mailbox,
    strangers_key,
    unheard_store,
)


@pytest.mark.parametrize("story", [another_store, crowded_mailbox, strangers_key, unheard_store])
@pytest.mark.parametrize("seed", range(5))
def test_story_holds(story: Callable[[int], None], seed: int) -> None:
    story(seed)
