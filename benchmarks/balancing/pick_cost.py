"""Pick cost: measures the nanoseconds of a pick, of its report and of its probes' answers, for each policy.

Each policy picks among 3, 100 and 10,000 targets, through a `Balancer`, as a pool does. Up to 50 requests are open at
any time. Each call is timed alone, and the time that two readings of the clock take is subtracted. What counts is the
median of 500 calls in a row, in the quietest such window: other work on the machine hardly disturbs it. (A full scan of
10,000 targets takes milliseconds: it is measured with fewer picks.) The floor is the cheapest round robin in Python,
timed in the same way: a counter, and one index into a list. `python -m benchmarks.balancing.pick_cost`.
"""

from __future__ import annotations

import random
import statistics
from collections import deque
from collections.abc import Sequence
from time import perf_counter_ns

from benchmarks.harness.results import Result, show
from benchmarks.harness.settings import Settings, settings_of_program
from coterie.protocols.balancing import (
    C3,
    Balancer,
    LeastLoaded,
    LeastRequest,
    LoadReport,
    PeakEwma,
    Pick,
    Policy,
    PowerOfTwoChoices,
    Prequal,
    RandomChoice,
    ReportedWeights,
    RequestOutcome,
    RoundRobin,
    SmoothWeighted,
    StaticStride,
    Target,
)

__all__ = ["POLICIES", "run"]

POLICIES: dict[str, Policy] = {
    "random": RandomChoice(),
    "round_robin": RoundRobin(),
    "smooth_weighted": SmoothWeighted(),
    "static_stride": StaticStride(),
    "reported_weights": ReportedWeights(blackout_s=0.0),
    "least_request": LeastRequest(),
    "two_choices_peak_ewma": PowerOfTwoChoices(PeakEwma()),
    "two_choices_c3": PowerOfTwoChoices(C3()),
    "prequal": Prequal(),
    "least_loaded": LeastLoaded(),
}
SIZES = (3, 100, 10_000)
PICKS = 20_000
PICKS_OF_FULL_SCANS = 200
WINDOW = 500
OPEN_MAX = 50
REQUESTS_PER_S = 10_000


class Caller:
    """One caller: picks, answers the probes at once, reports the oldest pick; each call's time is kept."""

    def __init__(self, policy: Policy, size: int) -> None:
        rng = random.Random(1)
        self.balancer = Balancer(policy, rng=random.Random(2))
        self.balancer.update([Target(f"t{at}", rng.choice([1.0, 2.0, 3.0])) for at in range(size)], now=0.0)
        self.loads = [
            LoadReport(rng.randrange(10), rng.random(), rng.random(), 1000.0, 1.0, rng.random()) for _ in range(100)
        ]
        self.open: deque[Pick] = deque()
        self.pick_ns: list[int] = []
        self.report_ns: list[int] = []
        self.answer_ns: list[int] = []

    def request(self, number: int) -> None:
        """Send one request: a pick, the answers of its probes, and the report of an older one."""
        balancer, now = self.balancer, number / REQUESTS_PER_S
        begin = perf_counter_ns()
        made = balancer.pick(now=now)
        self.pick_ns.append(perf_counter_ns() - begin)
        if made is None:
            raise RuntimeError(f"request {number}: no target was picked")
        self.open.append(made)
        for probe in made.probes:
            begin = perf_counter_ns()
            balancer.probed(probe, self.loads[probe.number % 100], now=now)
            self.answer_ns.append(perf_counter_ns() - begin)
        if len(self.open) > OPEN_MAX:
            done = self.open.popleft()
            load = self.loads[number % 100]
            begin = perf_counter_ns()
            balancer.report(done.token, RequestOutcome.ANSWERED, now=now, load=load)
            self.report_ns.append(perf_counter_ns() - begin)


def clock_ns() -> float:
    """The time between two readings of the clock, ns."""
    return quietest([-perf_counter_ns() + perf_counter_ns() for _ in range(20 * WINDOW)])


def quietest(times_ns: Sequence[int]) -> float:
    """The lowest median of the calls of one window, ns; 0 without calls."""
    windows = (times_ns[at : at + WINDOW] for at in range(0, max(1, len(times_ns) - WINDOW + 1), WINDOW))
    return min(statistics.median(window) if window else 0.0 for window in windows)


def measured(policy: Policy, size: int, picks: int, clock: float) -> tuple[float, float, float]:
    """The cost of a pick, of a report, and of the answers of one pick's probes, ns."""
    caller = Caller(policy, size)
    for number in range(picks):
        caller.request(number)
    answers = quietest(caller.answer_ns) - clock if caller.answer_ns else 0.0
    report = quietest(caller.report_ns) - clock
    return quietest(caller.pick_ns) - clock, report, answers * len(caller.answer_ns) / picks


def floor_ns(size: int, picks: int, clock: float) -> float:
    """The cost of a counter and one index into a list, ns."""
    keys = [f"t{at}" for at in range(size)]
    turn, times = 0, []

    def take() -> str:
        nonlocal turn
        turn += 1
        return keys[turn % size]

    for _ in range(picks):
        begin = perf_counter_ns()
        take()
        times.append(perf_counter_ns() - begin)
    return quietest(times) - clock


async def run(settings: Settings) -> list[Result]:
    """Measure each policy with each number of targets."""
    return [_measure(name, size, settings) for name in POLICIES for size in SIZES]


def _measure(name: str, size: int, settings: Settings) -> Result:
    picks = max(2 * OPEN_MAX, settings.count(PICKS))
    if name == "least_loaded" and size > 100:
        picks = PICKS_OF_FULL_SCANS
    clock = clock_ns()
    runs = [measured(POLICIES[name], size, picks, clock) for _ in range(settings.runs)]
    floor = statistics.median(floor_ns(size, picks, clock) for _ in range(settings.runs))
    detail: dict[str, float | int | str] = {
        "report_ns": round(statistics.median(report for _, report, _ in runs)),
        "answers_ns": round(statistics.median(answers for _, _, answers in runs)),
    }
    return Result(f"pick_cost/{name}/{size}", "coterie", "ns", tuple(pick for pick, _, _ in runs), floor, detail)


if __name__ == "__main__":
    given = settings_of_program("benchmarks.balancing.pick_cost", __doc__, runs=3)
    for name in POLICIES:
        for size in SIZES:
            print(show(_measure(name, size, given)), flush=True)
