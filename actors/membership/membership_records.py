"""Membership records: defines the wire names of what pure membership speaks of, and the messages that are made of it.

Pure membership does not depend on a wire, so the names of its records are in this table. They are parts of other
messages, and never travel alone. A name never changes: nodes of two releases exchange them, and logs keep them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from coterie.protocols.membership.member_events import (
    MemberDown,
    MemberJoined,
    MemberLeaving,
    MemberRemoved,
    MemberUp,
)
from coterie.protocols.membership.members import Member, MemberId
from coterie.protocols.membership.node.membership_messages import (
    ChangeRefused,
    ChangeRequest,
    MemberAlerts,
    MemberProbe,
    MemberProbeReply,
    ViewHint,
)
from coterie.protocols.membership.services import Registered, ServiceEntry
from coterie.protocols.membership.singletons import Granted, HeldBy, Holder
from coterie.protocols.membership.view import View
from coterie.protocols.membership.view_changes import BecomeUp, Down, Expel, Join, Leave, Left, Remove
from coterie.protocols.membership.view_decisions import Done, Refused
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.message import message, register_message
from coterie.runtime.messages.speakers import Speaker

__all__ = ["LETTER_NAMES", "MEMBERSHIP_NAMES", "MembershipLetter", "Registry", "ViewUpdate"]

MEMBERSHIP_NAMES: Final[dict[str, type]] = {
    "membership.MemberId": MemberId,  # what has it as a field follows
    "membership.Member": Member,
    "membership.View": View,
    "membership.Join": Join,
    "membership.BecomeUp": BecomeUp,
    "membership.Leave": Leave,
    "membership.Left": Left,
    "membership.Expel": Expel,
    "membership.Down": Down,
    "membership.Remove": Remove,
    "membership.Done": Done,
    "membership.Refused": Refused,
    "membership.Holder": Holder,
    "membership.Granted": Granted,
    "membership.HeldBy": HeldBy,
    "membership.ServiceEntry": ServiceEntry,
    "membership.Registered": Registered,
    "membership.MemberJoined": MemberJoined,
    "membership.MemberUp": MemberUp,
    "membership.MemberLeaving": MemberLeaving,
    "membership.MemberDown": MemberDown,
    "membership.MemberRemoved": MemberRemoved,
}

LETTER_NAMES: Final[dict[str, type]] = {
    "membership.Probe": MemberProbe,
    "membership.ProbeReply": MemberProbeReply,
    "membership.Alerts": MemberAlerts,
    "membership.ViewHint": ViewHint,
    "membership.ChangeRequest": ChangeRequest,
    "membership.ChangeRefused": ChangeRefused,
}
"""What members send each other, in a `MembershipLetter`."""

for _name, _cls in (*MEMBERSHIP_NAMES.items(), *LETTER_NAMES.items()):
    register_message(_cls, name=_name, lane=Lane.CONSENSUS)


@message(name="membership.Registry", lane=Lane.CONSENSUS)
class Registry:
    """What the members hold and provide; who of them still counts is compared with the view.

    `revision` grows by one with each change. `holders`: the last grant of each singleton by name (do not change it);
    `services`: all entries, sorted by service, member and path.
    """

    revision: int
    holders: Mapping[str, Holder]
    services: tuple[ServiceEntry, ...]


@message(name="membership.Letter", lane=Lane.CONSENSUS, speaker=Speaker.MEMBER)
class MembershipLetter:
    """One message of a member: `sender` is the node that it comes from."""

    sender: str
    body: MemberProbe | MemberProbeReply | MemberAlerts | ViewHint | ChangeRequest | ChangeRefused


@message(name="membership.ViewUpdate")
class ViewUpdate:
    """The newest view, and what has happened since the one that the subscriber was told before, in order.

    The first update of a subscriber is a snapshot, without events.
    """

    view: View
    events: tuple[MemberRemoved | MemberJoined | MemberDown | MemberLeaving | MemberUp, ...]
