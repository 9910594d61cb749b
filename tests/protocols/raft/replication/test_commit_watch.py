"""`CommitWatch`: each stall of the commit index is reported once, and so is its end."""

from __future__ import annotations

from coterie.protocols.raft.replication.commit_watch import CommitChange, CommitWatch
from coterie.protocols.replicated_log import LogIndex


def changes(*observed: tuple[int, int], step_s: float = 0.4) -> list[CommitChange | None]:
    """What a watch that allows 1 s says to (commit index, last index), every `step_s`."""
    watch = CommitWatch(0.0, 1.0)
    return [
        watch.observe(LogIndex(commit), LogIndex(last), step_s * number)
        for number, (commit, last) in enumerate(observed, 1)
    ]


def test_index_that_stands_still_while_entries_wait_is_reported_once() -> None:
    assert changes(*[(3, 5)] * 6) == [None, None, None, CommitChange.STALLED, None, None]


def test_index_that_stands_still_while_nothing_waits_is_fine() -> None:
    assert changes(*[(5, 5)] * 9) == [None] * 9


def test_wait_begins_with_the_first_entry_that_waits() -> None:
    assert changes(*[(5, 5)] * 9, (5, 6), (5, 6), (5, 7), (5, 7))[9:] == [None, None, CommitChange.STALLED, None]


def test_index_that_moves_slowly_is_fine() -> None:
    assert changes(*[(place, 90) for place in (1, 1, 2, 2, 3, 3, 4, 4)]) == [None] * 8


def test_end_of_a_stall_is_reported_once_and_a_second_stall_again() -> None:
    seen = changes(*[(3, 5)] * 4, (5, 5), (5, 5), *[(5, 9)] * 3)

    assert [change for change in seen if change] == [
        CommitChange.STALLED,
        CommitChange.RESUMED,
        CommitChange.STALLED,
    ]


def test_how_long_it_stood_still_is_told() -> None:
    watch = CommitWatch(0.0, 1.0)
    watch.observe(LogIndex(3), LogIndex(5), 2.0)
    watch.observe(LogIndex(3), LogIndex(5), 3.5)
    assert watch.waited_s == 1.5

    watch.observe(LogIndex(4), LogIndex(5), 5.0)

    assert watch.waited_s == 3.0
