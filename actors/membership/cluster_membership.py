"""`ClusterMembership`: what one node knows of its cluster's view, and how its programs follow it: `node.membership`.

membership = node.membership
await membership.up()                                     # this node takes part
stop = membership.subscribe(lambda update: print(update.view.number, update.events))
await membership.leave()                                  # hands over what it holds, and is out of the view
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from math import inf
from typing import Any

from coterie.actors.membership.membership_records import Registry
from coterie.actors.membership.view_updates import ViewUpdate
from coterie.errors import CoterieError, NotInView
from coterie.protocols.algorithm import NodeId
from coterie.protocols.membership.members import Member, MemberId, MembershipState
from coterie.protocols.membership.partition_policy import Stand
from coterie.protocols.membership.view import View
from coterie.protocols.membership.view_stream import ViewStream
from coterie.runtime.refs import Ref
from coterie.runtime.system import System
from coterie.runtime.user_code import notify

__all__ = ["ClusterMembership", "ViewListener"]

UP_S = 30.0
LEAVE_S = 30.0

ViewListener = Callable[[ViewUpdate], object] | Ref[ViewUpdate]
"""A function that is called with each update, or the ref of an actor of this node that is told it."""


class ClusterMembership:
    """The view as one node knows it. Its `MembershipActor` keeps it current.

    Args:
        system: the node's system.
        me: the node as a member: its name, incarnation, address, roles and labels.
    """

    def __init__(self, system: System, me: Member) -> None:
        self.me = me
        self.stand = Stand.SERVE
        """What this node does in its present situation; see `Stand`."""
        self.lease_ends_at = -inf
        """Until when this member may act (monotonic time of the host, s)."""
        self.registry = Registry(-1, {}, ())
        """The singletons and services of the cluster, as far as this node knows."""
        self.refusal = ""
        """Why this node is not let in; "" if it is, or has not been refused."""
        self.leader: str | None = None
        """Which node presumably leads the group that holds the view."""
        self.unheard: tuple[MemberId, ...] = ()
        """The members that this one observes and does not hear."""
        self._system = system
        self._stream: ViewStream[object] = ViewStream(View())
        self._tell_by_key: dict[object, Callable[[ViewUpdate], object]] = {}
        self._changed = asyncio.Event()
        self._change_listeners: dict[object, Callable[[], object]] = {}
        self._handovers: dict[object, Callable[[], Awaitable[object]]] = {}
        self._ended: str | None = None
        self._begin_to_leave: Callable[[], None] | None = None

    # --- the view ---------------------------------------------------------------------------------------------------

    @property
    def view(self) -> View:
        """The newest view that this node knows; number 0 and empty at first."""
        return self._stream.view

    @property
    def own(self) -> Member | None:
        """This node in the newest view; None if it is not in."""
        return self.view.find(self.me.identity)

    @property
    def may_act(self) -> bool:
        """Whether this node is part of the acting side, and its lease is valid at this moment."""
        return self.stand is Stand.ACT and self._system.host.clock.monotonic() < self.lease_ends_at

    @property
    def has_ended(self) -> bool:
        """Whether this life is in the view no more."""
        return self._ended is not None

    def with_role(self, role: str) -> tuple[Member, ...]:
        """Return the up members with a role, by name."""
        return tuple(member for member in self.view.up if role in member.roles)

    def subscribe(self, listener: ViewListener) -> Callable[[], None]:
        """Tell `listener` the present view at once, and then each newer one in order; return what ends this.

        A function is called on the event loop and must be quick; an error that it raises is logged. A ref stays until
        it is removed: remove it when its actor stops.
        """
        key = object()
        tell: Callable[[Any], object] = listener.tell if isinstance(listener, Ref) else listener
        self._tell_by_key[key] = tell
        notify(self._system.log, [tell], ViewUpdate(self._stream.subscribe(key), ()))
        return lambda: self._unsubscribe(key)

    def on_change(self, listener: Callable[[], object]) -> Callable[[], None]:
        """Call `listener` after each change of anything here; return what ends this."""
        key = object()
        self._change_listeners[key] = listener
        return lambda: _forget(self._change_listeners, key)

    async def until(self, holds: Callable[[], bool], timeout_s: float | None) -> bool:
        """Wait until a condition on this object holds, `timeout_s` seconds at most; return whether it does."""
        try:
            async with asyncio.timeout(timeout_s):
                while not holds():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return holds()
        return True

    async def up(self, timeout_s: float = UP_S) -> Member:
        """Wait until this node is up; return it as a member.

        Raises:
            NotInView: it is not in time; the text says why, as far as that is known.
        """

        def is_up() -> bool:
            return self.has_ended or (self.own is not None and self.own.state is MembershipState.UP)

        await self.until(is_up, timeout_s)
        own = self.own
        if own is None or not own.is_up:
            raise NotInView(self.me.name, self._why_not_up(timeout_s))
        return own

    async def leave(self, timeout_s: float = LEAVE_S) -> None:
        """Hand over what this node holds, and leave the view; a process that has left does not come back.

        Raises:
            NotInView: it has not left in time, or the group refuses it; the text says why.
        """
        if self._begin_to_leave is None:
            raise NotInView(self.me.name, "its membership does not run")
        self._begin_to_leave()
        await self.until(lambda: self.has_ended or self.refusal != "", timeout_s)
        if not self.has_ended:
            raise NotInView(self.me.name, self.refusal or f"it has not left within {timeout_s:g} s")

    def at_handover(self, give_up: Callable[[], Awaitable[object]]) -> Callable[[], None]:
        """Call `give_up` when this node leaves, before it is out of the view; return what ends this."""
        key = object()
        self._handovers[key] = give_up
        return lambda: _forget(self._handovers, key)

    def _why_not_up(self, timeout_s: float) -> str:
        if self._ended is not None:
            return self._ended
        if self.refusal:
            return self.refusal
        if self.leader is None:
            return f"no leader of group 'membership' answered within {timeout_s:g} s: are most founders up, and linked?"
        return f"it is {'not in the view' if self.own is None else self.own.state.value} after {timeout_s:g} s"

    def _unsubscribe(self, key: object) -> None:
        self._stream.unsubscribe(key)
        self._tell_by_key.pop(key, None)

    # --- its actor --------------------------------------------------------------------------------------------------

    def runs(self, begin_to_leave: Callable[[], None]) -> None:
        """Take what begins to leave: its actor has started."""
        self._begin_to_leave = begin_to_leave

    def learn(self, view: View) -> None:
        """Take a newer view, and tell the subscribers."""
        for change in self._stream.learn(view):
            tell = self._tell_by_key.get(change.subscriber)
            if tell is not None:
                notify(self._system.log, [tell], ViewUpdate(change.view, change.events))

    def changed(self) -> None:
        """Let those that wait look again."""
        self._changed.set()
        for listener in list(self._change_listeners.values()):
            listener()

    def end(self, reason: str) -> None:
        """Take it that this life is in the view no more."""
        self._ended = reason
        self.stand, self.lease_ends_at = Stand.END, -inf
        self.changed()

    async def hand_over(self) -> None:
        """Give up all that this node holds."""
        for give_up in list(self._handovers.values()):
            try:
                await give_up()
            except CoterieError as error:
                self._system.log.warning("membership.handover_failed", error=str(error))

    def member(self, name: str) -> Member | None:
        """Return the member of that name; None if there is none."""
        return self.view.member(NodeId(name))


def _forget(table: dict[object, Any], key: object) -> None:
    table.pop(key, None)
