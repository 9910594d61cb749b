"""`LoadMonitor`: measures only while its lease lasts, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from coterie import Actor, System, message
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.observing.load_monitor import LEASE_S, LoadMonitor

pytestmark = pytest.mark.virtual


@message(name="test.load_monitor.Work")
class Work:
    seconds: float


class Worker(Actor[Work]):
    """Lets virtual time pass while it holds the loop."""

    def receive(self, msg: Work, /) -> None:
        host: Any = self.context.system.host
        host.clock.offset_s += msg.seconds


class MovedClock:
    """A clock that a handler can move: time passes although no task sleeps."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.offset_s = 0.0

    def monotonic(self) -> float:
        return float(self._inner.monotonic()) + self.offset_s

    def wall(self) -> float:
        return float(self._inner.wall()) + self.offset_s


class MovedHost(VirtualHost):
    def __init__(self) -> None:
        super().__init__("n1")
        self.moved = MovedClock(super().clock)

    @property
    def clock(self) -> Any:
        return self.moved


async def test_the_busy_share_is_the_time_in_the_actors_visits() -> None:
    async with System("n1", host=MovedHost()) as system:
        load_monitor = LoadMonitor(system)
        load_monitor.renew()
        busy, idle = system.spawn(Worker, name="busy"), system.spawn(Worker, name="idle")
        for _ in range(3):
            busy.tell(Work(1.0))
        idle.tell(Work(0.0))

        await asyncio.sleep(1.0)  # 1 s passes while no worker is busy, 3 s while one is

        shares = {cell.path: load_monitor.busy_share(cell) for cell in system.registry.cells}
        assert shares["busy"] == pytest.approx(0.75, abs=0.01)
        assert shares["idle"] == pytest.approx(0.0, abs=0.01)
        load_monitor.stop()


async def test_the_lag_is_the_worst_lateness_since_it_was_last_taken() -> None:
    async with System("n1", host=MovedHost()) as system:
        load_monitor = LoadMonitor(system)
        load_monitor.renew()
        system.spawn(Worker).tell(Work(0.5))
        await asyncio.sleep(1.0)

        assert load_monitor.take_lag_s() == pytest.approx(0.5, abs=0.01)
        await asyncio.sleep(1.0)
        assert load_monitor.take_lag_s() == pytest.approx(0.0, abs=0.01)
        load_monitor.stop()


async def test_measuring_stops_when_the_lease_is_not_renewed() -> None:
    async with System("n1", host=VirtualHost("n1")) as system:
        load_monitor = LoadMonitor(system)
        load_monitor.renew()
        await asyncio.sleep(LEASE_S - 1)
        load_monitor.renew()
        await asyncio.sleep(LEASE_S - 1)
        states = [load_monitor.is_measuring]
        await asyncio.sleep(2)
        states.append(load_monitor.is_measuring)

        assert states == [True, False]
        system.spawn(Worker, name="after").tell(Work(0.0))


async def test_ended_actors_are_pruned_while_measuring_goes_on() -> None:
    class Brief(Actor[Work]):
        def receive(self, msg: Work, /) -> None:
            self.context.stop(self.context.self_ref)

    async with System("n1", host=VirtualHost("n1")) as system:
        load_monitor = LoadMonitor(system)
        for _ in range(5):
            load_monitor.renew()
            for _ in range(1000):
                system.spawn(Brief).tell(Work(0.0))
            await asyncio.sleep(1.0)

        assert not system.registry.cells
        assert len(load_monitor._busy_s) <= 1000
        load_monitor.stop()


async def test_an_actor_remembers_its_restarts_and_its_last_error() -> None:
    class Failing(Actor[Work]):
        def receive(self, msg: Work, /) -> None:
            raise RuntimeError("x" * 1000)

    async with System("n1", host=VirtualHost("n1")) as system:
        ref = system.spawn(Failing, name="failing")
        cell = system.registry.cell_at("failing")
        assert cell is not None
        failure_summary = [cell.failure_summary]
        for _ in range(2):
            ref.tell(Work(0.0))
            await asyncio.sleep(1.0)
            failure_summary.append(cell.failure_summary)

        restarts, error = failure_summary[-1]
        assert failure_summary[0] == (0, None)
        assert restarts == 2
        assert error is not None
        assert error.startswith("RuntimeError: xxx")
        assert len(error) == 300
