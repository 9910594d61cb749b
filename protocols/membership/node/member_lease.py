"""`MemberLease`: for how long a member may act; `DownTimes`: when one that is down certainly does not act any more.

A member asks the view's group whether it is in, with a linearizable read. If the answer is yes, then no `Expel` of it
had been decided when it asked; so it may act for `lease_s` from the moment *before it asked*, not from the answer.

    member    asks ───────────────────────── lease_s ───────────▶│ acts no more
    group        └ reads: it is in      Expel ┐                  │
    any other node                            └ sees it down ─── lease_s · (1 + clock_drift) ──▶ Remove

Whoever sees it down sees it after the `Expel`, which is after the member asked. (Leases: Gray and Cheriton, SOSP 1989.)
The clocks need not agree on the time, only roughly on its speed; none may stand still while its process is suspended.
"""

from __future__ import annotations

from math import inf

from coterie.protocols.membership.members import MemberId
from coterie.protocols.membership.node.membership_config import MembershipConfig
from coterie.protocols.membership.view import View

__all__ = ["DownTimes", "MemberLease"]


class MemberLease:
    """The lease of this member. Times are monotonic, in seconds.

    It is asked for every `renew_every_s`, also while an earlier answer is awaited: one that is lost costs nothing else.
    """

    def __init__(self, config: MembershipConfig) -> None:
        self._config = config
        self._token = 0
        self._asked_at: dict[int, float] = {}
        self._is_asked_again = False
        self._not_before = -inf
        self._gap_s = 0.8 * min(config.lease_s, config.failed_min * config.probe_interval_s)
        self._steady_since = inf
        self.ask_at = 0.0
        """When to ask next."""
        self.ends_at = -inf
        """Until when this member may act."""
        self.read_at = -inf
        """When the latest of the questions that have been answered was asked: this node reached the group after it."""

    def ask(self, *, now: float) -> int:
        """Begin to ask; return the token of the answer."""
        self._token += 1
        self._asked_at = {token: at for token, at in self._asked_at.items() if now < at + self._config.lease_s}
        self._asked_at[self._token] = now
        self.ask_at, self._is_asked_again = now + self._config.renew_every_s, False
        return self._token

    def answered(self, token: int, *, is_in: bool, now: float) -> None:
        """Take the answer to `ask`: the member was in the view, or not. It counts once, and not after `lease_s`."""
        asked_at = self._asked_at.pop(token, None)
        if asked_at is None:
            return
        if asked_at > self.read_at + self._gap_s:
            self._steady_since = asked_at
        self.read_at = max(self.read_at, asked_at)
        if is_in:
            self.ends_at = max(self.ends_at, self._expiry(asked_at, now))
        if self._is_asked_again:
            self.ask_at, self._is_asked_again = now, False

    def _expiry(self, asked_at: float, answered_at: float) -> float:
        """Return when the lease ends: it counts from the question, since the answer may be of any moment after it."""
        return asked_at + self._config.lease_s

    def failed(self, token: int, *, now: float) -> None:
        """Take it that there is no answer: ask again soon."""
        if self._asked_at.pop(token, None) is not None:
            self._not_before = now + self._config.renew_every_s / 4
            self.ask_at = min(self.ask_at, self._not_before)

    def ask_now(self, *, now: float) -> None:
        """Ask at once, or as soon as an answer has come that is awaited; but not right after a failure."""
        if self._asked_at:
            self._is_asked_again = True
        else:
            self.ask_at = min(self.ask_at, max(now, self._not_before))

    def is_steady(self, *, now: float) -> bool:
        """Return whether this node has reached the group all the time while the probes went out that count now."""
        probed_s = self._config.window * self._config.probe_interval_s
        return self._steady_since + probed_s <= now <= self.read_at + self._gap_s

    def end(self) -> None:
        """Give the lease back: this member holds nothing any more."""
        self.ends_at = -inf

    def is_valid(self, *, now: float) -> bool:
        """Return whether this member may act."""
        return now < self.ends_at


class DownTimes:
    """Since when this node has seen members down."""

    def __init__(self, config: MembershipConfig) -> None:
        self._wait_s = config.lease_s * (1 + config.clock_drift)
        self._seen_at: dict[MemberId, float] = {}

    def learn(self, view: View, *, now: float) -> None:
        """Take the newest view."""
        down = [member.identity for member in view if member.is_down]
        self._seen_at = {identity: self._seen_at.get(identity, now) for identity in down}

    def removable(self, *, now: float) -> tuple[MemberId, ...]:
        """Return the members whose longest lease has run out, sorted."""
        return tuple(sorted(it for it, seen_at in self._seen_at.items() if now >= seen_at + self._wait_s))

    def deadline(self, *, now: float) -> float | None:
        """Return the next time at which another one becomes removable; None: there is none."""
        times = (seen_at + self._wait_s for seen_at in self._seen_at.values())
        return min((time for time in times if time > now), default=None)
