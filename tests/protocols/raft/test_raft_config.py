"""The configuration refuses what cannot work."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields, replace

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.quorums import Joint, Majority
from coterie.protocols.raft import RaftConfig

ABC = (NodeId("a"), NodeId("b"), NodeId("c"))
SIZES = [field.name for field in fields(RaftConfig) if field.type == "int"]


@pytest.mark.parametrize("voters", [(), (NodeId("a"), NodeId("a"))])
def test_voters_are_some_and_distinct(voters: tuple[NodeId, ...]) -> None:
    with pytest.raises(ValueError, match="member"):
        RaftConfig(voters)


def test_quorum_with_members_that_are_no_voters_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\['x'\] are not voters"):
        RaftConfig(ABC, Majority((NodeId("a"), NodeId("x"))))


def test_quorums_that_do_not_intersect_are_refused() -> None:
    class Anybody:
        members = ABC

        def is_quorum(self, members: Collection[NodeId]) -> bool:
            return len(members) > 0

        def renamed(self, new_by_member: Mapping[NodeId, NodeId]) -> Anybody:
            raise NotImplementedError

    with pytest.raises(ValueError, match="do not intersect"):
        RaftConfig(ABC, Anybody())


def test_a_quorum_that_cannot_be_recorded_with_the_members_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be recorded with the members of a group: use Majority, Weigh"):
        RaftConfig(ABC, Joint(Majority(ABC), Majority(ABC)))


@pytest.mark.parametrize(
    ("heartbeat", "low", "high"), [(0.0, 0.2, 0.4), (0.2, 0.2, 0.4), (0.05, 0.4, 0.2), (-1.0, 0.2, 0.4)]
)
def test_times_out_of_order_are_refused(heartbeat: float, low: float, high: float) -> None:
    with pytest.raises(ValueError, match="must hold"):
        RaftConfig(ABC, heartbeat_interval_s=heartbeat, election_timeout_min_s=low, election_timeout_max_s=high)


@pytest.mark.parametrize("name", SIZES)
def test_size_below_one_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is 0"):
        replace(RaftConfig(ABC), **{name: 0})  # type: ignore[arg-type]


def test_every_field_is_documented_with_its_default() -> None:
    documentation = RaftConfig.__doc__ or ""

    assert len(SIZES) == 11
    assert all(f"{field.name}: " in documentation for field in fields(RaftConfig))
