"""Detection quality: measures the detection time of each detector against its mistakes, on three kinds of links.

Three nodes in simulated time, 10 heartbeats a second; each detector is run with several values of its main knob, which
gives a curve: the lower and the further left, the better. The figure of a detector is its median detection time with
the first value of the knob that makes at most one mistake per pair and hour; `detail` has that value, the mistakes,
and the 99th percentile. Seeds 0, 1, …; in each 200 s are watched after 30 s of warm-up, with 10 crashes.

The contenders `phi_…` are pure: without an acceptable pause, and with a least deviation of a tenth of the interval;
`phi_pause` has threshold 8 and the acceptable pause as its knob, as Akka is used. The contenders `…_local` are the
presets, without a knob.

* `jittery`: 1 ms plus a Pareto-distributed delay (shape 2, scale 5 ms): one message in 10,000 takes half a second
* `lossy`: 1 ms plus an exponentially distributed delay of 5 ms; 5 % of the messages are lost, independently
* `pausing`: as `lossy` without loss; every 20 s one of the nodes stands still for 0.2 to 0.8 s

`python -m benchmarks.detection.detection_quality` prints the curves as tables; `--plot FILE` draws them.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.detection.watching import Conditions, Watched, watch
from benchmarks.harness.plot import Curve, plot_curves
from benchmarks.harness.results import Result, percentile
from benchmarks.harness.settings import Settings
from coterie.protocols.detection import (
    ChenConfig,
    DeadlineConfig,
    ExponentialTail,
    LogisticTail,
    MakeDetector,
    NormalTail,
    PhiAccrualConfig,
    RttPhiConfig,
)
from coterie.protocols.detection.heartbeats.tail_models import TailModel

__all__ = ["curves", "run"]

MOST_MISTAKES_PER_HOUR = 1.0
WATCHED_S = 200.0
CRASHES = 10

LINKS = (
    Conditions("jittery", lambda rng: 0.001 + 0.005 * (rng.paretovariate(2.0) - 1.0)),
    Conditions("lossy", lambda rng: 0.001 + rng.expovariate(200.0), loss=0.05),
    Conditions("pausing", lambda rng: 0.001 + rng.expovariate(200.0), pause_every_s=20.0),
)


@dataclass(frozen=True, slots=True)
class Contender:
    """A detector and the values of its knob, from quick to careful."""

    name: str
    knob: str
    values: tuple[float, ...]
    make: Callable[[float], MakeDetector]


@dataclass(frozen=True, slots=True)
class Point:
    """One value of the knob on one link; `runs` holds what each seed gave."""

    link: str
    contender: Contender
    value: float
    runs: tuple[Watched, ...]

    @property
    def total(self) -> Watched:
        """All seeds together."""
        total = Watched()
        for watched in self.runs:
            total.add(watched)
        return total


def _phi(model: TailModel) -> Callable[[float], MakeDetector]:
    return lambda threshold: PhiAccrualConfig(
        interval_s=0.1,
        lag_tolerance_s=0.05,
        threshold=threshold,
        model=model,
        min_deviation_s=0.01,
        acceptable_pause_s=0.0,
    )


def _preset(name: str, preset: MakeDetector) -> Contender:
    return Contender(name, "preset", (1.0,), lambda _: preset)


CONTENDERS = (
    Contender(
        "deadline",
        "timeout_s",
        (0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0),
        lambda value: DeadlineConfig(interval_s=0.1, lag_tolerance_s=0.05, timeout_s=value),
    ),
    Contender("phi_normal", "threshold", (2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0), _phi(NormalTail())),
    Contender("phi_logistic", "threshold", (2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0), _phi(LogisticTail())),
    Contender(
        "phi_pause",
        "acceptable_pause_s",
        (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9),
        lambda value: PhiAccrualConfig(
            interval_s=0.1, lag_tolerance_s=0.05, min_deviation_s=0.01, acceptable_pause_s=value
        ),
    ),
    Contender("phi_exponential", "threshold", (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0), _phi(ExponentialTail())),
    Contender(
        "chen",
        "margin_s",
        (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9),
        lambda value: ChenConfig(interval_s=0.1, lag_tolerance_s=0.05, margin_s=value),
    ),
    Contender(
        "rtt_phi",
        "probe_timeout_s",
        (0.1, 0.2, 0.4, 0.8),
        lambda value: RttPhiConfig(probe_timeout_s=value, lag_tolerance_s=0.03),
    ),
    _preset("deadline_local", DeadlineConfig.local()),
    _preset("phi_local", PhiAccrualConfig.local()),
    _preset("chen_local", ChenConfig.local()),
    _preset("rtt_phi_local", RttPhiConfig.local()),
)


async def run(settings: Settings) -> list[Result]:
    """Measure every contender on every link."""
    points = curves(settings)
    return [
        _result([point for point in points if point.link == link.name and point.contender is contender])
        for link in LINKS
        for contender in CONTENDERS
    ]


def curves(settings: Settings) -> list[Point]:
    """Measure every value of every knob on every link."""
    return [
        Point(link.name, contender, value, _watch(contender.make(value), link, settings))
        for link in LINKS
        for contender in CONTENDERS
        for value in (contender.values[-2:] if settings.is_quick else contender.values)
    ]


def _watch(make: MakeDetector, link: Conditions, settings: Settings) -> tuple[Watched, ...]:
    watched_s, crashes = settings.seconds(WATCHED_S), 2 if settings.is_quick else CRASHES
    return tuple(watch(make, link, seed=seed, watched_s=watched_s, crashes=crashes) for seed in range(settings.runs))


def _result(points: Sequence[Point]) -> Result:
    """Choose the first value with few mistakes; if there is none, the one with the fewest."""
    careful = [point for point in points if point.total.mistakes_per_hour <= MOST_MISTAKES_PER_HOUR]
    chosen = careful[0] if careful else min(points, key=lambda point: point.total.mistakes_per_hour)
    total = chosen.total
    detail: dict[str, float | int | str] = {
        chosen.contender.knob: chosen.value,
        "mistakes_per_hour": total.mistakes_per_hour,
        "p99_s": percentile(total.detections_s, 0.99),
    }
    medians = tuple(statistics.median(watched.detections_s) for watched in chosen.runs)
    return Result(f"detection_quality/{chosen.link}", chosen.contender.name, "s", medians, None, detail)


def _print_tables(points: Sequence[Point]) -> None:
    for link in LINKS:
        print(
            f"\n{link.name}: detection time in s, mistakes per pair and hour, time in which a living peer is suspected"
        )
        for point in points:
            if point.link == link.name:
                total = point.total
                knob = f"{point.contender.knob} {point.value:g}"
                print(
                    f"  {point.contender.name:<16}{knob:<25}median {statistics.median(total.detections_s):6.3f}"
                    f"  p99 {percentile(total.detections_s, 0.99):6.3f}  mistakes {total.mistakes_per_hour:9.2f}"
                    f"  wrong {total.wrong_percent:6.3f} %"
                    f"  messages/s {total.messages / total.pair_hours / 3600.0:6.1f}"
                )


def _curves_to_draw(points: Sequence[Point]) -> list[Curve]:
    return [
        Curve(
            link.name,
            contender.name,
            tuple(
                (statistics.median(point.total.detections_s), point.total.mistakes_per_hour)
                for point in points
                if point.link == link.name and point.contender is contender
            ),
        )
        for link in LINKS
        for contender in CONTENDERS
    ]


def _main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="two values of each knob, 20 s: only to check that it runs"
    )
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="seeds (default: 5)")
    parser.add_argument("--plot", metavar="FILE", help="draw the curves (needs the extra `bench`)")
    chosen = parser.parse_args()
    points = curves(Settings(1 if chosen.quick else chosen.runs, chosen.quick))
    _print_tables(points)
    if chosen.plot:
        plot_curves(
            chosen.plot,
            _curves_to_draw(points),
            x_label="median detection time, s",
            y_label="mistakes per pair and hour",
        )


if __name__ == "__main__":
    _main()
