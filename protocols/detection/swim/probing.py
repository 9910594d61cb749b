"""`Probing`: keeps the pending probe of this member, and the probes that it makes at the request of others.

start ── Ping ──▶ target        Ack in time ─────────────────────────▶ acknowledged
  │ after the probe time-out
  ├── IndirectPing ──▶ helpers ── Ping ──▶ target                    Ack, relayed ──▶ acknowledged
  │                       └── Nack after 80 % of the time-out        (proves only that the helper lives)
  ▼ at the end of the period: unacknowledged
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final

from coterie.protocols.algorithm import NodeId
from coterie.protocols.detection.relayed_probes import RelayedProbe, RelayedProbes

__all__ = ["PendingProbe", "Probing"]

NACK_AT: Final = 0.8
"""A helper sends its nack after this share of the requester's time-out (memberlist's value)."""

RELAYS_MAX: Final = 256
"""The most probes that are pending for others; more requests are dropped."""


@dataclass(slots=True)
class PendingProbe:
    """A probe of this member. Times are monotonic, in seconds.

    `timeout_at` is infinite once the indirect pings are sent; `nacked_by` are helpers that sent a nack.
    """

    target: NodeId
    sequence: int
    sent_at: float
    timeout_at: float
    helpers: tuple[NodeId, ...] = ()
    nacked_by: tuple[NodeId, ...] = ()
    is_acknowledged: bool = False


class Probing:
    """The pending probes. `first_sequence` should differ from life to life: then old acknowledgements fit nothing."""

    __slots__ = ("_sequence", "pending", "relayed")

    def __init__(self, first_sequence: int) -> None:
        self._sequence = first_sequence
        self.pending: PendingProbe | None = None
        """The probe of the present period."""
        self.relayed = RelayedProbes()
        """The probes for others; each expires when its nack is due."""

    def start(self, target: NodeId, *, timeout_s: float, now: float) -> PendingProbe:
        """Begin the probe of a period; it takes the place of the last one."""
        self.pending = PendingProbe(target, self._next_sequence(), now, now + timeout_s)
        return self.pending

    def abandon(self) -> None:
        """Forget the pending probe: nothing follows from it."""
        self.pending = None

    def acknowledged(self, sender: NodeId, sequence: int) -> PendingProbe | None:
        """Return the pending probe that an `Ack` acknowledges for the first time; None if it fits none."""
        probe = self.pending
        if probe is None or probe.sequence != sequence or probe.is_acknowledged:
            return None
        if sender != probe.target and sender not in probe.helpers:
            return None
        probe.is_acknowledged = True
        probe.timeout_at = inf
        return probe

    def nacked(self, sender: NodeId, sequence: int) -> None:
        """Record the `Nack` of a helper; each counts once."""
        probe = self.pending
        is_ours = probe is not None and probe.sequence == sequence and sender in probe.helpers
        if probe is not None and is_ours and sender not in probe.nacked_by:
            probe.nacked_by += (sender,)

    def relay(self, requester: NodeId, sequence: int, target: NodeId, *, timeout_s: float, now: float) -> int | None:
        """Begin a probe for another member; return its sequence number, or None if too many are pending."""
        if len(self.relayed) >= RELAYS_MAX:
            return None
        own = self._next_sequence()
        self.relayed.add(own, RelayedProbe(requester, sequence, target, now + NACK_AT * timeout_s))
        return own

    @property
    def deadline(self) -> float:
        """The next time-out or nack; infinite if there is none."""
        next_timeout = inf if self.pending is None else self.pending.timeout_at
        next_nack = self.relayed.earliest if self.relayed else None
        return next_timeout if next_nack is None else min(next_timeout, next_nack)

    def _next_sequence(self) -> int:
        self._sequence += 1
        return self._sequence
