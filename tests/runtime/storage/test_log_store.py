"""The contract of a log store, held against both stores."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from coterie.errors import StorageFailed
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.storage.data_directory import format_store
from coterie.runtime.storage.log_store import DoneCallback, GroupState, LogStore, Record, Write
from coterie.runtime.storage.memory_log import MemoryLog
from coterie.runtime.storage.segmented_log import SegmentedLog

pytestmark = pytest.mark.virtual


@pytest.fixture(params=["segmented", "memory"])
async def store(request: pytest.FixtureRequest, virtual_host: VirtualHost) -> AsyncIterator[SegmentedLog | MemoryLog]:
    if request.param == "memory":
        log: SegmentedLog | MemoryLog = MemoryLog(virtual_host)
    else:
        await format_store(virtual_host, "/data", cluster="c", node="n")
        log = await SegmentedLog.open(virtual_host, "/data", cluster="c", node="n")
    yield log
    await log.close()


async def put(store: LogStore, write: Write) -> None:
    done = asyncio.Event()
    store.write(write, done.set)
    await done.wait()


def records(*bodies: bytes, tag: int = 1) -> list[Record]:
    return [Record(tag, body) for body in bodies]


async def test_group_never_written_is_empty(store: LogStore) -> None:
    assert await store.state("g") == GroupState(None, 1, 0, ())
    assert await store.read("g", 1, 9, 100) == []


async def test_metadata_truncation_and_append_are_carried_out_in_this_order(store: LogStore) -> None:
    await put(store, Write("g", b"r1", None, 1, records(b"a", b"b", b"c")))
    await put(store, Write("g", b"r2", 2, 2, records(b"B", tag=2)))
    assert await store.state("g") == GroupState(b"r2", 1, 2, ((1, 1), (2, 2)))
    assert await store.read("g", 1, 9, 100) == [Record(1, b"a"), Record(2, b"B")]


async def test_metadata_alone_leaves_the_log_and_a_log_write_leaves_the_metadata(store: LogStore) -> None:
    await put(store, Write("g", b"", None))
    await put(store, Write("g", first=1, records=records(b"a")))
    assert await store.state("g") == GroupState(b"", 1, 1, ((1, 1),))
    await put(store, Write("g", b"r"))
    assert await store.state("g") == GroupState(b"r", 1, 1, ((1, 1),))


async def test_groups_do_not_see_each_other(store: LogStore) -> None:
    await put(store, Write("g", b"g", first=1, records=records(b"a")))
    await put(store, Write("h", b"h", first=1, records=records(b"b", b"c", tag=7)))
    assert await store.state("g") == GroupState(b"g", 1, 1, ((1, 1),))
    assert await store.read("h", 1, 2, 100) == records(b"b", b"c", tag=7)


async def test_tags_come_back_as_runs_of_the_full_range(store: LogStore) -> None:
    tags = (0, 0, 2**64 - 1, 5, 5, 0)
    await put(store, Write("g", first=1, records=[Record(tag, b"") for tag in tags]))
    assert (await store.state("g")).tags == ((1, 0), (3, 2**64 - 1), (4, 5), (6, 0))


async def test_truncation_within_a_run_keeps_its_start_and_a_whole_truncation_leaves_no_run(store: LogStore) -> None:
    await put(store, Write("g", first=1, records=records(b"a", b"b", b"c")))
    await put(store, Write("g", truncate_from=3, first=3, records=records(b"C")))
    assert (await store.state("g")).tags == ((1, 1),)
    await put(store, Write("g", truncate_from=1))
    assert await store.state("g") == GroupState(None, 1, 0, ())


@pytest.mark.parametrize(
    "write",
    [
        Write("g", first=3, records=records(b"gap")),
        Write("g", first=1, records=records(b"again")),
        Write("g", truncate_from=3),
        Write("g", truncate_from=0),
        Write("g", truncate_from=-1),
        Write("g", truncate_from=1, first=2, records=records(b"gap")),
        Write("", b"r"),
        Write("x" * 1025, b"r"),
    ],
)
async def test_gaps_bad_truncations_and_bad_names_are_refused_at_once_and_change_nothing(
    store: LogStore, write: Write
) -> None:
    await put(store, Write("g", b"r", first=1, records=records(b"a")))
    with pytest.raises(ValueError, match=r"group"):
        store.write(write, lambda: pytest.fail("done was called"))
    assert await store.state("g") == GroupState(b"r", 1, 1, ((1, 1),))
    await put(store, Write("g", first=2, records=records(b"b")))


async def test_writes_are_checked_against_what_is_submitted_not_what_is_durable(store: LogStore) -> None:
    order: list[int] = []
    store.write(Write("g", first=1, records=records(b"a", b"b")), lambda: order.append(1))
    store.write(Write("g", truncate_from=2, first=2, records=records(b"B")), lambda: order.append(2))
    with pytest.raises(ValueError, match="must be 3"):
        store.write(Write("g", first=2, records=records(b"x")), lambda: order.append(99))
    store.write(Write("g", first=3, records=records(b"c")), lambda: order.append(3))
    assert order == []  # never within `write`
    assert (await store.state("g")).last == 3
    assert order == [1, 2, 3]


async def test_callers_list_of_records_is_the_callers(store: LogStore) -> None:
    mine = records(b"a")
    store.write(Write("g", first=1, records=mine), lambda: None)
    mine += records(b"b", tag=2)
    assert await store.state("g") == GroupState(None, 1, 1, ((1, 1),))
    assert await store.read("g", 1, 9, 100) == records(b"a")


async def test_state_waits_for_the_writes_before_it_even_in_another_group(store: LogStore) -> None:
    calls: list[str] = []
    store.write(Write("g", b"r"), lambda: calls.append("g"))
    await store.state("other")
    assert calls == ["g"]


async def test_done_may_write_again_and_order_is_kept(store: LogStore) -> None:
    order: list[int] = []

    def again(position: int) -> DoneCallback:
        def done() -> None:
            order.append(position)
            if position < 50:
                store.write(Write("g", first=position + 1, records=records(b"x")), again(position + 1))

        return done

    store.write(Write("g", first=1, records=records(b"x")), again(1))
    while len(order) < 50:
        await store.state("g")
    assert order == list(range(1, 51))


async def test_done_that_raises_does_not_rob_the_others(store: LogStore) -> None:
    errors: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context["exception"]))
    order: list[int] = []

    def fail() -> None:
        raise RuntimeError("mine")

    for done in (lambda: order.append(1), fail, lambda: order.append(2), fail, lambda: order.append(3)):
        store.write(Write("g", b"r"), done)
    await store.state("g")
    await put(store, Write("g", b"s"))
    assert (order, [str(error) for error in errors]) == ([1, 2, 3], ["mine", "mine"])


@pytest.mark.parametrize(
    ("first", "last", "max_bytes", "expected"),
    [
        (1, 3, 100, [b"aaaa", b"bb", b""]),
        (2, 2, 100, [b"bb"]),
        (2, 99, 100, [b"bb", b""]),
        (1, 3, 0, [b"aaaa"]),
        (1, 3, 5, [b"aaaa"]),
        (1, 3, 6, [b"aaaa", b"bb", b""]),
        (4, 9, 100, []),
        (3, 2, 100, []),
        (0, 3, 100, []),
    ],
)
async def test_read_returns_what_exists_cut_after_max_bytes_but_not_before_the_first(
    store: LogStore, first: int, last: int, max_bytes: int, expected: list[bytes]
) -> None:
    await put(store, Write("g", first=1, records=records(b"aaaa", b"bb", b"")))
    assert [record.body for record in await store.read("g", first, last, max_bytes)] == expected


async def test_read_finds_large_records_and_many_small_ones(store: LogStore) -> None:
    bodies = [bytes([number % 256]) * (200_000 if number % 50 == 0 else number) for number in range(300)]
    await put(store, Write("g", first=1, records=records(*bodies)))
    assert await store.read("g", 1, 300, 1 << 30) == records(*bodies)


async def test_read_that_meets_a_truncation_never_returns_what_was_overwritten_before(store: LogStore) -> None:
    await put(store, Write("g", first=1, records=records(b"a", b"b", b"c")))
    store.write(Write("g", truncate_from=2, first=2, records=records(b"B", tag=2)), lambda: None)
    await asyncio.sleep(0)  # now it is in flight, and durable before the read is done
    assert await store.read("g", 1, 3, 100) == [Record(1, b"a"), Record(2, b"B")]


async def test_dropped_records_are_gone_and_the_rest_keeps_its_positions(store: SegmentedLog | MemoryLog) -> None:
    await put(store, Write("g", b"r", None, 1, records(b"a", b"b") + records(b"c", tag=2)))
    store.drop_before("g", 2)
    assert await store.state("g") == GroupState(b"r", 2, 3, ((2, 1), (3, 2)))
    assert await store.read("g", 1, 3, 100) == []
    assert await store.read("g", 2, 3, 100) == [Record(1, b"b"), Record(2, b"c")]
    store.drop_before("g", 1)
    assert (await store.state("g")).first == 2


async def test_drop_beyond_the_end_empties_the_log_and_goes_on_there(store: SegmentedLog | MemoryLog) -> None:
    await put(store, Write("g", first=1, records=records(b"a", b"b")))
    done = asyncio.Event()
    store.drop_before("g", 100, done.set)
    await done.wait()
    assert await store.state("g") == GroupState(None, 100, 99, ())
    await put(store, Write("g", first=100, records=records(b"z", tag=3)))
    assert await store.state("g") == GroupState(None, 100, 100, ((100, 3),))
    with pytest.raises(ValueError, match="truncated"):
        store.write(Write("g", truncate_from=99), lambda: None)


async def test_group_may_begin_with_a_drop(store: SegmentedLog | MemoryLog) -> None:
    store.drop_before("new", 10)
    await put(store, Write("new", first=10, records=records(b"x")))
    assert await store.state("new") == GroupState(None, 10, 10, ((10, 1),))


async def test_close_finishes_what_was_submitted_and_refuses_what_follows(store: LogStore) -> None:
    calls: list[int] = []
    store.write(Write("g", b"r"), lambda: calls.append(1))
    await store.close()
    await store.close()
    assert calls == [1]
    uses: list[Callable[[], object]] = [lambda: store.write(Write("g", b"s"), lambda: None)]
    for use in uses:
        with pytest.raises(StorageFailed, match="closed"):
            use()
    with pytest.raises(StorageFailed, match="closed"):
        await store.state("g")
    with pytest.raises(StorageFailed, match="closed"):
        await store.read("g", 1, 1, 1)


async def test_store_ids_are_32_hex_digits_and_differ(store: LogStore, virtual_host: VirtualHost) -> None:
    assert len(store.store_id) == 32
    assert int(store.store_id, 16) != int(MemoryLog(virtual_host).store_id, 16)


async def test_waiter_that_is_cancelled_disturbs_nobody(store: LogStore) -> None:
    store.write(Write("g", b"r"), lambda: None)
    waiting = asyncio.ensure_future(store.state("g"))
    await asyncio.sleep(0)
    waiting.cancel()
    assert (await store.state("g")).metadata == b"r"


async def test_groups_are_named_and_a_forgotten_one_is_gone_with_all_that_it_held(store: LogStore) -> None:
    await put(store, Write("keep", b"k", first=1, records=records(b"a")))
    await put(store, Write("drop", b"d", first=1, records=records(b"b", b"c")))
    assert store.groups() == ("drop", "keep")

    await store.forget("drop")
    await store.forget("unknown")

    assert store.groups() == ("keep",)
    assert await store.state("drop") == GroupState(None, 1, 0, ())
    assert await store.read("drop", 1, 9, 100) == []
    await put(store, Write("drop", first=1, records=records(b"anew")))
    assert await store.read("drop", 1, 9, 100) == records(b"anew")
    assert await store.read("keep", 1, 9, 100) == records(b"a")
