"""Numbers that no honest run reaches: one letter must not leave a group without room for any later election."""

from __future__ import annotations

import random

import pytest

from coterie.protocols.algorithm import NodeId, Observe, Persist, Received, Send
from coterie.protocols.checking.raft_disk import founded
from coterie.protocols.plausibility import JUMP_MAX, STAMP_JUMP_MAX_MS
from coterie.protocols.raft import (
    AppendEntries,
    AppendEntriesReply,
    PreVote,
    PreVoteReply,
    Raft,
    RaftConfig,
    RequestVote,
    RequestVoteReply,
)
from coterie.protocols.raft.raft_messages import RaftMessage, Round
from coterie.protocols.raft.raft_observations import MESSAGE_DISCARDED, TERM_IMPLAUSIBLE
from coterie.protocols.replicated_log import Entry, EntryKind, LogIndex, Term
from coterie.protocols.simulation.directed.raft_shorthand import disk_of

NODES = A, B, C = NodeId("a"), NodeId("b"), NodeId("c")


def follower() -> Raft:
    config = RaftConfig(NODES)
    disk = disk_of(5, 5)
    disk.found(founded(config.voters))
    return Raft(A, config, restored=disk.restored(), rng=random.Random(1))


def append(term: int, *entries: Entry) -> AppendEntries:
    return AppendEntries(Term(term), Round(1), LogIndex(2), Term(5), LogIndex(2), entries)


def claims(number: int) -> list[RaftMessage]:
    term, last = Term(number), LogIndex(2)
    return [
        RequestVote(term, last, Term(5)),
        RequestVoteReply(term, granted=False),
        PreVote(term, last, Term(5)),
        PreVoteReply(term, granted=False),
        append(number),
        AppendEntriesReply(term, Round(1), False, last),
    ]


@pytest.mark.parametrize("which", range(6))
def test_a_term_that_no_honest_run_reaches_is_told_once_and_changes_nothing(which: int) -> None:
    raft = follower()
    raft.handle([], now=0.0)
    before, deadline = raft.term, raft.deadline
    for number in (before + JUMP_MAX + 1, 2**63, 2**64 - 1):
        effects = raft.handle([Received(B, claims(number)[which])], now=0.1)
        told = [effect.event for effect in effects if isinstance(effect, Observe)]
        assert told == ([TERM_IMPLAUSIBLE] if number == before + JUMP_MAX + 1 else [])
        assert not [effect for effect in effects if isinstance(effect, Send | Persist)]
    assert (raft.term, raft.deadline) == (before, deadline)
    other = raft.handle([Received(C, claims(2**64 - 1)[which])], now=0.1)
    assert [effect.facts["sender"] for effect in other if isinstance(effect, Observe)] == ["c"]


@pytest.mark.parametrize("which", [0, 4])
def test_a_term_far_ahead_that_an_honest_run_can_reach_counts(which: int) -> None:
    raft = follower()
    raft.handle([Received(B, claims(raft.term + JUMP_MAX)[which])], now=0.1)
    assert raft.term == 5 + JUMP_MAX


def test_the_group_elects_after_a_member_has_claimed_the_largest_term() -> None:
    raft = follower()
    raft.handle([Received(B, claim) for claim in claims(2**64 - 1)], now=0.1)
    raft.tick(now=9.0)
    effects = raft.handle([Received(B, PreVoteReply(Term(6), granted=True))], now=9.0)
    assert raft.term == 6
    assert any(isinstance(effect, Send) and isinstance(effect.message, RequestVote) for effect in effects)


def test_log_time_does_not_jump_by_ages() -> None:
    raft = follower()
    raft.handle([], now=0.0)
    last_ms = raft._log_clock.last_stamp_ms

    def entry(stamp_ms: int) -> Entry:
        return Entry(LogIndex(3), Term(6), EntryKind.COMMAND, b"x", stamp_ms)

    effects = raft.handle([Received(B, append(6, entry(last_ms + STAMP_JUMP_MAX_MS + 1)))], now=0.1)
    assert [effect.event for effect in effects if isinstance(effect, Observe)] == [MESSAGE_DISCARDED]
    assert (raft.last_index, raft._log_clock.last_stamp_ms) == (2, last_ms)

    raft.handle([Received(B, append(6, entry(last_ms + STAMP_JUMP_MAX_MS)))], now=0.2)
    assert raft.last_index == 3
