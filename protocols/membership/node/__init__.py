"""Cluster members: what one node does to be in the view, to hold its lease, and to find out who crashed; pure.

`membership_config.py`: `MembershipConfig`, the settings
`membership_messages.py`: the messages between members
`accusations.py`: `Accusations`, what members say about those that they observe
`ring_monitor.py`: `RingMonitor`, probes the members that this one observes
`member_lease.py`: `MemberLease`, for how long this member may act; `DownTimes`, when one that is down certainly may not
`change_queue.py`: `ChangeQueue`, what the leader has yet to propose
`member_effects.py`: the events and effects of the algorithm
`cluster_member.py`: `ClusterMember`, the algorithm
"""

from coterie.protocols.membership.node.cluster_member import ClusterMember
from coterie.protocols.membership.node.member_effects import (
    Ended,
    Follow,
    FollowAnswered,
    FollowFailed,
    GroupIs,
    HandedOver,
    LeaveWanted,
    MemberEffect,
    MemberInput,
    Proposal,
    ProposalAnswered,
    ProposalFailed,
    StandChanged,
    Unreachable,
    ViewLearned,
)
from coterie.protocols.membership.node.membership_config import MembershipConfig
from coterie.protocols.membership.node.membership_messages import (
    ChangeRefused,
    ChangeRequest,
    MemberAlerts,
    MemberMessage,
    MemberProbe,
    MemberProbeReply,
    ViewHint,
)

__all__ = [
    "ChangeRefused",
    "ChangeRequest",
    "ClusterMember",
    "Ended",
    "Follow",
    "FollowAnswered",
    "FollowFailed",
    "GroupIs",
    "HandedOver",
    "LeaveWanted",
    "MemberAlerts",
    "MemberEffect",
    "MemberInput",
    "MemberMessage",
    "MemberProbe",
    "MemberProbeReply",
    "MembershipConfig",
    "Proposal",
    "ProposalAnswered",
    "ProposalFailed",
    "StandChanged",
    "Unreachable",
    "ViewHint",
    "ViewLearned",
]
