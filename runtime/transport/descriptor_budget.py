"""`DescriptorBudget`: divides this process's file descriptors: the log and the nodes first, clients get what is left.

    limit of open files = open for other things + kept back (log, accepting) + nodes + strangers + clients

Decided here: how many connections of clients and strangers may be open (`limits`), how many clients must go because
other things took what was kept back (`missing`), and when a warning is due (`report`). Carried out by
`connection_slots.py` and `Transport._divide_descriptors`; reported to `TransportEvents.descriptors_changed`, which
`remote/remoting.py` logs. The log has spares of its own (`hosts/disk_with_spares.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from coterie.errors import TransportError
from coterie.runtime.hosts.resource_reading import DescriptorReading
from coterie.runtime.transport.connection_slots import CONNECTIONS_PER_LINK
from coterie.runtime.transport.transport_config import TransportConfig

__all__ = ["AMPLE", "KEPT_BACK", "LIMITED", "SCARCE", "AcceptLimits", "DescriptorBudget", "DescriptorReport"]

KEPT_BACK: Final = 24
"""Descriptors that no client or stranger gets: 8 for the files of the log, 16 for what is accepted in one turn."""

PER_MEMBER: Final = 2 * CONNECTIONS_PER_LINK
"""Descriptors for each node: its link, and the one that replaces it."""

STRANGERS_SHARE: Final = 4
"""One in so many of the descriptors that are left for accepted connections may be a stranger's."""

STRANGERS_MIN: Final = 8

SCARCE_SHARE: Final = 0.8
AMPLE_SHARE: Final = 0.75
"""Below this share of the limit the warning is withdrawn; lower than `SCARCE_SHARE`, so that it does not flutter."""


LIMITED: Final = "descriptors.limited"
SCARCE: Final = "descriptors.scarce"
AMPLE: Final = "descriptors.ample"


@dataclass(frozen=True, slots=True)
class AcceptLimits:
    """The most accepted connections: of clients and of strangers. `is_limited`: fewer than the configuration allows."""

    clients_max: int
    strangers_max: int
    is_limited: bool = False


@dataclass(frozen=True, slots=True)
class DescriptorReport:
    """What changed. `event`: `LIMITED` (clients get fewer connections than configured), `SCARCE`, or `AMPLE` again."""

    event: str
    open_count: int
    limit: int
    clients_max: int
    connections_max: int


class DescriptorBudget:
    """Keeps the latest reading, and what was reported last."""

    def __init__(self, config: TransportConfig) -> None:
        self._config = config
        self._is_scarce = False
        self._was_limited = False

    def check_start(self, reading: DescriptorReading) -> None:
        """Raise TransportError if the limit leaves no room for a node at all."""
        if reading.limit is None or reading.open_count is None:
            return
        needed = KEPT_BACK + PER_MEMBER + STRANGERS_MIN
        if reading.limit - reading.open_count < needed:
            raise TransportError(
                f"the limit of open files is {reading.limit}, and {reading.open_count} are open: a node needs at least "
                f"{needed} more; raise the limit (ulimit -n)"
            )

    def limits(self, reading: DescriptorReading, *, connections: int, members: int) -> AcceptLimits:
        """Return the present bounds. `connections`: all that are open now; `members`: the other nodes."""
        config = self._config
        configured = AcceptLimits(
            max(0, config.connections_max - CONNECTIONS_PER_LINK * members), config.handshakes_max
        )
        if reading.limit is None or reading.open_count is None:
            return configured
        others = max(0, reading.open_count - connections)
        room = reading.limit - others - KEPT_BACK - PER_MEMBER * members
        strangers_max = min(config.handshakes_max, max(STRANGERS_MIN, room // STRANGERS_SHARE))
        clients_max = max(0, min(configured.clients_max, room - strangers_max))
        return AcceptLimits(clients_max, strangers_max, clients_max < configured.clients_max)

    def missing(self, reading: DescriptorReading) -> int:
        """Return how many descriptors clients must give back, because half of what is kept back has been taken."""
        if reading.limit is None or reading.open_count is None:
            return 0
        free = reading.limit - reading.open_count
        return KEPT_BACK - free if free < KEPT_BACK // 2 else 0

    def report(self, reading: DescriptorReading, limits: AcceptLimits) -> list[DescriptorReport]:
        """Return what must be reported now, once for each change."""
        if reading.limit is None or reading.open_count is None:
            return []
        events = []
        if limits.is_limited and not self._was_limited:
            events.append(LIMITED)
        self._was_limited |= limits.is_limited
        share = reading.open_count / reading.limit
        if share >= SCARCE_SHARE if not self._is_scarce else share < AMPLE_SHARE:
            self._is_scarce = not self._is_scarce
            events.append(SCARCE if self._is_scarce else AMPLE)
        facts = (reading.open_count, reading.limit, limits.clients_max, self._config.connections_max)
        return [DescriptorReport(event, *facts) for event in events]
