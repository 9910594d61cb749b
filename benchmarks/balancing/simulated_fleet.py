"""`Fleet`: simulates clients that balance an open load over servers which share their machines with other programs.

Each request has a cost in core-seconds; a server runs its requests by processor sharing. A server is allocated some
cores of its machine, and may use more as long as its antagonist, the other programs of the machine, leaves them idle.
Everything but the policies' own choices is drawn from the seed before it is used: policies see the same load.
"""

from __future__ import annotations

import random
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import NormalDist
from typing import NamedTuple

from benchmarks.balancing.event_queue import EventQueue
from benchmarks.balancing.processor_sharing import Job, ProcessorSharing
from coterie.protocols.balancing import Balancer, LoadReport, Pick, Policy, Probe, RequestOutcome, Target
from coterie.protocols.balancing.prequal.latency_by_load import LatencyByLoad

__all__ = ["Fleet", "FleetSetup", "Phase"]

STATISTICS_S = 0.2
"""How often a server updates its rates and its utilization, s."""

STATISTICS_DECAY = 0.2
"""The weight of the newest value in these averages: a time constant of about one second."""


@dataclass(frozen=True, slots=True)
class FleetSetup:
    """The set-up.

    Attributes:
        clients, servers: their numbers; each client sends to all servers.
        cost_core_s: the mean μ of the normal distribution of costs; its deviation is `cost_deviation` times μ, and a
            cost is at least 0: max(0, N(μ, μ)) has the mean 1.083 μ.
        allocated_cores: what a server can always use.
        contended_share: the share of the time in which an antagonist leaves a machine no idle cores.
        idle_cores: otherwise, the least and most cores that it leaves idle (uniform).
        dwell_s: the mean time between two changes of an antagonist (exponential), s.
        one_way_s: the least and greatest delay of a message (uniform), s.
        timeout_s: when a request has failed.
        is_cancelled: whether its server drops it then; if not, it still takes part in the sharing, for nothing.
    """

    clients: int = 100
    servers: int = 100
    cost_core_s: float = 0.04
    cost_deviation: float = 1.0
    allocated_cores: float = 2.0
    contended_share: float = 0.45
    idle_cores: tuple[float, float] = (1.0, 6.0)
    dwell_s: float = 30.0
    one_way_s: tuple[float, float] = (0.0001, 0.0004)
    timeout_s: float = 5.0
    is_cancelled: bool = False


@dataclass(slots=True)
class Phase:
    """What happened to the requests of one phase; the latency of one that failed is the time-out."""

    latencies_s: array[float] = field(default_factory=lambda: array("d"))
    errors: int = 0
    picks: Counter[str] = field(default_factory=Counter)
    probes: int = 0

    @property
    def error_share(self) -> float:
        """The share of the requests that failed."""
        return self.errors / len(self.latencies_s) if self.latencies_s else 0.0

    def quantile_s(self, share: float) -> float:
        """Return a quantile of the latencies, s."""
        ordered = sorted(self.latencies_s)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Started(NamedTuple):
    """A request that has arrived on its server."""

    job: Job
    number: int


