"""Membership requests: defines what operators ask the `MembershipActor` of a node, and what it answers."""

from __future__ import annotations

from typing import Final

from coterie.actors.membership.membership_records import Registry
from coterie.protocols.membership.members import MemberId
from coterie.protocols.membership.view import View
from coterie.protocols.membership.view_decisions import Done, Refused
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.messages.speakers import Speaker

__all__ = ["MEMBERSHIP_PATH", "LetLeave", "ReportView", "TakeDown", "ViewReport"]

MEMBERSHIP_PATH: Final = "#membership"
"""The path of the `MembershipActor` on every node: no part of a topology can have this name."""


@message(name="membership.ViewReport")
class ViewReport:
    """What a node knows of the membership.

    Attributes:
        node: the node that reports; `incarnation` is its own.
        view: the newest view that it knows.
        registry: the singletons and services.
        leader: which node presumably leads the group that holds the view; None: unknown.
        stand: the value of its `Stand`: act, serve, stop or end.
        lease_s: for how long it may still act; 0 if it may not.
        unheard: the members that it observes and does not hear.
        refusal: why it is not let in; "" if it is, or has not been refused.
        singletons: the names of those that its topology declares.
    """

    node: str
    incarnation: int
    view: View
    registry: Registry
    leader: str | None
    stand: str
    lease_s: float
    unheard: tuple[MemberId, ...] = ()
    refusal: str = ""
    singletons: tuple[str, ...] = ()


@message(name="membership.ReportView", speaker=Speaker.OPERATOR)
class ReportView(Ask[ViewReport]):
    """Ask a node what it knows of the membership."""


@message(name="membership.TakeDown", speaker=Speaker.OPERATOR)
class TakeDown(Ask[Done | Refused]):
    """Have it decided that this member is down: it must not take part any more, and its process ends."""

    member: MemberId


@message(name="membership.LetLeave", speaker=Speaker.OPERATOR)
class LetLeave(Ask[Done | Refused]):
    """Have it decided that this member leaves: it hands over what it holds, and its process ends."""

    member: MemberId
