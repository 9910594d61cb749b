"""`Durability`: what one call's changes become, and what a durable write proves."""

from __future__ import annotations

import random

import pytest

from coterie.protocols.algorithm import NodeId, Persist, Token
from coterie.protocols.checking.raft_disk import RaftDisk
from coterie.protocols.raft import HardState, LogWrite, Restored
from coterie.protocols.raft.durability import Durability
from coterie.protocols.replicated_log import ENTRY_OVERHEAD_BYTES, LogIndex, Term
from coterie.protocols.simulation.directed.raft_shorthand import disk_of, entry


def append(durability: Durability, term: int, *indexes: int) -> list[Persist[LogWrite]]:
    for index in indexes:
        durability.append(entry(index, term))
    return durability.seal()


def overwrite(durability: Durability, term: int, first: int, last: int) -> list[Persist[LogWrite]]:
    durability.truncate_from(LogIndex(first))
    return append(durability, term, *range(first, last + 1))


def test_changes_of_one_call_become_one_write() -> None:
    durability = Durability(Restored())
    durability.set_hard_state(Term(2), None)

    (persist,) = append(durability, 2, 1, 2)

    assert persist == Persist(Token(1), LogWrite(HardState(Term(2), None), None, (entry(1, 2), entry(2, 2))))
    assert durability.seal() == []


def test_tokens_count_up_over_calls() -> None:
    durability = Durability(Restored())

    tokens = [append(durability, 1, index)[0].token for index in (1, 2, 3)]

    assert tokens == [1, 2, 3]


def test_hard_state_is_not_replaced_within_a_write() -> None:
    durability = Durability(Restored())
    durability.set_hard_state(Term(1), NodeId("a"))
    durability.set_hard_state(Term(2), NodeId("b"))

    states = [persist.write.hard_state for persist in durability.seal()]

    assert states == [HardState(Term(1), NodeId("a")), HardState(Term(2), NodeId("b"))]


def test_hard_state_after_entries_is_a_write_of_its_own() -> None:
    durability = Durability(Restored())
    durability.append(entry(1, 1))
    durability.set_hard_state(Term(2), None)

    writes = [persist.write for persist in durability.seal()]

    assert writes == [LogWrite(entries=(entry(1, 1),)), LogWrite(HardState(Term(2), None))]


def test_entry_is_not_dropped_within_the_write_that_brought_it() -> None:
    durability = Durability(Restored())
    durability.append(entry(1, 1))
    durability.truncate_from(LogIndex(1))
    durability.append(entry(1, 2))

    writes = [persist.write for persist in durability.seal()]

    assert writes == [
        LogWrite(entries=(entry(1, 1),)),
        LogWrite(truncate_from=LogIndex(1), entries=(entry(1, 2),)),
    ]


def test_durable_index_follows_the_writes() -> None:
    durability = Durability(Restored())
    append(durability, 1, 1, 2)
    append(durability, 1, 3)
    assert durability.durable_index == 0

    durability.persisted(Token(1))
    assert durability.durable_index == 2

    durability.persisted(Token(2))
    assert durability.durable_index == 3


def test_tokens_are_cumulative() -> None:
    durability = Durability(Restored())
    for index in (1, 2, 3):
        append(durability, 1, index)

    durability.persisted(Token(3))

    assert durability.durable_index == 3


def test_what_was_restored_is_durable() -> None:
    durability = Durability(disk_of(1, 1, 2).restored())

    assert (durability.durable_index, durability.is_hard_state_durable) == (3, True)
    assert (durability.after_hard_state(), durability.after_entries(LogIndex(3))) == (None, None)


def test_overwritten_entries_are_not_durable_any_more() -> None:
    durability = Durability(disk_of(1, 1, 1).restored())

    overwrite(durability, 2, 2, 3)

    assert durability.durable_index == 1
    assert durability.after_entries(LogIndex(2)) == 1
    assert durability.after_entries(LogIndex(1)) is None


def test_stale_answer_after_an_overwrite_proves_nothing_about_the_new_entries() -> None:
    """etcd raft PR #8."""
    durability = Durability(Restored())
    append(durability, 1, 1, 2, 3)
    overwrite(durability, 2, 2, 3)

    durability.persisted(Token(1))
    assert durability.durable_index == 1

    durability.persisted(Token(2))
    assert durability.durable_index == 3


