"""Names of replicas: each store of a node has its own, and what replicas write is translated to them."""

from __future__ import annotations

from coterie.actors.simulation.checkers.replica_names import ReplicaNames
from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.membership.group_facts import GroupFacts
from coterie.protocols.raft.membership.membership import Member, Membership, StoreId
from coterie.protocols.raft.raft_messages import HardState, LogWrite
from coterie.protocols.replicated_log import Entry, EntryKind, LogIndex, Term

N1, N2 = NodeId("n1"), NodeId("n2")
REAL = Membership((Member(N1, StoreId("aa")), Member(N2, StoreId("cc")), Member(NodeId("n3"))))


def names() -> ReplicaNames:
    made = ReplicaNames()
    for node, store in (("n1", "aa"), ("n2", "bb"), ("n2", "cc")):
        made.name(node, store)
    return made


def test_the_first_store_of_a_node_is_named_like_it_and_later_ones_are_numbered() -> None:
    made = names()

    assert [made.name("n2", store) for store in ("bb", "cc", "dd", "bb")] == ["n2", "n2/2", "n2/3", "n2"]
    assert made.latest("n2") == "n2/3"
    assert made.all_on("n2") == ("n2", "n2/2", "n2/3")
    assert made.of_store("zz") is None


def test_a_founder_that_has_not_started_has_the_name_of_its_node() -> None:
    assert names().latest("n3") == "n3"
    assert names().all_on("n3") == ("n3",)
    assert not names().has_run_on("n3")


def test_members_and_votes_in_a_register_are_named() -> None:
    facts = GroupFacts(b"i", None, memberships=((LogIndex(7), REAL),))

    named = names().register(HardState(Term(3), NodeId("cc"), facts))

    assert named.voted_for == "n2/2"
    assert [member.store_id for member in named.facts.membership.members] == ["n1", "n2/2", None]


def test_a_register_without_stores_stays_as_it_is() -> None:
    register = HardState(Term(3), None, GroupFacts(b"i", None, memberships=((LogIndex(0), Membership.founding([N1])),)))

    assert names().register(register) == register


def test_entries_and_registers_of_a_write_are_named_alike() -> None:
    entry = Entry(LogIndex(8), Term(3), EntryKind.MEMBERSHIP, REAL.encode())
    facts = GroupFacts(b"i", None, memberships=((LogIndex(8), REAL),))
    command = Entry(LogIndex(9), Term(3), EntryKind.COMMAND, REAL.encode())

    named = names().write(LogWrite(HardState(Term(3), None, facts), None, (entry, command)))

    assert named.hard_state is not None
    assert Membership.decode(named.entries[0].command) == named.hard_state.facts.membership
    assert named.entries[1] is command
