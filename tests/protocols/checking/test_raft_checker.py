"""The checker of Raft: for each invariant a run that breaks it, and a correct run that breaks none."""

from __future__ import annotations

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.raft_checker import RaftChecker
from coterie.protocols.checking.violation import Violation, ViolationContext
from coterie.protocols.quorums import Grid, Weighted
from coterie.protocols.raft.raft_messages import (
    AppendEntries,
    AppendEntriesReply,
    HardState,
    LogWrite,
    PreVote,
    PreVoteReply,
    RequestVote,
    RequestVoteReply,
    Round,
)
from coterie.protocols.replicated_log import Entry, EntryKind, LogIndex, Term

A, B, C = NodeId("a"), NodeId("b"), NodeId("c")
NONE = LogIndex(0)


def entry(index: int, term: int, command: bytes = b"x") -> Entry:
    return Entry(LogIndex(index), Term(term), EntryKind.COMMAND, command)


def write(term: int | None, vote: NodeId | None, *entries: Entry, cut: int | None = None) -> LogWrite:
    hard_state = None if term is None else HardState(Term(term), vote)
    return LogWrite(hard_state, None if cut is None else LogIndex(cut), entries)


def append(term: int, prev: tuple[int, int], *entries: Entry, commit: int = 0, round_: int = 1) -> AppendEntries:
    return AppendEntries(Term(term), Round(round_), LogIndex(prev[0]), Term(prev[1]), LogIndex(commit), entries)


def success(term: int, index: int, *, round_: int = 1) -> AppendEntriesReply:
    return AppendEntriesReply(Term(term), Round(round_), True, LogIndex(index), LogIndex(index))


def checker() -> RaftChecker:
    it = RaftChecker((A, B, C), ViolationContext())
    for node in (A, B, C):
        it.started(node)
    return it


def checker_of_a_leader() -> RaftChecker:
    """A leads term 1 and has entry 1; B has voted for it and holds entry 1 as well: entry 1 is committed."""
    it = checker()
    it.wrote(A, write(1, A))
    it.wrote(B, write(1, A))
    it.led(A, Term(1))
    it.wrote(A, write(None, None, entry(1, 1)))
    it.sent(A, B, append(1, (0, 0), entry(1, 1)))
    it.wrote(B, write(None, None, entry(1, 1)))
    return it


def breaks(invariant: str) -> pytest.RaisesExc[Violation]:
    return pytest.RaisesExc(Violation, match=rf"^{invariant} broken")


def test_checker_accepts_a_correct_run_to_its_end() -> None:
    it = checker()
    it.sent(A, B, PreVote(Term(1), NONE, Term(0)))
    it.sent(B, A, PreVoteReply(Term(1), True))
    it.wrote(A, write(1, A))
    it.sent(A, B, RequestVote(Term(1), NONE, Term(0)))
    it.wrote(B, write(1, A))
    it.sent(B, A, RequestVoteReply(Term(1), True))
    it.led(A, Term(1))
    it.sent(A, B, append(1, (0, 0), entry(1, 1)))
    it.wrote(B, write(None, None, entry(1, 1)))
    it.sent(B, A, success(1, 1))
    it.wrote(A, write(None, None, entry(1, 1)))
    it.applied(A, entry(1, 1))
    it.sent(A, B, append(1, (1, 1), commit=1))
    it.applied(B, entry(1, 1))

    assert list(it.committed) == [entry(1, 1)]
    assert [it.applied_index(node) for node in (A, B, C)] == [1, 1, 0]


def test_a_term_has_one_leader() -> None:
    it = checker()
    it.wrote(A, write(1, A))
    it.wrote(B, write(1, B))
    it.wrote(C, write(1, A))
    it.led(A, Term(1))

    with breaks("raft.election_safety"):
        it.led(B, Term(1))


def test_a_leader_has_the_durable_votes_of_a_majority_in_its_very_term() -> None:
    it = checker()
    it.wrote(A, write(2, A))
    it.wrote(B, write(1, A))
    it.wrote(C, write(2, C))

    with breaks("raft.election_quorum"):
        it.led(A, Term(2))


