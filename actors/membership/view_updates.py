"""`ViewUpdate`: what subscribers of the view are told."""

from __future__ import annotations

from typing import Final

from coterie.actors.membership import membership_records  # the records that it has as fields
from coterie.protocols.membership.member_events import (
    MemberDown,
    MemberJoined,
    MemberLeaving,
    MemberRemoved,
    MemberUp,
)
from coterie.protocols.membership.view import View
from coterie.runtime.messages.message import message, register_message

__all__ = ["EVENT_NAMES", "ViewUpdate"]

EVENT_NAMES: Final[dict[str, type]] = {
    "membership.MemberJoined": MemberJoined,
    "membership.MemberUp": MemberUp,
    "membership.MemberLeaving": MemberLeaving,
    "membership.MemberDown": MemberDown,
    "membership.MemberRemoved": MemberRemoved,
}

assert membership_records.MEMBERSHIP_NAMES

for _name, _cls in EVENT_NAMES.items():
    register_message(_cls, name=_name)


@message(name="membership.ViewUpdate")
class ViewUpdate:
    """The newest view, and what has happened since the one that the subscriber was told before, in order.

    The first update of a subscriber is a snapshot, without events.
    """

    view: View
    events: tuple[MemberRemoved | MemberJoined | MemberDown | MemberLeaving | MemberUp, ...]
