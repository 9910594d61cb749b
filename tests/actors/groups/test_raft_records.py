"""Raft's durable state: what is written reads back; what is none of ours is never guessed."""

from __future__ import annotations

import struct

import pytest

from coterie.actors.groups.raft_records import decode_hard_state, encode_hard_state, entries_of, restored_from, write_of
from coterie.errors import InvariantViolated
from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.raft_messages import HardState, LogWrite, Restored
from coterie.protocols.replicated_log import Entry, EntryKind, LogIndex, Term
from coterie.runtime.storage.log_store import GroupState, Record


def entry(index: int, term: int, kind: EntryKind = EntryKind.COMMAND, command: bytes = b"") -> Entry:
    return Entry(LogIndex(index), Term(term), kind, command)


@pytest.mark.parametrize("voted_for", [None, "n1", "", "nœud"])
@pytest.mark.parametrize("term", [0, 1, 2**64 - 1])
def test_term_and_vote_read_back(term: int, voted_for: str | None) -> None:
    hard_state = HardState(Term(term), None if voted_for is None else NodeId(voted_for))

    assert decode_hard_state(encode_hard_state(hard_state)) == hard_state


@pytest.mark.parametrize("data", [b"", b"\x00" * 8, struct.pack(">Q?", 1, True) + b"\xff", b"no metadata", bytes(10)])
def test_metadata_that_does_not_read_is_a_violation(data: bytes) -> None:
    with pytest.raises(InvariantViolated, match="is no term and vote"):
        decode_hard_state(data)


def test_entries_read_back_with_their_terms_and_kinds() -> None:
    entries = (entry(5, 2, EntryKind.NOOP), entry(6, 2, command=b"x"), entry(7, 3, command=b"\x00" * 3))

    write = write_of("store", LogWrite(entries=entries))

    assert write.first == 5
    assert [record.tag for record in write.records] == [2, 2, 3]
    assert entries_of(5, list(write.records)) == entries


def test_a_write_carries_hard_state_and_truncation_and_nothing_else() -> None:
    hard_state = HardState(Term(3), NodeId("n2"))

    write = write_of("store", LogWrite(hard_state=hard_state, truncate_from=LogIndex(4)))

    assert (write.group, write.truncate_from, list(write.records)) == ("store", 4, [])
    assert write.metadata == encode_hard_state(hard_state)
    assert write_of("store", LogWrite()).metadata is None


@pytest.mark.parametrize("body", [b"", b"\x02", b"\xffcommand"])
def test_an_entry_of_no_known_kind_is_a_violation_that_names_it(body: bytes) -> None:
    with pytest.raises(InvariantViolated, match="log entry 8 has no known kind"):
        entries_of(7, [Record(1, b"\x00fine"), Record(1, body)])


def test_a_group_that_never_wrote_begins_at_nought() -> None:
    assert restored_from(GroupState(None, 1, 0, ())) == Restored()


def test_what_the_store_held_is_restored() -> None:
    metadata = encode_hard_state(HardState(Term(4), NodeId("n1")))

    restored = restored_from(GroupState(metadata, 1, 9, ((1, 2), (5, 4))))

    assert restored == Restored(
        HardState(Term(4), NodeId("n1")),
        ((LogIndex(1), Term(2)), (LogIndex(5), Term(4))),
        LogIndex(9),
    )
