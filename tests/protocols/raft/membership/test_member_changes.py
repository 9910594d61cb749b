"""What follows from a change and the present members: one membership at a time, and nothing that is done already."""

from __future__ import annotations

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.quorums import Grid, Majority, Weighted
from coterie.protocols.raft.membership.member_changes import (
    AddLearner,
    AddVoter,
    MemberChange,
    NextStep,
    Promote,
    Remove,
    ReplaceStore,
    next_step,
)
from coterie.protocols.raft.membership.membership import Member, MemberRole, Membership, StoreId

N1, N2, N3, N4 = map(NodeId, ("n1", "n2", "n3", "n4"))
S1, S2, S3, S4, NEW = map(StoreId, ("s1", "s2", "s3", "s4", "new"))
VOTERS = (Member(N1, S1), Member(N2, S2), Member(N3, S3, address="h3:1"))
LEARNER = Member(N4, S4, MemberRole.LEARNER, "h4:1")
NEW_N3 = Member(N3, NEW, MemberRole.LEARNER, "h3:1")
THREE, WITH_LEARNER = Membership(VOTERS), Membership((*VOTERS, LEARNER))
REPLACING = Membership((*VOTERS, NEW_N3))


def roles(step: NextStep) -> dict[str, str]:
    """Return the roles of the next membership by store."""
    assert step.membership is not None
    return {str(member.store_id): member.role.value for member in step.membership.members}


PRESENT = {"s1": "voter", "s2": "voter", "s3": "voter"}


@pytest.mark.parametrize(
    ("change", "membership", "expected", "learner"),
    [
        (AddLearner(N4, S4, "h4:1"), THREE, PRESENT | {"s4": "learner"}, None),
        (AddVoter(N4, S4, "h4:1"), THREE, PRESENT | {"s4": "learner"}, None),
        (AddVoter(N4, S4, "h4:1"), WITH_LEARNER, PRESENT | {"s4": "incoming"}, LEARNER),
        (Promote(N4), WITH_LEARNER, PRESENT | {"s4": "incoming"}, LEARNER),
        (Remove(N4), WITH_LEARNER, PRESENT, None),
        (Remove(N2), THREE, PRESENT | {"s2": "outgoing"}, None),
        (ReplaceStore(N3, NEW), THREE, PRESENT | {"new": "learner"}, None),
        (ReplaceStore(N3, NEW), REPLACING, PRESENT | {"s3": "outgoing", "new": "incoming"}, NEW_N3),
        (Promote(N3), REPLACING, PRESENT | {"s3": "outgoing", "new": "incoming"}, NEW_N3),
        (ReplaceStore(N4, NEW), WITH_LEARNER, PRESENT | {"new": "learner"}, None),
        (ReplaceStore(N3, S4), REPLACING, PRESENT | {"s4": "learner"}, None),  # another one than was begun with
        (ReplaceStore(N3, S3, "h9:1"), THREE, PRESENT, None),  # only the address changes
        (Remove(N3), REPLACING, PRESENT, None),  # the learner first, then the voter
    ],
)
def test_the_next_membership_of_a_change(
    change: MemberChange, membership: Membership, expected: dict[str, str], learner: Member | None
) -> None:
    step = next_step(change, membership)

    assert (roles(step), step.learner) == (expected, learner)


@pytest.mark.parametrize(
    ("change", "membership"),
    [
        (AddLearner(N4, S4), WITH_LEARNER),
        (AddLearner(N4, S4, "h4:1"), WITH_LEARNER),
        (AddVoter(N3, S3), THREE),
        (Promote(N3), THREE),
        (Remove(N4), THREE),
        (ReplaceStore(N3, S3), THREE),
        (ReplaceStore(N4, S4), WITH_LEARNER),
    ],
)
def test_a_change_that_is_done_already_is_done(change: MemberChange, membership: Membership) -> None:
    assert next_step(change, membership, former_nodes=[N4]) == NextStep()


@pytest.mark.parametrize(
    ("change", "membership", "reason"),
    [
        (AddLearner(N3, S3), THREE, "n3 is a voter: remove it first, then add it as a learner"),
        (AddLearner(N4, S1), THREE, "the store s1 is that of the member n1: a store is a member once"),
        (AddVoter(N3, NEW), THREE, "n3 is a member with the store s3: replace its store, or remove it"),
        (
            AddVoter(N4, S4, "other:1"),
            WITH_LEARNER,
            "n4 is a member with the address h4:1, not other:1: replace its store by itself, at the new",
        ),
        (Promote(N4), THREE, "n4 is no member of the group: its members are n1, n2, n3"),
        (Remove(N4), THREE, "n4 is no member of the group: its members are n1, n2, n3"),
        (Remove(N1), Membership(VOTERS[:1]), "n1 is the last voter of the group: add another voter first"),
        (ReplaceStore(N4, NEW), THREE, "n4 is no member of the group"),
        (ReplaceStore(N3, S1), THREE, "the store s1 is that of the member n1"),
        (
            ReplaceStore(N3, NEW),
            Membership.founding((N1, N2, N3)),
            "the store of n3 is not known to the group yet: start n3",
        ),
    ],
)
def test_a_change_that_cannot_be_says_what_is_so_and_what_to_do(
    change: MemberChange, membership: Membership, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        next_step(change, membership)


@pytest.mark.parametrize("quorum", [Weighted({N1: 1, N2: 2, N3: 1}), Grid([[N1], [N2, N3]]), Majority((N1, N2))])
@pytest.mark.parametrize("change", [AddLearner(N4, S4), Remove(N3), ReplaceStore(N3, NEW)])
def test_groups_in_which_other_quorums_than_majorities_decide_do_not_change(
    change: MemberChange, quorum: Weighted | Grid | Majority
) -> None:
    with pytest.raises(ValueError, match="cannot be changed"):
        next_step(change, Membership(VOTERS, quorum))


def test_a_majority_of_all_voters_that_was_named_is_one_that_was_not() -> None:
    step = next_step(Remove(N3), Membership(VOTERS, Majority((N1, N2, N3))))

    assert step.membership is not None
    assert step.membership.quorum is None


def test_a_joint_membership_is_followed_by_the_new_members_and_keeps_learners_and_addresses() -> None:
    joint = next_step(ReplaceStore(N3, NEW), Membership((*REPLACING.members, LEARNER))).membership
    assert joint is not None
    assert joint.is_joint
    new = Member(N3, NEW, MemberRole.VOTER, "h3:1")

    assert joint.after_joint() == Membership((*VOTERS[:2], new, LEARNER))


def test_changes_are_told_in_words() -> None:
    assert [str(change) for change in (AddLearner(N4, S4), AddVoter(N4, S4), Promote(N4), Remove(N4))] == [
        "add the learner n4 (store s4)",
        "add the voter n4 (store s4)",
        "promote n4",
        "remove n4",
    ]
    assert str(ReplaceStore(N3, NEW)) == "replace the store of n3 by new"