class _Server:
    """A server and what it reports."""

    def __init__(self, name: str, setup: FleetSetup, queue: EventQueue, rng: random.Random) -> None:
        self.name = name
        self._setup = setup
        self._queue = queue
        self._rng = rng
        self.processor = ProcessorSharing(queue, setup.allocated_cores)
        self._latency_by_load = LatencyByLoad()
        self._answered = 0
        self._used_core_s = 0.0
        self._requests_per_s = 0.0
        self._utilization = 0.0
        self._antagonize()
        queue.after(STATISTICS_S, self._update_statistics)

    def start(self, cost_core_s: float, answer: Callable[[LoadReport], object]) -> Started:
        job = Job(cost_core_s, lambda: self._complete(started, answer))
        started = Started(job, self._latency_by_load.arrived(now=self._queue.now))
        self.processor.start(job)
        return started

    def cancel(self, started: Started) -> None:
        """Drop a request that its caller has given up; it has taken at least as long as until now."""
        if not started.job.is_over:
            self.processor.cancel(started.job)
            self._latency_by_load.completed(started.number, now=self._queue.now)

    def report(self) -> LoadReport:
        in_flight, latency_s = self._latency_by_load.report(now=self._queue.now)
        return LoadReport(
            in_flight=in_flight,
            latency_s=latency_s,
            service_s=self._setup.cost_core_s,
            requests_per_s=self._requests_per_s,
            utilization=self._utilization,
        )

    def _complete(self, started: Started, answer: Callable[[LoadReport], object]) -> None:
        self._latency_by_load.completed(started.number, now=self._queue.now)
        self._answered += 1
        answer(self.report())

    def _update_statistics(self) -> None:
        used = self.processor.use()
        utilization = (used - self._used_core_s) / STATISTICS_S / self._setup.allocated_cores
        self._utilization += STATISTICS_DECAY * (utilization - self._utilization)
        self._requests_per_s += STATISTICS_DECAY * (self._answered / STATISTICS_S - self._requests_per_s)
        self._used_core_s, self._answered = used, 0
        self._queue.after(STATISTICS_S, self._update_statistics)

    def _antagonize(self) -> None:
        setup, rng = self._setup, self._rng
        idle_cores = 0.0 if rng.random() < setup.contended_share else rng.uniform(*setup.idle_cores)
        self.processor.set_capacity(setup.allocated_cores + idle_cores)
        if setup.dwell_s:
            self._queue.after(rng.expovariate(1 / setup.dwell_s), self._antagonize)


class _Client:
    """A client: its balancer, and the timer of its balancer."""

    def __init__(self, fleet: Fleet, policy: Policy, targets: Sequence[Target], rng: random.Random) -> None:
        self._fleet = fleet
        self.balancer = Balancer(policy, rng=rng)
        self.balancer.update(targets, now=fleet.queue.now)
        self._armed_at = float("inf")

    def pick(self) -> Pick:
        pick = self.balancer.pick(now=self._fleet.queue.now)
        assert pick is not None
        self._send(pick.probes)
        return pick

    def _send(self, probes: Sequence[Probe]) -> None:
        for probe in probes:
            self._fleet.send_probe(self.balancer, probe)
        deadline = self.balancer.deadline
        if deadline is not None and deadline < self._armed_at:
            self._armed_at = deadline
            self._fleet.queue.at(deadline, partial(self._tick, deadline))

    def _tick(self, armed_at: float) -> None:
        if armed_at == self._armed_at:
            self._armed_at = float("inf")
            self._send(self.balancer.tick(now=self._fleet.queue.now))


