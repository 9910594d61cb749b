"""Membership: agrees on who is in a cluster, with a view whose number only grows; pure.

Failure detectors of all nodes accuse (sense), a Raft group decides (agreement): observers send alerts to the leader of
the group that holds the view; it proposes one change for all members that crashed together, and every replica of the
group applies `decide` to the same changes in the same order.

`members.py`: `Member`, one node of a view; `MemberId`, its name and incarnation
`view.py`: `View`, the members of a cluster and its number
`view_changes.py`: the commands that change a view
`view_decisions.py`: `decide`, applies a change to a view or refuses it
`member_events.py`: the events between two views
`view_stream.py`: `ViewStream`, tells subscribers of every change once, in order
`rings.py`: `Rings`, which members observe which
`cut_detector.py`: `CutDetector`, finds the members that crashed together
`partition_policy.py`: what the nodes of each side of a partition do
`singletons.py`: `claim` and `release`, who of the members holds a singleton, and in which epoch
`singleton_steps.py`: what a node does next about a singleton: claims it, stops its actor, gives it back
`services.py`: `register` and `unregister`, which actors provide a service
`registered_names.py`: which names of singletons and services, and paths of actors, can be registered
`node/`: what one node does to be in the view
"""

from coterie.protocols.membership.cut_detector import Alert, Cut, CutConfig, CutDetector
from coterie.protocols.membership.member_events import (
    MemberDown,
    MemberEvent,
    MemberJoined,
    MemberLeaving,
    MemberRemoved,
    MemberUp,
    changes_between,
)
from coterie.protocols.membership.members import (
    Incarnation,
    Labels,
    Member,
    MemberId,
    MembershipState,
    ViewNumber,
    sorted_labels,
)
from coterie.protocols.membership.partition_policy import (
    KeepAll,
    KeepMajority,
    KeepRole,
    PartitionPolicy,
    PartitionWatch,
    Stand,
    StaticQuorum,
    stand,
)
from coterie.protocols.membership.rings import RINGS, Rings, rings_of
from coterie.protocols.membership.services import (
    Entered,
    Registered,
    ServiceEntry,
    Services,
    Unregistered,
    dropped,
    entries_of,
    instances,
    register,
    unregister,
)
from coterie.protocols.membership.singletons import (
    ClaimAnswer,
    Claimed,
    Epoch,
    Granted,
    HeldBy,
    Holder,
    Holders,
    Released,
    claim,
    holder_of,
    release,
)
from coterie.protocols.membership.view import View
from coterie.protocols.membership.view_changes import BecomeUp, Down, Expel, Join, Leave, Left, Remove, ViewChange
from coterie.protocols.membership.view_decisions import (
    Decided,
    DecidedTogether,
    Decision,
    Done,
    Refused,
    decide,
    decide_together,
)
from coterie.protocols.membership.view_stream import ViewChanged, ViewStream

__all__ = [
    "RINGS",
    "Alert",
    "BecomeUp",
    "ClaimAnswer",
    "Claimed",
    "Cut",
    "CutConfig",
    "CutDetector",
    "Decided",
    "DecidedTogether",
    "Decision",
    "Done",
    "Down",
    "Entered",
    "Epoch",
    "Expel",
    "Granted",
    "HeldBy",
    "Holder",
    "Holders",
    "Incarnation",
    "Join",
    "KeepAll",
    "KeepMajority",
    "KeepRole",
    "Labels",
    "Leave",
    "Left",
    "Member",
    "MemberDown",
    "MemberEvent",
    "MemberId",
    "MemberJoined",
    "MemberLeaving",
    "MemberRemoved",
    "MemberUp",
    "MembershipState",
    "PartitionPolicy",
    "PartitionWatch",
    "Refused",
    "Registered",
    "Released",
    "Remove",
    "Rings",
    "ServiceEntry",
    "Services",
    "Stand",
    "StaticQuorum",
    "Unregistered",
    "View",
    "ViewChange",
    "ViewChanged",
    "ViewNumber",
    "ViewStream",
    "changes_between",
    "claim",
    "decide",
    "decide_together",
    "dropped",
    "entries_of",
    "holder_of",
    "instances",
    "register",
    "release",
    "rings_of",
    "sorted_labels",
    "stand",
    "unregister",
]
