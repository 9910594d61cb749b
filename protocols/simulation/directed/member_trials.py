"""Member trials: change the members of a group at bad moments; raise `Violation` if one counts that must not."""

from __future__ import annotations

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.raft.membership.member_changes import AddLearner, AddVoter, Remove
from coterie.protocols.raft.membership.membership import Member, Membership, StoreId
from coterie.protocols.raft.raft_messages import AppendEntries, PreVote, RequestVote
from coterie.protocols.raft.role import RaftRole
from coterie.protocols.simulation.directed.directed_group import DirectedGroup
from coterie.protocols.simulation.directed.member_groups import group_of, last_for, members_of
from coterie.protocols.simulation.directed.raft_shorthand import received, success

__all__ = [
    "change_by_a_new_leader",
    "endless_joint_state",
    "half_a_joint_quorum",
    "learners_acknowledge",
    "membership_counts_at_once",
    "promotion_of_a_learner_that_is_behind",
    "removal_that_only_the_removed_leader_has",
    "removed_leader_counts",
    "removed_node_asks_for_votes",
    "replaced_store_acknowledges",
    "vote_for_a_candidate_that_is_not_known",
]

JOINT = members_of(n1="voter", n2="outgoing", n3="outgoing", n4="incoming", n5="incoming")
HEARTBEATS = 5


def half_a_joint_quorum() -> None:
    """Let a leader of a joint group be answered by a majority of the old voters only, then of the new ones only.

    Raises:
        Violation: that is enough for an election, or to commit.
    """
    for helper in ("n2", "n4"):
        group = group_of(JOINT)
        _nominate(group, "n1", helper)
        if group["n1"].role is RaftRole.LEADER:
            _fail("raft.election_quorum", f"n1 and {helper} have elected n1, with the members {JOINT.members}")
        group = group_of(JOINT)
        _nominate(group, "n1", "n2", "n4")
        _require_leader(group, "n1")
        group.settle("n1", helper)
        if group["n1"].commit_index > 0:
            _fail("raft.commit_on_quorum", f"n1 and {helper} have committed, with the members {JOINT.members}")


def learners_acknowledge() -> None:
    """Let a leader be answered by learners only.

    Raises:
        Violation: they count for its election, or to commit.
    """
    membership = members_of(n1="voter", n2="voter", n3="voter", n4="learner", n5="learner")
    group = group_of(membership)
    _nominate(group, "n1", "n4", "n5")
    if group["n1"].role is RaftRole.LEADER:
        _fail("raft.election_quorum", "n1 was elected by learners")
    group = group_of(membership)
    _nominate(group, "n1", "n2", "n3")
    _require_leader(group, "n1")
    group.settle("n1", "n4", "n5")
    if group["n1"].commit_index > 0:
        _fail("raft.commit_on_quorum", "n1 has committed what only learners have")


def membership_counts_at_once() -> None:
    """Let a leader remove a member, and be answered by that one only: it is no majority of the new voters.

    Raises:
        Violation: the joint membership is committed by the old voters alone.
    """
    group = DirectedGroup.led_by("n1")
    group.change("n1", Remove(NodeId("n2")))
    joint_index = group["n1"].last_index
    group.settle("n1", "n2")
    if group["n1"].commit_index >= joint_index:
        _fail("raft.commit_on_quorum", f"the joint membership at {joint_index} is committed by n1 and n2 alone")


def change_by_a_new_leader() -> None:
    """Ask a leader for a change before an entry of its own term is committed.

    Raises:
        Violation: it appends a membership.
    """
    group = DirectedGroup.led_by("n1")
    group.expire_leaders()
    _nominate(group, "n2", "n3")
    _require_leader(group, "n2")
    before = group["n2"].last_index
    group.change("n2", AddLearner(NodeId("n4"), StoreId("n4"), None))
    if group["n2"].last_index > before:
        _fail("raft.membership_own_entry", f"n2 changed the members at {before + 1}; nothing of its term is committed")


def replaced_store_acknowledges() -> None:
    """Let the store that was replaced on a node acknowledge entries, as a disk does that was put back.

    Raises:
        Violation: it counts.
    """
    members = (*members_of(n1="voter", n2="voter").members, Member(NodeId("n3"), StoreId("n3/2")))
    group = group_of(Membership(members))
    _nominate(group, "n1", "n2")
    _require_leader(group, "n1")
    group.sync("n1")
    group.handle("n1", received("n3", success(group["n1"].term, group["n1"].last_index)))
    if group["n1"].commit_index > 0:
        _fail("raft.commit_on_quorum", "n1 has committed what only it and the replaced store of n3 have")


