"""`RoleState`: the moves between roles, what they report, and what must never happen."""

from __future__ import annotations

import pytest

from coterie.errors import InvariantViolated, Outcome
from coterie.protocols.algorithm import NodeId, Received
from coterie.protocols.raft import PreVoteReply
from coterie.protocols.replicated_log import Term
from coterie.protocols.simulation.directed.directed_group import DirectedGroup
from coterie.protocols.simulation.directed.raft_shorthand import append

N1, N2, N3 = NodeId("n1"), NodeId("n2"), NodeId("n3")


def told(group: DirectedGroup, name: str) -> list[str]:
    return [observed.event for observed in group.observed if observed.facts["node"] == name]


def test_two_leaders_of_one_term_halt_the_leader_that_meets_the_other() -> None:
    group = DirectedGroup(3)
    group.elect("n1")

    with pytest.raises(InvariantViolated, match="term 1 has two leaders, n1 and n2") as caught:
        group.handle("n1", Received(N2, append(1, 0, 0)))
    assert caught.value.outcome is Outcome.UNKNOWN


def test_two_leaders_of_one_term_halt_their_follower() -> None:
    group = DirectedGroup(3)
    group.handle("n1", Received(N2, append(4, 0, 0)))

    with pytest.raises(InvariantViolated, match="term 4 has two leaders, n2 and n3"):
        group.handle("n1", Received(N3, append(4, 0, 0)))


def test_terms_only_grow() -> None:
    group = DirectedGroup(3)
    group.handle("n1", Received(N2, append(4, 0, 0)))

    with pytest.raises(InvariantViolated, match="terms only grow"):
        group["n1"]._role_state.adopt_term(Term(4))


def test_winner_tells_its_way() -> None:
    group = DirectedGroup(3)

    group.elect("n1")

    assert told(group, "n1") == ["raft.pre_vote_started", "raft.election_started", "raft.leader_elected"]
    assert told(group, "n2") == ["raft.term_advanced", "raft.vote_granted", "raft.leader_recognized"]
    assert [o.facts for o in group.observed if o.event == "raft.leader_elected"] == [
        {"node": "n1", "term": 1, "last_index": 0}
    ]


def test_deposed_leader_tells_why_once() -> None:
    group = DirectedGroup(3)
    group.elect("n1")

    group.handle("n1", Received(N2, PreVoteReply(Term(7), granted=False)))

    assert [o.facts for o in group.observed if o.event == "raft.stepped_down"] == [
        {"node": "n1", "term": 1, "reason": "newer_term"}
    ]


def test_leader_of_a_term_is_recognised_once() -> None:
    group = DirectedGroup(3)
    for _ in range(3):
        group.handle("n1", Received(N2, append(4, 0, 0)))

    assert told(group, "n1") == ["raft.term_advanced", "raft.leader_recognized"]


def test_nothing_is_told_for_heartbeats_and_commands() -> None:
    group = DirectedGroup(3)
    group.elect("n1")
    group.heartbeat("n1")
    group.observed.clear()

    for number in range(20):
        group.propose("n1", b"%d" % number)
        group.heartbeat("n1")

    assert group.observed == []


def test_silence_forgets_the_leader() -> None:
    group = DirectedGroup(3)
    group.handle("n1", Received(N2, append(4, 0, 0)))
    leaders = [group["n1"].leader]

    group.tick("n1")

    assert [*leaders, group["n1"].leader] == ["n2", None]
