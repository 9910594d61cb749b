"""`SuspicionTimer`: measures how long a suspicion lasts before it becomes a failure; confirmations shorten it."""

from __future__ import annotations

from math import log, log10
from typing import Final

from coterie.protocols.algorithm import NodeId

__all__ = ["SuspicionTimer", "suspicion_min_s"]

INQUIRIES_FROM: Final = 0.6
"""The share of its duration after which a suspicion is inquired about."""


def suspicion_min_s(multiplier: float, members: int, period_s: float) -> float:
    """Return the shortest suspicion among `members` members: α · max(1, log10 n) · T (Lifeguard §IV.B), s."""
    return multiplier * max(1.0, log10(max(1, members))) * period_s


class SuspicionTimer:
    """One suspicion. It lasts `max_s` at first, and `min_s` once it has `confirmations` independent confirmations.

    After c of k confirmations it lasts max(min, max − (max − min) · ln(c + 1) / ln(k + 1)) (Lifeguard §IV.B, formula
    of LHA-Suspicion). Each accuser counts once: a repeated accusation is no news. Without confirmations to wait for
    (k = 0) it lasts `min_s`.

    Towards its end there are times at which to inquire whether it still holds (not in the papers): `next_at` is the
    next inquiry or the end.

    Args:
        accuser: the member that suspects first; it is not a confirmation.
        confirmations: k, at least 0.
        min_s, max_s: shortest and longest time, s.
        inquiries: how often to inquire.
        now: when the suspicion begins (monotonic, s).
    """

    __slots__ = ("_confirmations", "_inquired", "_inquiries", "_max_s", "_min_s", "accusers", "began_at", "timeout_s")

    def __init__(
        self, accuser: NodeId, *, confirmations: int, min_s: float, max_s: float, now: float, inquiries: int = 0
    ) -> None:
        self.accusers: dict[NodeId, None] = {accuser: None}
        """The members that suspect it, at most k + 1 of them."""
        self.began_at = now
        """When the suspicion began; later by each pause of this process."""
        self._confirmations = confirmations
        self._min_s = min_s
        self._max_s = max_s
        self._inquiries = inquiries
        self._inquired = 0
        self.timeout_s = self._present_timeout_s()
        """How long the suspicion lasts altogether, s."""

    @property
    def ends_at(self) -> float:
        """When the member counts as failed unless it refutes."""
        return self.began_at + self.timeout_s

    @property
    def next_at(self) -> float:
        """When to inquire next, or, after the last inquiry, when the suspicion ends."""
        if self._inquired == self._inquiries:
            return self.ends_at
        share = INQUIRIES_FROM + (1 - INQUIRIES_FROM) * self._inquired / self._inquiries
        return self.began_at + self.timeout_s * share

    def inquire(self, *, now: float) -> bool:
        """Return whether an inquiry is due, and count it. Several that are overdue, since it shrank, count as one."""
        is_due = False
        while self._inquired < self._inquiries and self.next_at <= now:
            self._inquired += 1
            is_due = True
        return is_due

    def confirm(self, accuser: NodeId) -> bool:
        """Count an accusation; return whether it is an independent confirmation that was still needed."""
        if accuser in self.accusers or len(self.accusers) > self._confirmations:
            return False
        self.accusers[accuser] = None
        self.timeout_s = self._present_timeout_s()
        return True

    def _present_timeout_s(self) -> float:
        if self._confirmations == 0:
            return self._min_s
        share = log(len(self.accusers)) / log(self._confirmations + 1)  # accusers = c + 1
        return max(self._min_s, self._max_s - (self._max_s - self._min_s) * share)
