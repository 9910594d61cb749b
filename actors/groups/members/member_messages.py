"""Member messages: what operators ask of a group's leader about its members, and how a leader invites a store."""

from __future__ import annotations

import enum

from coterie.actors.groups.group_messages import GroupMember
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.messages.speakers import Speaker

__all__ = [
    "ChangeGroupMembers",
    "InvitationRefused",
    "InviteStore",
    "MemberAction",
    "MembersChanged",
    "StoreInvited",
]


class MemberAction(enum.Enum):
    """What is changed. See `coterie.protocols.raft.membership.member_changes`."""

    ADD = "add"
    ADD_LEARNER = "add_learner"
    PROMOTE = "promote"
    REMOVE = "remove"
    REPLACE = "replace"


@message(name="group.MembersChanged")
class MembersChanged:
    """How a change ended. `is_done`: the group has the new `members`.

    Else `reason` says why not. `is_passing`: repeat it soon, at `leader` if that is known: a leader has changed, or was
    only just elected. `has_changed`: this request has put other members, or another address, into the log. `index`: the
    last entry of the log then. `is_certain`: if it is not done, this request has changed nothing; else it may have.
    """

    is_done: bool
    reason: str
    leader: str | None
    members: tuple[GroupMember, ...] = ()
    is_passing: bool = False
    has_changed: bool = False
    index: int = 0
    is_certain: bool = True


@message(name="group.ChangeMembers", speaker=Speaker.OPERATOR)
class ChangeGroupMembers(Ask[MembersChanged]):
    """Change the members of the group. What is done already is not done again.

    `store`: of REPLACE: how the id of the store that is replaced begins; None: the store stays, only the address
    changes. `address`: where `node` is reached (`host:port`); None: where it is reached now.
    """

    action: MemberAction
    node: str
    store: str | None = None
    address: str | None = None


@message(name="group.StoreInvited")
class StoreInvited:
    """`node` is ready to store what the leader sends, in `store`."""

    node: str
    store: str


@message(name="group.InvitationRefused")
class InvitationRefused:
    """The node that was invited cannot join: `reason` says why, and what to do."""

    reason: str


@message(name="group.InviteStore", speaker=Speaker.MEMBER)
class InviteStore(Ask[StoreInvited | InvitationRefused]):
    """`sender`, which leads, invites a node to join the group `incarnation`.

    `founders`: the members at index 0, encoded; empty: not known. `stores`: those of the present members: a group that
    was founded once more, under the same names, has the same incarnation, and other stores.
    """

    sender: str
    incarnation: bytes
    founders: bytes
    stores: tuple[str, ...] = ()
