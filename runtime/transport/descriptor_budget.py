"""`DescriptorBudget`: divides this process's file descriptors: the log and the nodes first, clients get what is left.

    limit of open files = open for other things + kept back (log, accepting) + nodes + strangers + clients

Decided here: whether there is room for a node at all (`check_room`), how many connections of clients and strangers may
be open (`limits`; never fewer than `CLIENTS_MIN` and `STRANGERS_MIN`), how many clients must go because other things
took what was kept back (`missing`), and when a warning is due (`report`). Carried out by
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

__all__ = [
    "AMPLE",
    "KEPT_BACK",
    "LIMITED",
    "NODE_FILES",
    "SCARCE",
    "AcceptLimits",
    "DescriptorBudget",
    "DescriptorReport",
    "check_room",
]

KEPT_BACK: Final = 24
"""Descriptors that no client or stranger gets: 8 for the files of the log, 16 for what is accepted in one turn."""

PER_MEMBER: Final = 2 * CONNECTIONS_PER_LINK
"""Descriptors for each node: its link, and the one that replaces it."""

STRANGERS_SHARE: Final = 4
"""One in so many of the descriptors that are left for accepted connections may be a stranger's."""

STRANGERS_MIN: Final = 8

CLIENTS_MIN: Final = 8
"""Clients have at least so many connections, which are four links: `coterie up`, a command, and two programs."""

NODE_FILES: Final = 24
"""Descriptors that a node opens while it starts: sockets that listen, the lock, marks and spares of the log, segments.
A log with more than some 14 segments takes more; `Transport.listen` then looks again."""

HELD_SHARE: Final = 8
"""Once told, the bound of clients moves in steps of about one in so many: a new file must not be a new warning."""

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
    """What changed. `event`: `LIMITED` (clients get `clients_max` from now on), `SCARCE`, or `AMPLE` again."""

    event: str
    open_count: int
    limit: int
    clients_max: int
    connections_max: int


def check_room(reading: DescriptorReading, *, members: int, files: int = 0) -> None:
    """Raise TransportError if the limit leaves no room for a node.

    Args:
        reading: the present one, without connections.
        members: the other nodes.
        files: how many descriptors it will open for other things than connections.
    """
    if reading.limit is None or reading.open_count is None:
        return
    needed = reading.open_count + files + KEPT_BACK + PER_MEMBER * members + STRANGERS_MIN + CLIENTS_MIN
    if reading.limit < needed:
        nodes = {0: "", 1: " with 1 other node"}.get(members, f" with {members} other nodes")
        raise TransportError(
            f"the limit of open files is {reading.limit}, and {reading.open_count} are open: a node{nodes} needs a "
            f"limit of at least {needed}; raise it (ulimit -n {needed})"
        )


class DescriptorBudget:
    """Keeps what was reported last: once told, the bound of clients stays as it is until it is told anew."""

    def __init__(self, config: TransportConfig) -> None:
        self._config = config
        self._is_scarce = False
        self._told: int | None = None
        """The bound of clients that was reported last; None: none was."""

    def limits(self, reading: DescriptorReading, *, connections: int, members: int) -> AcceptLimits:
        """Return the bounds from now on. `connections`: all that are open now; `members`: the other nodes."""
        config = self._config
        configured = AcceptLimits(
            max(0, config.connections_max - CONNECTIONS_PER_LINK * members), config.handshakes_max
        )
        if reading.limit is None or reading.open_count is None:
            return configured
        others = max(0, reading.open_count - connections)
        room = reading.limit - others - KEPT_BACK - PER_MEMBER * members
        strangers_max = min(config.handshakes_max, max(STRANGERS_MIN, room // STRANGERS_SHARE))
        clients_max = min(configured.clients_max, self._held(max(CLIENTS_MIN, room - strangers_max)))
        return AcceptLimits(clients_max, strangers_max, clients_max < configured.clients_max)

    def _held(self, clients_max: int) -> int:
        """Return the bound that was told, if the present one is not much higher; else one with room for a few files."""
        told = self._told
        if told is None or clients_max == told:
            return clients_max
        if told < clients_max < told + max(CLIENTS_MIN, 2 * told // HELD_SHARE):
            return told
        return max(CLIENTS_MIN, clients_max - clients_max // HELD_SHARE)

    def missing(self, reading: DescriptorReading) -> int:
        """Return how many descriptors clients must give back, because half of what is kept back has been taken."""
        if reading.limit is None or reading.open_count is None:
            return 0
        free = reading.limit - reading.open_count
        return KEPT_BACK - free if free < KEPT_BACK // 2 else 0

    def report(self, reading: DescriptorReading, limits: AcceptLimits) -> list[DescriptorReport]:
        """Return what must be reported now, once for each change: of the bound of clients, and of the warning."""
        if reading.limit is None or reading.open_count is None:
            return []
        events = []
        if limits.clients_max != self._told if self._told is not None else limits.is_limited:
            self._told = limits.clients_max
            events.append(LIMITED)
        share = reading.open_count / reading.limit
        if share >= SCARCE_SHARE if not self._is_scarce else share < AMPLE_SHARE:
            self._is_scarce = not self._is_scarce
            events.append(SCARCE if self._is_scarce else AMPLE)
        facts = (reading.open_count, reading.limit, limits.clients_max, self._config.connections_max)
        return [DescriptorReport(event, *facts) for event in events]
