"""Applying: in order, once each, one bounded chunk at a time, from memory or from the disk."""

from __future__ import annotations

from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft import RaftConfig
from coterie.protocols.replicated_log import Applied, Apply, Load, Loaded, LogIndex
from coterie.protocols.simulation.directed.directed_group import DirectedGroup
from coterie.protocols.simulation.directed.raft_shorthand import disk_of


def small_chunks(voters: tuple[NodeId, ...]) -> RaftConfig:
    return RaftConfig(voters, max_apply_bytes=6, max_apply_entries=4)


def leader_of_one(*terms: int) -> DirectedGroup:
    """A group of one, elected, with nothing loaded or applied yet."""
    group = DirectedGroup(1, config=small_chunks, disks={"n1": disk_of(*terms)})
    group.tick("n1")
    group.sync("n1")
    group.sync("n1")
    return group


def test_next_chunk_waits_until_the_last_is_applied() -> None:
    group = leader_of_one()
    group.handle("n1", Applied(LogIndex(1)))
    group.propose("n1", b"aaa", b"bbb", b"ccc")
    group.sync("n1")
    (first, second) = group.record("n1").applies
    assert (first.entries[0].index, [e.command for e in second.entries]) == (1, [b"aaa", b"bbb"])

    effects = group.handle("n1", Applied(LogIndex(3)))

    assert [[e.command for e in effect.entries] for effect in effects if isinstance(effect, Apply)] == [[b"ccc"]]
    assert group["n1"].applied_index == 3


def test_partly_applied_chunk_is_still_at_work() -> None:
    group = leader_of_one()
    group.handle("n1", Applied(LogIndex(1)))
    group.propose("n1", b"aaa", b"bbb", b"ccc")
    group.sync("n1")

    effects = group.handle("n1", Applied(LogIndex(2)))

    assert effects == []
    assert group["n1"].applied_index == 2


def test_refs_come_with_the_entries_that_were_proposed_here() -> None:
    group = leader_of_one()
    refs = group.propose("n1", b"a", b"b")
    group.settle()

    assert group.record("n1").answered_refs == refs
    assert [apply.refs for apply in group.record("n1").applies] == []


def test_restarted_node_reads_and_applies_everything_again_in_chunks() -> None:
    group = leader_of_one(1, 1, 1, 1, 1)
    (load,) = group.record("n1").loads
    assert load == Load(NodeId("n1"), LogIndex(1), LogIndex(4), 6)

    group.settle()

    assert [e.index for e in group.record("n1").applied] == [1, 2, 3, 4, 5, 6]
    assert group["n1"].applied_index == 6


def test_entries_are_handed_over_once_though_the_answer_to_a_load_is_repeated() -> None:
    group = leader_of_one(1, 1)
    (load,) = group.record("n1").loads
    loaded = group.record("n1").disk.read(load)

    group.handle("n1", loaded)
    group.handle("n1", loaded)

    assert [e.index for e in group.record("n1").applied] == [1, 2]


def test_load_that_found_nothing_is_tried_again() -> None:
    group = leader_of_one(1, 1)
    group.record("n1").loads.clear()

    effects = group.handle("n1", Loaded(NodeId("n1"), LogIndex(1), ()))

    assert [effect for effect in effects if isinstance(effect, Load)] == [
        Load(NodeId("n1"), LogIndex(1), LogIndex(2), 6)
    ]


def test_nothing_is_applied_before_it_is_committed() -> None:
    group = DirectedGroup(3)
    group.elect("n1")
    group.propose("n1", b"a")
    group.sync("n1")

    assert [e.index for e in group.record("n1").applied] == [1]


def test_applied_index_does_not_pass_what_was_handed_over() -> None:
    group = leader_of_one()

    group.handle("n1", Applied(LogIndex(99)))

    assert group["n1"].applied_index == 1
