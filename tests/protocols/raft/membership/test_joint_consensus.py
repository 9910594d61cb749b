"""Members change by joint consensus (dissertation §4.1, §4.3): what counts when, and who ends the joint state."""

from __future__ import annotations

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.quorums import Joint, Majority
from coterie.protocols.raft import AppendEntries
from coterie.protocols.raft.membership.member_changes import AddLearner, AddVoter, Remove, ReplaceStore
from coterie.protocols.raft.membership.membership import MemberRole, Membership, StoreId
from coterie.protocols.raft.membership.reconfiguration import ChangePhase, ChangeStatus
from coterie.protocols.raft.raft_effects import ChangeEnded
from coterie.protocols.replicated_log import EntryKind
from coterie.protocols.simulation.directed import member_trials
from coterie.protocols.simulation.directed.directed_group import DirectedGroup
from coterie.protocols.simulation.directed.member_groups import group_of, last_for, members_of, membership_entry
from coterie.protocols.simulation.directed.raft_shorthand import append, entry, received

N1, N2, N3, N4 = map(NodeId, ("n1", "n2", "n3", "n4"))
JOINT = members_of(n1="voter", n2="outgoing", n3="incoming")


def memberships(group: DirectedGroup, name: str) -> list[dict[str, str]]:
    """Return the roles by store of each membership entry on the disk of a node."""
    entries = [each for each in group.record(name).disk.entries if each.kind is EntryKind.MEMBERSHIP]
    decoded = [Membership.decode(each.command) for each in entries]
    return [{str(member.store_id): member.role.value for member in each.members} for each in decoded]


def status_of(group: DirectedGroup) -> ChangeStatus:
    status = group["n1"].change_status
    assert status is not None
    return status


def add_voter(group: DirectedGroup, leader: str = "n1", store: str = "n4") -> None:
    group.join(store)
    group.change(leader, AddVoter(NodeId(store), StoreId(store), f"{store}:7400"))
    group.settle()
    group.heartbeat(leader)


# §4.1


def test_a_membership_counts_on_a_node_as_soon_as_it_is_in_its_log() -> None:
    """§4.1: "a server always uses the latest configuration in its log", committed or not."""
    group = DirectedGroup.led_by("n1")
    group.change("n1", Remove(N3))
    assert group["n1"].quorum == Joint(Majority((N1, N2, N3)), Majority((N1, N2)))
    assert group["n1"].commit_index < group["n1"].last_index

    group.deliver(to="n2", kind=AppendEntries)

    assert group["n2"].quorum == group["n1"].quorum


def test_a_truncated_membership_does_not_count_any_more() -> None:
    """§4.1: "a server must be prepared to fall back to the previous configuration in its log"."""
    group = DirectedGroup(3)
    joint = members_of(n1="voter", n2="voter", n3="outgoing")
    group.handle("n1", received("n3", append(1, 0, 0, membership_entry(1, 1, joint))))
    assert group["n1"].facts.membership == joint

    group.handle("n1", received("n2", append(2, 0, 0, entry(1, 2))))

    assert group["n1"].quorum == Majority((N1, N2, N3))


def test_a_follower_takes_entries_from_a_leader_that_it_does_not_know() -> None:
    """§4.1: "a server accepts AppendEntries requests from a leader that is not part of its latest configuration"."""
    group = DirectedGroup(3)

    group.handle("n1", received("n9", append(1, 0, 0, entry(1, 1))))
    group.sync("n1")

    assert (group["n1"].last_index, group["n1"].leader) == (1, "n9")
    assert [flight.to for flight in group.network] == ["n9"]


def test_a_voter_that_was_away_votes_for_a_member_that_it_does_not_know() -> None:
    """§4.1: "this vote may occasionally be needed to keep the cluster available"."""
    member_trials.vote_for_a_candidate_that_is_not_known()


def test_at_most_one_membership_is_not_committed() -> None:
    group = DirectedGroup.led_by("n1")
    group.join("n4")
    group.change("n1", AddLearner(N4, StoreId("n4"), None))
    before = group["n1"].last_index

    group.change("n1", Remove(N3))
    group.settle("n1")

    assert group["n1"].last_index == before
    assert "another change is under way: add the learner n4" in group.record("n1").changes[0].reason


def test_no_change_is_begun_before_an_entry_of_the_own_term_is_committed() -> None:
    """Ongaro's correction of 2015: two leaders could otherwise change the members apart from each other."""
    member_trials.change_by_a_new_leader()


# §4.3


def test_elections_and_commitment_need_a_majority_of_the_old_voters_and_one_of_the_new() -> None:
    member_trials.half_a_joint_quorum()


def test_a_voter_is_added_by_way_of_a_learner_and_a_joint_membership() -> None:
    group = DirectedGroup.led_by("n1")

    add_voter(group)

    present = {"n1": "voter", "n2": "voter", "n3": "voter"}
    for name in group.nodes:
        assert memberships(group, name) == [
            present | {"n4": "learner"},
            present | {"n4": "incoming"},
            present | {"n4": "voter"},
        ]
    assert group.record("n1").changes == [ChangeEnded(1, True, "", has_changed=True)]
    assert group["n4"].is_voter


def test_the_final_membership_follows_by_itself_and_only_once_the_joint_one_is_committed() -> None:
    group = DirectedGroup.led_by("n1")
    group.change("n1", Remove(N3))
    group.sync("n1")
    joint_index = group["n1"].last_index
    assert group["n1"].facts.membership.is_joint
    assert group["n1"].last_index == joint_index

    group.settle("n1", "n2")

    assert group["n1"].last_index == joint_index + 1
    assert not group["n1"].facts.membership.is_joint


