"""A group records the stores of its members: effective when appended, rolled back when truncated, one at a time."""

from __future__ import annotations

from dataclasses import replace

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.raft_disk import RaftDisk, founded
from coterie.protocols.raft.durability import Durability
from coterie.protocols.raft.membership.group_facts import GroupFacts
from coterie.protocols.raft.membership.membership import Membership, StoreId
from coterie.protocols.raft.raft_messages import (
    HardState,
    LogWrite,
    PreVote,
    PreVoteReply,
    RequestVote,
    RequestVoteReply,
    Restored,
)
from coterie.protocols.replicated_log import Entry, EntryKind, LogIndex, Term
from coterie.protocols.simulation.directed.directed_group import DirectedGroup
from coterie.protocols.simulation.directed.raft_shorthand import (
    append,
    entry,
    pre_vote,
    received,
    request_vote,
    success,
)

NODES = tuple(NodeId(f"n{number}") for number in (1, 2, 3))
FOUNDERS = Membership.founding(NODES)


def membership_entry(index: int, term: int, *nodes: str) -> Entry:
    content = FOUNDERS.with_stores({NodeId(node): StoreId(node) for node in nodes}).encode()
    return Entry(LogIndex(index), Term(term), EntryKind.MEMBERSHIP, content)


def recorded(group: DirectedGroup, name: str) -> list[tuple[int, list[str]]]:
    """Return the memberships of a node: the index, and the nodes whose stores it has."""
    return [
        (index, [member.node for member in membership.members if member.store_id is not None])
        for index, membership in group[name].facts.memberships
    ]


def kinds(group: DirectedGroup, name: str) -> list[EntryKind]:
    return [each.kind for each in group.record(name).disk.entries]


def test_a_new_leader_records_the_stores_that_it_knows_just_after_its_noop() -> None:
    group = DirectedGroup(3, stores_known=False)

    group.elect("n1", "n2")

    assert kinds(group, "n1") == [EntryKind.NOOP, EntryKind.MEMBERSHIP]
    assert recorded(group, "n1") == recorded(group, "n2") == [(0, []), (2, ["n1", "n2"])]


def test_a_store_that_becomes_known_later_is_recorded_then() -> None:
    group = DirectedGroup(3, stores_known=False)
    group.elect("n1", "n2")

    group.heartbeat("n1")

    assert recorded(group, "n1") == [(2, ["n1", "n2"]), (3, ["n1", "n2", "n3"])]
    assert group["n3"].facts == group["n1"].facts


def test_one_membership_entry_at_a_time_is_not_committed() -> None:
    group = DirectedGroup(5, stores_known=False)
    group.tick("n1")
    for request, reply in ((PreVote, PreVoteReply), (RequestVote, RequestVoteReply)):
        group.sync("n1")
        for name in ("n2", "n3"):
            group.deliver(sender="n1", to=name, kind=request)
            group.sync(name)
        group.deliver(to="n1", kind=reply)
    assert group["n1"].leader == "n1"
    first = recorded(group, "n1")

    group.handle("n1", received("n4", request_vote(0)))
    group.handle("n1", received("n5", request_vote(0)))

    assert recorded(group, "n1") == first  # they are known, and wait
    group.settle("n1", "n2", "n3")
    assert recorded(group, "n1")[-1] == (3, ["n1", "n2", "n3", "n4", "n5"])


def test_an_entry_counts_from_when_it_is_appended_and_no_longer_once_it_is_truncated() -> None:
    group = DirectedGroup(3, stores_known=False)
    group.handle("n1", received("n2", append(1, 0, 0, entry(1, 1), membership_entry(2, 1, "n2", "n3"))))
    assert recorded(group, "n1") == [(0, []), (2, ["n2", "n3"])]
    group.sync("n1")
    group.expire_leaders()

    group.handle("n1", received("n3", append(2, 0, 0, entry(1, 2), entry(2, 2))))

    assert recorded(group, "n1") == [(0, [])]
    group.crash("n1", surviving_writes=99)
    group.restart("n1")
    assert recorded(group, "n1") == [(0, [])]


