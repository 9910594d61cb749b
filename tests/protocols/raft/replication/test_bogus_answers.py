"""Answers that no follower gives: a leader neither raises nor stops replicating, whatever a peer claims."""

from __future__ import annotations

import random

import pytest

from coterie.protocols.raft import AppendEntriesReply, RaftRole
from coterie.protocols.raft.raft_messages import Round
from coterie.protocols.replicated_log import LogIndex, Term
from coterie.protocols.simulation.directed.directed_group import DirectedGroup
from coterie.protocols.simulation.directed.raft_shorthand import disk_of, received, refusal, success

HUGE = 2**64 - 1


def recovers(group: DirectedGroup) -> bool:
    """Whether n1 replicates to all after two heartbeats and another command."""
    group.propose("n1", b"more")
    for _ in range(3):
        group.heartbeat("n1")
    return len({tuple(group.record(name).disk.entries) for name in group.nodes}) == 1


@pytest.mark.parametrize(
    "answer",
    [
        refusal(1, 50, (60, 1)),  # beyond the leader's log
        refusal(1, 50),
        refusal(1, 1, (HUGE, HUGE)),
        refusal(1, 1, (-1, -1)),
        refusal(1, -3, (2, 1)),
        refusal(1, HUGE),
        refusal(1, 1, *[(place, 1) for place in range(1000)]),
        refusal(1, 1, round_=77),
        refusal(1, 1, round_=0),
        refusal(1, 1, round_=-1),
        success(1, HUGE),
        success(1, -1),
        success(1, 2, prev=HUGE),
        success(1, 1, round_=HUGE),
        refusal(0, 1),
        refusal(-1, 1),
    ],
)
def test_leader_goes_on_after_an_impossible_answer(answer: AppendEntriesReply) -> None:
    group = DirectedGroup.led_by("n1")
    group.propose("n1", b"a")

    group.handle("n1", received("n2", answer))

    assert group["n1"].role is RaftRole.LEADER
    assert recovers(group)


def test_impossible_answer_is_reported() -> None:
    group = DirectedGroup.led_by("n1")

    group.handle("n1", received("n2", refusal(1, 50, (60, 1))))

    assert group.observed[-1].event == "raft.message_discarded"
    assert dict(group.observed[-1].facts) == {"node": "n1", "sender": "n2", "term": 1}


def test_round_that_has_not_begun_is_not_counted() -> None:
    group = DirectedGroup.led_by("n1")
    for _ in range(30):
        group.tick("n1")
        group.drop()
        if group["n1"].role is RaftRole.LEADER:
            group.handle("n1", received("n2", success(1, 1, round_=10_000)))

    assert group["n1"].role is not RaftRole.LEADER


def bogus(rng: random.Random, term: int) -> AppendEntriesReply:
    """An answer of the present term with numbers from the edges; no success that claims entries: that is a promise."""

    def number() -> int:
        return rng.choice((-1, 0, 1, 2, 3, 4, 5, 6, 9, 50, 2**63, HUGE))

    return AppendEntriesReply(
        Term(term),
        Round(number()),
        rng.random() < 0.3,
        LogIndex(number()),
        LogIndex(rng.choice((-1, 0, 50, HUGE))),
        tuple((LogIndex(number()), Term(number())) for _ in range(rng.randint(0, 4))),
    )


@pytest.mark.parametrize("seed", range(40))
def test_leader_goes_on_whatever_answers_it_gets(seed: int) -> None:
    rng = random.Random(seed)
    disks = {"n1": disk_of(1, 1, 2, 2), "n2": disk_of(1, 1, 1), "n3": disk_of(1, 1, 2, 2)}
    group = DirectedGroup(3, disks=disks, seed=seed)
    group.elect("n1", "n3")
    term = group["n1"].term
    for _ in range(60):
        group.handle("n1", received(rng.choice(("n2", "n3")), bogus(rng, term)))
        if rng.random() < 0.2:
            group.propose("n1", b"x")
        if rng.random() < 0.3:
            group.settle()

    assert (group["n1"].role, group["n1"].term) == (RaftRole.LEADER, term)
    said_that_it_lost_entries = any(observed.event == "raft.entries_lost" for observed in group.observed)
    assert recovers(group) or said_that_it_lost_entries
    group.elect("n1")
    assert recovers(group)


def leader_with_a_stalled_disk() -> DirectedGroup:
    """Entry 2 is durable at n2 only, and n1 knows it."""
    group = DirectedGroup.led_by("n1")
    group.propose("n1", b"x")
    group.drop(to="n3")
    group.deliver(to="n2")
    group.sync("n2")
    group.deliver(to="n1")
    return group


def test_follower_that_lost_what_it_acknowledged_counts_for_nothing() -> None:
    group = leader_with_a_stalled_disk()
    group.tick("n1")
    group.drop()

    group.handle("n1", received("n2", refusal(1, 2, (1, 1), round_=3)))
    group.sync("n1")

    assert group["n1"].commit_index == 1
    lost = [dict(observed.facts) for observed in group.observed if observed.event == "raft.entries_lost"]
    assert lost == [{"node": "n1", "term": 1, "peer": "n2", "refused_index": 2, "acknowledged_index": 2}]
    group.settle()
    group.heartbeat("n1")
    assert group["n1"].commit_index == 2  # with n3


def test_refusal_that_left_before_the_acknowledgement_is_no_loss() -> None:
    group = leader_with_a_stalled_disk()

    group.handle("n1", received("n2", refusal(1, 2, (1, 1), round_=2)))
    group.sync("n1")

    assert group["n1"].commit_index == 2
