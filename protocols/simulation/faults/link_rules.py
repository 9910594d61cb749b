"""What rules do to messages, one small function for each kind of network fault.

A message that an earlier rule has lost (it has no delays left) is judged by the later ones too.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from coterie.protocols.simulation.protocol_network import Flight, Judge, Latency

__all__ = ["block", "delaying", "doubling", "holding", "keeping", "losing", "resetting"]


def block(flight: Flight) -> bool:
    """Lose every message."""
    flight.delays_s.clear()
    return True


def losing(probability: float, rng: random.Random) -> Judge:
    """Return a judge that loses messages with `probability`."""
    return lambda flight: rng.random() < probability and block(flight)


def delaying(latency: Latency, rng: random.Random) -> Judge:
    """Return a judge that delays every message by a draw of `latency`."""

    def judge(flight: Flight) -> bool:
        flight.delays_s[:] = [delay_s + latency.draw_s(rng) for delay_s in flight.delays_s]
        return True

    return judge


def doubling(probability: float, rng: random.Random) -> Judge:
    """Return a judge that adds a copy with `probability`; it comes sooner or later than the original."""

    def judge(flight: Flight) -> bool:
        if rng.random() >= probability or not flight.delays_s:
            return False
        flight.delays_s.append(flight.delays_s[0] * rng.uniform(0.5, 3.0))
        return True

    return judge


def holding(probability: float, hold_s: float, rng: random.Random) -> Judge:
    """Return a judge that holds messages back with `probability`, up to `hold_s`, while later ones overtake them."""

    def judge(flight: Flight) -> bool:
        if rng.random() >= probability:
            return False
        flight.delays_s[:] = [delay_s + rng.uniform(0, hold_s) for delay_s in flight.delays_s]
        return True

    return judge


def keeping(kept: list[Flight]) -> Judge:
    """Return a judge that lets nothing pass but puts it into `kept`."""

    def judge(flight: Flight) -> bool:
        if flight.delays_s:
            kept.append(Flight(flight.sender, flight.to, flight.message, flight.delays_s[0]))
        return block(flight)

    return judge


def resetting(cut: Callable[[], None]) -> Judge:
    """Return a judge that loses the next message, and calls `cut`, which must lose what else is under way."""

    def judge(flight: Flight) -> bool:
        cut()
        return block(flight)

    return judge
