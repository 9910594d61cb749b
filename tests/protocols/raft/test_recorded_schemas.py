"""What a group records about its state machine: the schemas, and which of them is committed."""

from __future__ import annotations

from coterie.protocols.algorithm import Persist
from coterie.protocols.raft.membership.group_facts import GroupFacts
from coterie.protocols.raft.raft_effects import SchemaReached
from coterie.protocols.replicated_log import Entry, EntryKind, LogIndex, Propose, Refusal, Term
from coterie.protocols.simulation.directed.directed_group import DirectedGroup


def schema(content: bytes, ref: int = 1) -> Propose:
    return Propose(ref, content, EntryKind.SCHEMA)


def contents(group: DirectedGroup, name: str) -> list[bytes]:
    return [content for _, content in group[name].facts.schemas]


def entry(index: int, content: bytes) -> Entry:
    return Entry(LogIndex(index), Term(1), EntryKind.SCHEMA, content)


# The facts.


def test_the_first_schema_and_the_last_two_are_kept() -> None:
    facts = GroupFacts()
    for index, content in enumerate((b"a", b"b", b"c", b"d"), 1):
        facts = facts.with_entry(entry(index, content))

    assert facts.schemas == ((1, b"a"), (3, b"c"), (4, b"d"))
    assert facts.truncated_from(LogIndex(4)).schemas == ((1, b"a"), (3, b"c"))
    assert facts.truncated_from(LogIndex(4)).with_entry(entry(4, b"e")).schemas == ((1, b"a"), (3, b"c"), (4, b"e"))
    assert (facts.schema_index, GroupFacts().schema_index) == (4, 0)


def test_the_index_of_the_committed_schema_only_rises() -> None:
    facts = GroupFacts().with_committed_schema(LogIndex(3))
    assert facts.with_committed_schema(LogIndex(2)) is facts.with_committed_schema(LogIndex(3)) is facts
    assert facts.with_committed_schema(LogIndex(4)).committed_schema == 4


# The entry.


def test_a_leader_appends_a_schema_and_every_node_has_it_in_its_facts() -> None:
    group = DirectedGroup.led_by("n1")

    group.handle("n1", schema(b"v1"))
    group.settle()

    assert [contents(group, name) for name in ("n1", "n2", "n3")] == [[b"v1"]] * 3
    assert group.record("n2").disk.hard_state.facts.schemas == group["n1"].facts.schemas


def test_a_node_that_does_not_lead_appends_none() -> None:
    group = DirectedGroup.led_by("n1")
    group.handle("n2", schema(b"v1"))
    assert [it.reason for it in group.record("n2").rejects] == [Refusal.NOT_LEADER]
    assert contents(group, "n2") == []


def test_the_next_schema_waits_until_the_last_one_is_committed() -> None:
    group = DirectedGroup.led_by("n1")
    group.handle("n1", schema(b"v1", 1), schema(b"v2", 2))
    assert contents(group, "n1") == [b"v1"]
    assert [(it.ref, it.reason) for it in group.record("n1").rejects] == [(2, Refusal.OVERLOADED)]

    group.settle()
    group.handle("n1", schema(b"v2"))
    assert contents(group, "n1") == [b"v1", b"v2"]


def test_a_schema_that_was_not_committed_is_dropped_with_its_entry() -> None:
    group = DirectedGroup.led_by("n1")
    group.handle("n1", schema(b"lost"))
    group.sync("n1")

    group.elect("n2", "n3")
    group.handle("n2", schema(b"v1"))
    group.heartbeat("n2")

    assert [contents(group, name) for name in ("n1", "n2", "n3")] == [[b"v1"]] * 3


def test_a_schema_that_the_machine_has_reached_is_committed_for_the_next_life() -> None:
    group = DirectedGroup.led_by("n1")
    group.handle("n1", schema(b"v1"))
    group.settle()
    index = group["n2"].facts.schema_index

    (write,) = [effect for effect in group.handle("n2", SchemaReached(index)) if isinstance(effect, Persist)]
    assert (write.write.entries, write.write.truncate_from) == ((), None)
    group.sync("n2")
    assert group.handle("n2", SchemaReached(index)) == []
    group.crash("n2")
    group.restart("n2")
    assert group["n2"].facts.committed_schema == index
