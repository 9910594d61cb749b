"""A follower's log: what it takes, drops, commits and refuses."""

from __future__ import annotations

import random

import pytest

from coterie.errors import InvariantViolated
from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.raft_disk import founded
from coterie.protocols.raft import AppendEntries, AppendEntriesReply, LogWrite, Raft, RaftConfig
from coterie.protocols.raft.follower import is_well_formed
from coterie.protocols.raft.raft_log import HINTS_MAX
from coterie.protocols.raft.raft_messages import Round
from coterie.protocols.replicated_log import Entry, EntryKind, LogIndex, Term
from coterie.protocols.simulation.directed.raft_shorthand import disk_of, refusal, success


def entry(index: int, term: int) -> Entry:
    return Entry(LogIndex(index), Term(term), EntryKind.COMMAND, b"%d.%d" % (term, index))


def append(
    prev: int, prev_term: int, *entries: Entry, commit: int = 0, term: int = 9, round_: int = 1
) -> AppendEntries:
    return AppendEntries(Term(term), Round(round_), LogIndex(prev), Term(prev_term), LogIndex(commit), entries)


class FollowerUnderTest:
    def __init__(self, *terms: int) -> None:
        config = RaftConfig((NodeId("a"), NodeId("b")))
        disk = disk_of(*terms)
        disk.found(founded(config.voters))
        raft = Raft(NodeId("a"), config, restored=disk.restored(), rng=random.Random(1))
        self.log, self.durability, self.rules = raft._log, raft._durability, raft._follower

    @property
    def terms(self) -> list[int | None]:
        return [self.log.term_at(LogIndex(index)) for index in range(1, self.log.last_index + 1)]

    def accept(self, message: AppendEntries) -> AppendEntriesReply:
        return self.rules.accept(message, Term(9))

    def writes(self) -> list[LogWrite]:
        return [persist.write for persist in self.durability.seal()]


def test_success_names_the_last_entry_verified_not_the_end_of_the_log() -> None:
    reply = FollowerUnderTest(1, 1, 1, 1).accept(append(1, 1, entry(2, 1)))

    assert (reply.success, reply.match_index) == (True, 2)


def test_heartbeat_verifies_its_previous_entry() -> None:
    reply = FollowerUnderTest(1, 1, 1, 1).accept(append(3, 1))

    assert (reply.success, reply.match_index) == (True, 3)


@pytest.mark.parametrize(
    ("terms", "prev", "prev_term", "hints"),
    [
        ((1, 2, 2, 2), 4, 3, [(4, 2), (1, 1), (0, 0)]),  # another term, an older one: it may agree with our end
        ((1, 2, 2, 4), 4, 3, [(3, 2), (1, 1), (0, 0)]),  # a newer one: nothing of it can agree
        ((1, 2), 7, 3, [(2, 2), (1, 1), (0, 0)]),  # too short
        ((1, 2, 2, 2, 5), 3, 1, [(1, 1), (0, 0)]),
        ((4, 4), 2, 3, [(0, 0)]),
        ((), 7, 3, [(0, 0)]),
    ],
)
def test_refusal_names_what_it_refused_and_where_the_log_may_agree(
    terms: tuple[int, ...], prev: int, prev_term: int, hints: list[tuple[int, int]]
) -> None:
    reply = FollowerUnderTest(*terms).accept(append(prev, prev_term, round_=5))

    assert reply == refusal(9, prev, *hints, round_=5)


def test_hints_of_a_log_of_many_terms_are_limited_in_number() -> None:
    reply = FollowerUnderTest(*range(1, 1001)).accept(append(2000, 1001, term=1001))

    assert len(reply.hints) == HINTS_MAX


def test_empty_message_is_answered_at_once_with_what_is_durable() -> None:
    """The entries that came before are still on their way to the disk."""
    follower = FollowerUnderTest(1, 1)
    follower.accept(append(2, 1, entry(3, 9), entry(4, 9)))

    reply = follower.accept(append(4, 9, round_=7))

    assert reply == success(9, 2, prev=4, round_=7)


