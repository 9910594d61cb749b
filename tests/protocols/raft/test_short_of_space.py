"""A leader without room for commands hands over to a voter that has room; without any it leads on, and refuses."""

from __future__ import annotations

from typing import Any

import pytest

from coterie.protocols.algorithm import NodeId, Received
from coterie.protocols.raft import AppendEntries, AppendEntriesReply, RaftRole
from coterie.protocols.raft.follower import Follower
from coterie.protocols.raft.raft_effects import ShortOfSpace, TransferEnded, TransferLeadership
from coterie.protocols.raft.raft_messages import TimeoutNow
from coterie.protocols.raft.role import PATIENCE
from coterie.protocols.raft.transfer import PAUSE
from coterie.protocols.replicated_log import ENTRY_OVERHEAD_BYTES, Entry, EntryKind, LogIndex, Refusal, Reject, Term
from coterie.protocols.simulation.directed.directed_group import DirectedGroup

N1, N2, N3 = NodeId("n1"), NodeId("n2"), NodeId("n3")

FULL, ROOM = ShortOfSpace(True), ShortOfSpace(False)


def leaders(group: DirectedGroup) -> list[NodeId]:
    return [name for name in group.nodes if group[name].role is RaftRole.LEADER]


def led_by_n1(*full: str) -> DirectedGroup:
    """Return a group that n1 leads and knows the disks of."""
    group = DirectedGroup.led_by("n1")
    for name in full:
        group.handle(name, FULL)
    group.heartbeat("n1")
    return group


def test_a_full_leader_hands_over_at_once_to_a_voter_with_room() -> None:
    group = led_by_n1("n2")
    before = group.now
    group.handle("n1", FULL)
    group.settle()
    assert leaders(group) == [N3]
    assert (group.now, group["n3"].term) == (before, 2)
    assert [each.facts["reason"] for each in group.observed if each.event == "raft.transfer_started"] == [
        "short_of_space"
    ]
    assert group.record("n1").transfers == [], "nobody asked for it"


def test_commands_go_to_the_next_leader_while_it_hands_over() -> None:
    group = led_by_n1("n2")
    group.handle("n1", FULL)
    (ref,) = group.propose("n1", b"a")
    assert group.record("n1").rejects == [Reject(ref, Refusal.NOT_LEADER, N3)]


def test_all_full_the_leader_leads_on_reads_are_answered_and_commands_refused_for_the_disk() -> None:
    group = led_by_n1("n2", "n3")
    group.handle("n1", FULL)
    group.settle()
    (ref,) = group.propose("n1", b"a")
    read = group.read("n1")
    group.run_on(20 * group.config.election_timeout_max_s)
    assert leaders(group) == [N1]
    assert group["n1"].term == 1
    assert group.record("n1").rejects == [Reject(ref, Refusal.SHORT_OF_SPACE, N1)]
    assert group.record("n1").readable == [read]


def test_with_room_again_it_takes_commands_and_it_hands_over_as_soon_as_another_has_room() -> None:
    group = led_by_n1("n2", "n3")
    group.handle("n1", FULL)
    group.handle("n1", ROOM)
    (ref,) = group.propose("n1", b"a")
    group.settle()
    assert ref in group.record("n1").answered_refs
    group.handle("n1", FULL)
    group.settle()
    assert leaders(group) == [N1]
    group.handle("n2", ROOM)
    group.heartbeat("n1")
    assert leaders(group) == [N2]
    group.heartbeat("n2")
    group.handle("n1", ROOM)
    group.run_on(20 * group.config.election_timeout_max_s)
    assert leaders(group) == [N2], "room that comes back moves no leadership"


def test_it_leads_on_while_the_others_are_no_quorum_without_it_since_they_would_need_its_disk() -> None:
    group = led_by_n1()
    group.crash("n3")
    group.run_on(3 * group.config.election_timeout_max_s, N1, N2)
    group.handle("n1", FULL)
    group.run_on(20 * group.config.election_timeout_max_s, N1, N2)
    assert (group["n1"].role, group["n1"].term) == (RaftRole.LEADER, 1)
    group.restart("n3")
    group.run_on(3 * group.config.election_timeout_max_s)
    assert leaders(group) in ([N2], [N3])


def test_a_full_node_never_takes_leadership_back_and_forth() -> None:
    group = led_by_n1("n2")
    group.handle("n1", FULL)
    group.run_on(100 * group.config.election_timeout_max_s)
    assert leaders(group) == [N3]
    assert group["n3"].term == 2


def test_a_voter_that_lacks_entries_which_are_not_on_their_way_is_no_target_until_they_are() -> None:
    group = led_by_n1("n2")
    group.propose("n1", b"a", b"b")
    group.settle("n1", "n2")  # n3 lacks both
    group.crash("n1")
    group.restart("n1")
    group.elect("n1", "n1", "n2")
    group.handle("n1", FULL)
    group.tick("n1")
    group.deliver(to="n3", kind=AppendEntries)
    group.sync("n3")
    (refusal, *_) = group.deliver(sender="n3", to="n1", kind=AppendEntriesReply)
    assert isinstance(refusal, AppendEntriesReply)
    assert not refusal.success
    assert [each for each in group.observed if each.event == "raft.transfer_started"] == []
    group.settle()
    assert leaders(group) == [N3]
    assert group["n3"].last_index == group["n1"].last_index


@pytest.mark.parametrize("seed", range(20))
def test_a_full_voter_lets_one_with_room_stand_first(seed: int) -> None:
    group = DirectedGroup(3, seed=seed)
    group.elect("n1")
    group.heartbeat("n1")
    group.handle("n2", FULL)
    group.crash("n1")
    group.run_on(3 * group.config.election_timeout_max_s, N2, N3)
    assert group["n3"].role is RaftRole.LEADER
    assert [each.facts["node"] for each in group.observed if each.event == "raft.leader_elected"] == ["n1", "n3"]


