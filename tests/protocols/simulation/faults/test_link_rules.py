"""What rules do to one message."""

from __future__ import annotations

import random

from coterie.protocols.algorithm import NodeId
from coterie.protocols.simulation.faults.link_rules import (
    block,
    clog_rule,
    delay_rule,
    duplicate_rule,
    loss_rule,
    reorder_rule,
    reset_rule,
)
from coterie.protocols.simulation.protocol_network import Latency, LinkRule, OutgoingMessage

RNG = random.Random(1)


def flight() -> OutgoingMessage:
    return OutgoingMessage(NodeId("a"), NodeId("b"), "hello", 0.01)


def lost() -> OutgoingMessage:
    it = flight()
    it.delays_s.clear()
    return it


def applied(rule: LinkRule) -> tuple[bool, list[float]]:
    it = flight()
    return rule(it), it.delays_s


def test_block_and_certain_loss_leave_nothing() -> None:
    assert applied(block) == (True, [])
    assert applied(loss_rule(1.0, RNG)) == (True, [])
    assert applied(loss_rule(1e-12, RNG)) == (False, [0.01])


def test_delay_and_hold_add_time() -> None:
    hit, (delayed_s,) = applied(delay_rule(Latency(0.1, tail=0.0), RNG))
    assert hit
    assert 0.06 <= delayed_s <= 0.16

    hit, (held_s,) = applied(reorder_rule(1.0, 0.5, RNG))
    assert hit
    assert 0.01 < held_s <= 0.51
    assert applied(reorder_rule(1e-12, 0.5, RNG)) == (False, [0.01])


def test_doubling_adds_a_copy_near_the_original() -> None:
    hit, (original_s, copy_s) = applied(duplicate_rule(1.0, RNG))

    assert hit
    assert original_s == 0.01
    assert 0.005 <= copy_s <= 0.03


def test_keeping_keeps_the_message_with_its_delay() -> None:
    kept: list[OutgoingMessage] = []

    assert applied(clog_rule(kept)) == (True, [])

    assert [(it.sender, it.to, it.message, it.delays_s) for it in kept] == [("a", "b", "hello", [0.01])]


def test_resetting_cuts_what_else_is_under_way() -> None:
    cuts: list[str] = []

    assert applied(reset_rule(lambda: cuts.append("cut"))) == (True, [])

    assert cuts == ["cut"]


def test_what_is_lost_already_is_neither_doubled_nor_kept() -> None:
    kept: list[OutgoingMessage] = []
    it = lost()

    assert not duplicate_rule(1.0, RNG)(it)
    assert clog_rule(kept)(it)
    assert delay_rule(Latency(), RNG)(it)
    assert it.delays_s == []
    assert kept == []
