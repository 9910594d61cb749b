"""Steady writes: a failover ends with a write that was started after the signal, and one is started all the time."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from benchmarks.raft.beside.failover_beside import SteadyWrites
from coterie.actors.groups.key_value_client import KeyValueClient
from coterie.errors import CommandRefused


class HeldStore:
    """A store whose writes are answered when the test says so."""

    def __init__(self) -> None:
        self.writes: list[asyncio.Future[None]] = []

    async def put(self, key: bytes, value: bytes) -> None:
        self.writes.append(asyncio.get_running_loop().create_future())
        await self.writes[-1]


@pytest.mark.virtual
async def test_only_a_write_started_after_the_signal_ends_a_failover() -> None:
    store = HeldStore()
    steady = SteadyWrites(cast("KeyValueClient", store), interval_s=0.01)
    writing = asyncio.create_task(steady.run())
    await asyncio.sleep(0.035)
    assert len(store.writes) == 4, "writes are started although none is answered"

    recovered = asyncio.create_task(steady.first_acknowledged())
    await asyncio.sleep(0)
    for write in store.writes[:4]:
        write.set_result(None)
    await asyncio.sleep(0.02)
    store.writes[4].set_exception(CommandRefused("no node leads"))
    await asyncio.sleep(0.02)
    assert not recovered.done()

    store.writes[5].set_result(None)
    await recovered

    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    assert all(write.done() for write in store.writes), "no write is left"
