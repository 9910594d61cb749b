"""Membership messages: what the members of a cluster send each other, beside the group that holds the view."""

from __future__ import annotations

from dataclasses import dataclass

from coterie.protocols.fast_dataclass import fast_dataclass
from coterie.protocols.membership.members import Incarnation, MemberId, ViewNumber
from coterie.protocols.membership.view_changes import BecomeUp, Join, Leave, Left

__all__ = [
    "ChangeRefused",
    "ChangeRequest",
    "MemberAlerts",
    "MemberMessage",
    "MemberProbe",
    "MemberProbeReply",
    "OwnChange",
    "ViewHint",
]

OwnChange = Join | BecomeUp | Leave | Left
"""What a member asks for itself."""


@fast_dataclass
@dataclass(frozen=True, slots=True)
class MemberProbe:
    """Asks the life `incarnation` of the receiver for a reply at once, with the same number."""

    incarnation: Incarnation
    number: int


@fast_dataclass
@dataclass(frozen=True, slots=True)
class MemberProbeReply:
    """The life `incarnation` of the sender answers `MemberProbe(number)`."""

    incarnation: Incarnation
    number: int


@dataclass(frozen=True, slots=True)
class MemberAlerts:
    """All members that `observer` observes in view `number` and does not hear at present, sorted; of others it does.

    It is sent again while there are any: alerts may be lost, and leaders change.
    """

    number: ViewNumber
    observer: MemberId
    accused: tuple[MemberId, ...]


@dataclass(frozen=True, slots=True)
class ViewHint:
    """There is a view `number`."""

    number: ViewNumber


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """A member asks the leader of the view's group to have `change` decided. `is_forwarded`: it is passed on once."""

    change: OwnChange
    is_forwarded: bool = False


@dataclass(frozen=True, slots=True)
class ChangeRefused:
    """The group has refused what the life `incarnation` of the receiver asked for; `reason` says why, for people."""

    incarnation: Incarnation
    reason: str


MemberMessage = MemberProbe | MemberProbeReply | MemberAlerts | ViewHint | ChangeRequest | ChangeRefused
