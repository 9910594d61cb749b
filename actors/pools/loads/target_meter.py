"""`TargetMeter`: meters the requests of one actor, and makes its `LoadReport`: in flight, latency, service time, rates.

It measures while its reports are read, and for `LEASE_S` after that; otherwise the actor costs what any other
does. Requests that came before it measured are not counted: its first report may show too few in flight.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from coterie.actors.pools.loads.load_messages import LOAD_TYPE
from coterie.actors.pools.loads.load_subscribers import LEASE_S, LoadSubscribers
from coterie.actors.pools.loads.loop_time import LoopTime
from coterie.protocols.balancing.load_report import LoadReport, NodeResources
from coterie.protocols.balancing.prequal.latency_by_load import LatencyByLoad

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CACHED_S", "WINDOW_S", "TargetMeter"]

CACHED_S: Final = 0.05
"""For how long a report is sent again, s. Only its number of requests in flight is always the present one."""

WINDOW_S: Final = 2.0
"""The time over which rates are averaged, s; longer if no report was made meanwhile."""

COUNTS_EVERY_S: Final = 0.2
"""The least time between two sets of counts that are kept for the rates, s."""

SERVICE_WEIGHT: Final = 1 / 16
"""The weight of the newest request in the average service time."""

LEAKED_AFTER_S: Final = 60.0
"""How long after its deadline a request that was never answered stops to count as in flight, s."""


class _Request:
    """One request in flight."""

    __slots__ = ("deadline", "handled_s", "started_at")

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.started_at: float | None = None
        self.handled_s = 0.0

    def hold(self, now: float) -> None:
        """Add the time since its handler began."""
        if self.started_at is not None:
            self.handled_s += now - self.started_at
            self.started_at = None


class _Counts(NamedTuple):
    """What was counted up to `at`."""

    at: float
    arrived: int
    answered: int
    failed: int


class TargetMeter:
    """Implements `RequestMeter` for one worker.

    Args:
        monotonic: the clock of the system, s.
        subscribers: the nodes that get a report with each answer.
        loop_time: the pool's; the time of this worker is added to it.
        resources: returns the resources of the node; None if they are not sampled.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        *,
        subscribers: LoadSubscribers | None = None,
        loop_time: LoopTime | None = None,
        resources: Callable[[], NodeResources | None] = lambda: None,
    ) -> None:
        self._monotonic = monotonic
        self.subscribers = LoadSubscribers() if subscribers is None else subscribers
        self._loop_time = LoopTime() if loop_time is None else loop_time
        self._resources = resources
        self._changed: Callable[[bool], None] = lambda _: None
        self._metering_until = float("-inf")
        self._is_metering = False
        self._latencies = LatencyByLoad()
        self._open: dict[int, _Request] = {}
        self._arrived = self._answered = self._failed = 0
        self._service_s: float | None = None
        self._history: deque[_Counts] = deque()  # the oldest first; the first is the base of the rates
        self._swept_at = float("-inf")
        self._cached = LoadReport()
        self._encoded: Sequence[object] = ()
        self._cached_until = float("-inf")

    # --- metering: `RequestMeter` -----------------------------------------------------------------------------------

    def attach(self, changed: Callable[[bool], None]) -> None:
        """Call `changed` now and at each change of whether requests are metered."""
        self._changed = changed
        changed(self._is_metering)

    def renew(self) -> None:
        """Measure for at least `LEASE_S` from now: reports are wanted."""
        now = self._monotonic()
        self._metering_until = now + LEASE_S
        if not self._is_metering:
            self._is_metering = True
            self._history.clear()
            self._cached_until = now
            self._keep_counts(now)
            self._changed(True)

    def arrived(self, deadline: float, *, now: float) -> int:
        """Count a request that got into the mailbox; return its number."""
        if now >= self._metering_until:
            self._is_metering = False
            self._changed(False)
        self._arrived += 1
        number = self._latencies.arrived(now=now)
        self._open[number] = _Request(deadline)
        return number

    def started(self, number: int, *, now: float) -> None:
        """Record that a handler begins with it."""
        request = self._open.get(number)
        if request is not None:
            request.started_at = now

    def returned(self, number: int, *, now: float) -> None:
        """Record that its handler has ended without an answer."""
        request = self._open.get(number)
        if request is not None:
            request.hold(now)

    def completed(self, number: int, *, is_failure: bool, now: float) -> None:
        """Record that it was answered.

        A failure counts as an error, and not in the latencies: a worker that fails at once must not look fast.
        """
        request = self._open.pop(number, None)
        if request is None:
            self._failed += is_failure  # refused, or swept: not in flight
            self._answered += 1
            return
        request.hold(now)
        self._answered += 1
        if is_failure:
            self._failed += 1
            self._latencies.completed(number, now=now, is_sample=False)
            return
        self._latencies.completed(number, now=now)
        service_s = self._service_s
        taken_s = request.handled_s
        self._service_s = taken_s if service_s is None else service_s + SERVICE_WEIGHT * (taken_s - service_s)

    def abandoned(self, number: int) -> None:
        """Record that it will not be handled."""
        if self._open.pop(number, None) is not None:
            self._latencies.completed(number, now=self._monotonic(), is_sample=False)

    def used_loop(self, seconds: float) -> None:
        """Add time of the event loop to the pool's."""
        self._loop_time.seconds += seconds

    # --- reports ----------------------------------------------------------------------------------------------------

    def load_for(self, node: str, *, now: float) -> tuple[object, ...] | None:
        """Return the fields of the report if `node` has subscribed, else None."""
        if not self.subscribers.has(node, now=now):
            return None
        self._refresh(now)
        return (self._latencies.in_flight, *self._encoded[1:])  # the number in flight is the first field

    def report(self) -> LoadReport:
        """Return the present report, and go on measuring."""
        self.renew()
        self._refresh(self._monotonic())
        cached = self._cached
        return LoadReport(
            self._latencies.in_flight,
            cached.latency_s,
            cached.service_s,
            cached.requests_per_s,
            cached.errors_per_s,
            cached.utilization,
            cached.resources,
        )

    @property
    def in_flight(self) -> int:
        """The requests that have arrived and are not answered."""
        return self._latencies.in_flight

    def _refresh(self, now: float) -> None:
        """Make the cached report again if it is too old."""
        if now < self._cached_until:
            return
        self._sweep(now)
        self._cached_until = now + CACHED_S
        _, latency_s = self._latencies.report(now)
        arrived_per_s, answered_per_s, failed_per_s = self._rates(now)
        service_s = self._service_s
        self._cached = LoadReport(
            in_flight=self._latencies.in_flight,
            latency_s=latency_s,
            service_s=service_s,
            requests_per_s=answered_per_s,
            errors_per_s=failed_per_s,
            # The offered load of a queue with one server: arrivals per second times the time that each one takes.
            utilization=None if service_s is None else arrived_per_s * service_s,
            resources=self._resources(),
        )
        self._encoded = LOAD_TYPE.encode(self._cached)

    def _rates(self, now: float) -> tuple[float, float, float]:
        """Return the requests that arrived, were answered, and failed, per second."""
        history = self._history
        while len(history) > 1 and history[1].at <= now - WINDOW_S:
            history.popleft()
        base = history[0] if history else self._counts(now)
        if not history or now - history[-1].at >= COUNTS_EVERY_S:
            self._keep_counts(now)
        seconds = now - base.at
        if seconds <= 0:
            return 0.0, 0.0, 0.0
        return (
            (self._arrived - base.arrived) / seconds,
            (self._answered - base.answered) / seconds,
            (self._failed - base.failed) / seconds,
        )

    def _keep_counts(self, now: float) -> None:
        self._history.append(self._counts(now))

    def _counts(self, now: float) -> _Counts:
        return _Counts(now, self._arrived, self._answered, self._failed)

    def _sweep(self, now: float) -> None:
        """Drop the requests that an actor took over and never answered: they must not count for good."""
        if now < self._swept_at + LEAKED_AFTER_S / 4:
            return
        self._swept_at = now
        for number in [number for number, it in self._open.items() if now >= it.deadline + LEAKED_AFTER_S]:
            del self._open[number]
            self._latencies.completed(number, now=now, is_sample=False)
