"""Firings are counted by kind."""

from __future__ import annotations

from coterie.protocols.faults.fault_counts import Firings


def test_firings_count_by_kind() -> None:
    firings = Firings()
    for name in ("crash", "pause", "crash"):
        firings.note(name)

    assert firings.count_by_kind == {"crash": 2, "pause": 1}
    assert firings.count("loss") == 0
