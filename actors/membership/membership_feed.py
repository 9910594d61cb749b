"""`MembershipFeed`: what the `MembershipActor` of a node writes, and its `ClusterMembership` reads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from math import inf
from typing import Any

from coterie.actors.membership.membership_records import Registry, ViewUpdate
from coterie.errors import CoterieError
from coterie.protocols.membership.members import Member, MemberId
from coterie.protocols.membership.partition_policy import Stand
from coterie.protocols.membership.view import View
from coterie.protocols.membership.view_stream import ViewStream
from coterie.runtime.system import System
from coterie.runtime.user_code import notify

__all__ = ["MembershipFeed"]


class MembershipFeed:
    """The membership as one node knows it.

    Args:
        system: the node's system.
        me: the node as a member.

    Attributes:
        stand, lease_ends_at, registry, refusal, leader, unheard: see `ClusterMembership`.
        ended: why this life is in the view no more; None: it may be in.
        begin_to_leave: makes the node leave; None: its actor does not run.
    """

    def __init__(self, system: System, me: Member) -> None:
        self.system = system
        self.me = me
        self.stand = Stand.SERVE
        self.lease_ends_at = -inf
        self.registry = Registry(-1, {}, ())
        self.refusal = ""
        self.leader: str | None = None
        self.unheard: tuple[MemberId, ...] = ()
        self.ended: str | None = None
        self.begin_to_leave: Callable[[], None] | None = None
        self._stream: ViewStream[object] = ViewStream(View())
        self._tell_by_key: dict[object, Callable[[ViewUpdate], object]] = {}
        self._changed = asyncio.Event()
        self._listeners: dict[object, Callable[[], object]] = {}
        self._handovers: dict[object, Callable[[], Awaitable[object]]] = {}

    @property
    def view(self) -> View:
        """The newest view."""
        return self._stream.view

    # --- written by the actor ---------------------------------------------------------------------------------------

    def learn(self, view: View) -> None:
        """Take a newer view, and tell the subscribers."""
        for change in self._stream.learn(view):
            tell = self._tell_by_key.get(change.subscriber)
            if tell is not None:
                notify(self.system.log, [tell], ViewUpdate(change.view, change.events))

    def changed(self) -> None:
        """Let those that wait, and those that listen, look again."""
        self._changed.set()
        notify(self.system.log, list(self._listeners.values()))

    def end(self, reason: str) -> None:
        """Take it that this life is in the view no more."""
        self.ended = reason
        self.stand, self.lease_ends_at = Stand.END, -inf
        self.changed()

    async def hand_over(self) -> None:
        """Give up all that this node holds, at the same time."""
        await asyncio.gather(*(self._given_up(give_up) for give_up in self._handovers.values()))

    async def _given_up(self, give_up: Callable[[], Awaitable[object]]) -> None:
        try:
            await give_up()
        except CoterieError as error:
            self.system.log.warning("membership.handover_failed", error=str(error))

    # --- subscribed to ----------------------------------------------------------------------------------------------

    def subscribe(self, tell: Callable[[Any], object]) -> Callable[[], None]:
        """Call `tell` with the present view, and then with each update; return what ends this."""
        key = object()
        self._tell_by_key[key] = tell
        notify(self.system.log, [tell], ViewUpdate(self._stream.subscribe(key), ()))
        return lambda: self._unsubscribe(key)

    def listen(self, listener: Callable[[], object]) -> Callable[[], None]:
        """Call `listener` after each change; return what ends this."""
        key = object()
        self._listeners[key] = listener
        return lambda: _forget(self._listeners, key)

    def at_handover(self, give_up: Callable[[], Awaitable[object]]) -> Callable[[], None]:
        """Call `give_up` when this node leaves; return what ends this."""
        key = object()
        self._handovers[key] = give_up
        return lambda: _forget(self._handovers, key)

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

    def _unsubscribe(self, key: object) -> None:
        self._stream.unsubscribe(key)
        self._tell_by_key.pop(key, None)


def _forget(table: dict[object, Any], key: object) -> None:
    table.pop(key, None)