def test_truncation_and_register_are_one_write() -> None:
    """Else a crash between them would leave members that no entry has."""
    durability = Durability(Restored(founded(NODES, stores_known=False)))
    durability.append(entry(1, 1))
    durability.append(membership_entry(2, 1, "n1"))
    durability.seal()

    durability.truncate_from(LogIndex(2))
    durability.append(membership_entry(2, 2, "n2"))
    (persist,) = durability.seal()

    facts = founded(NODES, stores_known=False).facts.with_entry(membership_entry(2, 2, "n2"))
    assert persist.write == LogWrite(HardState(Term(0), None, facts), LogIndex(2), (membership_entry(2, 2, "n2"),))


def test_two_membership_entries_are_two_writes() -> None:
    """A write may be carried out in parts, its register first: the membership before the last must be on the disk."""
    durability = Durability(Restored(founded(NODES, stores_known=False)))
    for each in (
        entry(1, 1),
        membership_entry(2, 1, "n1"),
        entry(3, 1),
        membership_entry(4, 1, "n1", "n2"),
        entry(5, 1),
    ):
        durability.append(each)

    writes = [persist.write for persist in durability.seal()]

    assert [[each.index for each in write.entries] for write in writes] == [[1, 2, 3], [4, 5]]
    assert [write.hard_state.facts.membership_index for write in writes if write.hard_state] == [2, 4]


def test_a_register_that_is_ahead_of_its_log_counts_only_as_far_as_the_log_goes() -> None:
    facts = founded(NODES, stores_known=False).facts
    ahead = facts.with_entry(membership_entry(2, 1, "n1")).with_entry(membership_entry(9, 1, "n1", "n2"))
    restored = Restored(HardState(Term(1), None, ahead), ((LogIndex(1), Term(1)),), LogIndex(8))

    assert [index for index, _ in Durability(restored).hard_state.facts.memberships] == [2]


def test_a_store_under_a_bound_name_takes_no_seat_whatever_it_says() -> None:
    group = DirectedGroup.led_by("n1")
    group.propose("n1", b"a")

    group.handle("n1", received("n2/2", success(1, 2)), received("n3/2", success(1, 2)))

    assert group["n1"].commit_index == 1


def test_of_two_stores_under_a_name_that_the_log_does_not_bind_only_the_first_may_ask_for_votes() -> None:
    """The other one may have forgotten which votes it has given."""
    group = DirectedGroup(3, stores_known=False)
    group.handle("n1", received("n3", pre_vote(0)))
    group.network = []

    for message in (pre_vote(9), request_vote(9)):
        group.handle("n1", received("n3/2", message))

    assert (group["n1"].term, group.network) == (0, [])


def test_a_malformed_membership_entry_is_discarded_with_its_message() -> None:
    group = DirectedGroup(3)
    malformed = Entry(LogIndex(1), Term(1), EntryKind.MEMBERSHIP, b"{}")
    later = malformed._replace(command=FOUNDERS.encode().replace(b'"format":1', b'"format":2'))

    for each in (malformed, later):
        group.handle("n1", received("n2", append(1, 0, 0, each)))

    assert group["n1"].last_index == 0
    assert [observed.event for observed in group.observed][-2:] == ["raft.message_discarded"] * 2


def test_a_node_whose_store_its_log_does_not_name_never_starts_an_election() -> None:
    group = DirectedGroup(3)
    other = replace(founded(NODES), facts=GroupFacts())
    disk = RaftDisk(replace(other, facts=founded((NodeId("n1"), NodeId("n2"))).facts))
    facts = disk.hard_state.facts
    members = FOUNDERS.with_stores({NodeId("n1"): StoreId("a new store"), NodeId("n2"): StoreId("n2")})
    disk.hard_state = replace(disk.hard_state, facts=replace(facts, memberships=((LogIndex(0), members),)))
    group = DirectedGroup(2, disks={"n1": disk})

    for _ in range(5):
        group.tick("n1")

    assert (group["n1"].term, group.network) == (0, [])


def test_the_last_two_memberships_are_kept_and_one_truncation_drops_at_most_one() -> None:
    facts = GroupFacts.founding("c", "g", FOUNDERS)
    for index in (3, 5, 9):
        facts = facts.with_entry(membership_entry(index, 1, "n1"))

    def kept(first_dropped: int) -> list[int]:
        return [index for index, _ in facts.truncated_from(LogIndex(first_dropped)).memberships]

    assert [kept(10), kept(9), kept(6)] == [[5, 9], [5], [5]]
    assert facts.truncated_from(LogIndex(10)) is facts