def test_empty_message_below_what_is_durable_acknowledges_only_what_it_verified() -> None:
    assert FollowerUnderTest(1, 1, 1, 1).accept(append(2, 1)) == success(9, 2)


def test_answer_to_entries_names_the_last_of_them_though_they_are_not_durable_yet() -> None:
    assert FollowerUnderTest(1, 1).accept(append(2, 1, entry(3, 9), round_=2)) == success(9, 3, prev=2, round_=2)


def test_only_what_is_missing_is_written() -> None:
    follower = FollowerUnderTest(1, 1)

    follower.accept(append(0, 0, entry(1, 1), entry(2, 1), entry(3, 1)))

    assert follower.writes() == [LogWrite(entries=(entry(3, 1),))]


def test_nothing_is_dropped_though_an_old_message_is_shorter() -> None:
    follower = FollowerUnderTest(1, 1, 1)

    follower.accept(append(0, 0, entry(1, 1)))

    assert follower.terms == [1, 1, 1]
    assert follower.writes() == []


def test_conflict_is_dropped_with_what_follows_in_one_write_with_the_new() -> None:
    follower = FollowerUnderTest(1, 1, 1)

    follower.accept(append(1, 1, entry(2, 2), entry(3, 2)))

    assert follower.terms == [1, 2, 2]
    assert follower.writes() == [LogWrite(None, LogIndex(2), (entry(2, 2), entry(3, 2)))]


def test_conflict_below_the_commit_index_halts() -> None:
    """Committed entries never change (Figure 3): if a leader asks for it, something is broken beyond repair."""
    follower = FollowerUnderTest(1, 1, 1)
    follower.accept(append(2, 1, commit=2))

    with pytest.raises(InvariantViolated, match="entry 2 is committed"):
        follower.accept(append(1, 1, entry(2, 2)))


def test_refusal_commits_nothing() -> None:
    follower = FollowerUnderTest(1, 1)

    follower.accept(append(2, 2, commit=2))

    assert follower.log.commit_index == 0


@pytest.mark.parametrize(
    ("message", "is_fine"),
    [
        (append(0, 0), True),
        (append(0, 0, entry(1, 1), entry(2, 9)), True),
        (append(3, 2, entry(4, 2)), True),
        (append(0, 0, entry(2, 1)), False),
        (append(0, 0, entry(1, 1), entry(3, 1)), False),
        (append(3, 2, entry(4, 1)), False),
        (append(0, 0, entry(1, 10)), False),
        (append(3, 10), False),
        (append(0, 1), False),
        (append(3, 0), False),
        (append(-1, 1), False),
        (append(-1, 0), False),
    ],
)
def test_message_that_makes_no_sense_is_recognised(message: AppendEntries, is_fine: bool) -> None:
    assert is_well_formed(message) is is_fine


@pytest.mark.parametrize("seed", range(20))
def test_log_matches_the_leaders_whatever_the_order_of_its_messages(seed: int) -> None:
    """Log Matching (Figure 3): after any success the logs are identical up to match_index."""
    rng = random.Random(seed)
    common = rng.randint(0, 4)
    follower = FollowerUnderTest(*[1] * common, *sorted(rng.choice((2, 3)) for _ in range(rng.randint(0, 5))))
    leader = [1] * common + sorted(rng.choice((4, 5, 6)) for _ in range(rng.randint(1, 8)))
    for _ in range(40):
        prev = rng.randint(0, len(leader))
        last = rng.randint(prev, len(leader))
        new = [entry(index, leader[index - 1]) for index in range(prev + 1, last + 1)]
        before = follower.terms
        reply = follower.accept(append(prev, leader[prev - 1] if prev else 0, *new))
        if reply.success:
            assert follower.terms[: reply.match_index] == leader[: reply.match_index]
        else:
            assert follower.terms == before
