"""A disk image is what its writes leave."""

from __future__ import annotations

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.raft_disk import RaftDisk
from coterie.protocols.raft.raft_messages import HardState, LogWrite, Restored
from coterie.protocols.replicated_log import Entry, EntryKind, Load, LogIndex, Term


def entries(first: int, *terms: int, command: bytes = b"12345") -> tuple[Entry, ...]:
    return tuple(
        Entry(LogIndex(index), Term(term), EntryKind.COMMAND, command) for index, term in enumerate(terms, first)
    )


def disk(*terms: int) -> RaftDisk:
    it = RaftDisk()
    it.write(LogWrite(HardState(Term(terms[-1]), NodeId("a")), None, entries(1, *terms)))
    return it


def test_disk_carries_a_write_out_as_hard_state_truncation_append() -> None:
    it = disk(1, 1, 2)

    it.write(LogWrite(HardState(Term(3), None), LogIndex(2), entries(2, 3, 3)))

    assert it.hard_state == HardState(Term(3), None)
    assert [entry.term for entry in it.entries] == [1, 3, 3]


def test_disk_refuses_a_gap_and_a_truncation_before_the_first_entry() -> None:
    with pytest.raises(ValueError, match="does not continue"):
        disk(1).write(LogWrite(None, None, entries(3, 1)))
    with pytest.raises(ValueError, match="first index is 1"):
        disk(1).write(LogWrite(None, LogIndex(0), ()))


def test_disk_returns_its_hard_state_and_its_runs_of_terms_to_a_new_life() -> None:
    expected = Restored(
        HardState(Term(4), NodeId("a")),
        ((LogIndex(1), Term(1)), (LogIndex(3), Term(2)), (LogIndex(4), Term(4))),
        LogIndex(5),
    )

    assert disk(1, 1, 2, 4, 4).restored() == expected
    assert RaftDisk().restored() == Restored()


def test_disk_knows_terms_of_what_it_has_and_of_nothing_else() -> None:
    it = disk(1, 2)

    assert [it.term_at(index) for index in (-1, 0, 1, 2, 3)] == [None, 0, 1, 2, None]


def test_disk_reads_at_least_one_entry_and_no_more_bytes_than_allowed() -> None:
    it = disk(1, 1, 1)

    def read(first: int, last: int, max_bytes: int) -> tuple[Entry, ...]:
        return it.read(Load(NodeId("a"), LogIndex(first), LogIndex(last), max_bytes)).entries

    assert read(1, 3, 11) == entries(1, 1, 1)
    assert read(2, 3, 1) == entries(2, 1)
    assert read(3, 9, 100) == entries(3, 1)
    assert read(4, 9, 100) == ()
