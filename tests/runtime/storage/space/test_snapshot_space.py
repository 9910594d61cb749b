"""How much the next snapshot of a store may take."""

from __future__ import annotations

from coterie.runtime.storage.space.snapshot_space import SnapshotSpace

OLD, NEW, PARTIAL = "/d/snapshot-aa-1.snapshot", "/d/snapshot-aa-2.snapshot", "/d/snapshot-aa-1.partial"


def test_a_quarter_more_than_the_last_one_or_what_is_new_less_what_is_written() -> None:
    space = SnapshotSpace()
    assert space.reserved_bytes(70) == 70, "nothing is known but the log"
    space.note(OLD, 1000)
    assert [space.reserved_bytes(new) for new in (0, 250, 400)] == [1250, 1250, 1400]
    space.note(PARTIAL, 300)
    space.note(PARTIAL, 1000)
    assert space.reserved_bytes(0) == 250
    space.renamed(PARTIAL, NEW)
    assert space.reserved_bytes(0) == 250, "the old one is still there"
    space.removed(OLD)
    assert space.reserved_bytes(0) == 1250
    space.removed(OLD)
    space.removed(NEW)
    assert space.reserved_bytes(0) == 0


def test_groups_take_their_snapshots_one_after_the_other() -> None:
    space = SnapshotSpace()
    space.note(OLD, 1000)
    space.note("/d/snapshot-bb-1.snapshot", 800)
    assert space.reserved_bytes(0) == 1250
    space.note(PARTIAL, 900)
    assert space.reserved_bytes(0) == 1000, "that of the other group"
