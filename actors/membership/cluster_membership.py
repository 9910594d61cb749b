"""`ClusterMembership`: what one node knows of its cluster's view, and how its programs follow it: `node.membership`.

membership = node.membership
await membership.up()                                     # this node takes part
stop = membership.subscribe(lambda update: print(update.view.number, update.events))
await membership.leave()                                  # hands over what it holds, and is out of the view
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from coterie.actors.membership.membership_feed import MembershipFeed
from coterie.actors.membership.membership_records import Registry, ViewUpdate
from coterie.errors import NotInView
from coterie.protocols.membership.members import Member, MemberId, MembershipState
from coterie.protocols.membership.partition_policy import Stand
from coterie.protocols.membership.view import View
from coterie.runtime.refs import Ref

__all__ = ["ClusterMembership", "ViewListener"]

UP_S = 30.0
LEAVE_S = 30.0

ViewListener = Callable[[ViewUpdate], object] | Ref[ViewUpdate]
"""A function that is called with each update, or the ref of an actor of this node that is told it."""


class ClusterMembership:
    """The view as one node knows it, and what the node may do. Its `MembershipActor` keeps `feed` current."""

    def __init__(self, feed: MembershipFeed) -> None:
        self.feed = feed

    # --- what is known ----------------------------------------------------------------------------------------------

    @property
    def me(self) -> Member:
        """This node as a member: its name, incarnation, address, roles and labels; for its state see `own`."""
        return self.feed.me

    @property
    def view(self) -> View:
        """The newest view that this node knows; number 0 and empty at first."""
        return self.feed.view

    @property
    def own(self) -> Member | None:
        """This node in the newest view; None if it is not in."""
        return self.view.find(self.me.identity)

    def with_role(self, role: str) -> tuple[Member, ...]:
        """Return the up members with a role, by name."""
        return tuple(member for member in self.view.up if role in member.roles)

    @property
    def registry(self) -> Registry:
        """The singletons and services of the cluster, as far as this node knows."""
        return self.feed.registry

    @property
    def leader(self) -> str | None:
        """Which node presumably leads the group that holds the view; None: unknown."""
        return self.feed.leader

    @property
    def unheard(self) -> tuple[MemberId, ...]:
        """The members that this node observes and does not hear, sorted: its opinion, which the view may not share."""
        return self.feed.unheard

    # --- what this node may do --------------------------------------------------------------------------------------

    @property
    def stand(self) -> Stand:
        """What this node does in its present situation; see `Stand`."""
        return self.feed.stand

    @property
    def lease_ends_at(self) -> float:
        """Until when this member may act (monotonic time of the host, s); -inf: it may not."""
        return self.feed.lease_ends_at

    @property
    def may_act(self) -> bool:
        """Whether this node is part of the acting side, and its lease is valid at this moment."""
        return self.stand is Stand.ACT and self.feed.system.host.clock.monotonic() < self.lease_ends_at

    @property
    def has_ended(self) -> bool:
        """Whether this life is in the view no more: it has left, or was removed."""
        return self.feed.ended is not None

    @property
    def refusal(self) -> str:
        """Why this node is not let in; "" if it is, or has not been refused."""
        return self.feed.refusal

    # --- following --------------------------------------------------------------------------------------------------

    def subscribe(self, listener: ViewListener) -> Callable[[], None]:
        """Tell `listener` the present view at once, and then each newer one in order; return what ends this.

        A function is called on the event loop and must be quick; an error that it raises is logged. A ref stays until
        it is removed: remove it when its actor stops.
        """
        tell: Callable[[Any], object] = listener.tell if isinstance(listener, Ref) else listener
        return self.feed.subscribe(tell)

    def on_change(self, listener: Callable[[], object]) -> Callable[[], None]:
        """Call `listener`, which must be quick, after each change of anything here; return what ends this."""
        return self.feed.listen(listener)

    def at_handover(self, give_up: Callable[[], Awaitable[object]]) -> Callable[[], None]:
        """Await `give_up` when this node leaves, before it is out of the view; return what ends this."""
        return self.feed.at_handover(give_up)

    async def until(self, holds: Callable[[], bool], timeout_s: float | None) -> bool:
        """Wait until a condition on this object holds, `timeout_s` seconds at most; return whether it does."""
        return await self.feed.until(holds, timeout_s)

    async def up(self, timeout_s: float = UP_S) -> Member:
        """Wait until this node is up; return it as a member.

        Raises:
            NotInView: it is not in time; the text says why, as far as that is known.
        """
        await self.until(lambda: self.has_ended or (self.own is not None and self.own.is_up), timeout_s)
        own = self.own
        if own is None or not own.is_up:
            raise NotInView(self.me.name, self._why_not_up(timeout_s))
        return own

    async def leave(self, timeout_s: float = LEAVE_S) -> None:
        """Hand over what this node holds, and leave the view; a process that has left does not come back.

        Raises:
            NotInView: it has not left in time, or the group refuses it; the text says why.
        """
        if self.feed.begin_to_leave is None:
            raise NotInView(self.me.name, "its membership does not run")
        self.feed.begin_to_leave()
        await self.until(lambda: self.has_ended or self.refusal != "", timeout_s)
        if not self.has_ended:
            raise NotInView(self.me.name, self.refusal or f"it has not left within {timeout_s:g} s")

    def _why_not_up(self, timeout_s: float) -> str:
        own = self.own
        if self.feed.ended is not None or self.refusal:
            return self.feed.ended or self.refusal
        if self.leader is None:
            return f"no leader of group 'membership' answered within {timeout_s:g} s: are most founders up, and linked?"
        state = MembershipState.JOINING.value if own is None else own.state.value
        return f"it is {state} after {timeout_s:g} s"
