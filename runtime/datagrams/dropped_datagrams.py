"""`DroppedDatagrams`: counts the datagrams that are not believed, by reason, and reports each reason once a minute."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from coterie.runtime.system import System

__all__ = ["REMIND_S", "DropReason", "DroppedDatagrams"]

REMIND_S: Final = 60.0
"""Shortest time between two reports of one reason: sources can be forged, so they are not told apart."""


class DropReason(enum.Enum):
    """The reason why a datagram was dropped, in the order of the checks."""

    GARBAGE = "garbage"  # it is none of ours: too short, or with other first bytes
    VERSION = "version"  # its format has another version
    FOREIGN_CLUSTER = "foreign_cluster"
    NOT_FOR_US = "not_for_us"  # for another node, or for an earlier process of this one
    UNKNOWN_PEER = "unknown_peer"  # its sender is no peer, or has not passed a handshake yet
    OLD_INCARNATION = "old_incarnation"  # its sender is not the process with which we had the last handshake
    REPLAYED = "replayed"  # it arrived before, or is too late to know that
    FORGED = "forged"  # its authentication code is wrong: it was made without the key, or damaged
    BAD_MESSAGE = "bad_message"  # its message does not decode, or the actor does not take it


_ORDINARY: Final = frozenset(
    (DropReason.NOT_FOR_US, DropReason.UNKNOWN_PEER, DropReason.OLD_INCARNATION, DropReason.REPLAYED)
)
"""What a network that duplicates, and the start of a process, cause without any mistake."""


class DroppedDatagrams:
    """The dropped datagrams of one system."""

    __slots__ = ("_reported", "_system", "counts")

    def __init__(self, system: System) -> None:
        self.counts: dict[DropReason, int] = dict.fromkeys(DropReason, 0)
        """Number of dropped datagrams by reason."""
        self._system = system
        self._reported: dict[DropReason, tuple[float, int]] = {}  # when, and the count then

    def note(self, reason: DropReason, source: tuple[str, int], detail: str = "") -> None:
        """Count a datagram that came from `source`, as it says; report it unless its reason was reported lately."""
        self.counts[reason] += 1
        now = self._system.host.clock.monotonic()
        reported_s, count = self._reported.get(reason, (now - REMIND_S, 0))
        if now - reported_s >= REMIND_S:
            self._reported[reason] = (now, self.counts[reason])
            self._report(reason, f"{source[0]}:{source[1]}", self.counts[reason] - count, detail)

    def _report(self, reason: DropReason, source: str, times: int, detail: str) -> None:
        system = self._system
        log = system.log.info if reason in _ORDINARY else system.log.warning
        log("datagram.dropped", reason=reason.value, source=source, times=times, detail=detail)
        if system.events.listeners:
            system.events.publish(
                "datagram.dropped", "", reason=reason.value, source=source, times=times, detail=detail
            )