class Fleet:
    """The clients, the servers and the network between them. `run_phase` sends the load of one phase."""

    def __init__(self, setup: FleetSetup, policy: Policy, *, seed: int) -> None:
        self.queue = EventQueue()
        self.setup = setup
        self._load = random.Random(seed)
        self._delays = random.Random(seed + 1)
        machines = random.Random(seed + 2)
        self._servers = [
            _Server(f"s{number}", setup, self.queue, random.Random(machines.getrandbits(64)))
            for number in range(setup.servers)
        ]
        self._server_by_name = {server.name: server for server in self._servers}
        targets = [Target(server.name, node=server.name) for server in self._servers]
        callers = random.Random(seed + 3)
        self._clients = [
            _Client(self, policy, targets, random.Random(callers.getrandbits(64))) for _ in range(setup.clients)
        ]
        self._phase = Phase()

    def run_phase(self, load: float, duration_s: float) -> Phase:
        """Send requests for `duration_s` at `load` times what all servers are allocated; return their results.

        The results of requests that are still in flight at the end are complete once the next phase, or `drain`, has
        run for the time-out.
        """
        setup = self.setup
        mean_core_s = setup.cost_core_s * _mean_of_truncated_normal(setup.cost_deviation)
        rate = load * setup.servers * setup.allocated_cores / mean_core_s
        self._phase = Phase()
        self._schedule(rate, self.queue.now + duration_s)
        self.queue.run(self.queue.now + duration_s)
        return self._phase

    def drain(self) -> None:
        """Run until no request can be in flight."""
        self.queue.run(self.queue.now + self.setup.timeout_s + 1.0)

    def _schedule(self, rate: float, until: float) -> None:
        when = self.queue.now + self._load.expovariate(rate)
        if when < until:
            self.queue.at(when, partial(self._send, rate, until))

    def _send(self, rate: float, until: float) -> None:
        load, setup, queue, phase = self._load, self.setup, self.queue, self._phase
        client = self._clients[load.randrange(setup.clients)]
        cost_core_s = max(0.0, load.gauss(setup.cost_core_s, setup.cost_core_s * setup.cost_deviation))
        self._schedule(rate, until)
        pick = client.pick()
        phase.picks[pick.target] += 1
        request = _Request(self, client.balancer, pick, self._server_by_name[pick.target], cost_core_s, phase)
        queue.after(self.delay_s(), request.arrive)
        queue.after(setup.timeout_s, request.expire)

    def send_probe(self, balancer: Balancer, probe: Probe) -> None:
        """Send a probe of a client; its answer comes back unless the round trip takes longer than its time-out."""
        self._phase.probes += 1
        there_s, back_s = self.delay_s(), self.delay_s()
        server = self._server_by_name[probe.target]
        if there_s + back_s > probe.timeout_s:
            self.queue.after(probe.timeout_s, lambda: balancer.probed(probe, None, now=self.queue.now))
            return

        def arrive() -> None:
            load = server.report()
            self.queue.after(back_s, lambda: balancer.probed(probe, load, now=self.queue.now))

        self.queue.after(there_s, arrive)

    def delay_s(self) -> float:
        """Return the delay of a message."""
        return self._delays.uniform(*self.setup.one_way_s)


class _Request:
    """A request, from its intended send time until its answer or its time-out."""

    __slots__ = (
        "_balancer",
        "_cost_core_s",
        "_fleet",
        "_is_over",
        "_phase",
        "_pick",
        "_sent_at",
        "_server",
        "_started",
    )

    def __init__(
        self, fleet: Fleet, balancer: Balancer, pick: Pick, server: _Server, cost_core_s: float, phase: Phase
    ) -> None:
        self._fleet = fleet
        self._balancer = balancer
        self._pick = pick
        self._server = server
        self._cost_core_s = cost_core_s
        self._phase = phase
        self._sent_at = fleet.queue.now
        self._started: Started | None = None
        self._is_over = False

    def arrive(self) -> None:
        self._started = self._server.start(self._cost_core_s, self._reply)

    def expire(self) -> None:
        if not self._is_over:
            self._end(RequestOutcome.LOST, None)
            self._phase.errors += 1
            if self._started is not None and self._fleet.setup.is_cancelled:
                self._server.cancel(self._started)

    def _reply(self, load: LoadReport) -> None:
        self._fleet.queue.after(self._fleet.delay_s(), lambda: self._answered(load))

    def _answered(self, load: LoadReport) -> None:
        if not self._is_over:
            self._end(RequestOutcome.ANSWERED, load)

    def _end(self, outcome: RequestOutcome, load: LoadReport | None) -> None:
        now = self._fleet.queue.now
        self._is_over = True
        self._phase.latencies_s.append(now - self._sent_at)
        self._balancer.report(self._pick.token, outcome, now=now, load=load)


def _mean_of_truncated_normal(deviation: float) -> float:
    """Return the mean of max(0, N(1, deviation)), from the density φ and the distribution Φ of the normal law."""
    if deviation == 0:
        return 1.0
    normal = NormalDist()
    return normal.cdf(1 / deviation) + deviation * normal.pdf(1 / deviation)
