"""Link rules: lose, delay, copy or reorder the messages of a link; one function for each kind of network fault.

Later rules are applied to a lost message (without delays) too.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from coterie.protocols.simulation.protocol_network import Latency, LinkRule, OutgoingMessage

__all__ = ["block", "clog_rule", "delay_rule", "duplicate_rule", "loss_rule", "reorder_rule", "reset_rule"]


def block(message: OutgoingMessage) -> bool:
    """Lose every message."""
    message.delays_s.clear()
    return True


def loss_rule(probability: float, rng: random.Random) -> LinkRule:
    """Return a rule that loses messages with `probability`."""
    return lambda message: rng.random() < probability and block(message)


def delay_rule(latency: Latency, rng: random.Random) -> LinkRule:
    """Return a rule that delays every message by a draw of `latency`."""

    def rule(message: OutgoingMessage) -> bool:
        message.delays_s[:] = [delay_s + latency.draw_s(rng) for delay_s in message.delays_s]
        return True

    return rule


def duplicate_rule(probability: float, rng: random.Random) -> LinkRule:
    """Return a rule that adds a copy with `probability`, which arrives before or after the original."""

    def rule(message: OutgoingMessage) -> bool:
        if rng.random() >= probability or not message.delays_s:
            return False
        message.delays_s.append(message.delays_s[0] * rng.uniform(0.5, 3.0))
        return True

    return rule


def reorder_rule(probability: float, hold_s: float, rng: random.Random) -> LinkRule:
    """Return a rule that delays messages with `probability`, by up to `hold_s`, so that later ones overtake them."""

    def rule(message: OutgoingMessage) -> bool:
        if rng.random() >= probability:
            return False
        message.delays_s[:] = [delay_s + rng.uniform(0, hold_s) for delay_s in message.delays_s]
        return True

    return rule


def clog_rule(queue: list[OutgoingMessage]) -> LinkRule:
    """Return a rule that puts every message into `queue` instead of sending it."""

    def rule(message: OutgoingMessage) -> bool:
        if message.delays_s:
            queue.append(OutgoingMessage(message.sender, message.to, message.message, message.delays_s[0]))
        return block(message)

    return rule


def reset_rule(drop_in_flight: Callable[[], None]) -> LinkRule:
    """Return a rule that loses the next message and calls `drop_in_flight`, which must lose all messages in flight."""

    def rule(message: OutgoingMessage) -> bool:
        drop_in_flight()
        return block(message)

    return rule
