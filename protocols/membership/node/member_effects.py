"""Member inputs and effects: what a `ClusterMember` is told, and what it has its driver do."""

from __future__ import annotations

from dataclasses import dataclass

from coterie.protocols.algorithm import NodeId, Observe, Received, Send
from coterie.protocols.membership.node.membership_messages import MemberMessage
from coterie.protocols.membership.partition_policy import Stand
from coterie.protocols.membership.view import View
from coterie.protocols.membership.view_changes import ViewChange
from coterie.protocols.membership.view_decisions import Done, Refused

__all__ = [
    "Ended",
    "Follow",
    "FollowAnswered",
    "FollowFailed",
    "GroupIs",
    "HandedOver",
    "LeaveWanted",
    "MemberEffect",
    "MemberInput",
    "Proposal",
    "ProposalAnswered",
    "ProposalFailed",
    "StandChanged",
    "Unreachable",
    "ViewLearned",
]

# --- events -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GroupIs:
    """Event: who leads the group that holds the view, as far as is known here, and its voters."""

    leader: NodeId | None
    voters: tuple[NodeId, ...]


@dataclass(frozen=True, slots=True)
class FollowAnswered:
    """Event: the answer to `Follow(token)`: the view, if it is newer than the one that was known then."""

    token: int
    view: View | None


@dataclass(frozen=True, slots=True)
class FollowFailed:
    """Event: `Follow(token)` has no answer."""

    token: int


@dataclass(frozen=True, slots=True)
class ProposalAnswered:
    """Event: the group has decided `Proposal(token)`: one outcome for each change."""

    token: int
    outcomes: tuple[Done | Refused, ...]


@dataclass(frozen=True, slots=True)
class ProposalFailed:
    """Event: it is unknown whether `Proposal(token)` is decided; `reason` for people."""

    token: int
    reason: str


@dataclass(frozen=True, slots=True)
class LeaveWanted:
    """Event: this node shall leave the cluster."""


@dataclass(frozen=True, slots=True)
class HandedOver:
    """Event: this leaving node holds nothing any more."""


@dataclass(frozen=True, slots=True)
class Unreachable:
    """Event: the nodes that this node's failure detector suspects; for the partition policy only."""

    nodes: frozenset[NodeId]


MemberInput = (
    Received[MemberMessage]
    | GroupIs
    | FollowAnswered
    | FollowFailed
    | ProposalAnswered
    | ProposalFailed
    | LeaveWanted
    | HandedOver
    | Unreachable
)


# --- effects ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Follow:
    """Effect: read the view linearizably, if it is newer than number `known`; answer with this token.

    The next one may come before the answer, and answers may come in any order.
    """

    token: int
    known: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """Effect: let the group decide these changes together; answer with this token."""

    token: int
    changes: tuple[ViewChange, ...]


@dataclass(frozen=True, slots=True)
class ViewLearned:
    """Effect: there is a newer view."""

    view: View


@dataclass(frozen=True, slots=True)
class StandChanged:
    """Effect: what this node does in its situation has changed."""

    stand: Stand


@dataclass(frozen=True, slots=True)
class Ended:
    """Effect: this life is in the view no more, and never again. `is_wanted`: it has left; otherwise it must end."""

    reason: str
    is_wanted: bool


MemberEffect = Send[MemberMessage] | Follow | Proposal | ViewLearned | StandChanged | Ended | Observe