def test_if_no_voter_with_room_can_be_elected_a_full_one_is_in_bounded_time() -> None:
    group = led_by_n1("n2", "n3")
    group.crash("n1")
    group.run_on((2 + 2 * PATIENCE) * 2 * group.config.election_timeout_max_s, N2, N3)
    assert any(group[name].role is RaftRole.LEADER for name in (N2, N3))


def test_a_full_voter_with_the_only_newest_log_leads_and_hands_over_once_the_other_has_it() -> None:
    group = led_by_n1("n2")
    group.propose("n1", b"a")
    group.settle("n1", "n2")  # committed without n3
    group.crash("n1")
    group.run_on(10 * group.config.election_timeout_max_s, N2, N3)
    assert group["n3"].role is RaftRole.LEADER
    assert group["n3"].last_index >= 2


def test_an_only_voter_does_not_wait_for_others() -> None:
    group = DirectedGroup.led_by("n1", 1)
    group.crash("n1")
    group.restart("n1")
    group.handle("n1", FULL)
    group.run_on(group.config.election_timeout_max_s)
    assert group["n1"].role is RaftRole.LEADER


def test_an_operator_cannot_move_leadership_to_a_full_voter_while_another_has_room() -> None:
    group = led_by_n1("n2")
    ref = group.transfer("n1", "n2")
    (ended,) = group.record("n1").transfers
    assert (ended.ref, ended.is_done) == (ref, False)
    assert "free disk space" in ended.reason


def test_an_operator_can_if_all_are_full() -> None:
    group = led_by_n1("n2", "n3")
    group.handle("n1", FULL)
    ref = group.transfer("n1", "n2")
    group.settle()
    assert leaders(group) == [N2]
    assert group.record("n1").transfers == [TransferEnded(ref, True, "")]


def test_a_hand_over_that_fails_is_not_begun_again_at_once_and_commands_are_refused_for_the_disk() -> None:
    group = led_by_n1("n2")
    group.handle("n1", FULL)
    started = 0
    for _ in range(8):
        end = group.now + group.config.election_timeout_max_s
        while group.now < end:
            group.drop(kind=TimeoutNow)
            group.deliver(kind=AppendEntries)
            group.deliver(kind=AppendEntriesReply)
            group.tick("n1")
        started = sum(each.event == "raft.transfer_started" for each in group.observed)
    assert started == 1 < 8 < PAUSE
    (ref,) = group.propose("n1", b"a")
    assert group.record("n1").rejects[-1] == Reject(ref, Refusal.SHORT_OF_SPACE, N1)


def test_answers_say_whether_there_is_room_and_late_ones_change_nothing() -> None:
    group = led_by_n1()
    progress: Any = group["n1"]._role_state.leadership.progress_of(N2)  # type: ignore[union-attr]
    group.handle("n2", FULL)
    group.tick("n1")
    old = [flight.message for flight in group.network if flight.to == N2]
    group.settle()
    assert progress.is_short
    group.handle("n2", ROOM)
    group.heartbeat("n1")
    assert not progress.is_short
    (message,) = old
    assert isinstance(message, AppendEntries)
    late = AppendEntriesReply(Term(1), message.round, True, message.prev_log_index, is_short=True)
    group.handle("n1", Received(N2, late))
    assert not progress.is_short


def test_a_follower_that_is_short_takes_only_as_many_entries_as_fit_on_its_disk_when_it_lets_go_of_its_log() -> None:
    group = led_by_n1()
    group.handle("n2", ShortOfSpace(True, waiting_bytes_max=1000))
    sent = group["n1"].last_index

    group.propose("n1", *(bytes(300) for _ in range(10)))
    group.heartbeat("n1")

    assert group["n1"].last_index == sent + 10
    durability = group["n2"]._role_state.durability
    assert durability.undurable_bytes + durability.undurable_entries * ENTRY_OVERHEAD_BYTES <= 1000
    for _ in range(30):
        group.heartbeat("n1")
        group.settle()
    assert group["n2"].last_index == sent + 10, "what was not taken came again"


@pytest.mark.parametrize("waiting_bytes_max", [None, 10_000])
def test_a_follower_takes_all_if_that_fits(waiting_bytes_max: int | None) -> None:
    group = led_by_n1()
    group.handle("n2", ShortOfSpace(True, waiting_bytes_max))
    follower = Follower(group["n2"]._role_state)
    entries = [Entry(LogIndex(at), Term(1), EntryKind.COMMAND, bytes(300)) for at in range(1, 11)]
    assert follower.taken(entries) == entries


def test_one_entry_that_is_larger_than_what_may_wait_is_taken_if_nothing_waits() -> None:
    group = led_by_n1()
    group.handle("n2", ShortOfSpace(True, waiting_bytes_max=100))
    follower = Follower(group["n2"]._role_state)
    entries = [Entry(LogIndex(at), Term(1), EntryKind.COMMAND, bytes(300)) for at in (1, 2)]
    assert follower.taken(entries) == entries[:1]
    group["n2"]._role_state.durability.undurable_entries = 1
    assert follower.taken(entries) == []
    group.handle("n2", ROOM)
    assert follower.taken(entries) == entries


def test_an_operator_who_names_a_full_voter_is_told_so() -> None:
    group = led_by_n1("n2")
    group.handle("n1", TransferLeadership(7, N2))
    (ended,) = group.record("n1").transfers
    assert not ended.is_done
    assert "'n2' cannot lead next: its disk is nearly full, or full" in ended.reason
    group.handle("n1", TransferLeadership(8, NodeId("n9")))
    assert "it must be another member" in group.record("n1").transfers[-1].reason
