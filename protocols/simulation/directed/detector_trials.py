"""Detector trials: run a failure detector through a schedule in which it must suspect, or must not.

Each raises `Violation` with an invariant `detector.…` if it does otherwise.
"""

from __future__ import annotations

import math
from typing import NoReturn

from coterie.protocols.algorithm import NodeId, Received
from coterie.protocols.checking.violation import Violation
from coterie.protocols.detection.detection_messages import Heartbeat
from coterie.protocols.detection.failure_detector import Suspected
from coterie.protocols.detection.heartbeats.deadline import DeadlineConfig
from coterie.protocols.detection.heartbeats.phi_accrual import PhiAccrualConfig
from coterie.protocols.detection.heartbeats.tail_models import NormalTail
from coterie.protocols.detection.probes.rtt_phi import RttPhi
from coterie.protocols.detection.probes.rtt_phi_config import RttPhiConfig

__all__ = ["late_starter", "long_silence", "lossy_probes", "small_delay", "stalled_observer"]

NODE, PEER = NodeId("n1"), NodeId("n2")
PHI = PhiAccrualConfig(interval_s=0.1, lag_tolerance_s=0.05, min_deviation_s=0.04, acceptable_pause_s=0.1)


def late_starter() -> None:
    """Let a peer start a minute later than its observer, send for 2 s, and crash: it must be suspected in time.

    Raises:
        Violation: `detector.crash_suspected`, if it is not.
    """
    peer = PHI.peer_detector(now=0.0)
    crash_s = 60.0
    for number in range(20):
        crash_s = 60.0 + number * PHI.interval_s
        peer.heard(now=crash_s)
    if peer.suspects_at() > crash_s + 1.0:
        _fail("detector.crash_suspected", f"a crash would be suspected after {peer.suspects_at() - crash_s:.1f} s")


def small_delay() -> None:
    """Let a peer send with perfect regularity, then one heartbeat 5 ms late: it must stay trusted.

    Raises:
        Violation: `detector.small_delay_tolerated`, if it is suspected.
    """
    peer = PhiAccrualConfig(interval_s=0.1, lag_tolerance_s=0.05, min_deviation_s=0.04, acceptable_pause_s=0.0)
    detector = peer.peer_detector(now=0.0)
    last_s = 0.0
    for number in range(1, 301):
        last_s = number * 0.1
        detector.heard(now=last_s)
    if detector.suspicion(now=last_s + 0.105) >= 1.0:
        _fail("detector.small_delay_tolerated", "it is suspected for a delay of 5 ms")


def long_silence() -> None:
    """Let a silence grow from a second to ten years: the suspicion must stay finite, and grow all the time.

    Raises:
        Violation: `detector.suspicion_grows`, if it does not.
    """
    peer = PhiAccrualConfig(model=NormalTail()).peer_detector(now=0.0)
    before = 0.0
    for power in range(1, 27):
        try:
            suspicion = peer.suspicion(now=3.0**power)
        except (ValueError, OverflowError):
            suspicion = math.inf  # log10(0)
        if not before < suspicion < math.inf:
            _fail("detector.suspicion_grows", f"after {3**power} s it is {suspicion}, a third of that before {before}")
        before = suspicion


def lossy_probes() -> None:
    """Let every other probe be lost, the rest return in 1 ms: the time-out must stay that of round trips of 1 ms.

    Raises:
        Violation: `detector.round_trips_sampled`, if it does not.
    """
    config = RttPhiConfig(probe_timeout_s=1.0)
    peer, now = RttPhi(config, now=0.0), 0.0
    for number in range(100):
        timeout_s = peer.timeout_s()
        peer.sent(timeout_s, now=now)
        if number % 2:
            peer.answered(now=now + 0.001)
        else:
            peer.missed_one(now=now + timeout_s)
        now += timeout_s
    if not math.isclose(peer.timeout_s(), 0.501, rel_tol=1e-6):
        _fail("detector.round_trips_sampled", f"the time-out is {peer.timeout_s():.3f} s instead of 0.501 s")


def stalled_observer() -> None:
    """Stop the observer for 10 s, in which its peer goes on sending: it must not accuse the peer.

    Raises:
        Violation: `detector.stall_accuses_nobody`, if it does.
    """
    detector = DeadlineConfig.local().make(NODE, [PEER], seed=1)
    now = 0.0
    for number in range(1, 31):
        now = number * 0.1
        detector.handle([Received(PEER, Heartbeat(1, number))], now=now)
        detector.tick(now=now)
    effects = [*detector.tick(now=now + 10.0)]
    for number in range(31, 131):
        effects += detector.handle([Received(PEER, Heartbeat(1, number))], now=now + 10.0)
    if any(isinstance(effect, Suspected) for effect in effects):
        _fail("detector.stall_accuses_nobody", "the peer is suspected, although the observer did not run")


def _fail(invariant: str, detail: str) -> NoReturn:
    raise Violation(invariant, detail, node=NODE, step=0, time_s=0.0)
