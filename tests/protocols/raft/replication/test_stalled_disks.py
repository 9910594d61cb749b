"""Disks that stall: they depose no leader, nothing is acknowledged that is not durable, and memory stays bounded."""

from __future__ import annotations

import pytest

from coterie.protocols.raft import AppendEntries, AppendEntriesReply, RaftRole
from coterie.protocols.simulation.directed.directed_group import DirectedGroup

STALL_S = 3.0


def let_time_pass(group: DirectedGroup, duration_s: float) -> None:
    """n1 sends heartbeats, and all links are fine; no disk does anything."""
    end = group.now + duration_s
    while group.now < end and group["n1"].role is RaftRole.LEADER:
        group.tick("n1")
        group.deliver(kind=AppendEntries)
        group.deliver(kind=AppendEntriesReply)


def events(group: DirectedGroup, name: str) -> list[dict[str, object]]:
    return [dict(observed.facts) for observed in group.observed if observed.event == name]


@pytest.mark.parametrize("writes", [0, 1, 5])
def test_followers_whose_disks_stall_depose_no_leader(writes: int) -> None:
    group = DirectedGroup.led_by("n1")
    for number in range(writes):
        group.propose("n1", b"%d" % number)
        group.deliver(kind=AppendEntries)  # both followers have it, their disks are busy with it

    let_time_pass(group, STALL_S)

    assert group["n1"].role is RaftRole.LEADER
    assert group["n1"].commit_index == 1
    group.settle()
    group.heartbeat("n1")
    assert group["n1"].commit_index == 1 + writes
    assert [group[name].term for name in group.nodes] == [1, 1, 1]


def test_lost_acknowledgement_is_made_good_by_the_next_heartbeat() -> None:
    group = DirectedGroup.led_by("n1")
    group.propose("n1", b"x")
    group.deliver(kind=AppendEntries)
    for name in group.nodes:
        group.sync(name)
    group.drop(kind=AppendEntriesReply)

    group.tick("n1")
    group.deliver(kind=AppendEntries)
    group.deliver(kind=AppendEntriesReply)

    assert group["n1"].commit_index == 2


def test_leader_of_a_new_term_is_answered_once_the_term_is_durable_and_not_before() -> None:
    group = DirectedGroup.led_by("n1", 5)
    group.elect("n2", "n3", "n4")
    group.tick("n2")
    group.deliver(to="n5", kind=AppendEntries)

    assert group.drop(sender="n5") == []
    group.sync("n5")
    assert [type(message) for message in group.drop(sender="n5")] == [AppendEntriesReply]


def test_leader_whose_commit_index_stands_still_reports_it_once_and_names_who_holds_it_up() -> None:
    group = DirectedGroup.led_by("n1", 5)
    group.propose("n1", b"x")
    group.deliver(kind=AppendEntries)
    group.sync("n1")
    group.sync("n3")

    let_time_pass(group, STALL_S)

    (report,) = events(group, "raft.commit_stalled")
    assert 1.0 <= report.pop("waited_s") < 1.1  # type: ignore[operator]
    assert report == {
        "node": "n1", "term": 1, "commit_index": 1, "waiting_entries": 1, "held_up_by": ("n2", "n4", "n5"),
    }  # fmt: skip
    assert events(group, "raft.commit_resumed") == []


def test_leader_that_commits_again_reports_it_once() -> None:
    group = DirectedGroup.led_by("n1")
    group.propose("n1", b"x")
    group.deliver(kind=AppendEntries)
    let_time_pass(group, STALL_S)
    for name in group.nodes:
        group.sync(name)

    let_time_pass(group, 1.0)

    (report,) = events(group, "raft.commit_resumed")
    assert 3.0 <= report.pop("stalled_s") < 3.2  # type: ignore[operator]
    assert report == {"node": "n1", "term": 1, "commit_index": 2}
    assert len(events(group, "raft.commit_stalled")) == 1


def test_leaders_own_disk_is_named_too() -> None:
    group = DirectedGroup.led_by("n1")
    group.propose("n1", b"x")
    group.drop(to="n3")
    group.deliver(kind=AppendEntries)
    group.sync("n2")

    let_time_pass(group, STALL_S)

    assert [report["held_up_by"] for report in events(group, "raft.commit_stalled")] == [("n3", "n1")]


def test_idle_leader_reports_nothing() -> None:
    group = DirectedGroup.led_by("n1")

    let_time_pass(group, 5 * STALL_S)

    assert events(group, "raft.commit_stalled") == []
