"""`RelayedProbes`: probes peers on behalf of other nodes that got no answer themselves, and reports to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from coterie.protocols.algorithm import NodeId, Send
from coterie.protocols.detection.detection_messages import Probe, ProbeReport, ProbeRequest

__all__ = ["RelayedProbes"]

_MOST_RELAYED = 1024


@dataclass(frozen=True, slots=True)
class _Relayed:
    requester: NodeId
    request_number: int
    target: NodeId
    due: float


class RelayedProbes:
    """The relayed probes that are still without answer, at most 1024: beyond that the oldest one is forgotten.

    `numbers` numbers the probes of this node, its own ones too. `longest_s`: the longest time for which one is kept.
    """

    __slots__ = ("_by_number", "_longest_s", "_numbers")

    def __init__(self, numbers: Iterator[int], longest_s: float) -> None:
        self._numbers = numbers
        self._longest_s = longest_s
        self._by_number: dict[int, _Relayed] = {}

    @property
    def earliest(self) -> float | None:
        """When the first one expires (monotonic, s); None if there is none."""
        return min((relayed.due for relayed in self._by_number.values()), default=None)

    def relay(self, requester: NodeId, request: ProbeRequest, *, now: float) -> Send[Probe]:
        """Probe the target of `request`."""
        number = next(self._numbers)
        # A time-out that is no number, or far too long, comes from another version: it must not stay for ever.
        timeout_s = request.timeout_s if 0 <= request.timeout_s <= self._longest_s else self._longest_s
        self._by_number[number] = _Relayed(requester, request.number, request.target, now + timeout_s)
        if len(self._by_number) > _MOST_RELAYED:
            del self._by_number[next(iter(self._by_number))]
        return Send(request.target, Probe(number))

    def replied(self, target: NodeId, number: int) -> Send[ProbeReport] | None:
        """Return the positive report, if `target` has answered a relayed probe."""
        relayed = self._by_number.get(number)
        if relayed is None or relayed.target != target:
            return None
        del self._by_number[number]
        return Send(relayed.requester, ProbeReport(relayed.request_number, True))

    def pop_expired(self, *, now: float) -> list[Send[ProbeReport]]:
        """Return the negative reports of those whose time has expired."""
        if not self._by_number:
            return []
        expired = [number for number, relayed in self._by_number.items() if relayed.due <= now]
        ended = [self._by_number.pop(number) for number in expired]
        return [Send(relayed.requester, ProbeReport(relayed.request_number, False)) for relayed in ended]
