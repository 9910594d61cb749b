"""Which stores count: those of the log, else those that were heard; an unknown one only in the size of the quorum."""

from __future__ import annotations

from coterie.protocols.algorithm import NodeId
from coterie.protocols.quorums import Joint, Majority, Weighted
from coterie.protocols.raft.membership.electorate import Electorate
from coterie.protocols.raft.membership.membership import Member, MemberRole, Membership, StoreId

N1, N2, N3 = NodeId("n1"), NodeId("n2"), NodeId("n3")
S1, S2, S3, OTHER = StoreId("s1"), StoreId("s2"), StoreId("s3"), StoreId("other")
UNKNOWN = Membership.founding((N1, N2, N3))
KNOWN = UNKNOWN.with_stores({N1: S1, N2: S2, N3: S3})


def electorate(membership: Membership = UNKNOWN) -> Electorate:
    return Electorate(NodeId(S1), N1, membership)


def keys(*names: str) -> tuple[NodeId, ...]:
    return tuple(map(NodeId, names))


def test_an_unknown_store_counts_in_the_size_of_the_quorum_and_for_nothing_else() -> None:
    it = electorate()

    assert it.quorum == Majority(keys("s1", "n2?", "n3?"))
    assert it.peers == keys("n2?", "n3?")
    assert (it.node_of(NodeId("n2?")), it.node_of(NodeId(S1))) == (N2, N1)
    assert not it.quorum.is_quorum(keys("s1", "s2", "s3"))


def test_a_store_that_was_heard_counts_until_the_log_says_otherwise() -> None:
    it = electorate()

    assert it.hear(N2, S2)
    assert it.peers == keys("s2", "n3?")
    assert it.quorum.is_quorum(keys("s1", "s2"))

    it.adopt(UNKNOWN.with_stores({N2: OTHER}))
    assert it.peers == keys("other", "n3?")
    it.adopt(UNKNOWN)  # the entry was truncated
    assert it.peers == keys("s2", "n3?")


def test_once_the_log_binds_a_seat_nothing_that_is_heard_changes_it() -> None:
    it = electorate(KNOWN)

    assert not it.hear(N2, OTHER)

    assert it.peers == keys("s2", "s3")
    assert it.node_of(NodeId(OTHER)) is None


def test_only_the_first_store_that_was_heard_of_a_node_counts() -> None:
    it = electorate()
    it.hear(N2, S2)

    assert not it.hear(N2, OTHER)
    assert not it.hear(N3, S2)  # nor one store for two nodes

    assert it.peers == keys("s2", "n3?")


def test_a_node_that_is_no_member_is_heard_in_vain() -> None:
    it = electorate()

    assert not it.hear(NodeId("n9"), OTHER)
    assert it.peers == keys("n2?", "n3?")


def test_a_leader_records_what_it_knows_and_the_log_does_not() -> None:
    it = electorate()
    before = it.is_recorded
    assert not before  # its own store
    assert it.completed_membership() == UNKNOWN.with_stores({N1: S1})

    it.hear(N3, S3)
    it.adopt(it.completed_membership())
    assert it.is_recorded
    assert it.completed_membership() == UNKNOWN.with_stores({N1: S1, N3: S3})

    it.hear(N2, S2)
    assert not it.is_recorded


def test_a_store_that_the_log_binds_to_another_node_is_never_recorded_twice() -> None:
    it = electorate()
    it.hear(N3, OTHER)

    it.adopt(UNKNOWN.with_stores({N2: OTHER}))

    assert it.node_of(NodeId("n3?")) == N3
    assert it.completed_membership().store_of(N3) is None


def test_weights_are_those_of_the_stores_of_their_nodes() -> None:
    it = electorate(Membership(UNKNOWN.members, Weighted({N1: 3, N2: 1})))
    it.hear(N2, S2)

    assert it.quorum == Weighted({NodeId(S1): 3, NodeId(S2): 1})
    assert it.quorum.is_quorum(keys("s1"))


def test_learners_are_sent_everything_and_count_for_nothing() -> None:
    members = (Member(N1, S1), Member(N2, S2), Member(N3, S3, MemberRole.LEARNER))
    it = electorate(Membership(members))

    assert it.peers == keys("s2", "s3")
    assert it.quorum == Majority(keys("s1", "s2"))
    assert not it.quorum.is_quorum(keys("s1", "s3"))


def test_a_store_that_is_no_members_is_no_voter() -> None:
    assert electorate(KNOWN).is_voter
    assert not electorate(UNKNOWN.with_stores({N1: OTHER})).is_voter


def test_a_joint_change_needs_a_majority_of_the_old_members_and_one_of_the_new() -> None:
    n4, s4, s5 = NodeId("n4"), StoreId("s4"), StoreId("s5")
    members = (
        Member(N1, S1),
        Member(N2, S2, MemberRole.OUTGOING),
        Member(N3, S3, MemberRole.OUTGOING),
        Member(N3, s5, MemberRole.INCOMING),
        Member(n4, s4, MemberRole.INCOMING),
    )
    it = electorate(Membership(members))

    assert it.quorum == Joint(Majority(keys("s1", "s2", "s3")), Majority(keys("s1", "s5", "s4")))
    assert not it.quorum.is_quorum(keys("s1", "s2"))
    assert not it.quorum.is_quorum(keys("s4", "s5"))
    assert it.quorum.is_quorum(keys("s1", "s2", "s5"))
    assert it.is_voter


def test_a_store_that_replaces_another_on_its_node_counts_apart_from_it() -> None:
    members = (Member(N1, S1), Member(N2, S2), Member(N2, OTHER, MemberRole.LEARNER), Member(N3, S3))
    it = electorate(Membership(members))

    assert it.quorum == Majority(keys("s1", "s2", "s3"))
    assert it.peers == keys("other", "s2", "s3")
    assert it.node_of(NodeId(OTHER)) == it.node_of(NodeId(S2)) == N2
