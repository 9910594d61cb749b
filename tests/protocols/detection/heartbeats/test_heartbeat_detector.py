"""HeartbeatDetector: heartbeats out, opinions of peers in; old ones, restarts, own pauses and strangers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from coterie.protocols.algorithm import NodeId, Observe, Received, Send
from coterie.protocols.detection.detection_messages import Heartbeat, Probe
from coterie.protocols.detection.failure_detector import (
    Failed,
    FailureDetector,
    LoopLagged,
    MakeDetector,
    MemberState,
    Suspected,
    Trusted,
)
from coterie.protocols.detection.heartbeats.chen_nfde import ChenConfig
from coterie.protocols.detection.heartbeats.deadline import DeadlineConfig
from coterie.protocols.detection.heartbeats.heartbeat_detector import HeartbeatDetector, HeartbeatEffect
from coterie.protocols.detection.heartbeats.phi_accrual import PhiAccrualConfig

ME, A, B = NodeId("me"), NodeId("a"), NodeId("b")
CONFIG = DeadlineConfig(interval_s=1.0, timeout_s=3.5, fail_after_s=5.0, lag_tolerance_s=0.1, start_grace_s=0.0)


def detector(*peers: NodeId, config: DeadlineConfig = CONFIG, seed: int = 1) -> HeartbeatDetector:
    made = config.make(ME, peers or (A, B), seed=seed)
    made.tick(now=0.0)
    return made


def run_until(made: HeartbeatDetector, now: float) -> list[HeartbeatEffect]:
    """Call `tick` at each deadline up to `now`, as a driver that is never late."""
    effects: list[HeartbeatEffect] = []
    while (deadline := made.deadline or 0.0) <= now:
        effects += made.tick(now=deadline)
    return effects


def hear(made: HeartbeatDetector, peer: NodeId, sequence: int, now: float, run: int = 1) -> Sequence[HeartbeatEffect]:
    return made.handle([Received(peer, Heartbeat(run, sequence))], now=now)


def changes(effects: Sequence[HeartbeatEffect]) -> list[tuple[str, str]]:
    return [(type(it).__name__, it.peer) for it in effects if isinstance(it, Suspected | Trusted | Failed)]


def sent(effects: Sequence[HeartbeatEffect]) -> list[Send[Heartbeat]]:
    return [it for it in effects if isinstance(it, Send)]


def state_of(made: HeartbeatDetector, peer: NodeId, now: float) -> MemberState:
    return next(status.state for status in made.members(now=now) if status.peer == peer)


def test_it_has_the_interface_of_detectors_and_configs() -> None:
    make: MakeDetector = PhiAccrualConfig.local()
    made: FailureDetector = make.make(ME, (A, B), seed=1)

    assert made.deadline == 0.0
    assert [status.state for status in made.members(now=0.0)] == [MemberState.ALIVE] * 2


def test_a_numbered_heartbeat_goes_to_every_peer_in_every_interval() -> None:
    beats = sent(run_until(detector(), 5.0))

    assert [(it.to, it.message.sequence) for it in beats] == [(peer, n) for n in range(1, 6) for peer in (A, B)]
    assert len({it.message.run for it in beats}) == 1


def test_seeds_spread_the_heartbeats_of_nodes_over_the_interval() -> None:
    first_beats = [detector(seed=seed).deadline or 0.0 for seed in range(50)]

    assert all(0 <= at < 1 for at in first_beats)
    assert min(first_beats) < 0.2 < 0.8 < max(first_beats)
    assert first_beats == [detector(seed=seed).deadline for seed in range(50)]


def test_a_silent_peer_is_suspected_then_failed_and_trusted_when_it_is_heard_again() -> None:
    made = detector(A)
    hear(made, A, 1, 0.5)

    assert changes(run_until(made, 3.9)) == []
    assert changes(run_until(made, 4.0)) == [("Suspected", A)]
    assert made.suspicion(A, now=4.0) == 1.0
    assert changes(run_until(made, 8.9)) == []
    assert changes(run_until(made, 9.0)) == [("Failed", A)]
    assert changes(run_until(made, 100.0)) == []
    assert changes(hear(made, A, 2, 100.0)) == [("Trusted", A)]
    assert state_of(made, A, 100.0) is MemberState.ALIVE
    assert changes(run_until(made, 103.5)) == [("Suspected", A)]


def test_a_peer_that_was_never_heard_is_suspected_too() -> None:
    assert changes(run_until(detector(), 3.5)) == [("Suspected", A), ("Suspected", B)]


def test_a_peer_that_was_never_heard_gets_more_time_after_the_start_than_one_that_was() -> None:
    made = detector(A, B, config=replace(CONFIG, start_grace_s=20.0))
    hear(made, A, 1, 0.5)

    assert changes(run_until(made, 4.0)) == [("Suspected", A)]
    assert changes(run_until(made, 23.4)) == [("Failed", A)]
    assert changes(run_until(made, 23.5)) == [("Suspected", B)]


@pytest.mark.parametrize("grace_s", [-1.0, float("nan"), float("inf")])
def test_a_bad_grace_is_refused_by_name(grace_s: float) -> None:
    with pytest.raises(ValueError, match="start_grace_s"):
        replace(CONFIG, start_grace_s=grace_s)


def test_a_suspicion_names_the_silence_and_its_numbers() -> None:
    made = detector(A)
    hear(made, A, 1, 0.5)

    suspected = next(it for it in run_until(made, 4.0) if isinstance(it, Suspected))

    assert suspected == Suspected(A, "no heartbeat for 3.500 s", {"silence_s": 3.5, "timeout_s": 3.5})
    assert made.members(now=4.0)[0].reason == suspected.reason


def test_a_repeated_or_overtaken_heartbeat_proves_nothing() -> None:
    made = detector(A)
    hear(made, A, 5, 1.0)
    run_until(made, 2.0)

    for sequence in (5, 4, 1):
        assert hear(made, A, sequence, 2.0) == []

    assert changes(run_until(made, 4.5)) == [("Suspected", A)]
    assert changes(hear(made, A, 3, 4.6)) == []
    assert changes(hear(made, A, 6, 4.7)) == [("Trusted", A)]


def test_a_restarted_peer_counts_from_1_again_and_late_heartbeats_of_its_former_life_do_not_count() -> None:
    made = detector(A)
    hear(made, A, 70, 1.0, run=1)
    run_until(made, 4.5)

    assert changes(hear(made, A, 1, 5.0, run=2)) == [("Trusted", A)]
    run_until(made, 8.0)
    assert hear(made, A, 71, 8.0, run=1) == []
    assert changes(run_until(made, 8.5)) == [("Suspected", A)]


def test_a_node_that_restarts_draws_another_run() -> None:
    first, second = CONFIG.make(ME, (A,), seed=1), CONFIG.make(ME, (A,), seed=1)
    first.tick(now=0.0)
    second.tick(now=50.0)

    runs = [sent(run_until(made, at))[0].message.run for made, at in ((first, 1.0), (second, 51.0))]

    assert runs[0] != runs[1]


def test_a_message_of_an_unknown_peer_or_another_kind_is_only_observed() -> None:
    made = detector(A)
    run_until(made, 1.0)

    effects = made.handle([Received(NodeId("x"), Heartbeat(1, 1)), Received(A, Probe(1))], now=1.0)  # type: ignore[arg-type]

    assert [type(it) for it in effects] == [Observe, Observe]
    assert [it.facts["reason"] for it in effects if isinstance(it, Observe)] == [
        "its sender is not monitored",
        "not a heartbeat",
    ]
    assert [status.peer for status in made.members(now=1.0)] == [A]
    with pytest.raises(KeyError, match="'x' is not a peer of 'me'"):
        made.suspicion(NodeId("x"), now=1.0)


def test_a_stall_of_this_process_accuses_nobody() -> None:
    """The tick that is due at about 4 s comes at 64 s, before the heartbeats that queued up are read."""
    made = detector()
    for peer in (A, B):
        hear(made, peer, 1, 1.0)
    run_until(made, 3.9)

    late = made.tick(now=64.0)

    assert changes(late) == []
    assert [it.event for it in late if isinstance(it, Observe)] == ["detector.pause_noticed"]
    for peer in (A, B):
        made.handle([Received(peer, Heartbeat(1, sequence)) for sequence in range(2, 64)], now=64.01)
    assert changes(run_until(made, 67.0)) == []
    assert changes(run_until(made, 67.6)) == [("Suspected", A), ("Suspected", B)]


def test_a_stall_that_a_received_message_shows_first_accuses_nobody() -> None:
    made = detector()
    run_until(made, 2.0)

    assert changes(hear(made, A, 1, 60.0)) == []
    assert changes(run_until(made, 61.0)) == []
    assert state_of(made, B, 61.0) is MemberState.ALIVE


def test_a_reported_lag_is_left_out_of_account_once() -> None:
    """The loop was blocked from 1 to 3.2 s; the report and the late timer show the same pause."""
    made = detector(A)
    run_until(made, 1.0)
    made.handle([LoopLagged(2.2)], now=3.2)
    made.tick(now=3.2)
    made.handle([LoopLagged(2.2)], now=3.21)

    assert made.suspicion(A, now=3.5) == pytest.approx((3.5 - 2.2) / 3.5)


def test_a_pause_also_postpones_the_failure_of_a_suspected_peer() -> None:
    made = detector(A)
    run_until(made, 4.0)

    assert changes(made.tick(now=64.0)) == []
    assert changes(run_until(made, 67.0)) == []
    assert changes(run_until(made, 69.0)) == [("Failed", A)]


def test_after_a_stall_it_sends_one_heartbeat_not_all_that_it_missed() -> None:
    made = detector(A)
    before = sent(run_until(made, 2.0))[-1].message.sequence

    beats = sent(made.tick(now=62.0))

    assert len(beats) == 1
    assert beats[0].message.sequence == before + 60
    assert len(sent(run_until(made, 67.0))) == 5


def test_heartbeats_that_queued_up_in_a_stall_are_not_taken_for_the_rhythm_of_the_sender() -> None:
    """An hour is read in one second. If each were a sample, the mean would be 0 and every peer always suspected."""
    config = PhiAccrualConfig(interval_s=1.0, window_samples=50)
    made = config.make(ME, (A,), seed=1)
    made.tick(now=0.0)
    for sequence in range(1, 101):
        run_until(made, float(sequence))
        hear(made, A, sequence, float(sequence))
    before = made._peer_by_name[A].detector.evidence(now=100.0)["mean_s"]
    made.tick(now=3700.0)
    for sequence in range(101, 3701):
        hear(made, A, sequence, 3700.0 + (sequence - 100) / 3600)

    assert made._peer_by_name[A].detector.evidence(now=3701.0)["mean_s"] == before


def test_a_heartbeat_after_which_the_next_one_is_overdue_already_lifts_no_suspicion() -> None:
    """Chen's NFD-E: number 101 is expected at 101, and comes at 110; number 102 should have come by 103.5."""
    made = ChenConfig(interval_s=1.0, margin_s=1.5).make(ME, (A,), seed=1)
    made.tick(now=0.0)
    for sequence in range(1, 101):
        run_until(made, float(sequence))
        hear(made, A, sequence, float(sequence))
    assert changes(run_until(made, 110.0)) == [("Suspected", A), ("Failed", A)]

    assert hear(made, A, 101, 110.0) == []
    assert changes(hear(made, A, 110, 110.1)) == [("Trusted", A)]


