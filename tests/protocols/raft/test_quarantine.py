"""`Quarantine`: a node whose state machine must not be used stores and votes, but neither applies nor leads."""

from __future__ import annotations

from coterie.protocols.raft.role import RaftRole
from coterie.protocols.replicated_log import EntryKind, Propose, Quarantine, Refusal
from coterie.protocols.simulation.directed.directed_group import DirectedGroup

QUARANTINE = Quarantine("test")


def events(group: DirectedGroup, name: str) -> list[str]:
    return [each.event for each in group.observed if each.facts["node"] == name]


def test_it_stores_entries_and_counts_for_the_quorum_but_applies_nothing() -> None:
    group = DirectedGroup.led_by("n1")
    group.settle()
    applied = group["n2"].applied_index
    group.handle("n2", QUARANTINE)

    group.crash("n3")
    group.propose("n1", b"x", b"y")
    group.settle("n1", "n2")
    group.heartbeat("n1", "n1", "n2")
    group.settle("n1", "n2")

    assert group["n1"].applied_index == group["n1"].last_index == group["n2"].commit_index == group["n2"].last_index
    assert group["n2"].applied_index == applied
    assert not [entry for entry in group.record("n2").applied if entry.command in {b"x", b"y"}]


def test_it_votes() -> None:
    group = DirectedGroup(3)
    group.handle("n2", QUARANTINE)

    group.elect("n1", "n1", "n2")

    assert group["n1"].role is RaftRole.LEADER
    assert group["n2"].voted_for == "n1"


def test_it_never_stands_for_election() -> None:
    group = DirectedGroup(3)
    group.handle("n1", QUARANTINE)

    for _ in range(20):
        group.now += 1.0
        group.tick("n1")
        group.settle()

    assert group["n1"].role is RaftRole.FOLLOWER
    assert group["n1"].term == 0
    assert events(group, "n1") == ["raft.quarantine_entered"]


def test_a_candidacy_under_way_ends() -> None:
    group = DirectedGroup(3)
    group.now += 1.0
    group.tick("n1")
    assert events(group, "n1") == ["raft.pre_vote_started"]

    group.handle("n1", QUARANTINE)
    group.settle()

    assert group["n1"].role is RaftRole.FOLLOWER
    assert "raft.election_started" not in events(group, "n1")


def test_a_leader_steps_down_once_and_another_node_is_elected() -> None:
    group = DirectedGroup.led_by("n1")
    group.settle()
    refs = group.propose("n1", b"x")

    group.handle("n1", QUARANTINE, QUARANTINE)

    assert group["n1"].role is RaftRole.FOLLOWER
    assert [(reject.ref, reject.reason) for reject in group.record("n1").rejects] == [
        (refs[0], Refusal.LEADERSHIP_LOST)
    ]
    assert events(group, "n1").count("raft.quarantine_entered") == events(group, "n1").count("raft.stepped_down") == 1
    group.settle()
    group.expire_leaders()
    group.elect("n2")
    assert group["n2"].role is RaftRole.LEADER


def test_entries_that_are_loaded_for_it_are_not_handed_over() -> None:
    group = DirectedGroup.led_by("n1")
    group.propose("n1", b"x")
    group.settle()
    group.crash("n1", surviving_writes=9)
    group.restart("n1")
    group.handle("n1", QUARANTINE)
    group.elect("n2", "n1", "n2")
    group.settle()

    assert group["n1"].applied_index == 0


def test_a_leader_proposes_entries_of_other_kinds() -> None:
    group = DirectedGroup.led_by("n1")

    group.handle("n1", Propose(77, b"{}", EntryKind.SCHEMA))
    group.settle()
    group.heartbeat("n1")

    assert (EntryKind.SCHEMA, b"{}") in [(entry.kind, entry.command) for entry in group.record("n2").applied]
    assert 77 in group.record("n1").answered_refs
    assert group["n1"].facts.schemas == ((group["n1"].last_index, b"{}"),)
