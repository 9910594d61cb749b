"""PeerTimers: expire when they were last armed for, in order, and postponing one costs no heap operation."""

from __future__ import annotations

import random

from coterie.protocols.algorithm import NodeId
from coterie.protocols.detection.peer_timers import PeerTimers

A, B, C = NodeId("a"), NodeId("b"), NodeId("c")


def test_expired_timers_come_in_order_of_time_then_name() -> None:
    timers = PeerTimers()
    for peer, due in ((B, 1.0), (C, 0.5), (A, 1.0)):
        timers.arm(peer, due)

    assert timers.earliest == 0.5
    assert timers.pop_expired(0.4) == []
    assert timers.pop_expired(1.0) == [C, A, B]
    assert timers.earliest is None


def test_a_timer_expires_at_the_time_for_which_it_was_last_armed() -> None:
    timers = PeerTimers()
    timers.arm(A, 1.0)
    timers.arm(A, 3.0)
    timers.arm(B, 3.0)
    timers.arm(B, 1.0)

    assert timers.pop_expired(1.0) == [B]
    assert timers.pop_expired(2.9) == []
    assert timers.pop_expired(3.0) == [A]


def test_a_stopped_or_postponed_timer_does_not_expire_early() -> None:
    timers = PeerTimers()
    timers.arm(A, 1.0)
    timers.arm(B, 1.0)
    timers.disarm(A)
    timers.postpone(A, 1.0)
    timers.postpone(B, 1.5)

    assert timers.pop_expired(2.0) == []
    assert timers.pop_expired(2.5) == [B]


def test_timers_equal_a_plain_table_under_random_use() -> None:
    rng, timers, due_by_peer, now = random.Random(2), PeerTimers(), dict[NodeId, float](), 0.0
    for _ in range(20_000):
        now += rng.random() * 0.05
        peer = NodeId(str(rng.randrange(20)))
        if rng.random() < 0.1:
            timers.disarm(peer)
            due_by_peer.pop(peer, None)
        else:
            due_by_peer[peer] = now + rng.random()
            timers.arm(peer, due_by_peer[peer])
        due = sorted((at, name) for name, at in due_by_peer.items() if at <= now)
        assert timers.pop_expired(now) == [name for _, name in due]
        for _, name in due:
            del due_by_peer[name]
        assert not due_by_peer or (timers.earliest or 0.0) <= min(due_by_peer.values())


def test_postponing_ten_thousand_timers_ten_times_leaves_the_heap_as_it_is() -> None:
    timers = PeerTimers()
    for beat in range(10):
        for number in range(10_000):
            timers.arm(NodeId(str(number)), 1.0 + beat)

    assert len(timers._heap) == 10_000
