"""RttPhiDetector: probes out, answers in; relays, own health, own pauses and strangers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TypeVar

import pytest

from coterie.protocols.algorithm import NodeId, Observe, Received, Send
from coterie.protocols.detection.detection_messages import Heartbeat, Probe, ProbeReply, ProbeReport, ProbeRequest
from coterie.protocols.detection.failure_detector import (
    Failed,
    FailureDetector,
    LoopLagged,
    MakeDetector,
    Suspected,
    Trusted,
)
from coterie.protocols.detection.probes.rtt_phi_config import RttPhiConfig
from coterie.protocols.detection.probes.rtt_phi_detector import ProbeEffect, ProbeMessage, RttPhiDetector

ME, A, B, C = NodeId("me"), NodeId("a"), NodeId("b"), NodeId("c")
CONFIG = RttPhiConfig(probe_timeout_s=1.0, fail_after_s=5.0, start_grace_s=0.0)
T = TypeVar("T")


class World:
    """One detector, whose probes peers in `answers` answer after 10 ms; `log` holds (time, effect)."""

    def __init__(self, *peers: NodeId, config: RttPhiConfig = CONFIG, seed: int = 1) -> None:
        self.detector = config.make(ME, peers or (A, B), seed=seed)
        self.now = 0.0
        self.answers = dict.fromkeys(peers or (A, B), True)
        self.log: list[tuple[float, ProbeEffect]] = []
        self._pending: list[tuple[float, NodeId, ProbeMessage]] = []
        self._take(self.detector.tick(now=0.0))

    def run(self, until_s: float) -> None:
        while True:
            deadline = self.detector.deadline
            times = [at for at, _, _ in self._pending] + ([] if deadline is None else [deadline])
            if not times or min(times) > until_s:
                break
            self.now = max(self.now, min(times))
            arrived = [it for it in self._pending if it[0] <= self.now]
            self._pending = [it for it in self._pending if it[0] > self.now]
            for _, sender, message in arrived:
                self.receive(sender, message)
            if not arrived:
                self._take(self.detector.tick(now=self.now))
        self.now = until_s

    def receive(self, sender: NodeId, message: ProbeMessage) -> Sequence[ProbeEffect]:
        effects = self.detector.handle([Received(sender, message)], now=self.now)
        self._take(effects)
        return effects

    def sent(self, kind: type[T]) -> list[tuple[float, NodeId, T]]:
        return [
            (at, effect.to, effect.message)
            for at, effect in self.log
            if isinstance(effect, Send) and isinstance(effect.message, kind)
        ]

    def changes(self) -> list[tuple[str, NodeId]]:
        return [(type(it).__name__, it.peer) for _, it in self.log if isinstance(it, Suspected | Trusted | Failed)]

    def _take(self, effects: Sequence[ProbeEffect]) -> None:
        for effect in effects:
            self.log.append((self.now, effect))
            if isinstance(effect, Send) and isinstance(effect.message, Probe) and self.answers.get(effect.to):
                self._pending.append((self.now + 0.01, effect.to, ProbeReply(effect.message.number)))


def test_it_has_the_interface_of_detectors_and_configs() -> None:
    make: MakeDetector = RttPhiConfig.local()
    made: FailureDetector = make.make(ME, (A, B), seed=1)

    assert made.deadline == 0.0
    assert [status.peer for status in made.members(now=0.0)] == [A, B]
    assert made.suspicion(A, now=0.0) == 0.0


def test_a_probe_is_answered_with_its_number() -> None:
    assert World().receive(A, Probe(7)) == [Send(A, ProbeReply(7))]


def test_the_next_probe_leaves_when_the_timeout_of_the_last_one_has_passed() -> None:
    """Round trips of 10 ms: the time-out is 1 s at first, and 0.51 s after four of them."""
    world = World(A)
    world.run(10.0)

    times = [at for at, _, _ in world.sent(Probe)]
    gaps = [round(later - earlier, 6) for earlier, later in pairwise(times)]
    assert gaps[:3] == [1.0] * 3
    assert set(gaps[3:]) == {0.51}
    assert world.detector.members(now=10.0)[0].round_trip_s == pytest.approx(0.01)


def test_a_probe_without_answer_is_followed_by_the_next_one_at_once() -> None:
    world = World(A)
    world.run(5.0)
    world.answers[A] = False
    world.run(20.0)

    times = [at for at, _, _ in world.sent(Probe) if at > 5.0]
    assert times[1] - times[0] == pytest.approx(0.51)
    assert times[2] - times[1] == pytest.approx(1.02)  # one miss: the own health may be bad


def test_the_third_probe_goes_through_another_node_and_its_miss_is_a_suspicion() -> None:
    world = World(A, B)
    world.run(5.0)
    world.answers[A] = False
    world.run(20.0)

    requests = world.sent(ProbeRequest)
    suspected_at = next(at for at, effect in world.log if isinstance(effect, Suspected))
    direct = [at for at, to, _ in world.sent(Probe) if to == A and 5.0 < at < suspected_at]
    assert len(direct) == 2
    assert [(to, request.target) for at, to, request in requests if at < suspected_at] == [(B, A)]
    assert world.changes() == [("Suspected", A), ("Failed", A)]
    assert suspected_at - direct[0] < 4.0


def test_a_positive_report_clears_the_misses_and_is_not_sampled() -> None:
    world = World(A, B)
    world.run(5.0)
    world.answers[A] = False
    while not world.sent(ProbeRequest):
        world.run(world.now + 0.01)
    _, relay, request = world.sent(ProbeRequest)[0]
    samples = world.detector._peer_by_name[A].round_trips.evidence(now=world.now)["samples"]

    world.receive(relay, ProbeReport(request.number, True))

    round_trips = world.detector._peer_by_name[A].round_trips
    assert (round_trips.missed, round_trips.evidence(now=world.now)["samples"]) == (0, samples)
    assert world.changes() == []


def test_a_negative_report_is_a_miss_at_once_that_does_not_blame_this_node() -> None:
    world = World(A, B)
    world.run(5.0)
    world.answers[A] = False
    while not world.sent(ProbeRequest):
        world.run(world.now + 0.01)
    _, relay, request = world.sent(ProbeRequest)[0]
    score = world.detector.local_score

    world.receive(relay, ProbeReport(request.number, False))

    assert world.changes() == [("Suspected", A)]
    assert world.detector.local_score == score


def test_a_report_of_another_node_or_of_another_number_is_ignored() -> None:
    world = World(A, B, C)
    world.run(5.0)
    world.answers[A] = False
    while not world.sent(ProbeRequest):
        world.run(world.now + 0.01)
    _, relay, request = world.sent(ProbeRequest)[0]
    other = C if relay == B else B

    assert world.receive(other, ProbeReport(request.number, False)) == []
    assert world.receive(relay, ProbeReport(request.number + 1, False)) == []
    assert world.changes() == []


def test_a_relay_leaves_time_for_its_report() -> None:
    """A score of 1 (two misses, less one answer of B in between, or 2): timeout · (1 - 1 / (2 + score))."""
    world = World(A, B)
    world.run(5.0)
    world.answers[A] = False
    while not world.sent(ProbeRequest):
        world.run(world.now + 0.01)
    sent_at, _, request = world.sent(ProbeRequest)[0]
    timeout_s = world.detector._peer_by_name[A].round_trips._due_at - sent_at

    assert 0.5 * timeout_s <= request.timeout_s < timeout_s


def test_with_one_peer_every_probe_is_direct() -> None:
    world = World(A)
    world.answers[A] = False
    world.run(20.0)

    assert world.sent(ProbeRequest) == []
    assert ("Suspected", A) in world.changes()


def test_a_suspected_peer_is_trusted_when_it_answers_again() -> None:
    world = World(A, B)
    world.answers[A] = False
    world.run(30.0)
    world.answers[A] = True
    world.run(40.0)

    assert world.changes() == [("Suspected", A), ("Failed", A), ("Trusted", A)]


def test_an_answer_that_comes_too_late_is_no_answer() -> None:
    world = World(A)
    world.answers[A] = False
    world.run(2.5)
    _, _, probe = world.sent(Probe)[0]

    assert world.receive(A, ProbeReply(probe.number)) == []
    assert world.detector._peer_by_name[A].round_trips.missed > 0


def test_a_relayed_probe_is_reported_to_its_requester() -> None:
    world = World(A, B)
    world.answers[B] = False
    (probe,) = (it for it in world.receive(A, ProbeRequest(70, B, 0.5)) if isinstance(it, Send))
    assert isinstance(probe.message, Probe)

    assert probe.to == B
    assert world.receive(A, ProbeReply(probe.message.number)) == []  # from the wrong node
    assert world.receive(B, ProbeReply(probe.message.number)) == [Send(A, ProbeReport(70, True))]


@pytest.mark.parametrize("timeout_s", [0.5, float("nan"), float("inf"), -1.0])
def test_a_relayed_probe_without_answer_is_reported_in_bounded_time(timeout_s: float) -> None:
    world = World(A, B)
    world.answers[B] = False
    world.receive(A, ProbeRequest(70, B, timeout_s))
    world.run(4.0)

    assert [(to, report) for _, to, report in world.sent(ProbeReport)] == [(A, ProbeReport(70, False))]


def test_a_request_about_this_node_or_an_unknown_one_is_reported_at_once() -> None:
    world = World(A, B)

    assert world.receive(A, ProbeRequest(1, ME, 0.5)) == [Send(A, ProbeReport(1, True))]
    refused, report = world.receive(A, ProbeRequest(2, NodeId("x"), 0.5))
    assert isinstance(refused, Observe)
    assert report == Send(A, ProbeReport(2, False))


def test_relayed_probes_are_bounded() -> None:
    world = World(A, B)
    for number in range(3000):
        world.receive(A, ProbeRequest(number, B, 0.5))

    assert len(world.detector._relayed._by_number) == 1024


def test_a_message_of_an_unknown_peer_or_another_kind_is_only_observed() -> None:
    world = World(A)

    refusals = [world.receive(NodeId("x"), Probe(1)), world.receive(A, Heartbeat(1, 1))]  # type: ignore[arg-type]

    assert [[type(it) for it in effects] for effects in refusals] == [[Observe], [Observe]]
    with pytest.raises(KeyError, match="'x' is not a peer of 'me'"):
        world.detector.suspicion(NodeId("x"), now=0.0)


def test_own_health_worsens_with_misses_and_improves_with_answers() -> None:
    world = World(A, B, C)
    world.answers.update({A: False, B: False, C: False})
    world.run(4.0)
    worst = world.detector.local_score
    world.answers.update({A: True, B: True, C: True})
    world.run(40.0)

    assert worst >= 3
    assert world.detector.local_score == 0


def test_crashed_peers_do_not_spoil_the_own_health_for_ever() -> None:
    world = World(A, B, C)
    world.answers.update({A: False, B: False})
    world.run(60.0)

    assert world.detector.local_score == 0


def test_a_stall_of_this_process_accuses_nobody_and_spoils_no_sample() -> None:
    world = World(A, B)
    world.run(10.0)
    due = world.detector.deadline
    assert due is not None
    world.now = due
    world._take(world.detector.tick(now=due))  # a probe has just left; its answer waits unread for a minute
    round_trips = [world.detector._peer_by_name[peer].round_trips for peer in (A, B)]
    before = [it.evidence(now=due)["samples"] for it in round_trips]
    late = world.detector.tick(now=due + 60.0)
    world.now = due + 60.0
    world._take(late)
    (waiting,) = (
        peer for peer in (A, B) if world.detector._peer_by_name[peer].probe is not None and peer in spoilt(world)
    )
    world.run(world.now + 0.02)

    after = [it.evidence(now=world.now)["samples"] for it in round_trips]
    assert after[(A, B).index(waiting)] == before[(A, B).index(waiting)]
    world.run(world.now + 20.0)
    assert world.changes() == []


def spoilt(world: World) -> list[NodeId]:
    """The peers whose probe was out while this process was paused."""
    return [name for name, peer in world.detector._peer_by_name.items() if peer.probe and peer.probe.is_spoilt]


def test_a_peer_that_answers_before_its_time_is_over_does_not_fail() -> None:
    world = World(A, B)
    world.answers[A] = False
    while not world.changes():
        world.run(world.now + 0.1)
    world.answers[A] = True
    world.run(60.0)

    assert world.changes() == [("Suspected", A), ("Trusted", A)]


def test_a_pause_also_postpones_the_failure_of_a_suspected_peer() -> None:
    world = World(A, B)
    world.answers[A] = False
    while not world.changes():
        world.run(world.now + 0.1)
    world.run(world.now + 1.0)
    world.now += 60.0
    world._take(world.detector.tick(now=world.now))
    paused_until = world.now
    world.run(paused_until + 3.0)
    assert world.changes() == [("Suspected", A)]

    world.run(paused_until + 5.0)
    assert world.changes() == [("Suspected", A), ("Failed", A)]


def test_a_reported_lag_counts_once() -> None:
    world = World(A)
    world.run(2.0)
    score = world.detector.local_score
    for _ in range(2):
        world.detector.handle([LoopLagged(0.4)], now=2.1)

    assert world.detector.local_score == score + 1


@pytest.mark.parametrize("peers", [(A, ME), (A, A)])
def test_peers_that_contain_the_node_itself_or_one_twice_are_refused(peers: tuple[NodeId, ...]) -> None:
    with pytest.raises(ValueError, match="the peers of 'me' must be other nodes, each once"):
        CONFIG.make(ME, peers, seed=1)


def test_a_node_without_peers_has_nothing_to_do() -> None:
    alone = RttPhiDetector(ME, (), CONFIG, seed=1)
    alone.tick(now=0.0)

    assert alone.deadline is None


def test_a_peer_that_never_answered_gets_more_time_after_the_start_than_one_that_did() -> None:
    world = World(A, B, config=replace(CONFIG, start_grace_s=30.0))
    world.answers[B] = False
    world.run(2.5)
    world.answers[A] = False
    world.run(25.0)
    assert {peer for _, peer in world.changes()} == {A}
    world.run(60.0)
    assert {peer for _, peer in world.changes()} == {A, B}
