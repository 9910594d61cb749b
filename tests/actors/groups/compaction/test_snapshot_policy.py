"""When a snapshot is due: by bytes, by entries, and never out of proportion to the last one."""

from __future__ import annotations

import pytest

from coterie.actors.groups.compaction.snapshot_policy import SnapshotPolicy

POLICY = SnapshotPolicy(after_bytes=1000, after_entries=50, share=0.5)


@pytest.mark.parametrize(
    ("entries", "size_bytes", "last", "expected"),
    [
        (0, 0, 0, False),
        (49, 999, 0, False),
        (49, 1000, 0, True),
        (50, 0, 0, True),
        (50, 499, 1000, False),
        (50, 500, 1000, True),
        (1, 4999, 10_000, False),
        (1, 5000, 10_000, True),
    ],
)
def test_snapshot_is_due_once_enough_has_been_applied(entries: int, size_bytes: int, last: int, expected: bool) -> None:
    assert POLICY.is_due(entries, size_bytes, last) is expected


@pytest.mark.parametrize(
    "arguments",
    [{"after_bytes": 0}, {"after_entries": 0}, {"share": -0.1}, {"trailing_entries": -1}, {"trailing_bytes": -1}],
)
def test_numbers_out_of_range_are_refused_by_name(arguments: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(arguments))} must be at least"):
        SnapshotPolicy(**arguments)
