"""Singleton messages: defines what nodes tell each other about a singleton, to save them a poll."""

from __future__ import annotations

import coterie.actors.membership.membership_records  # noqa: F401 (it registers what fields here hold)
from coterie.protocols.membership.members import MemberId
from coterie.protocols.membership.singletons import Epoch
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.message import message
from coterie.runtime.messages.speakers import Speaker

__all__ = ["SingletonMoved"]


@message(name="membership.SingletonMoved", lane=Lane.CONSENSUS, speaker=Speaker.MEMBER)
class SingletonMoved:
    """The sender was granted a singleton in this epoch (`is_held`), or has given that grant back.

    It only saves time: who holds a singleton is decided by the group, and read from it in any case.
    """

    sender: str
    member: MemberId
    epoch: Epoch
    is_held: bool
