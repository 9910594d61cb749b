"""`EntryLoading`: one open load for each reader, and nothing is used that no longer fits the log."""

from __future__ import annotations

import pytest

from coterie.protocols.algorithm import NodeId, Observe
from coterie.protocols.raft.entry_loading import EntryLoading
from coterie.protocols.raft.raft_effects import Outbox
from coterie.protocols.raft.raft_log import RaftLog
from coterie.protocols.replicated_log import Entry, Load, Loaded, LogIndex, Term
from coterie.protocols.simulation.directed.raft_shorthand import entry

A = NodeId("a")
B = NodeId("b")


def loading() -> tuple[EntryLoading, Outbox]:
    """The log is 1, 1, 2, 2, all on the disk."""
    outbox = Outbox(A)
    return EntryLoading(RaftLog(((LogIndex(1), Term(1)), (LogIndex(3), Term(2))), LogIndex(4)), outbox), outbox


def request(reads: EntryLoading, reader: NodeId, first: int, last: int) -> None:
    reads.request(reader, LogIndex(first), LogIndex(last), 100)


def test_one_load_for_each_reader_is_open() -> None:
    reads, outbox = loading()

    request(reads, A, 1, 2)
    request(reads, A, 1, 2)
    request(reads, B, 1, 2)

    assert outbox.empty([]) == [Load(A, LogIndex(1), LogIndex(2), 100), Load(B, LogIndex(1), LogIndex(2), 100)]


def test_only_what_left_the_memory_is_read() -> None:
    reads, outbox = loading()

    request(reads, A, 2, 99)

    assert outbox.empty([]) == [Load(A, LogIndex(2), LogIndex(4), 100)]


def test_answer_closes_the_load() -> None:
    reads, _ = loading()
    request(reads, A, 2, 3)

    assert reads.answered(Loaded(A, LogIndex(2), (entry(2, 1), entry(3, 2))))
    assert not reads.is_open(A)


@pytest.mark.parametrize(
    "entries",
    [(), (entry(2, 2),), (entry(2, 1), entry(3, 1)), (entry(3, 2),), (entry(2, 1), entry(4, 2)), (entry(2, 1),) * 2],
    ids=["nothing", "other term", "other term later", "other index", "gap", "twice"],
)
def test_entries_that_do_not_fit_the_log_are_discarded_and_may_be_asked_for_again(entries: tuple[Entry, ...]) -> None:
    reads, outbox = loading()
    request(reads, A, 2, 3)
    outbox.empty([])

    assert not reads.answered(Loaded(A, LogIndex(2), entries))
    assert not reads.is_open(A)
    (observed,) = outbox.empty([])
    assert isinstance(observed, Observe)
    assert observed.event == "raft.load_discarded"


def test_answer_that_nobody_asked_for_is_ignored() -> None:
    reads, _ = loading()
    request(reads, A, 2, 3)

    assert not reads.answered(Loaded(B, LogIndex(2), (entry(2, 1),)))
    assert not reads.answered(Loaded(A, LogIndex(1), (entry(1, 1),)))
    assert reads.is_open(A)
