"""A log that begins at a base behaves like the same log with its first entries forgotten."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from coterie.errors import InvariantViolated
from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.raft_disk import RaftDisk, founded
from coterie.protocols.raft import AppendEntries, AppendEntriesReply
from coterie.protocols.raft.raft_log import RaftLog
from coterie.protocols.raft.raft_messages import LogWrite
from coterie.protocols.replicated_log import Load, LogIndex, LogPosition, Term
from coterie.protocols.simulation.directed.directed_group import DirectedGroup
from coterie.protocols.simulation.directed.raft_shorthand import append, entry, received, request_vote, sends

NODES = tuple(NodeId(f"n{number}") for number in (1, 2, 3))
BASE = LogPosition(LogIndex(100), Term(7))


def index(number: int) -> LogIndex:
    return LogIndex(number)


def test_an_empty_log_after_a_base_ends_there_with_its_term() -> None:
    log = RaftLog(base=BASE)

    assert (log.last_index, log.last_term, log.commit_index, log.cache_first) == (100, 7, 100, 101)
    assert [log.term_at(index(at)) for at in (0, 99, 100, 101)] == [None, None, 7, None]


def test_a_restored_log_knows_its_terms_after_the_base() -> None:
    log = RaftLog(((index(101), Term(7)), (index(103), Term(9))), index(104), base=BASE)

    assert [log.term_at(index(at)) for at in (99, 100, 101, 102, 103, 104, 105)] == [None, 7, 7, 7, 9, 9, None]


@pytest.mark.parametrize(
    ("runs", "last"),
    [
        ((), 101),
        (((101, 7),), 100),
        (((102, 7),), 103),
        (((100, 7),), 103),
        (((1, 7),), 103),
        (((101, 6),), 103),  # terms never fall
    ],
)
def test_runs_that_do_not_follow_the_base_are_refused(runs: tuple[tuple[int, int], ...], last: int) -> None:
    with pytest.raises(ValueError, match="runs must cover the entries 101 to"):
        RaftLog(tuple((index(first), Term(term)) for first, term in runs), index(last), base=BASE)


@pytest.mark.parametrize("term", [7, 8])
def test_the_first_entry_follows_the_base_in_its_term_or_a_later_one(term: int) -> None:
    log = RaftLog(base=BASE)

    log.append(entry(101, term))

    assert [log.term_at(index(at)) for at in (100, 101)] == [7, term]
    log.truncate_from(index(101))
    assert (log.last_index, log.last_term) == (100, 7)
    log.append(entry(101, term))
    assert log.term_at(index(101)) == term


def test_an_entry_of_an_older_term_than_the_base_is_no_entry() -> None:
    with pytest.raises(InvariantViolated, match="terms never fall"):
        RaftLog(base=BASE).append(entry(101, 6))


def test_the_base_is_committed_and_cannot_be_dropped() -> None:
    log = RaftLog(base=BASE)
    log.append(entry(101, 7))

    with pytest.raises(InvariantViolated, match="entry 100 is committed"):
        log.truncate_from(index(100))


def test_everything_up_to_the_base_matches_every_leader() -> None:
    log = RaftLog(base=BASE)
    log.append(entry(101, 8))

    assert [log.matches(index(at), Term(1)) for at in (0, 50, 99)] == [True] * 3
    assert [log.matches(index(100), Term(term)) for term in (6, 7)] == [False, True]
    assert [log.matches(index(101), Term(term)) for term in (7, 8)] == [False, True]
    assert not log.matches(index(-1), Term(0))
    assert log.find_conflict([entry(at, 1) for at in (98, 99)] + [entry(100, 7), entry(101, 8), entry(102, 8)]) == 4


@pytest.mark.parametrize("seed", range(20))
def test_it_behaves_like_the_same_log_without_a_base(seed: int) -> None:
    rng = random.Random(seed)
    whole = RaftLog(tuple((index(first), Term(first)) for first in (1, 4, 9)), index(10))
    whole.commit_to(index(10))
    based = RaftLog(base=LogPosition(index(10), Term(9)))
    for _ in range(200):
        move, last = rng.random(), whole.last_index
        if move < 0.6:
            new = entry(last + 1, max(1, whole.last_term + rng.choice((0, 0, 1, 3))), bytes(rng.randint(0, 4)))
            whole.append(new)
            based.append(new)
        elif move < 0.8 and last > whole.commit_index:
            at = index(rng.randint(whole.commit_index + 1, last))
            whole.truncate_from(at)
            based.truncate_from(at)
        else:
            at = index(rng.randint(whole.commit_index, last))
            whole.commit_to(at)
            based.commit_to(at)
        places = [index(at) for at in range(10, whole.last_index + 2)]
        assert [whole.term_at(at) for at in places] == [based.term_at(at) for at in places]
        assert (whole.last_index, whole.last_term) == (based.last_index, based.last_term)
        asked, term = rng.choice(places), Term(rng.randint(9, whole.last_term + 1))
        above = [hint for hint in whole.hints(asked, term) if hint[0] > 10]
        assert [hint for hint in based.hints(asked, term) if hint[0] > 10] == above
        hints, below = based.hints(asked, term), index(whole.last_index + 1)
        assert based.last_agreeing(hints, below) == whole.last_agreeing(hints, below)


# A disk.


def test_a_disk_after_a_base_holds_what_is_written_after_it() -> None:
    disk = RaftDisk(founded(NODES, base=BASE))

    disk.write(LogWrite(entries=(entry(101, 7), entry(102, 8), entry(103, 8))))
    disk.write(LogWrite(None, index(103), (entry(103, 9),)))

    assert (disk.last_index, disk.term_at(100), disk.term_at(99)) == (103, 7, None)
    assert disk.restored().terms == ((101, 7), (102, 8), (103, 9))
    assert [each.index for each in disk.read(Load(NODES[0], index(102), index(103), 100)).entries] == [102, 103]
    assert disk.read(Load(NODES[0], index(99), index(103), 100)).entries == ()
    for at in (1, 100):
        with pytest.raises(ValueError, match=f"truncation from {at}: the first index is 101"):
            disk.write(LogWrite(None, index(at)))
    with pytest.raises(ValueError, match="does not continue"):
        disk.write(LogWrite(entries=(entry(1, 9),)))


# A group.


def test_a_group_elects_replicates_and_applies_after_its_base() -> None:
    group = DirectedGroup.led_by("n1", base=BASE)
    group.propose("n1", b"a")
    group.settle()
    group.heartbeat("n1")

    for name in ("n1", "n2", "n3"):
        assert [each.index for each in group.record(name).applied] == [101, 102]
        assert (group[name].commit_index, group[name].applied_index, group[name].term) == (102, 102, 8)


def test_a_new_life_applies_again_from_the_base_on() -> None:
    group = DirectedGroup.led_by("n1", base=BASE)
    group.propose("n1", b"a")
    group.heartbeat("n1")
    group.crash("n2", surviving_writes=99)

    group.restart("n2")
    assert group["n2"].applied_index == 100
    group.heartbeat("n1")

    assert [each.index for each in group.record("n2").applied] == [101, 102]


def test_a_candidate_without_the_base_gets_no_vote() -> None:
    group = DirectedGroup(3, base=BASE)
    group.expire_leaders()

    group.handle("n1", received("n2", request_vote(9, last=99, last_term=7)))
    assert group["n1"].voted_for is None
    group.handle("n1", received("n3", request_vote(10, last=100, last_term=7)))
    assert group["n1"].voted_for == "n3"


def test_an_old_message_that_overlaps_the_base_is_answered_for_what_it_holds() -> None:
    group = DirectedGroup(2, base=BASE)

    group.handle("n1", received("n2", append(9, 97, 6, entry(98, 6), entry(99, 7), entry(100, 7), entry(101, 8))))
    group.sync("n1")
    group.handle("n1", received("n2", append(9, 90, 6, entry(91, 6))))

    answers = [flight.message for flight in group.network if isinstance(flight.message, AppendEntriesReply)]
    assert [(answer.success, answer.match_index) for answer in answers] == [(True, 101), (True, 91)]
    assert [each.index for each in group.record("n1").disk.entries] == [101]


def test_a_follower_that_needs_entries_up_to_the_base_is_reported_once_a_leadership_and_sent_only_heartbeats() -> None:
    behind = RaftDisk()
    behind.found(founded(NODES))
    behind.write(LogWrite(entries=tuple(entry(at, 1) for at in (1, 2, 3))))
    behind.hard_state = replace(behind.hard_state, term=Term(1))
    group = DirectedGroup(3, base=BASE, disks={"n3": behind})
    group.elect("n1", "n2")
    group.propose("n1", b"a")

    for _ in range(4):
        group.heartbeat("n1")

    needed = [observed.facts for observed in group.observed if observed.event == "raft.snapshot_needed"]
    assert needed == [{"node": "n1", "term": 8, "peer": "n3", "base_index": 100}]
    assert group["n3"].leader == "n1"
    assert group["n1"].commit_index == group["n1"].last_index
    group.now += 0.05
    sent = [send.message for send in sends(group.tick("n1")) if send.to == "n3"]
    assert [message.entries for message in sent if isinstance(message, AppendEntries)] == [()]
