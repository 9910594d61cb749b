"""Membership records: defines the wire names of members, views, changes and answers, and the `Registry` of a cluster.

Pure membership does not depend on a wire, so the names of its records are in this table. They are parts of other
messages, and never travel alone. A name never changes: nodes of two releases exchange them, and logs keep them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from coterie.protocols.membership.members import Member, MemberId
from coterie.protocols.membership.services import Registered, ServiceEntry
from coterie.protocols.membership.singletons import Granted, HeldBy, Holder
from coterie.protocols.membership.view import View
from coterie.protocols.membership.view_changes import BecomeUp, Down, Expel, Join, Leave, Left, Remove
from coterie.protocols.membership.view_decisions import Done, Refused
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.message import message, register_message

__all__ = ["MEMBERSHIP_NAMES", "Registry"]

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
}

for _name, _cls in MEMBERSHIP_NAMES.items():
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
