"""`TestKit`: a system that checks and stops itself, on every loop."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import pytest

from coterie import Actor, System, SystemConfig, message
from coterie.runtime.hosts.real_host import RealHost
from coterie.testing import TestKit, VirtualHost, VirtualLoop, no_leaks


@message(name="test.kit.Go")
class Go:
    pass


class Echo(Actor[Go]):
    def __init__(self, to: Any) -> None:
        self._to = to

    def receive(self, msg: Go, /) -> None:
        self._to.tell(msg)


class Failing(Actor[Go]):
    def receive(self, msg: Go, /) -> None:
        raise RuntimeError("as I always do")


async def test_a_kit_works_on_ordinary_loops() -> None:
    async with no_leaks(), TestKit() as kit:
        probe = kit.probe()
        kit.system.spawn(lambda: Echo(probe.ref)).tell(Go())

        await probe.expect(Go())

        assert isinstance(kit.system.host, RealHost)


@pytest.mark.virtual
async def test_on_a_virtual_loop_the_host_is_virtual() -> None:
    async with TestKit() as kit:
        assert isinstance(kit.system.host, VirtualHost)
        assert isinstance(kit.system.loop, VirtualLoop)


@pytest.mark.virtual
async def test_the_configuration_is_the_systems() -> None:
    async with TestKit(config=SystemConfig(capacity=3)) as kit:
        assert kit.system.config.capacity == 3


@pytest.mark.virtual
async def test_an_actor_that_fails_fails_the_test() -> None:
    async def main() -> None:
        async with TestKit() as kit:
            kit.system.spawn(Failing, name="f").tell(Go())
            await asyncio.sleep(1)

    with pytest.raises(AssertionError, match="RuntimeError: as I always do"):
        await main()


@pytest.mark.virtual
async def test_actors_may_fail_where_the_test_says_so() -> None:
    async with TestKit(may_fail=True) as kit:
        kit.system.spawn(Failing, name="f").tell(Go())
        await asyncio.sleep(1)

    assert [event.actor for event in kit.failures] == ["f"]


@pytest.mark.virtual
async def test_the_error_of_the_body_counts_more_than_failures() -> None:
    async def main() -> None:
        async with TestKit() as kit:
            kit.system.spawn(Failing).tell(Go())
            await asyncio.sleep(1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await main()


@pytest.mark.virtual
async def test_what_the_body_leaves_behind_fails_the_test() -> None:
    forgotten: list[asyncio.Task[None]] = []
    with pytest.raises(AssertionError, match=r"left behind:\n  task 'forgotten'"):
        async with TestKit():
            forgotten.append(asyncio.create_task(asyncio.sleep(60), name="forgotten"))
    forgotten[0].cancel()


@pytest.mark.virtual
async def test_the_system_has_ended_when_the_kit_has() -> None:
    async with TestKit() as kit:
        system: System = kit.system

    with pytest.raises(RuntimeError, match="is closed"):
        system.spawn(Failing)


def test_the_kit_needs_no_test_framework() -> None:
    program = "import sys, coterie.testing; print(sorted({'pytest', 'unittest', '_pytest'} & set(sys.modules)))"

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)

    assert ended.stdout == "[]\n"