def test_a_leader_does_not_lead_the_same_term_in_a_second_life() -> None:
    it = checker_of_a_leader()
    it.started(A)

    with breaks("raft.election_safety"):
        it.sent(A, C, append(1, (1, 1)))


def test_a_leader_has_its_own_vote_on_disk() -> None:
    it = checker()
    it.wrote(A, write(1, None))

    with breaks("raft.vote_ahead_of_disk"):
        it.led(A, Term(1))


def test_a_leader_sends_one_entry_for_each_index() -> None:
    it = checker_of_a_leader()
    it.sent(A, B, append(1, (1, 1), entry(2, 1)))

    with breaks("raft.leader_append_only"):
        it.sent(A, C, append(1, (2, 0)))


def test_a_leader_sends_the_entries_of_its_log() -> None:
    it = checker_of_a_leader()
    it.sent(A, C, append(1, (5, 1)))

    with breaks("raft.leader_append_only"):
        it.sent(A, B, append(1, (4, 0), entry(5, 0)))


def test_equal_index_and_term_mean_equal_entries() -> None:
    it = checker_of_a_leader()
    it.wrote(C, write(1, None))

    with breaks("raft.log_matching"):
        it.wrote(C, write(None, None, entry(1, 1, b"y")))


def test_equal_index_and_term_mean_equal_predecessors() -> None:
    it = checker()
    it.wrote(A, write(2, A, entry(1, 1), entry(2, 2)))

    with breaks("raft.log_matching"):
        it.wrote(B, write(2, None, entry(1, 2), entry(2, 2)))


def test_a_log_has_no_gaps() -> None:
    with breaks("raft.log_contiguous"):
        checker().wrote(A, write(1, None, entry(2, 1)))


def test_a_new_leader_has_what_was_committed_in_earlier_terms() -> None:
    it = checker_of_a_leader()
    it.wrote(C, write(2, C))

    with breaks("raft.leader_completeness"):
        it.led(C, Term(2))


def test_a_leader_already_in_office_has_what_turns_out_to_be_committed_in_an_earlier_term() -> None:
    it = checker()
    it.wrote(A, write(1, A, entry(1, 1)))
    it.wrote(A, write(2, C))
    it.wrote(C, write(2, C))
    it.led(C, Term(2))

    with breaks("raft.leader_completeness"):
        it.wrote(B, write(1, A, entry(1, 1)))


def test_a_late_leader_of_an_old_term_owes_nothing_to_later_terms() -> None:
    it = checker()
    it.wrote(A, write(2, A, entry(1, 2)))
    it.wrote(C, write(1, C))
    it.wrote(B, write(1, C))
    it.wrote(B, write(2, A, entry(1, 2)))

    it.led(C, Term(1))

    assert len(it.committed) == 1


def test_old_entries_are_not_committed_by_counting() -> None:
    """Raft §5.4.2, Figure 8 (c): entry 1 of term 1 is on a majority of the disks, and may still be overwritten."""
    it = checker()
    it.wrote(A, write(1, A, entry(1, 1)))
    it.wrote(A, write(3, A))
    it.wrote(B, write(3, A, entry(1, 1)))
    assert list(it.committed) == []

    with breaks("raft.commit_durable"):
        it.sent(A, B, append(3, (1, 1), commit=1))


def test_an_entry_of_the_own_term_commits_all_before_it() -> None:
    it = checker()
    it.wrote(A, write(3, A, entry(1, 1), entry(2, 3)))
    it.wrote(B, write(3, A, entry(1, 1), entry(2, 3)))

    assert list(it.committed) == [entry(1, 1), entry(2, 3)]


def test_an_acknowledgement_counts_for_its_term_though_the_disk_is_already_further() -> None:
    it = checker_of_a_leader()
    it.wrote(A, write(None, None, entry(2, 1)))
    it.sent(A, B, append(1, (1, 1), entry(2, 1)))
    it.wrote(B, write(2, C, entry(2, 1)))
    assert len(it.committed) == 1

    it.sent(B, A, success(1, 2))

    assert len(it.committed) == 2


def test_two_nodes_apply_the_same_entry_at_each_index() -> None:
    it = checker_of_a_leader()
    it.applied(A, entry(1, 1))

    with breaks("raft.state_machine_safety"):
        it.applied(B, entry(1, 1, b"y"))


