"""`LagProbe`: reports how late each of its timers fired, until it is stopped."""

from __future__ import annotations

import asyncio

import pytest

from coterie.runtime.observing.lag_probe import LagProbe

pytestmark = pytest.mark.virtual


class Clock:
    """A clock that runs with the loop, and can be moved on."""

    def __init__(self) -> None:
        self.offset_s = 0.0

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time() + self.offset_s


async def test_an_idle_loop_has_no_lag() -> None:
    lags: list[float] = []
    probe = LagProbe(asyncio.get_running_loop(), Clock().monotonic, 0.1, lags.append)

    await asyncio.sleep(1.05)

    assert lags == pytest.approx([0.0] * 10, abs=1e-6)
    probe.stop()


async def test_a_late_timer_is_reported_once_with_its_lateness() -> None:
    clock, lags = Clock(), list[float]()
    probe = LagProbe(asyncio.get_running_loop(), clock.monotonic, 0.1, lags.append)
    await asyncio.sleep(0.05)
    clock.offset_s += 3.0

    await asyncio.sleep(0.2)

    assert lags == pytest.approx([3.0, 0.0], abs=1e-6)
    probe.stop()


async def test_a_stopped_probe_reports_nothing_even_if_its_callback_stopped_it() -> None:
    lags: list[float] = []

    def once(lag_s: float) -> None:
        lags.append(lag_s)
        probe.stop()

    probe = LagProbe(asyncio.get_running_loop(), Clock().monotonic, 0.1, once)
    await asyncio.sleep(1)
    probe.stop()

    assert len(lags) == 1
