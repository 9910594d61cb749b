from __future__ import annotations

import asyncio

import pytest

from coterie.runtime.hosts.virtual.virtual_executor import VirtualExecutor

pytestmark = pytest.mark.virtual


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_function_runs_inline_when_its_duration_is_over() -> None:
    executor = VirtualExecutor(run_s=2.0)
    ran_at = executor.run(now)
    await asyncio.sleep(1.0)
    assert not ran_at.done()
    assert await ran_at == 2.0


async def test_nothing_runs_inside_the_call_even_without_a_duration() -> None:
    executor, ran = VirtualExecutor(run_s=0.0, disk_s=0.0), list[str]()
    futures = [executor.run(lambda: ran.append("run")), executor.run_disk(lambda: ran.append("disk"))]
    assert ran == []
    await asyncio.gather(*futures)
    assert ran == ["run", "disk"]
    assert now() == 0.0


async def test_worker_calls_overlap_and_disk_calls_queue() -> None:
    executor = VirtualExecutor(run_s=1.0, disk_s=1.0)
    assert tuple(await asyncio.gather(executor.run(now), executor.run(now))) == (1.0, 1.0)
    assert tuple(await asyncio.gather(executor.run_disk(now), executor.run_disk(now))) == (2.0, 3.0)


async def test_disk_calls_keep_their_order_whatever_they_take() -> None:
    durations_s = iter([5.0, 0.0, 1.0])
    executor, done = VirtualExecutor(disk_s=lambda: next(durations_s)), list[str]()
    futures = [executor.run_disk(lambda name=name: done.append(name)) for name in "abc"]  # type: ignore[misc] # the default binds `name` now
    await asyncio.gather(*futures)
    assert done == ["a", "b", "c"]
    assert now() == 6.0


async def test_an_error_reaches_whoever_awaits() -> None:
    with pytest.raises(ZeroDivisionError):
        await VirtualExecutor().run_disk(lambda: 1 // 0)


async def test_a_submitted_disk_call_has_its_turn_among_the_others_and_tells_its_result_or_error() -> None:
    executor, told = VirtualExecutor(disk_s=1.0), list[object]()
    executor.submit_disk(now, lambda result, error: told.append((result, error)))
    executor.submit_disk(lambda: 1 // 0, lambda result, error: told.append((result, type(error))))
    assert told == []
    assert await executor.run_disk(now) == 3.0
    assert told == [(1.0, None), (None, ZeroDivisionError)]


async def test_a_cancelled_call_does_not_run() -> None:
    executor, ran = VirtualExecutor(), list[str]()
    executor.run_disk(lambda: ran.append("cancelled")).cancel()
    await executor.run_disk(lambda: ran.append("kept"))
    assert ran == ["kept"]


async def test_a_closed_executor_finishes_what_it_took_and_takes_no_more() -> None:
    executor = VirtualExecutor()
    taken = executor.run_disk(lambda: "done")
    executor.close()
    executor.close()
    with pytest.raises(RuntimeError, match="closed"):
        executor.run(lambda: None)
    with pytest.raises(RuntimeError, match="closed"):
        executor.run_disk(lambda: None)
    assert await taken == "done"
