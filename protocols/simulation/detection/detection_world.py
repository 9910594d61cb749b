"""`DetectionWorld`: runs the failure detectors of many members in simulated time, and records their changes of opinion.

It is much lighter than a simulated system: no actors, no bytes, one heap of arrivals and timers; thousands of members
fit. It works for every `FailureDetector`. Crashes, pauses, partitions and restarts are made by the caller between two
calls of `run`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from heapq import heappop, heappush
from math import inf
from typing import Any

from coterie.protocols.algorithm import NodeId, Observe, Received, Send
from coterie.protocols.detection.failure_detector import Failed, FailureDetector, StateChange, Suspected, Trusted
from coterie.protocols.detection.swim.swim_messages import Ping
from coterie.protocols.simulation.detection.member_network import MemberNetwork
from coterie.protocols.simulation.detection.message_counts import MessageCounts

__all__ = ["DetectionWorld", "SeenChange"]


@dataclass(frozen=True, slots=True)
class SeenChange:
    """At `at` (simulated s) `observer` changed its opinion of `change.peer`."""

    at: float
    observer: NodeId
    change: StateChange


@dataclass(slots=True)
class _Member:
    """One member's process. While `resumes_at` is later than now it stands still, and `held` keeps its messages."""

    node: NodeId
    detector: FailureDetector
    is_up: bool = True
    armed_at: float = inf
    resumes_at: float = 0.0
    held: list[Any] | None = None
    held_sends: list[tuple[NodeId, Any]] | None = None
    is_sending: bool = False


class DetectionWorld:
    """The members and their network.

    Args:
        detectors: the detector of each member.
        network: the links between them.
        keep: which changes are kept in `changes` (default: all). For long runs of many members.
        observe: called with the time, the member and each `Observe` effect.
    """

    def __init__(
        self,
        detectors: Mapping[NodeId, FailureDetector],
        network: MemberNetwork,
        *,
        keep: Callable[[SeenChange], bool] = lambda _: True,
        observe: Callable[[float, NodeId, Observe], None] = lambda *_: None,
    ) -> None:
        self.now = 0.0
        """Simulated time, s."""
        self.network = network
        self.changes: list[SeenChange] = []
        """The changes of opinion so far."""
        self.counts = MessageCounts()
        """The messages sent so far."""
        self.events = 0
        """Messages and timers handled so far."""
        self._keep = keep
        self._observe = observe
        self._members = {node: _Member(node, detector) for node, detector in detectors.items()}
        self._heap: list[tuple[float, int, _Member, Received[Any] | None]] = []
        self._scheduled = 0
        for member in self._members.values():
            self._arm(member)

    def detector(self, node: NodeId) -> FailureDetector:
        """Return the detector of a member."""
        return self._members[node].detector

    @property
    def up(self) -> tuple[NodeId, ...]:
        """The members that have not crashed."""
        return tuple(node for node, member in self._members.items() if member.is_up)

    # --- faults -----------------------------------------------------------------------------------------------------

    def crash(self, node: NodeId) -> None:
        """End a member: it neither sends nor receives any more."""
        self._members[node].is_up = False

    def restart(self, node: NodeId, detector: FailureDetector) -> None:
        """Start a member (crashed or new) with a new detector."""
        member = self._members[node] = _Member(node, detector)
        self._arm(member)

    def pause(self, node: NodeId, pause_s: float, *, is_stuck_in_send: bool = False) -> None:
        """Let a member stand still: its timers are late, and its messages wait until it goes on.

        Then the messages are handled before its timers, as the driver of our actors does. With `is_stuck_in_send` it
        is as in the experiments of Lifeguard (DSN-W 2018, §V), which block the sending of messages in threads: the next
        probe begins on time, but its messages leave only after the pause; then timers are handled before messages.
        """
        member = self._members[node]
        member.held_sends = [] if is_stuck_in_send else None
        member.is_sending = is_stuck_in_send
        member.resumes_at = max(member.resumes_at, self.now + pause_s)
        if member.held is None:
            member.held = []
        self._schedule(member.resumes_at, member, None)

    def tell(self, node: NodeId, *events: object) -> None:
        """Give a member events besides its messages, such as `LoopLagged` or `Leave`."""
        member = self._members[node]
        self._carry_out(member, member.detector.handle(events, now=self.now))

    # --- time -------------------------------------------------------------------------------------------------------

    def run(self, duration_s: float, *, until: Callable[[], bool] | None = None) -> bool:
        """Run for `duration_s`, or until `until` is true after an event; return whether it became true."""
        end = self.now + duration_s
        heap = self._heap
        while heap and heap[0][0] <= end:
            at, _, member, message = heappop(heap)
            self.now = at
            self._step(member, message)
            if until is not None and until():
                return True
        self.now = end
        return False

    def _step(self, member: _Member, message: Received[Any] | None) -> None:
        if not member.is_up:
            return
        if member.held is not None and not self._goes_on(member, message):
            return
        if message is not None:
            self.events += 1
            self._carry_out(member, member.detector.handle((message,), now=self.now))
        elif self.now >= member.armed_at:  # otherwise the timer was set for a later time since
            self._tick(member)

    def _goes_on(self, member: _Member, message: Received[Any] | None) -> bool:
        """Hold a message back while the member stands still; afterwards deliver all of them, before or after timers."""
        held = member.held
        if self.now < member.resumes_at or held is None:
            if message is not None and held is not None:
                held.append(message)
            elif member.is_sending:
                self._tick(member)
            return False
        member.held = None
        if member.held_sends is not None:
            sends, member.held_sends = member.held_sends, None
            for to, sent in sends:
                self._send(member, to, sent)
            self._tick(member)
        if held:
            self.events += len(held)
            self._carry_out(member, member.detector.handle(held, now=self.now))
        self._tick(member)
        return message is not None

    def _tick(self, member: _Member) -> None:
        member.armed_at = inf
        deadline = member.detector.deadline
        if deadline is not None and deadline <= self.now:
            self.events += 1
            self._carry_out(member, member.detector.tick(now=self.now))
        else:
            self._arm(member)

    def _carry_out(self, member: _Member, effects: Any) -> None:
        for effect in effects:
            match effect:
                case Send(to, message):
                    self._send(member, to, message)
                case Suspected() | Trusted() | Failed():
                    seen = SeenChange(self.now, member.node, effect)
                    if self._keep(seen):
                        self.changes.append(seen)
                case Observe():
                    self._observe(self.now, member.node, effect)
        self._arm(member)

    def _send(self, member: _Member, to: NodeId, message: Any) -> None:
        if member.held_sends is not None:
            member.held_sends.append((to, message))
            member.is_sending = member.is_sending and not isinstance(message, Ping)
            return
        sender = member.node
        self.counts.add(message)
        target = self._members.get(to)
        if target is None:
            return
        for delay_s in self.network.arrivals_s(sender, to, message):
            self._schedule(self.now + delay_s, target, Received(sender, message))

    def _arm(self, member: _Member) -> None:
        deadline = member.detector.deadline
        if deadline is not None and deadline < member.armed_at:
            member.armed_at = max(deadline, self.now)
            self._schedule(member.armed_at, member, None)

    def _schedule(self, at: float, member: _Member, message: Received[Any] | None) -> None:
        self._scheduled += 1
        heappush(self._heap, (at, self._scheduled, member, message))
