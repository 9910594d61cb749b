"""Disks that stall: they depose no leader, nothing is acknowledged that is not durable, and memory stays bounded."""

from __future__ import annotations

import random

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft import AppendEntries, AppendEntriesReply, RaftConfig, RaftRole
from coterie.protocols.replicated_log import Applied, Refusal
from coterie.protocols.simulation.directed.directed_group import DirectedGroup
from coterie.protocols.simulation.directed.raft_shorthand import append, entry, received, sends, success

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


# Memory.


def narrow(voters: tuple[NodeId, ...]) -> RaftConfig:
    return RaftConfig(
        voters,
        cache_entries=16,
        max_uncommitted_entries=16,
        max_uncommitted_bytes=4000,
        max_append_entries=8,
        max_append_bytes=1000,
        max_inflight_entries=32,
        max_inflight_bytes=4000,
        max_apply_entries=1000,
    )


def in_memory(group: DirectedGroup, name: str) -> int:
    """How many entries a node holds: in its log and in the writes that wait for its disk."""
    unsynced = sum(len(persist.write.entries) for persist in group.record(name).unsynced)
    return len(group[name]._log._entries) + unsynced


def let_others_work(group: DirectedGroup, stalled: str) -> None:
    """Deliver everything; all disks but one work, and every machine applies."""
    for _ in range(6):
        for name in group.nodes:
            if name != stalled:
                group.work(name)
        record = group.record(stalled)
        applies, record.applies = record.applies, []
        for apply in applies:
            group.handle(stalled, Applied(apply.entries[-1].index))
        group.deliver()


@pytest.mark.parametrize("size_bytes", [1, 100, 1000])
def test_memory_of_a_leader_whose_own_disk_stalls_is_bounded(size_bytes: int) -> None:
    group = DirectedGroup.led_by("n1", config=narrow)
    for _ in range(100):
        group.propose("n1", *[bytes(size_bytes)] * 16)
        let_others_work(group, "n1")

    assert in_memory(group, "n1") <= 2 * (2 * 16 + 1)
    assert group["n1"]._durability.undurable_bytes <= 2 * 4000 + 1000
    assert group["n1"].commit_index > 2  # the followers commit without it
    reasons = {reject.reason for reject in group.record("n1").rejects}
    assert reasons == {Refusal.OVERLOADED}


def test_leader_takes_commands_again_once_its_disk_works() -> None:
    group = DirectedGroup.led_by("n1", config=narrow)
    for _ in range(5):
        group.propose("n1", *[b"x"] * 16)
        let_others_work(group, "n1")
    group.settle()
    before = len(group.record("n1").rejects)

    group.propose("n1", *[b"x"] * 16)
    group.settle()

    assert len(group.record("n1").rejects) == before
    assert group["n1"].commit_index == group["n1"].last_index


@pytest.mark.parametrize("size_bytes", [1, 100, 1000])
@pytest.mark.parametrize("lost", [0.0, 0.3])
def test_memory_of_a_follower_whose_disk_stalls_is_bounded(size_bytes: int, lost: float) -> None:
    group, rng = DirectedGroup.led_by("n1", config=narrow), random.Random(size_bytes)
    for _ in range(100):
        group.propose("n1", *[bytes(size_bytes)] * 16)
        group.network = [flight for flight in group.network if rng.random() >= lost]
        let_others_work(group, "n2")
        group.tick("n1")

    assert group["n1"].role is RaftRole.LEADER
    assert in_memory(group, "n2") <= 2 * (32 + 8)
    assert group["n2"]._durability.undurable_bytes <= 4000 + 1000
    assert group["n1"].commit_index > 300


def test_memory_of_a_follower_is_bounded_over_many_leaders() -> None:
    """n2's disk stalls; leader after leader sends it as much as one may."""
    group, last, taken = DirectedGroup(3, config=narrow), 0, []
    term, answer = 0, None
    for term in range(1, 40):
        leader = f"n{1 + 2 * (term % 2)}"
        entries = [entry(index, term, bytes(100)) for index in range(last + 1, last + 9)]
        effects = group.handle("n2", received(leader, append(term, last, term - 1 if last else 0, *entries)))
        (answer,) = [send.message for send in sends(effects) if isinstance(send.message, AppendEntriesReply)]
        taken.append(group["n2"].last_index > last)
        last = group["n2"].last_index
        if not taken[-1]:
            break

    assert in_memory(group, "n2") <= 2 * (2 * 32 + 8)
    assert taken == [True] * (len(taken) - 1) + [False]
    assert answer == success(term, 0, prev=last)  # as if it had been a heartbeat