def test_a_new_leader_that_finds_a_joint_membership_ends_it() -> None:
    group = group_of(JOINT)

    group.elect("n1")
    group.heartbeat("n1")

    assert memberships(group, "n1") == [{"n1": "voter", "n3": "voter"}]


def test_a_node_that_followed_through_the_joint_state_ends_it_when_it_comes_to_lead() -> None:
    """It has seen that the joint membership is committed, and nothing has changed since."""
    group = group_of(members_of(n1="voter", n2="voter", n3="voter", n4="outgoing"))
    for name in ("n1", "n2"):
        group.tick(name)  # both have handled a call while they followed

    group.elect("n2")

    assert not group["n2"].facts.membership.is_joint


def test_a_joint_membership_that_was_not_committed_is_taken_over_or_dropped_as_a_whole() -> None:
    group = DirectedGroup.led_by("n1")
    group.change("n1", Remove(N3))
    group.deliver(to="n2", kind=AppendEntries)
    group.sync("n2")
    group.network = []
    group.crash("n1")

    with pytest.raises(RuntimeError, match="n2 is not elected"):
        group.elect("n2", "n3")  # its log has the joint membership: of the new voters it needs n1, too
    group.restart("n1")
    group.elect("n2", "n1")

    assert memberships(group, "n2")[-1] == {"n1": "voter", "n2": "voter"}


def test_one_joint_change_swaps_a_store_for_another() -> None:
    group = DirectedGroup.led_by("n1")
    group.crash("n3")
    last_for(group, "n1", 2, "n2")
    group.join("n3/2")

    group.change("n1", ReplaceStore(N3, StoreId("n3/2")))
    group.settle()
    group.heartbeat("n1")

    present = {"n1": "voter", "n2": "voter"}
    assert memberships(group, "n3/2") == [
        present | {"n3": "voter", "n3/2": "learner"},
        present | {"n3": "outgoing", "n3/2": "incoming"},
        present | {"n3/2": "voter"},
    ]
    assert [ended.is_done for ended in group.record("n1").changes] == [True]


def test_a_replaced_store_counts_for_nothing() -> None:
    member_trials.replaced_store_acknowledges()


def test_the_state_of_a_change_can_be_read() -> None:
    group = DirectedGroup.led_by("n1")
    group.propose("n1", b"a", b"b")
    group.settle()
    change = AddVoter(N4, StoreId("n4"), None)
    group.join("n4")
    statuses = [group["n1"].change_status]

    group.change("n1", change)
    status = status_of(group)
    assert (status.change, status.phase, set(status.waits_for)) == (change, ChangePhase.COMMITTING, {N1, N2, N3})

    group.settle("n1", "n2", "n3")
    status = status_of(group)
    assert (status.phase, status.entries_left, status.waits_for) == (ChangePhase.CATCHING_UP, 4, (N4,))

    for _ in range(9):
        group.tick("n1")
        group.settle("n1", "n2", "n4")
    assert [ended.is_done for ended in group.record("n1").changes] == [True]
    assert [*statuses, group["n1"].change_status] == [None, None]


def test_a_joint_state_that_waits_says_for_whom() -> None:
    group = DirectedGroup.led_by("n1")
    add_voter(group)

    group.change("n1", Remove(N4))
    group.sync("n1")
    status = group["n1"].change_status

    assert status is not None
    assert (status.phase, set(status.waits_for)) == (ChangePhase.JOINT, {N2, N3, N4})


@pytest.mark.parametrize("change", [AddLearner(N4, StoreId("n4"), None), AddVoter(N4, StoreId("n4"), None)])
def test_a_finished_change_that_is_repeated_is_done_at_once_and_appends_nothing(change: AddLearner | AddVoter) -> None:
    group = DirectedGroup.led_by("n1")
    group.join("n4")
    for _ in range(2):
        group.change("n1", change)
        group.settle()
        group.heartbeat("n1")
    last_index = group["n1"].last_index

    group.change("n1", change)

    assert [ended.is_done for ended in group.record("n1").changes] == [True] * 3
    assert group["n1"].last_index == last_index


def test_a_removal_that_is_repeated_is_done_and_one_of_a_name_that_never_was_is_refused() -> None:
    group = DirectedGroup.led_by("n1")
    for node in (N3, N3, NodeId("n9")):
        group.change("n1", Remove(node))
        group.settle()
    assert [ended.is_done for ended in group.record("n1").changes] == [True, True, False]
    assert group.record("n1").changes[2].reason == "n9 is no member of the group: its members are n1, n2"


def test_commands_go_on_while_members_change_and_reach_the_new_ones() -> None:
    group = DirectedGroup.led_by("n1")
    group.join("n4")
    group.change("n1", AddVoter(N4, StoreId("n4"), None))
    refs = group.propose("n1", b"a")
    group.settle()
    refs += group.propose("n1", b"b")
    group.settle()
    group.heartbeat("n1")

    assert group.record("n1").answered_refs == refs
    commands = [each.command for each in group.record("n4").applied if each.kind is EntryKind.COMMAND]
    assert commands == [b"a", b"b"]
    assert MemberRole.VOTER in [member.role for member in group["n4"].facts.membership.members_on(N4)]
