"""What keeps a group of Raft calm: §6, dissertation §6.2 (check-quorum) and §9.6 (pre-vote). One test each."""

from __future__ import annotations

from coterie.protocols.algorithm import Persist
from coterie.protocols.raft import (
    PreVoteReply,
    RaftRole,
    RequestVoteReply,
)
from coterie.protocols.replicated_log import Term
from coterie.protocols.simulation.directed.directed_group import DirectedGroup
from coterie.protocols.simulation.directed.raft_shorthand import (
    messages,
    pre_vote,
    received,
    request_vote,
)


def lead_until_due(group: DirectedGroup, name: str) -> None:
    """Let n1 lead n2 until node `name` is about to time out."""
    while (group["n1"].deadline or 0.0) <= (group[name].deadline or 0.0):
        group.heartbeat("n1", "n1", "n2")


# §6


def test_server_that_hears_a_leader_disregards_request_vote_and_its_term() -> None:
    """§6: within the minimum election timeout of hearing from a leader, it does not update its term or grant."""
    group = DirectedGroup.led_by("n1")
    group.heartbeat("n1")
    group.now += 0.199

    effects = group.handle("n2", received("n3", request_vote(9, 99, 9)))

    assert effects == []
    assert (group["n2"].term, group["n2"].leader) == (1, "n1")


def test_server_that_hears_no_leader_any_more_votes() -> None:
    """§6: this does not affect normal elections, where each server waits at least a minimum election timeout."""
    group = DirectedGroup.led_by("n1")
    group.heartbeat("n1")
    group.now += 0.2

    effects = group.handle("n2", received("n3", request_vote(9, 99, 9)))

    assert messages(effects) == [RequestVoteReply(Term(9), granted=True)]


def test_leader_disregards_request_vote() -> None:
    """§6: if a leader is able to get heartbeats to its cluster, it will not be deposed by larger term numbers."""
    group = DirectedGroup.led_by("n1")

    effects = group.handle("n1", received("n3", request_vote(9, 99, 9)))

    assert effects == []
    assert group["n1"].role is RaftRole.LEADER


# The dissertation: check-quorum (§6.2), pre-vote (§9.6)


def test_leader_that_hears_no_majority_for_an_election_timeout_steps_down() -> None:
    """Dissertation §6.2: a leader steps down if an election timeout elapses without a successful round."""
    group = DirectedGroup.led_by("n1", 5)
    start = group.now
    while group["n1"].role is RaftRole.LEADER:
        group.tick("n1")
        group.settle("n1", "n2")

    assert group.now - start <= 2 * group.config.election_timeout_max_s + 1e-9
    assert (group["n1"].role, group["n1"].leader, group["n1"].term) == (RaftRole.FOLLOWER, None, 1)


def test_leader_that_hears_a_majority_leads_on() -> None:
    """Dissertation §6.2: and no sooner."""
    group = DirectedGroup.led_by("n1", 5)
    for _ in range(40):
        group.heartbeat("n1", "n1", "n2", "n3")

    assert group["n1"].role is RaftRole.LEADER


def test_pre_vote_changes_and_writes_nothing_anywhere() -> None:
    """Dissertation §9.6: neither asking nor granting touches a term or a vote."""
    group = DirectedGroup(3)
    asked = group.tick("n1")
    granted = group.handle("n2", received("n1", pre_vote(1)))

    assert not any(isinstance(effect, Persist) for effect in [*asked, *granted])
    assert messages(granted) == [PreVoteReply(Term(1), granted=True)]
    assert [(group[n].term, group[n].voted_for) for n in ("n1", "n2")] == [(0, None)] * 2
    assert group["n2"].role is RaftRole.FOLLOWER


def test_pre_vote_leaves_the_election_timer_of_the_voter_alone() -> None:
    """Dissertation §9.6: a grant is no promise."""
    group = DirectedGroup(3)
    before = group["n2"].deadline

    group.handle("n2", received("n1", pre_vote(1)))

    assert group["n2"].deadline == before


def test_server_stands_only_after_a_majority_would_vote_for_it() -> None:
    """Dissertation §9.6: a candidate only increments its term if it first learns that a majority would vote for it."""
    group = DirectedGroup(5)
    group.tick("n1")
    group.handle("n1", received("n2", PreVoteReply(Term(1), granted=True)))
    group.handle("n1", received("n2", PreVoteReply(Term(1), granted=True)))
    group.handle("n1", received("n4", PreVoteReply(Term(0), granted=False)))
    assert (group["n1"].role, group["n1"].term) == (RaftRole.PRE_CANDIDATE, 0)

    group.handle("n1", received("n3", PreVoteReply(Term(1), granted=True)))

    assert (group["n1"].role, group["n1"].term) == (RaftRole.CANDIDATE, 1)


def test_pre_vote_is_refused_while_a_leader_is_heard() -> None:
    """Dissertation §9.6 with §4.2.3: no vote while heartbeats from a valid leader arrive."""
    group = DirectedGroup.led_by("n1")
    group.heartbeat("n1")

    effects = group.handle("n2", received("n3", pre_vote(2, 99, 9)))

    assert messages(effects) == [PreVoteReply(Term(1), granted=False)]


def test_server_that_was_cut_off_does_not_disturb_when_it_returns() -> None:
    """Dissertation §9.6: Pre-Vote solves the issue of a partitioned server disrupting the cluster when it rejoins."""
    group = DirectedGroup.led_by("n1")
    for _ in range(20):
        lead_until_due(group, "n3")
        group.tick("n3")
        group.drop()
    assert (group["n3"].role, group["n3"].term) == (RaftRole.PRE_CANDIDATE, 1)

    lead_until_due(group, "n3")
    group.tick("n3")
    group.settle()
    group.heartbeat("n1")

    assert (group["n1"].role, group["n1"].term, group["n3"].leader) == (RaftRole.LEADER, 1, "n1")
