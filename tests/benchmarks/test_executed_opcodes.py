"""Where load reports are not used they cost nothing: not one more instruction per message."""

from __future__ import annotations

import asyncio

from benchmarks.messaging.executed_opcodes import Get, Server, count_opcodes
from coterie import System
from coterie.actors.pools.loads.load_book import LoadBook
from coterie.actors.pools.loads.target_meter import TargetMeter


async def with_meters(system: System) -> None:
    """Run metered actors, and keep what other nodes report."""
    system.extension(LoadBook)
    for is_measuring in (False, True):
        meter = TargetMeter(system.host.clock.monotonic)
        metered = system.spawn(Server, meter=meter)
        if is_measuring:
            meter.renew()
        await asyncio.gather(*(metered.ask(Get(1)) for _ in range(10)))


def test_other_actors_execute_the_same_opcodes_whether_or_not_some_are_metered() -> None:
    plain = count_opcodes(count=50)

    assert count_opcodes(with_meters, count=50) == plain
    assert len(plain) == 8
    assert all(50 < count < 10_000 for count in plain.values())
