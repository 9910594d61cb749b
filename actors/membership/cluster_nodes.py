"""`Members`: declares a cluster whose nodes come and go; `Role`, `Label`: say on which of them a part runs.

topology = Topology("shop", nodes=Members(founders=["n1", "n2", "n3"]))
topology.pool("workers", Worker, nodes=Role("worker"))      # on every node that runs with --role worker
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final, Protocol

from coterie.protocols.algorithm import NodeId
from coterie.protocols.membership.node.membership_config import MembershipConfig
from coterie.protocols.membership.partition_policy import KeepAll, PartitionPolicy

__all__ = ["MEMBERSHIP_GROUP", "Everywhere", "Label", "Members", "NodeSelector", "Role"]

MEMBERSHIP_GROUP: Final = "membership"
"""The name of the Raft group that holds the view: no part of a topology with `Members` can have this name."""


class NodeSelector(Protocol):
    """Says on which nodes a part runs."""

    def selects(self, roles: AbstractSet[str], labels: Mapping[str, str]) -> bool:
        """Return whether a node with these roles and labels runs the part."""
        ...


@dataclass(frozen=True, slots=True)
class Everywhere:
    """Every node, whatever its roles."""

    def selects(self, roles: AbstractSet[str], labels: Mapping[str, str]) -> bool:
        """Return True."""
        return True

    def __str__(self) -> str:
        """Return what diagrams call it."""
        return "every member"


@dataclass(frozen=True, slots=True)
class Role:
    """The nodes that run with this role (`coterie run --role NAME`, or `Members(roles=…)`)."""

    name: str

    def selects(self, roles: AbstractSet[str], labels: Mapping[str, str]) -> bool:
        """Return whether the role is among `roles`."""
        return self.name in roles

    def __str__(self) -> str:
        """Return what diagrams call it."""
        return f"role {self.name}"


@dataclass(frozen=True, slots=True)
class Label:
    """The nodes that run with this label (`coterie run --label KEY=VALUE`)."""

    key: str
    value: str

    def selects(self, roles: AbstractSet[str], labels: Mapping[str, str]) -> bool:
        """Return whether the label has this value."""
        return labels.get(self.key) == self.value

    def __str__(self) -> str:
        """Return what diagrams call it."""
        return f"label {self.key}={self.value}"


@dataclass(frozen=True)
class Members:
    """The nodes of a cluster with a view: those that found it, and any others that join.

    Attributes:
        founders: the names of the nodes that hold the view, as a Raft group named `membership`: three or five, so that
            a majority goes on without one. Groups and synods of the topology run on them unless it says otherwise.
        roles: the roles of founders, by name.
        policy: what a node does that has lost the quorum of the founders: go on (`KeepAll`, the default: what needs
            agreement stops by itself), stop its actors, or end; see docs/partitions.md.
        config: the settings; the same on all nodes.
    """

    founders: Sequence[str]
    roles: Mapping[str, Sequence[str]] = field(default_factory=dict)
    policy: PartitionPolicy = field(default_factory=KeepAll)
    config: MembershipConfig = field(default_factory=MembershipConfig)

    def roles_of(self, node: str) -> frozenset[str]:
        """Return the roles of a founder; none of any other node."""
        return frozenset(self.roles.get(node, ()))

    def mistakes(self) -> Iterator[str]:
        """Yield what is wrong with the declaration, apart from the names of the founders."""
        for node, roles in self.roles.items():
            if node not in self.founders:
                yield f"Members(roles=…) names node {node!r}, which is no founder: others have --role at their start"
            if isinstance(roles, str):
                yield f"Members(roles=…) gives {node!r} the text {roles!r}: give a list of names"
        try:
            self.policy.check({NodeId(node): self.roles_of(node) for node in self.founders})
        except ValueError as error:
            yield f"Members(policy=…): {error}"
