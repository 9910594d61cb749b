from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING

import pytest

from coterie.runtime.messages.lanes import Lane
from coterie.runtime.transport.handshake.identity import SystemIdentity
from coterie.runtime.transport.transport_config import TransportConfig
from coterie.runtime.transport.transport_state import TransportCounters, TransportState

if TYPE_CHECKING:
    from tests.runtime.transport.conftest import World


@pytest.mark.virtual
async def test_waiting_for_nobody_takes_no_time() -> None:
    shared = TransportState(
        asyncio.get_running_loop(), time.monotonic, SystemIdentity("c", "n", 1), TransportConfig(), random.Random(1)
    )
    assert await shared.wait_until_closed(60.0)


@pytest.mark.virtual
async def test_waiting_for_connections_that_stay_is_bounded(world: World) -> None:
    a, _ = await world.pair()
    loop = asyncio.get_running_loop()
    began_s = loop.time()

    assert not await a.transport._shared.wait_until_closed(2.5)

    assert loop.time() - began_s == pytest.approx(2.5)


@pytest.mark.virtual
async def test_a_flush_with_nothing_queued_writes_nothing(world: World) -> None:
    a, _ = await world.pair()
    before = a.transport.stats()["bytes_out"]
    a.transport.flush()
    assert a.transport.stats()["bytes_out"] == before


@pytest.mark.virtual
async def test_what_is_queued_after_a_flush_still_leaves_by_itself(world: World) -> None:
    a, b = await world.pair()
    a.transport.send("b", Lane.BULK, 1)
    a.transport.flush()
    a.transport.send("b", Lane.BULK, 2)
    await asyncio.sleep(0.1)
    assert b.items == [1, 2]


@pytest.mark.virtual
async def test_every_counter_is_in_the_stats(world: World) -> None:
    a, _ = await world.pair()
    assert set(TransportCounters.__slots__) < set(a.transport.stats())
