"""`RingMonitor`: probes the members that one member observes, and knows which of them do not reply.

All are probed together, once an interval; a reply counts until the next round. A member is unheard while `failed_min`
of its last `window` probes are lost (Rapid, USENIX ATC 2018, §6: 40 % of the last ten). What is known of a member stays
when a new view comes, as long as it is observed by the same one.

A round that begins late, because this process did not run, says nothing about the others: its replies may lie unread,
so that what is missing in it does not count.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from coterie.protocols.membership.members import MemberId
from coterie.protocols.membership.node.membership_config import MembershipConfig

__all__ = ["RingMonitor"]


@dataclass(slots=True)
class _Subject:
    """What is known of one member: `lost` has a bit for each of the last probes; `has_replied` in this round."""

    lost: int = 0
    has_replied: bool = True


class RingMonitor:
    """The probes of one member.

    Args:
        config: the settings.
        rng: draws when the first round begins, and the number of the first probe.
    """

    def __init__(self, config: MembershipConfig, *, rng: random.Random) -> None:
        self._config = config
        self._rng = rng
        self._by_member: dict[MemberId, _Subject] = {}
        self._number = rng.getrandbits(52)
        self._due_at: float | None = None

    @property
    def deadline(self) -> float | None:
        """When the next round begins (monotonic, s); None: nobody is observed."""
        return self._due_at if self._by_member else None

    @property
    def unheard(self) -> tuple[MemberId, ...]:
        """The observed members that do not reply, sorted."""
        least = self._config.failed_min
        return tuple(member for member, subject in sorted(self._by_member.items()) if subject.lost.bit_count() >= least)

    def observe(self, members: Iterable[MemberId], *, now: float) -> None:
        """Observe these members from now on, and no others."""
        known = self._by_member
        self._by_member = {member: known.get(member) or _Subject() for member in members}
        if self._due_at is None:
            self._due_at = now + self._rng.uniform(0.0, self._config.probe_interval_s)

    def begin_round(self, *, now: float) -> tuple[int, Sequence[MemberId]]:
        """Count the round that ends, if one was due; return the number and the receivers of the next probes."""
        due, interval_s = self._due_at, self._config.probe_interval_s
        if due is None or now < due:
            return self._number, ()
        is_late = self._is_late(now - due)
        for subject in self._by_member.values():
            if subject.has_replied or not is_late:
                window = (1 << self._config.window) - 1
                subject.lost = (subject.lost << 1 | (not subject.has_replied)) & window
            subject.has_replied = False
        self._number += 1
        self._due_at = now + interval_s if is_late else due + interval_s
        return self._number, tuple(self._by_member)

    def _is_late(self, late_s: float) -> bool:
        return late_s > self._config.probe_interval_s / 2

    def replied(self, member: MemberId, number: int) -> None:
        """Take a reply. One to an earlier round, or of a member that is not observed, does not count."""
        subject = self._by_member.get(member)
        if subject is not None and number == self._number:
            subject.has_replied = True