def test_what_is_applied_is_what_was_committed() -> None:
    with breaks("raft.state_machine_safety"):
        checker_of_a_leader().applied(A, entry(1, 1, b"y"))


def test_a_second_quorum_does_not_commit_something_else() -> None:
    it = checker_of_a_leader()
    it.wrote(C, write(2, C, entry(1, 2)))
    it.wrote(NodeId("b"), LogWrite(HardState(Term(2), C)))

    with pytest.RaisesExc(Violation, match=r"^raft\.(commit_kept|state_machine_safety) broken"):
        it.wrote(B, write(None, None, entry(1, 2), cut=1))


def test_nothing_is_applied_before_a_majority_of_disks_holds_it() -> None:
    it = checker_of_a_leader()
    it.wrote(A, write(None, None, entry(2, 1)))
    it.applied(A, entry(1, 1))

    with breaks("raft.commit_durable"):
        it.applied(A, entry(2, 1))


def test_a_life_applies_each_index_once_and_in_order() -> None:
    it = checker_of_a_leader()
    it.applied(A, entry(1, 1))

    with breaks("raft.apply_order"):
        it.applied(A, entry(1, 1))
    it.started(A)
    it.applied(A, entry(1, 1))


def test_a_disk_keeps_what_was_committed() -> None:
    it = checker_of_a_leader()

    with breaks("raft.commit_kept"):
        it.wrote(B, write(2, None, entry(1, 2), cut=1))


def test_a_disk_may_drop_what_others_have_committed_differently() -> None:
    it = checker_of_a_leader()
    it.wrote(C, write(0, None, entry(1, 0)))

    it.wrote(C, write(1, None, entry(1, 1), cut=1))

    assert it.disk(C).term_at(1) == 1


def test_a_disk_keeps_within_a_term_what_it_acknowledged_in_it() -> None:
    it = checker_of_a_leader()
    it.sent(A, C, append(1, (0, 0), entry(1, 1), entry(2, 1)))
    it.wrote(C, write(1, None, entry(1, 1), entry(2, 1)))
    it.sent(C, A, success(1, 2))

    with breaks("raft.acknowledgement_kept"):
        it.wrote(C, write(None, None, cut=2))


def test_a_durable_term_never_falls() -> None:
    it = checker()
    it.wrote(A, write(2, None))

    with breaks("raft.term_monotone"):
        it.wrote(A, write(1, None))


@pytest.mark.parametrize("vote", [B, None])
def test_a_durable_vote_never_changes_within_its_term_not_even_across_lives(vote: NodeId | None) -> None:
    it = checker()
    it.wrote(A, write(1, C))
    it.started(A)

    with breaks("raft.vote_once"):
        it.wrote(A, write(1, vote))


@pytest.mark.parametrize(
    "message",
    [
        PreVote(Term(3), NONE, Term(0)),
        PreVoteReply(Term(2), False),
        RequestVoteReply(Term(2), False),
        append(2, (0, 0)),
        AppendEntriesReply(Term(2), Round(1), False, NONE),
    ],
)
def test_no_message_carries_a_term_that_is_not_durable(
    message: PreVote | PreVoteReply | RequestVoteReply | AppendEntries | AppendEntriesReply,
) -> None:
    it = checker()
    it.wrote(A, write(1, None))

    with breaks("raft.term_ahead_of_disk"):
        it.sent(A, B, message)


def test_a_pre_vote_may_speak_of_the_next_term() -> None:
    it = checker()
    it.wrote(A, write(1, None))

    it.sent(A, B, PreVote(Term(2), NONE, Term(0)))
    it.sent(A, B, PreVoteReply(Term(9), True))


def test_a_candidate_has_its_own_vote_on_disk() -> None:
    it = checker()
    it.wrote(A, write(1, None))

    with breaks("raft.vote_ahead_of_disk"):
        it.sent(A, B, RequestVote(Term(1), NONE, Term(0)))


def test_a_granted_vote_is_on_disk_and_for_that_candidate() -> None:
    it = checker()
    it.wrote(A, write(1, B))
    it.sent(A, B, RequestVoteReply(Term(1), True))

    with breaks("raft.vote_ahead_of_disk"):
        it.sent(A, C, RequestVoteReply(Term(1), True))