def test_an_estimate_that_falls_into_the_past_is_a_suspicion_and_no_pause_of_this_process() -> None:
    """Numbers 1 and 13 arrive at 13 s, 12 and 0 s late, 6 on average: EA(14) = 20. Number 14 is 5.5 s late, the
    average of the last two 2.75 s: EA(15) = 17.75, which with the margin ended before number 14 arrived at 19.5 s.
    """
    config = ChenConfig(interval_s=1.0, margin_s=1.0, window_heartbeats=2, start_grace_s=20.0)
    made = config.make(ME, (A,), seed=1)
    made.tick(now=0.0)
    run_until(made, 13.0)
    hear(made, A, 1, 13.0)
    hear(made, A, 13, 13.0)
    run_until(made, 19.5)

    assert hear(made, A, 14, 19.5) == []
    assert made.deadline == 19.5
    assert changes(made.tick(now=19.5)) == [("Suspected", A)]


def test_the_timers_of_thousands_of_peers_are_cheap_to_postpone() -> None:
    names = tuple(NodeId(f"n{number}") for number in range(3000))
    made = detector(*names)
    for beat in range(1, 4):
        run_until(made, float(beat))
        made.handle([Received(name, Heartbeat(1, beat)) for name in names], now=float(beat))

    assert len(made._timers._heap) == 3000
    assert changes(run_until(made, 6.4)) == []
    assert len(changes(run_until(made, 6.5))) == 3000


def test_an_early_tick_has_no_effect() -> None:
    made = detector(A)
    run_until(made, 2.0)

    assert made.tick(now=2.0) == []


@pytest.mark.parametrize("peers", [(A, ME), (A, A)])
def test_peers_that_contain_the_node_itself_or_one_twice_are_refused(peers: tuple[NodeId, ...]) -> None:
    with pytest.raises(ValueError, match="the peers of 'me' must be other nodes, each once"):
        CONFIG.make(ME, peers, seed=1)


def test_a_late_heartbeat_of_an_older_life_does_not_displace_the_present_one_for_long() -> None:
    made = detector(A)
    for number in range(1, 6):
        hear(made, A, number, float(number), run=7)
        run_until(made, float(number))
    hear(made, A, 40, 5.5, run=3)
    for number in range(6, 30):
        effects = [*hear(made, A, number, float(number), run=7), *run_until(made, float(number))]
        assert changes(effects) == []
    assert state_of(made, A, 29.0) is MemberState.ALIVE
