"""Member events: say what happened to members between two views, in an order that a subscriber can act on.

Between one view and the next an event is exactly one decision about a member. If views in between were missed, states
that a member only passed through are not reported: from up to removed is one `MemberRemoved`. A member that is seen for
the first time is always reported as joined first, whatever its state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from coterie.protocols.membership.members import Member, MembershipState
from coterie.protocols.membership.view import View

__all__ = [
    "MemberDown",
    "MemberEvent",
    "MemberJoined",
    "MemberLeaving",
    "MemberRemoved",
    "MemberUp",
    "changes_between",
]


@dataclass(frozen=True, slots=True)
class MemberJoined:
    """`member` is in the view, and was not before."""

    member: Member


@dataclass(frozen=True, slots=True)
class MemberUp:
    """`member` takes part in everything from now on."""

    member: Member


@dataclass(frozen=True, slots=True)
class MemberLeaving:
    """`member` hands over what it has."""

    member: Member


@dataclass(frozen=True, slots=True)
class MemberDown:
    """`member` has been decided out; its leases may still run."""

    member: Member


@dataclass(frozen=True, slots=True)
class MemberRemoved:
    """`member`, as it was in the earlier view, is not in the view any more: it holds nothing, and never comes back."""

    member: Member


MemberEvent = MemberRemoved | MemberJoined | MemberDown | MemberLeaving | MemberUp

_ORDER: Final = (MemberRemoved, MemberJoined, MemberDown, MemberLeaving, MemberUp)
"""A name whose old life is replaced is removed before it joins; losses are known before anybody new is up."""


def changes_between(old: View, new: View) -> tuple[MemberEvent, ...]:
    """Return what happened from `old` to `new`: removed, joined, down, leaving and up members, each by name. O(n).

    Raises:
        ValueError: `new` is the older view.
    """
    if new.number < old.number:
        raise ValueError(f"view {new.number} is older than view {old.number}: views are compared in their order")
    before = {member.identity: member for member in old.members}
    after = {member.identity: member for member in new.members}
    events: list[MemberEvent] = [MemberRemoved(was) for identity, was in before.items() if identity not in after]
    for identity, member in after.items():
        events += _events(before.get(identity), member)
    return tuple(sorted(events, key=lambda event: _ORDER.index(type(event))))


def _events(was: Member | None, member: Member) -> list[MemberEvent]:
    events: list[MemberEvent] = [] if was is not None else [MemberJoined(member)]
    if was is not None and was.state is member.state:
        return events
    match member.state:
        case MembershipState.UP:
            events.append(MemberUp(member))
        case MembershipState.LEAVING:
            events.append(MemberLeaving(member))
        case MembershipState.DOWN:
            events.append(MemberDown(member))
        case MembershipState.JOINING:
            pass
    return events
