from __future__ import annotations

from typing import Any

import pytest

from coterie.actors.groups.group_client import GroupClient
from coterie.actors.groups.group_messages import GroupStatus
from coterie.errors import CoterieError, NodeUnreachable
from coterie.nemesis.role_observer import RoleObserver
from coterie.protocols.faults.kinds.fault_kinds import TargetRole


class FakeGroup(GroupClient[Any]):
    """A group whose nodes have the status that the test sets."""

    def __init__(self) -> None:
        self.answers: dict[str, GroupStatus | CoterieError] = {"n9": NodeUnreachable("n9", "it is down")}

    def set(self, node: str, role: str, term: int, syncs: int = 0) -> None:
        """Let a node be like this."""
        self.answers[node] = GroupStatus("store", node, role, term, None, 0, 0, 0, "s", syncs)

    async def status(self, *, timeout_s: float = 2.0) -> dict[str, GroupStatus | CoterieError]:
        """Return what was set."""
        del timeout_s
        return self.answers


@pytest.fixture
def group() -> FakeGroup:
    return FakeGroup()


async def test_leader_is_the_node_that_leads_in_the_highest_term(group: FakeGroup) -> None:
    group.set("n1", "leader", 3)
    group.set("n2", "leader", 5)
    group.set("n3", "follower", 7)

    assert await RoleObserver(group).node_in_role(TargetRole.LEADER) == "n2"


@pytest.mark.parametrize("role", ["candidate", "pre_candidate"])
async def test_candidate_is_a_candidate_or_pre_candidate(group: FakeGroup, role: str) -> None:
    group.set("n1", "follower", 3)
    group.set("n2", role, 3)

    assert await RoleObserver(group).node_in_role(TargetRole.CANDIDATE) == "n2"


async def test_voter_is_a_follower_whose_term_has_just_risen(group: FakeGroup) -> None:
    observer = RoleObserver(group)
    group.set("n1", "follower", 3)
    group.set("n2", "follower", 3)
    assert await observer.node_in_role(TargetRole.VOTER) is None

    group.set("n1", "leader", 4)
    group.set("n2", "follower", 4)

    assert await observer.node_in_role(TargetRole.VOTER) == "n2"
    assert await observer.node_in_role(TargetRole.VOTER) is None


async def test_busiest_is_who_syncs_most(group: FakeGroup) -> None:
    group.set("n1", "leader", 3, syncs=10)
    group.set("n2", "follower", 3, syncs=20)

    assert await RoleObserver(group).node_in_role(TargetRole.BUSIEST) == "n2"


@pytest.mark.parametrize("role", list(TargetRole))
async def test_no_node_has_a_role_if_no_node_answers(group: FakeGroup, role: TargetRole) -> None:
    assert await RoleObserver(group).node_in_role(role) is None
