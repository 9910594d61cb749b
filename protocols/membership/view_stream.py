"""`ViewStream`: follows the views of a cluster at one node, and tells subscribers of every change once, in order.

A subscriber gets a snapshot and then all changes after it: both come from the same view, in one call, so that nothing
that is decided in between is missed or told twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from coterie.protocols.membership.member_events import MemberEvent, changes_between
from coterie.protocols.membership.view import View

__all__ = ["ViewChanged", "ViewStream"]

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class ViewChanged(Generic[S]):
    """Effect: tell `subscriber` of a change.

    Attributes:
        subscriber: the key that subscribed.
        view: the new view.
        events: what happened since the view that the subscriber knows, in order.
    """

    subscriber: S
    view: View
    events: tuple[MemberEvent, ...]


class ViewStream(Generic[S]):
    """The newest view that this node knows, and who wants to hear of changes. `S` is any hashable key."""

    __slots__ = ("_subscribers", "_view")

    def __init__(self, view: View) -> None:
        self._view = view
        self._subscribers: dict[S, None] = {}

    @property
    def view(self) -> View:
        """The newest view."""
        return self._view

    def subscribe(self, subscriber: S) -> View:
        """Return the newest view as a snapshot; every change after it will be reported to `subscriber`.

        Subscribing again gives a new snapshot, and no change twice.
        """
        self._subscribers[subscriber] = None
        return self._view

    def unsubscribe(self, subscriber: S) -> None:
        """Report nothing more to `subscriber`; one that is not subscribed is ignored."""
        self._subscribers.pop(subscriber, None)

    def learn(self, view: View) -> tuple[ViewChanged[S], ...]:
        """Take a view that was decided; return what to tell whom, in the order of subscription.

        Views may arrive late, twice and out of order: one that is not newer than the newest known is ignored.
        """
        if not self._is_newer(view):
            return ()
        events = changes_between(self._view, view)
        self._view = view
        return tuple(ViewChanged(subscriber, view, events) for subscriber in self._subscribers)

    def _is_newer(self, view: View) -> bool:
        return view.number > self._view.number
