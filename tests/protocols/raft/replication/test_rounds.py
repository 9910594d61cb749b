"""Rounds: an answer shows that its follower still followed when its round began; check-quorum counts nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.quorums import Grid, Weighted
from coterie.protocols.raft import AppendEntries, AppendEntriesReply, RaftConfig, RaftRole
from coterie.protocols.simulation.directed.directed_group import DirectedGroup
from coterie.protocols.simulation.directed.raft_shorthand import (
    append,
    disk_of,
    entry,
    messages,
    received,
    success,
)


def rounds_sent(group: DirectedGroup, to: str) -> list[int]:
    """The rounds of the messages in flight to a node."""
    return [
        flight.message.round
        for flight in group.network
        if flight.to == to and isinstance(flight.message, AppendEntries)
    ]


def highest_answered_round(group: DirectedGroup, leader: str) -> int:
    leadership = group[leader]._role_state.leadership
    assert leadership is not None
    return leadership.highest_answered_round()


def test_round_grows_by_one_at_each_heartbeat_and_every_message_carries_it() -> None:
    group = DirectedGroup.led_by("n1")
    group.propose("n1", b"a")
    group.tick("n1")
    group.propose("n1", b"b")
    group.tick("n1")

    assert rounds_sent(group, "n2") == rounds_sent(group, "n3") == [2, 3, 3, 4]


def test_first_messages_of_a_leader_have_round_1() -> None:
    group = DirectedGroup(3)
    for _ in range(2):  # and so have those of its next term
        group.expire_leaders()
        group.nominate("n1")
        group.deliver(sender="n1", to="n2")
        group.sync("n2")
        group.deliver(sender="n2")
        assert rounds_sent(group, "n2") == rounds_sent(group, "n3") == [1]
        group.crash("n1")
        group.restart("n1")
        group.drop()


def test_answers_and_refusals_repeat_the_round() -> None:
    group = DirectedGroup(2, disks={"n1": disk_of(1, term=1)})

    taken = group.handle("n1", received("n2", append(1, 1, 1, entry(2, 1), round_=4)))
    refused = group.handle("n1", received("n2", append(1, 7, 1, round_=5)))
    outdated = group.handle("n1", received("n2", append(0, 0, 0, round_=6)))

    assert [
        message.round for message in messages([*taken, *refused, *outdated]) if isinstance(message, AppendEntriesReply)
    ] == [4, 5, 6]


def test_highest_answered_round_is_that_of_a_quorum() -> None:
    group = DirectedGroup.led_by("n1", 5)
    for _ in range(7):
        group.tick("n1")
    group.drop()

    for peer, round_ in (("n2", 8), ("n3", 5), ("n4", 3)):
        group.handle("n1", received(peer, success(1, 1, round_=round_)))

    assert highest_answered_round(group, "n1") == 5


def heavy_n4(voters: tuple[NodeId, ...]) -> RaftConfig:
    return RaftConfig(voters, Weighted({voter: 3 if voter == "n4" else 1 for voter in voters}, threshold=4))


def row_of_n1(voters: tuple[NodeId, ...]) -> RaftConfig:
    return RaftConfig(voters, Grid([voters[:1], voters[1:]]))


@pytest.mark.parametrize(("config", "expected"), [(RaftConfig, 3), (heavy_n4, 0), (row_of_n1, 7)])
def test_highest_answered_round_counts_as_the_groups_quorum_does(
    config: Callable[[tuple[NodeId, ...]], RaftConfig], expected: int
) -> None:
    group = DirectedGroup(4, config=config)
    group.elect("n1")
    for _ in range(7):
        group.tick("n1")
    group.drop()

    for peer, round_ in (("n2", 7), ("n3", 3)):
        group.handle("n1", received(peer, success(1, 1, round_=round_)))

    assert highest_answered_round(group, "n1") == max(expected, 1)  # all have answered the first one


def test_late_answers_of_an_older_round_keep_no_leader() -> None:
    """n1 is cut off; answers that its followers sent long ago arrive one by one."""
    group = DirectedGroup.led_by("n1")
    late = [success(1, 1, round_=2) for _ in range(100)]
    for answer in late:
        group.tick("n1")
        group.drop()
        group.handle("n1", received("n2", answer))
        if group["n1"].role is not RaftRole.LEADER:
            break

    assert group["n1"].role is RaftRole.FOLLOWER


def test_answer_of_a_round_that_began_within_the_period_counts() -> None:
    group = DirectedGroup.led_by("n1")
    for _ in range(100):
        group.tick("n1")
        answered = rounds_sent(group, "n2")[0]
        group.drop()
        group.handle("n1", received("n2", success(1, 1, round_=answered)))

    assert group["n1"].role is RaftRole.LEADER


def test_every_period_of_check_quorum_begins_with_a_round() -> None:
    """With heartbeats as rare as elections allow, answers still have most of a period to come."""
    group = DirectedGroup.led_by(
        "n1",
        config=lambda voters: RaftConfig(
            voters, heartbeat_interval_s=0.19, election_timeout_min_s=0.2, election_timeout_max_s=0.2
        ),
    )
    for _ in range(100):
        group.tick("n1")
        group.now += 0.15  # the round trip
        group.deliver(kind=AppendEntries)
        group.deliver(kind=AppendEntriesReply)

    assert group["n1"].role is RaftRole.LEADER


def test_tick_before_the_deadline_has_no_effect() -> None:
    group = DirectedGroup.led_by("n1")
    raft = group["n1"]

    assert raft.tick(now=(raft.deadline or 0.0) - 0.001) == []
