"""Detector mutants: define five bugs of failure detectors, each of which a directed trial must detect."""

from __future__ import annotations

import math
from functools import partial

from coterie.protocols.detection.heartbeats.phi_accrual import PhiAccrual
from coterie.protocols.detection.heartbeats.tail_models import NormalTail
from coterie.protocols.detection.own_pauses import OwnPauses
from coterie.protocols.detection.probes.rtt_phi import RttPhi
from coterie.protocols.simulation.directed.detector_trials import (
    late_starter,
    long_silence,
    lossy_probes,
    small_delay,
    stalled_observer,
)
from coterie.protocols.simulation.mutants.mutation_testing import Mutant, Patch, directed_mutant

__all__ = ["DETECTOR_MUTANTS"]

_heard = PhiAccrual.heard
_missed_one = RttPhi.missed_one


def _sample_the_first_silence(self: PhiAccrual, *, now: float, sequence: int | None = None) -> None:
    if not self._has_heard:
        self._window.add(now - self._heard_at)
    _heard(self, now=now, sequence=sequence)


def _deviation_without_floor(self: PhiAccrual) -> float:
    return max(self._window.deviation_s, 1e-9)


def _one_minus_cdf(self: NormalTail, silence_s: float, mean_s: float, deviation_s: float) -> float:
    cdf = 0.5 * (1.0 + math.erf((silence_s - mean_s) / deviation_s / math.sqrt(2.0)))
    return -math.log10(1.0 - cdf)


def _sample_the_timeout(self: RttPhi, *, now: float) -> None:
    if self._sent_at is not None:
        self._round_trips.add(now - self._sent_at)
    _missed_one(self, now=now)


def _never_late(self: OwnPauses, lag_s: float, *, now: float) -> float:
    return 0.0


_mutant = partial(directed_mutant, "detector")


DETECTOR_MUTANTS: tuple[Mutant, ...] = (
    _mutant("first interval counted as a sample", late_starter, Patch(PhiAccrual, "heard", _sample_the_first_silence)),
    _mutant("deviation without floor", small_delay, Patch(PhiAccrual, "_deviation_s", _deviation_without_floor)),
    _mutant("phi by 1 - cdf", long_silence, Patch(NormalTail, "phi", _one_minus_cdf)),
    _mutant("failed probe sampled", lossy_probes, Patch(RttPhi, "missed_one", _sample_the_timeout)),
    _mutant("own lag ignored", stalled_observer, Patch(OwnPauses, "late", _never_late)),
)
"""Each is killed by its own trial."""