def removed_leader_counts() -> None:
    """Let a leader that removes itself be answered by one of the two other voters.

    Raises:
        Violation: it counts itself.
    """
    group = DirectedGroup.led_by("n1")
    group.change("n1", Remove(NodeId("n1")))
    while group["n1"].is_member:
        group.sync("n1")
        group.deliver(sender="n1", kind=AppendEntries)
        for name in ("n2", "n3"):
            group.sync(name)
        group.deliver(to="n1")
    last_index = group["n1"].last_index
    group.settle("n1", "n2")
    if group["n1"].commit_index >= last_index:
        _fail("raft.commit_on_quorum", f"entry {last_index} is committed by n2 alone, and by n1, which is no member")


def endless_joint_state() -> None:
    """Elect a leader that finds a joint membership.

    Raises:
        Violation: the group is still joint some heartbeats later.
    """
    group = group_of(JOINT)
    group.elect("n1")
    for _ in range(HEARTBEATS):
        leader = next(name for name in group.nodes if group[name].role is RaftRole.LEADER)
        group.heartbeat(leader)
    membership = group["n4"].facts.membership
    if membership.is_joint:
        _fail("raft.joint_left", f"the members are still {membership.members}")


def promotion_of_a_learner_that_is_behind() -> None:
    """Add a voter that gets no entries.

    Raises:
        Violation: it becomes a voter.
    """
    group = DirectedGroup.led_by("n1")
    group.change("n1", AddVoter(NodeId("n4"), StoreId("n4"), None))
    for _ in range(HEARTBEATS):
        group.heartbeat("n1", "n1", "n2", "n3")
    if "n4" in group["n1"].facts.membership.voters:
        _fail("raft.learner_caught_up", "n4 has no entry, and is a voter")


def removed_node_asks_for_votes() -> None:
    """Remove a node, and let it wait in vain.

    Raises:
        Violation: it asks for votes.
    """
    group = DirectedGroup.led_by("n1")
    group.change("n1", Remove(NodeId("n3")))
    for _ in range(HEARTBEATS):
        group.heartbeat("n1")
    for _ in range(HEARTBEATS):
        group.tick("n3")
    if group.network:
        _fail("raft.removed_is_silent", f"n3 is no member, and sends {group.network[0].message}")


def removal_that_only_the_removed_leader_has() -> None:
    """Let a leader of two remove itself, and lose its leadership while only it has the final membership.

    Raises:
        Violation: no leader is elected any more: the other one lacks the entry, and the removed one does not stand.
    """
    group = DirectedGroup.led_by("n1", 2)
    group.change("n1", Remove(NodeId("n1")))
    while group["n1"].is_member:
        group.sync("n1")
        group.deliver(sender="n1", kind=AppendEntries)
        group.sync("n2")
        group.deliver(to="n1")
    last_for(group, "n1", 3)
    if group["n1"].role is RaftRole.LEADER or group["n2"].last_index == group["n1"].last_index:
        raise RuntimeError("the trial is void: n1 should have lost its leadership")
    for _ in range(4 * HEARTBEATS):
        group.tick(min(group.nodes, key=lambda name: group[name].deadline or 0.0))
        group.settle()
    if group["n2"].role is not RaftRole.LEADER or group["n2"].facts.membership.nodes != ("n2",):
        _fail("raft.removal_completed", f"n2 is {group['n2'].role}, with the members {group['n2'].facts.membership}")


def vote_for_a_candidate_that_is_not_known() -> None:
    """Let a voter that was away be asked for its vote by a member that it does not know (dissertation §4.1).

    Raises:
        Violation: it does not answer, although without its vote there is no quorum.
    """
    group = DirectedGroup.led_by("n1")
    group.join("n4")
    group.change("n1", AddVoter(NodeId("n4"), StoreId("n4"), None))
    for _ in range(HEARTBEATS):
        group.settle("n1", "n2", "n4")
        group.tick("n1")
    group.network = []
    group.crash("n1")
    _nominate(group, "n4", "n2", "n3")
    if group["n4"].role is not RaftRole.LEADER:
        _fail("raft.stranger_heard", "n4 is not elected by n2 and n3: n3 does not know it, and does not answer")


def _nominate(group: DirectedGroup, name: str, *voters: str) -> None:
    """Let `name` ask all for their votes, and get the answers of `voters` only; nothing else arrives."""
    group.expire_leaders()
    group.tick(name)
    for request in (PreVote, RequestVote):
        for voter in voters:
            group.deliver(sender=name, to=voter, kind=request)
            group.sync(voter)
        group.drop(sender=name, kind=request)
        group.deliver(to=name)
        group.sync(name)


def _require_leader(group: DirectedGroup, name: str) -> None:
    if group[name].role is not RaftRole.LEADER:
        raise RuntimeError(f"the trial is void: {name} was not elected")


def _fail(invariant: str, detail: str) -> None:
    ViolationContext().fail(invariant, None, detail)
