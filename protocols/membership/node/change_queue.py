"""`ChangeQueue`: collects the changes that the leader of the view's group has to propose, so that many are one view."""

from __future__ import annotations

from math import inf
from typing import Final

from coterie.protocols.algorithm import NodeId
from coterie.protocols.membership.node.membership_config import MembershipConfig
from coterie.protocols.membership.view_changes import ViewChange

__all__ = ["ChangeQueue"]

FIRST_S: Final = 0.1
"""For how long the first changes after a pause are collected."""

QUEUED_MAX: Final = 4096
"""The most changes that wait, and the most that are one view."""

FEW: Final = 8
"""So many changes need not wait for `change_every_s` since the view before, if none was shortly before that one: a node
that joins alone is up at once, and many that join together are still few views."""

UNANSWERED_S: Final = 5.0
"""After so long without an answer a proposal counts as failed."""


class ChangeQueue:
    """The changes that wait, and the one proposal that is under way. Times are monotonic, in seconds."""

    def __init__(self, config: MembershipConfig) -> None:
        self._every_s = config.change_every_s
        self._waiting: dict[ViewChange, NodeId | None] = {}
        self._proposed: dict[ViewChange, NodeId | None] = {}
        self._token = 0
        self._last_at = self._before_last_at = -inf
        self._due_at = inf
        self._is_urgent = False

    @property
    def deadline(self) -> float | None:
        """When `take` has something; None: not before another event."""
        return None if self._due_at == inf else self._due_at

    def add(self, change: ViewChange, requester: NodeId | None, *, now: float, is_urgent: bool = False) -> None:
        """Add a change that `requester` (None: this node) asks for, unless it waits already, or is proposed."""
        if change in self._waiting or change in self._proposed or len(self._waiting) >= QUEUED_MAX:
            return
        self._waiting[change] = requester
        self._is_urgent = self._is_urgent or is_urgent
        self._due_at = min(self._due_at, now if is_urgent else max(now + FIRST_S, self._not_before))

    @property
    def _not_before(self) -> float:
        """When the changes that wait may be proposed, so that views are not too many."""
        return (self._before_last_at if len(self._waiting) <= FEW else self._last_at) + self._every_s

    def take(self, *, now: float) -> tuple[int, tuple[ViewChange, ...]] | None:
        """Return a token and the changes to propose now, as one; None: none."""
        if now < self._due_at:
            return None
        if not self._waiting and not self._proposed:
            self._due_at = inf
            return None
        if self._proposed and now < self._last_at + UNANSWERED_S:
            self._due_at = self._last_at + UNANSWERED_S
            return None
        if not self._is_urgent and now < self._not_before:
            self._due_at = self._not_before
            return None
        self._proposed, self._waiting, self._is_urgent = self._waiting, {}, False
        self._token += 1
        self._before_last_at, self._last_at = self._last_at, now
        self._due_at = now + UNANSWERED_S if self._proposed else inf
        return (self._token, tuple(self._proposed)) if self._proposed else None

    def answered(self, token: int, *, now: float) -> dict[ViewChange, NodeId | None]:
        """Return the changes of the proposal that has been decided, or has failed, and who asked for each; in order."""
        if token != self._token:
            return {}
        proposed, self._proposed = self._proposed, {}
        wait_until = now if self._is_urgent else max(now, self._not_before)
        self._due_at = wait_until if self._waiting else inf
        return proposed

    def clear(self) -> None:
        """Forget everything: this node leads no more."""
        self._waiting, self._proposed, self._due_at, self._is_urgent = {}, {}, inf, False
        self._token += 1
