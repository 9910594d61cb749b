"""Under an eager task factory (3.12 and later) a task starts inside whoever makes it; a host program may want that."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from coterie import Actor, KeyValue, System, Topology
from coterie.testing import no_leaks
from tests.embedding.actors import Add, Slow

pytestmark = pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")


def start_at_once(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
    """Do as `asyncio.eager_task_factory`, which on 3.13 does not take the options that uvloop gives it."""
    options["eager_start"] = True
    return asyncio.Task(coroutine, loop=loop, **options)


@pytest.fixture(autouse=True)
async def eager() -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    loop.set_task_factory(start_at_once)
    yield
    loop.set_task_factory(None)


async def test_tasks_are_eager_here() -> None:
    begun: list[int] = []

    async def begin() -> None:
        begun.append(1)

    task = asyncio.create_task(begin())

    assert begun == [1]
    await task


async def test_actors_work_the_same() -> None:
    async with no_leaks(), System() as system:
        slow = system.spawn(Slow)

        assert await asyncio.gather(*(slow.ask(Add(1)) for _ in range(10))) == list(range(1, 11))


async def test_a_handler_never_runs_inside_the_tell_that_sends_its_message() -> None:
    handled: list[int] = []

    class Noting(Actor[Add]):
        async def receive(self, msg: Add, /) -> int:
            handled.append(msg.amount)
            return 0

    async with System() as system:
        noting = system.spawn(Noting)
        noting.tell(Add(1))
        at_the_tell = list(handled)
        await noting.ask(Add(2))

    assert at_the_tell == []
    assert handled == [1, 2]


async def test_a_whole_topology_works_the_same() -> None:
    topology = Topology("eager", nodes=["n1", "n2", "n3"])
    topology.raft("store", machine=KeyValue)
    async with no_leaks(), topology.together() as nodes:
        await nodes["n1"].key_value("store").put(b"k", b"v")

        assert await nodes["n3"].key_value("store").get(b"k") == b"v"
