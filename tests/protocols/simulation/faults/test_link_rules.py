"""What rules do to one message."""

from __future__ import annotations

import random

from coterie.protocols.algorithm import NodeId
from coterie.protocols.simulation.faults.link_rules import (
    block,
    delaying,
    doubling,
    holding,
    keeping,
    losing,
    resetting,
)
from coterie.protocols.simulation.protocol_network import Flight, Judge, Latency

RNG = random.Random(1)


def flight() -> Flight:
    return Flight(NodeId("a"), NodeId("b"), "hello", 0.01)


def lost() -> Flight:
    it = flight()
    it.delays_s.clear()
    return it


def judged(judge: Judge) -> tuple[bool, list[float]]:
    it = flight()
    return judge(it), it.delays_s


def test_block_and_certain_loss_leave_nothing() -> None:
    assert judged(block) == (True, [])
    assert judged(losing(1.0, RNG)) == (True, [])
    assert judged(losing(1e-12, RNG)) == (False, [0.01])


def test_delay_and_hold_add_time() -> None:
    hit, (delayed_s,) = judged(delaying(Latency(0.1, tail=0.0), RNG))
    assert hit
    assert 0.06 <= delayed_s <= 0.16

    hit, (held_s,) = judged(holding(1.0, 0.5, RNG))
    assert hit
    assert 0.01 < held_s <= 0.51
    assert judged(holding(1e-12, 0.5, RNG)) == (False, [0.01])


def test_doubling_adds_a_copy_near_the_original() -> None:
    hit, (original_s, copy_s) = judged(doubling(1.0, RNG))

    assert hit
    assert original_s == 0.01
    assert 0.005 <= copy_s <= 0.03


def test_keeping_keeps_the_message_with_its_delay() -> None:
    kept: list[Flight] = []

    assert judged(keeping(kept)) == (True, [])

    assert [(it.sender, it.to, it.message, it.delays_s) for it in kept] == [("a", "b", "hello", [0.01])]


def test_resetting_cuts_what_else_is_under_way() -> None:
    cuts: list[str] = []

    assert judged(resetting(lambda: cuts.append("cut"))) == (True, [])

    assert cuts == ["cut"]


def test_what_is_lost_already_is_neither_doubled_nor_kept() -> None:
    kept: list[Flight] = []
    it = lost()

    assert not doubling(1.0, RNG)(it)
    assert keeping(kept)(it)
    assert delaying(Latency(), RNG)(it)
    assert it.delays_s == []
    assert kept == []