def test_stale_answer_proves_nothing_about_an_entry_that_was_dropped_and_came_back() -> None:
    """The same (index, term) again: a comparison of terms would be fooled."""
    durability = Durability(Restored())
    append(durability, 1, 1, 2)
    overwrite(durability, 3, 2, 2)
    overwrite(durability, 1, 2, 2)

    durability.persisted(Token(1))
    assert durability.durable_index == 1
    durability.persisted(Token(2))
    assert durability.durable_index == 1
    durability.persisted(Token(3))
    assert durability.durable_index == 2


def test_message_waits_for_the_hard_state_until_it_is_durable() -> None:
    durability = Durability(Restored())
    durability.set_hard_state(Term(1), None)
    append(durability, 1, 1)
    append(durability, 1, 2)
    assert durability.after_hard_state() == 1

    durability.persisted(Token(1))

    assert durability.after_hard_state() is None
    assert durability.after_entries(LogIndex(1)) is None
    assert durability.after_entries(LogIndex(2)) == 2


@pytest.mark.parametrize("seed", range(30))
def test_whatever_prefix_of_writes_survives_holds_what_is_said_to_be_durable(seed: int) -> None:
    """The promise itself: every later crash image agrees with the log up to durable_index."""
    rng = random.Random(seed)
    durability, log, term = Durability(Restored()), [entry(0, 0)], 1
    writes: list[Persist[LogWrite]] = []
    durable_writes = 0
    for _ in range(120):
        move = rng.random()
        if move < 0.5:
            for _ in range(rng.choice((1, 1, 3))):
                log.append(entry(len(log), term))
                durability.append(log[-1])
        elif move < 0.65 and len(log) > 1:
            term += 1
            index = rng.randint(max(1, len(log) - 4), len(log) - 1)
            durability.truncate_from(LogIndex(index))
            del log[index:]
        elif move < 0.75:
            term += 1
            durability.set_hard_state(Term(term), None)
        writes += durability.seal()
        if durable_writes < len(writes) and rng.random() < 0.5:
            durable_writes = rng.randint(durable_writes + 1, len(writes))
            durability.persisted(writes[durable_writes - 1].token)
        disk = RaftDisk()
        for count, persist in enumerate(writes, 1):
            disk.write(persist.write)
            if count >= durable_writes:
                assert disk.entries[: durability.durable_index] == log[1 : durability.durable_index + 1]
    durability.persisted(writes[-1].token)
    assert durability.durable_index == len(log) - 1


def test_entries_of_one_call_become_several_writes_where_they_are_too_large_for_one() -> None:
    durability = Durability(Restored(), max_write_bytes=2 * ENTRY_OVERHEAD_BYTES + 10)
    durability.set_hard_state(Term(1), None)
    for index, size_bytes in enumerate((5, 5, 5, 6, 300, 0, 0, 0), 1):
        durability.append(entry(index, 1, bytes(size_bytes)))

    writes = [persist.write for persist in durability.seal()]

    assert [[e.index for e in write.entries] for write in writes] == [[1, 2], [3], [4], [5], [6, 7], [8]]
    assert [write.hard_state for write in writes] == [HardState(Term(1), None), *[None] * 5]


def test_acknowledgement_waits_for_the_write_that_holds_the_last_of_its_entries() -> None:
    durability = Durability(Restored(), max_write_bytes=1)
    for index in (1, 2, 3):
        durability.append(entry(index, 1))
    tokens = [persist.token for persist in durability.seal()]
    assert (tokens, durability.after_entries(LogIndex(3))) == ([1, 2, 3], 3)

    durability.persisted(Token(2))

    assert durability.durable_index == 2
    assert (durability.after_entries(LogIndex(2)), durability.after_entries(LogIndex(3))) == (None, 3)


def test_truncation_stays_ahead_of_what_follows_it_in_several_writes() -> None:
    durability = Durability(disk_of(1, 1, 1).restored(), max_write_bytes=1)
    persists = overwrite(durability, 2, 2, 4)

    assert [(persist.write.truncate_from, len(persist.write.entries)) for persist in persists] == [
        (2, 1),
        (None, 1),
        (None, 1),
    ]


def test_what_waits_for_the_disk_is_counted_also_when_it_was_dropped_from_the_log() -> None:
    durability = Durability(Restored())
    append(durability, 1, 1, 2, 3)
    overwrite(durability, 2, 2, 3)
    waiting = [(durability.undurable_entries, durability.undurable_bytes)]
    for token in (1, 2):
        durability.persisted(Token(token))
        waiting.append((durability.undurable_entries, durability.undurable_bytes))

    assert waiting == [(5, 5), (2, 2), (0, 0)]