def test_a_vote_of_an_earlier_term_may_still_be_told_when_the_disk_is_further() -> None:
    it = checker()
    it.wrote(A, write(1, B))
    it.wrote(A, write(2, C))

    it.sent(A, B, RequestVoteReply(Term(1), True))


def test_an_acknowledgement_speaks_of_what_is_on_disk() -> None:
    it = checker_of_a_leader()
    it.sent(A, B, append(1, (1, 1), entry(2, 1)))

    with breaks("raft.append_ahead_of_disk"):
        it.sent(B, A, success(1, 2))


def test_an_acknowledgement_speaks_of_what_the_leader_sent() -> None:
    it = checker_of_a_leader()
    it.wrote(C, write(1, None, entry(1, 0)))

    with breaks("raft.append_ahead_of_disk"):
        it.sent(C, A, success(1, 1))


def test_an_empty_message_is_acknowledged_as_far_as_the_disk_holds_what_agrees() -> None:
    """Entry 2 was never sent alone as the previous one: it is known by what follows it."""
    it = checker_of_a_leader()
    it.wrote(A, write(None, None, entry(2, 1), entry(3, 1)))
    it.sent(A, B, append(1, (3, 1), round_=2))
    it.wrote(B, write(None, None, entry(2, 1)))

    it.sent(B, A, success(1, 2, round_=2))

    assert len(it.committed) == 2


def test_an_empty_message_is_not_acknowledged_beyond_the_disk() -> None:
    it = checker_of_a_leader()
    it.wrote(A, write(None, None, entry(2, 1)))
    it.sent(A, B, append(1, (2, 1), round_=2))

    with breaks("raft.append_ahead_of_disk"):
        it.sent(B, A, success(1, 2, round_=2))


def test_what_differs_below_the_leaders_announced_entry_is_no_acknowledgement() -> None:
    it = checker_of_a_leader()
    it.wrote(A, write(None, None, entry(2, 1), entry(3, 1)))
    it.sent(A, C, append(1, (3, 1), round_=2))
    it.wrote(C, write(1, None, entry(1, 0), entry(2, 0)))

    with breaks("raft.append_ahead_of_disk"):
        it.sent(C, A, success(1, 2, round_=2))


def test_a_leaders_round_never_falls() -> None:
    it = checker_of_a_leader()
    it.sent(A, B, append(1, (1, 1), round_=3))

    with breaks("raft.round_monotone"):
        it.sent(A, C, append(1, (1, 1), round_=2))


def test_an_answer_repeats_a_round_that_was_sent_to_it() -> None:
    it = checker_of_a_leader()
    it.sent(A, C, append(1, (1, 1), round_=3))

    with breaks("raft.round_repeated"):
        it.sent(B, A, success(1, 1, round_=2))


def test_the_groups_own_quorum_decides_what_is_committed() -> None:
    """b alone weighs as much as a and c together: what they hold is not committed before b holds it."""
    it = RaftChecker((A, B, C), ViolationContext(), quorum=Weighted({A: 1, B: 2, C: 1}))
    for node in (A, C):
        it.wrote(node, write(1, A, entry(1, 1)))
    assert list(it.committed) == []

    it.wrote(B, write(1, A, entry(1, 1)))

    assert list(it.committed) == [entry(1, 1)]


def test_the_groups_own_quorum_decides_who_is_elected() -> None:
    it = RaftChecker((A, B, C), ViolationContext(), quorum=Grid([[A], [B, C]]))
    it.wrote(B, write(1, B))
    it.wrote(C, write(1, B))

    with breaks("raft.election_quorum"):
        it.led(B, Term(1))


def test_an_audit_counts_by_the_groups_own_quorum() -> None:
    it = RaftChecker((A, B, C), ViolationContext(), quorum=Weighted({A: 1, B: 2, C: 1}))
    for node in (A, B):
        it.wrote(node, write(1, A, entry(1, 1)))
    it.audit()

    it.disk(B).entries.clear()  # behind the checker's back
    it.disk(C).write(write(None, None, entry(1, 1)))

    with breaks("raft.commit_on_quorum"):
        it.audit()
    it.audit([B])
