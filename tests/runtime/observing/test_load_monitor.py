"""A closer look: measured while somebody looks, nothing left behind when nobody does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from coterie import Actor, System, message
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.observing.load_monitor import LEASE_S, Lookout

pytestmark = pytest.mark.virtual


@message(name="test.lookout.Work")
class Work:
    seconds: float


class Worker(Actor[Work]):
    """Lets virtual time pass while it holds the loop."""

    def receive(self, msg: Work, /) -> None:
        host: Any = self.context.system.host
        host.clock.offset_s += msg.seconds


class MovedClock:
    """A clock that a handler can move: time that passes although nobody sleeps."""

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
        lookout = Lookout(system)
        lookout.keep()
        busy, idle = system.spawn(Worker, name="busy"), system.spawn(Worker, name="idle")
        for _ in range(3):
            busy.tell(Work(1.0))
        idle.tell(Work(0.0))

        await asyncio.sleep(1.0)  # 1 s passes while nobody works, 3 s while one does

        shares = {cell.path: lookout.busy_share(cell) for cell in system.cells}
        assert shares["busy"] == pytest.approx(0.75, abs=0.01)
        assert shares["idle"] == pytest.approx(0.0, abs=0.01)
        lookout.end()


async def test_the_lag_is_the_worst_lateness_since_it_was_last_taken() -> None:
    async with System("n1", host=MovedHost()) as system:
        lookout = Lookout(system)
        lookout.keep()
        system.spawn(Worker).tell(Work(0.5))
        await asyncio.sleep(1.0)

        assert lookout.take_lag_s() == pytest.approx(0.5, abs=0.01)
        await asyncio.sleep(1.0)
        assert lookout.take_lag_s() == pytest.approx(0.0, abs=0.01)
        lookout.end()


async def test_who_stops_looking_is_forgotten_after_a_while() -> None:
    async with System("n1", host=VirtualHost("n1")) as system:
        lookout = Lookout(system)
        lookout.keep()
        await asyncio.sleep(LEASE_S - 1)
        lookout.keep()
        await asyncio.sleep(LEASE_S - 1)
        looks = [lookout.is_looking]
        await asyncio.sleep(2)
        looks.append(lookout.is_looking)

        assert looks == [True, False]
        system.spawn(Worker, name="after").tell(Work(0.0))


async def test_ended_actors_are_forgotten_while_the_look_goes_on() -> None:
    class Brief(Actor[Work]):
        def receive(self, msg: Work, /) -> None:
            self.context.stop(self.context.self_ref)

    async with System("n1", host=VirtualHost("n1")) as system:
        lookout = Lookout(system)
        for _ in range(5):
            lookout.keep()
            for _ in range(1000):
                system.spawn(Brief).tell(Work(0.0))
            await asyncio.sleep(1.0)

        assert not system.cells
        assert len(lookout._busy_s) <= 1000
        lookout.end()


async def test_an_actor_remembers_its_restarts_and_its_last_error() -> None:
    class Failing(Actor[Work]):
        def receive(self, msg: Work, /) -> None:
            raise RuntimeError("x" * 1000)

    async with System("n1", host=VirtualHost("n1")) as system:
        ref = system.spawn(Failing, name="failing")
        cell = system.cell_at("failing")
        assert cell is not None
        troubles = [cell.troubles]
        for _ in range(2):
            ref.tell(Work(0.0))
            await asyncio.sleep(1.0)
            troubles.append(cell.troubles)

        restarts, error = troubles[-1]
        assert troubles[0] == (0, None)
        assert restarts == 2
        assert error is not None
        assert error.startswith("RuntimeError: xxx")
        assert len(error) == 300
