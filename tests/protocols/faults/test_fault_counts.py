"""`FaultCounts` counts by kind."""

from __future__ import annotations

from coterie.protocols.faults.fault_counts import FaultCounts


def test_faults_count_by_kind() -> None:
    fault_counts = FaultCounts()
    for name in ("crash", "pause", "crash"):
        fault_counts.note(name)

    assert fault_counts.count_by_kind == {"crash": 2, "pause": 1}
    assert fault_counts.count("loss") == 0
