"""A node that no quorum elects for its old log takes the entries of a voter: when, from whom, and what it keeps."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coterie.protocols.algorithm import NodeId, Received
from coterie.protocols.raft import PreVote, PreVoteReply, RaftConfig, RaftRole
from coterie.protocols.raft.raft_messages import LogSuffix, ReadLog
from coterie.protocols.raft.raft_observations import LOG_ADOPTED, MESSAGE_DISCARDED
from coterie.protocols.replicated_log import Entry, LogIndex, Term
from coterie.protocols.simulation.directed.directed_group import DirectedGroup
from coterie.protocols.simulation.directed.raft_shorthand import append, disk_of, entry, messages, received
from tests.protocols.raft.cut_links import CutGroup, star

HUB = "n1"


def constrained(*hub_terms: int, others: tuple[int, ...] = (1, 1, 2), term: int = 2) -> CutGroup:
    """Return five nodes: n1 alone reaches a quorum, n5 nobody; n2, n3 and n4 have the entries of `others`."""
    disks = {name: disk_of(*others, term=term) for name in ("n2", "n3", "n4")}
    group = DirectedGroup(5, disks={HUB: disk_of(*hub_terms, term=term), **disks})
    return CutGroup(group, star(5, HUB) | {(HUB, "n5"), ("n5", HUB)})


def pair(*terms: int, others: tuple[int, ...] = (1, 1, 2), term: int = 2, size: int = 3) -> DirectedGroup:
    """Return a group in which n1 has asked n2 for its log: the ReadLog is in flight, alone."""
    group = DirectedGroup(size, disks={"n1": disk_of(*terms, term=term), "n2": disk_of(*others, term=term)})
    for _ in range(2):
        group.drop()
        group.tick("n1")
        group.deliver(sender="n1", to="n2", kind=PreVote)
        group.deliver(sender="n2", to="n1", kind=PreVoteReply)
    group.drop(kind=PreVote)
    return group


def suffix(prev: int, prev_term: int, *entries: Entry, term: int = 2, end: tuple[int, int] = (1, 1)) -> LogSuffix:
    """Return a suffix for a log that ends with entry end[0] of term end[1]."""
    last_index, last_term = LogIndex(end[0]), Term(end[1])
    return LogSuffix(Term(term), last_index, last_term, LogIndex(prev), Term(prev_term), entries)


def role_of(group: DirectedGroup, name: str) -> RaftRole:
    return group[name].role


def adopted(group: DirectedGroup) -> list[object]:
    return [observed.facts["node"] for observed in group.observed if observed.event == LOG_ADOPTED]


@pytest.mark.parametrize("hub_terms", [(), (1,), (1, 1), (1, 1, 1, 1)])
def test_the_only_node_that_reaches_a_quorum_leads_after_it_has_taken_what_it_lacks(hub_terms: tuple[int, ...]) -> None:
    cut_group = constrained(*hub_terms)

    cut_group.go_on(4.0)

    assert cut_group.leaders() == [HUB]
    commands = [each.command for each in cut_group.group.record(HUB).applied]
    assert commands == [b"1.1", b"1.2", b"2.3", b""]
    assert {tuple(cut_group.group.record(f"n{number}").disk.terms[:3]) for number in range(1, 5)} == {(1, 1, 2)}


def test_a_candidate_leads_only_with_the_entry_that_was_committed_without_it() -> None:
    """Raft §5.4.1 still holds: n3 lacks entry 2, and gets it before it gets a vote."""
    group = DirectedGroup.led_by("n1")
    group.propose("n1", b"a")
    group.settle("n1", "n2")
    group.crash("n1")
    for _ in range(3):
        group.expire_leaders()
        group.tick("n3")
        group.settle("n2", "n3")

    assert group["n3"].role is RaftRole.LEADER
    assert [each.command for each in group.record("n3").applied] == [b"", b"a", b""]


def test_nobody_is_asked_before_a_whole_time_out_has_passed_without_a_leader() -> None:
    cut_group = constrained(1)
    group = cut_group.group
    group.tick(HUB)
    group.deliver(sender=HUB, kind=PreVote)
    group.deliver(to=HUB, kind=PreVoteReply)
    assert not group.drop(kind=ReadLog)

    group.tick(HUB)

    assert len(group.drop(kind=ReadLog)) == 1


def test_nobody_is_asked_without_a_quorum_that_hears_no_leader() -> None:
    group = DirectedGroup(5, disks={"n1": disk_of(1, term=2), "n2": disk_of(1, 1, term=2)})
    for _ in range(3):
        group.tick("n1")
        group.deliver(sender="n1", to="n2", kind=PreVote)
        group.deliver(sender="n2", to="n1", kind=PreVoteReply)

    assert not group.drop(kind=ReadLog)


def test_the_voter_with_the_newest_log_is_asked() -> None:
    ends = {"n2": (1, 1, 1, 1), "n3": (1, 2), "n4": (1, 1)}
    group = DirectedGroup(5, disks={"n1": disk_of(1, term=3)} | {n: disk_of(*t, term=3) for n, t in ends.items()})
    group.tick("n1")
    group.deliver(sender="n1", kind=PreVote)
    group.deliver(to="n1", kind=PreVoteReply)

    group.tick("n1")

    assert [flight.to for flight in group.network if isinstance(flight.message, ReadLog)] == ["n3"]


def test_a_voter_that_hears_a_leader_does_not_answer() -> None:
    group = pair(1)
    group.handle("n2", received("n3", append(2, 3, 2)))
    group.drop(kind=PreVoteReply)

    group.deliver(kind=ReadLog)
    group.work("n2")

    assert not group.drop(kind=LogSuffix)


def test_a_voter_whose_log_is_not_newer_does_not_answer() -> None:
    group = DirectedGroup(3)
    group.handle("n2", received("n3", append(1, 0, 0, entry(1, 1), entry(2, 1))))
    group.work("n2")
    group.drop()
    group.expire_leaders()
    hints = ((LogIndex(1), Term(1)),)

    answers = [
        messages(group.handle("n2", Received(NodeId("n1"), ReadLog(Term(1), LogIndex(last), Term(of_term), hints))))
        for last, of_term in ((2, 1), (3, 1), (1, 2), (1, 1))
    ]

    assert [len(answer) for answer in answers] == [0, 0, 0, 1]


def test_what_only_a_snapshot_holds_is_not_sent() -> None:
    group = DirectedGroup.led_by("n1")
    group.propose("n1", b"x", b"y")
    group.settle("n1", "n2")
    group.heartbeat("n1", "n1", "n2")
    group.take_snapshot("n2")
    group.work("n2")
    group.crash("n1")
    group.expire_leaders()
    asked = ReadLog(Term(1), LogIndex(1), Term(1), ((LogIndex(1), Term(1)), (LogIndex(0), Term(0))))
    assert group.handle("n2", Received(NodeId("n3"), asked)) == []
    for _ in range(3):
        group.tick("n3")
        group.settle("n2", "n3")

    assert group["n3"].role is RaftRole.PRE_CANDIDATE
    group.elect("n2", "n2", "n3")
    assert group["n2"].role is RaftRole.LEADER


def test_a_long_log_comes_in_parts_and_no_time_passes() -> None:
    def small(voters: tuple[NodeId, ...]) -> RaftConfig:
        return replace(RaftConfig(voters), max_append_entries=2)

    disks = {"n1": disk_of(1, term=2), "n2": disk_of(*[1] * 4, *[2] * 5)}
    group = DirectedGroup(3, disks=disks, config=small)
    group.tick("n1")
    group.settle("n1", "n2")
    group.tick("n1")
    before = group.now

    group.settle("n1", "n2")

    assert (group["n1"].role, group.now) == (RaftRole.LEADER, before)
    assert group.record("n1").disk.terms[:9] == [1] * 4 + [2] * 5
    assert len(adopted(group)) == 4


# What is not taken.


def test_entries_for_another_log_than_the_present_one_are_ignored() -> None:
    """They may come late: since then a leader may have extended this log, and counted that."""
    group = pair(1)
    late = suffix(1, 1, entry(2, 1), entry(3, 2))
    group.handle("n1", received("n3", append(2, 1, 1, entry(2, 2))))
    group.sync("n1")
    group.tick("n1")
    assert group["n1"].role is RaftRole.PRE_CANDIDATE

    group.handle("n1", Received(NodeId("n2"), late))

    assert (group["n1"].last_index, group["n1"].term_at(LogIndex(2)), adopted(group)) == (2, 2, [])


@pytest.mark.parametrize("has_leader", [False, True])
def test_entries_are_taken_by_a_node_without_a_leader_only(has_leader: bool) -> None:
    group = pair(1)
    if has_leader:
        group.handle("n1", received("n3", append(2, 1, 1)))

    group.handle("n1", Received(NodeId("n2"), suffix(1, 1, entry(2, 2))))

    assert adopted(group) == ([] if has_leader else ["n1"])


def test_a_committed_entry_is_never_dropped() -> None:
    """No voter sends this; if one did, the entry that is committed here stays."""
    group = pair(1, 1)
    group.handle("n1", received("n3", append(2, 2, 1, commit=2)))
    group.tick("n1")

    group.handle("n1", Received(NodeId("n2"), suffix(1, 1, entry(2, 2), end=(2, 1))))

    assert group["n1"].term_at(LogIndex(2)) == 1
    assert group.observed[-1].event == MESSAGE_DISCARDED


@pytest.mark.parametrize(
    "bad",
    [
        suffix(1, 1, entry(3, 2)),
        suffix(1, 1, entry(2, 9)),
        suffix(1, 1, entry(2, 2, stamp_ms=2**60)),
    ],
    ids=["gap", "term", "stamp"],
)
def test_what_no_log_holds_is_discarded(bad: LogSuffix) -> None:
    group = pair(1)

    group.handle("n1", Received(NodeId("n2"), bad))

    assert (group["n1"].last_index, adopted(group), group.observed[-1].event) == (1, [], MESSAGE_DISCARDED)


@pytest.mark.parametrize(
    "useless",
    [suffix(1, 1), suffix(0, 0, entry(1, 1)), suffix(1, 2, entry(2, 2)), suffix(2, 2, entry(3, 2))],
    ids=["nothing", "nothing new", "another entry before", "no entry before"],
)
def test_what_is_known_and_what_does_not_follow_an_entry_of_this_log_is_ignored(useless: LogSuffix) -> None:
    group = pair(1)

    group.handle("n1", Received(NodeId("n2"), useless))

    assert (group["n1"].last_index, adopted(group)) == (1, [])
    assert group.observed[-1].event != MESSAGE_DISCARDED


def test_an_answer_of_a_newer_term_shows_only_that() -> None:
    group = pair(1)

    group.handle("n1", Received(NodeId("n2"), suffix(1, 1, entry(2, 2), term=7)))

    assert (group["n1"].term, group["n1"].last_index) == (7, 1)


def test_a_stranger_neither_gives_entries_nor_gets_any() -> None:
    group = pair(1)
    stranger = NodeId("n9")
    request = ReadLog(Term(2), LogIndex(0), Term(0), ())

    taken = group.handle("n1", Received(stranger, suffix(1, 1, entry(2, 2))))
    given = group.handle("n2", Received(stranger, request))

    assert (taken, given) == ([], [])


# What the others see.


def test_an_old_leader_hears_of_a_newer_term_and_accuses_nobody() -> None:
    """n1 has acknowledged entry 2 to n3, and drops it: n3 must not take that for a loss, since it is deposed by it."""
    disks = {"n1": disk_of(1, 1, term=2), "n2": disk_of(1, 2, term=2), "n3": disk_of(1, 1, term=2)}
    group = DirectedGroup(3, disks=disks)
    group.nominate("n3")
    group.deliver(sender="n3", to="n1")
    group.sync("n1")
    group.deliver(sender="n1", to="n3")
    group.drop()
    group.tick("n3")
    group.deliver(sender="n3", to="n1")
    group.deliver(sender="n1", to="n3")
    group.drop()
    for _ in range(2):
        group.drop()
        group.tick("n1")
        group.deliver(sender="n1", to="n2", kind=PreVote)
        group.deliver(sender="n2", to="n1", kind=PreVoteReply)
    group.deliver(kind=ReadLog)
    group.work("n2")
    group.deliver(kind=LogSuffix)
    assert adopted(group) == ["n1"]
    group.work("n1")
    group.drop()
    assert role_of(group, "n3") is RaftRole.LEADER

    group.tick("n3")
    group.deliver(sender="n3", to="n1")
    group.sync("n1")
    group.deliver(sender="n1", to="n3")

    assert role_of(group, "n3") is RaftRole.FOLLOWER
    assert not any(observed.event == "raft.entries_lost" for observed in group.observed)


def test_term_and_entries_are_durable_before_the_next_pre_vote_leaves() -> None:
    group = pair(1)
    group.deliver(kind=ReadLog)
    group.work("n2")
    group.deliver(to="n1", kind=LogSuffix)
    assert not group.drop(sender="n1", kind=PreVote)

    group.sync("n1")

    (asked, *_) = group.drop(sender="n1", kind=PreVote)
    assert asked == PreVote(Term(4), LogIndex(3), Term(2))
    assert group.record("n1").disk.terms == [1, 1, 2]
