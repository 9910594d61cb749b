"""Membership letters: defines the wire names of what members send each other, and the envelope in which it travels.

Pure membership does not depend on a wire, so the names are in this table. A name never changes.
"""

from __future__ import annotations

from typing import Final

from coterie.actors.membership import membership_records  # the records that these messages have as fields
from coterie.protocols.membership.node.membership_messages import (
    ChangeRefused,
    ChangeRequest,
    MemberAlerts,
    MemberProbe,
    MemberProbeReply,
    ViewHint,
)
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.message import message, register_message
from coterie.runtime.messages.speakers import Speaker

__all__ = ["LETTER_NAMES", "MembershipLetter"]

LETTER_NAMES: Final[dict[str, type]] = {
    "membership.Probe": MemberProbe,
    "membership.ProbeReply": MemberProbeReply,
    "membership.Alerts": MemberAlerts,
    "membership.ViewHint": ViewHint,
    "membership.ChangeRequest": ChangeRequest,
    "membership.ChangeRefused": ChangeRefused,
}

assert membership_records.MEMBERSHIP_NAMES

for _name, _cls in LETTER_NAMES.items():
    register_message(_cls, name=_name, lane=Lane.CONSENSUS)


@message(name="membership.Letter", lane=Lane.CONSENSUS, speaker=Speaker.MEMBER)
class MembershipLetter:
    """One message of a member: `sender` is the node that it comes from."""

    sender: str
    body: MemberProbe | MemberProbeReply | MemberAlerts | ViewHint | ChangeRequest | ChangeRefused
