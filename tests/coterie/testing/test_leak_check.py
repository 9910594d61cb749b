"""no_leaks finds each kind of thing that can be left behind, names it, and lets what is ending end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop

from coterie.testing import no_leaks


async def complaint_about(body: Callable[[], Awaitable[object]]) -> str:
    """Return what no_leaks says of `body`; it does not wait long."""
    with pytest.raises(AssertionError) as caught:
        async with no_leaks(within_s=0.03):
            await body()
    return str(caught.value)


async def test_a_task_is_named_with_the_line_it_waits_at() -> None:
    left: list[asyncio.Task[bool]] = []

    async def body() -> None:
        left.append(asyncio.create_task(asyncio.Event().wait(), name="poller"))
        await asyncio.sleep(0)

    complaint = await complaint_about(body)

    assert complaint.startswith("left behind:\n  task 'poller': Event.wait at ")
    left[0].cancel()


async def test_a_timer_is_named_by_its_callback() -> None:
    left: list[asyncio.TimerHandle] = []

    def ring() -> None: ...

    async def body() -> None:
        left.append(asyncio.get_running_loop().call_later(60, ring))

    complaint = await complaint_about(body)

    assert complaint.count("\n") == 1
    assert "timer <TimerHandle" in complaint
    assert "ring" in complaint
    left[0].cancel()


async def test_timers_that_fired_or_were_cancelled_are_none() -> None:
    fired: list[asyncio.TimerHandle] = []
    loop = asyncio.get_running_loop()

    async with no_leaks(within_s=0.0):
        fired.append(loop.call_later(0, lambda: None))
        fired.append(loop.call_later(60, lambda: None))
        fired[1].cancel()
        await asyncio.sleep(0.01)


async def test_what_was_there_before_is_none() -> None:
    before = asyncio.create_task(asyncio.Event().wait())
    timer = asyncio.get_running_loop().call_later(60, print)
    with contextlib.closing(socket.socket()):
        async with no_leaks(within_s=0.0):
            await asyncio.sleep(0)
    before.cancel()
    timer.cancel()


async def test_a_thread_is_named() -> None:
    go = threading.Event()
    thread = threading.Thread(target=go.wait, name="watcher")

    async def body() -> None:
        thread.start()

    complaint = await complaint_about(body)

    go.set()
    thread.join()
    assert complaint == "left behind:\n  thread 'watcher'"


async def test_what_is_ending_gets_time_to_end() -> None:
    go = threading.Event()
    asyncio.get_running_loop().call_later(0.05, go.set)

    async with no_leaks():
        threading.Thread(target=go.wait).start()
        ending = asyncio.create_task(asyncio.sleep(0.02))

    assert ending.done()


async def test_a_listener_is_named_by_its_address() -> None:
    servers: list[asyncio.Server] = []

    async def body() -> None:
        servers.append(await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0))

    complaint = await complaint_about(body)

    assert f"{servers[0].sockets[0].getsockname()}" in complaint
    servers[0].close()
    await servers[0].wait_closed()


async def test_a_connection_is_named_by_its_two_ends() -> None:
    left: list[asyncio.StreamWriter] = []
    is_accepted = asyncio.Event()

    def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left.append(writer)
        is_accepted.set()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    at = server.sockets[0].getsockname()

    async def body() -> None:
        left.append((await asyncio.open_connection(*at))[1])
        await is_accepted.wait()

    complaint = await complaint_about(body)

    assert f" to {at}" in complaint
    for writer in left:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    server.close()
    await server.wait_closed()


async def test_a_pair_of_sockets_is_noticed_though_it_has_no_name() -> None:
    with contextlib.ExitStack() as opened:

        async def body() -> None:
            for end in socket.socketpair():
                opened.enter_context(contextlib.closing(end))

        complaint = await complaint_about(body)

    assert complaint.count("of a pair") == 2


async def test_a_file_is_named_by_its_path(tmp_path: Path) -> None:
    with contextlib.ExitStack() as opened:

        async def body() -> None:
            opened.enter_context((tmp_path / "log").open("w"))

        complaint = await complaint_about(body)

    assert f"{tmp_path / 'log'}" in complaint


async def test_another_file_under_the_number_of_one_that_was_there_is_noticed(tmp_path: Path) -> None:
    number = os.open(tmp_path / "old", os.O_CREAT)

    async def body() -> None:
        os.close(number)
        assert os.open(tmp_path / "new", os.O_CREAT) == number

    complaint = await complaint_about(body)

    os.close(number)
    assert "new" in complaint
    assert "old" not in complaint


class OwnsADescriptor:
    """Closes it when it goes; is in a cycle with itself."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.itself = self

    def __del__(self) -> None:
        os.close(self.number)


async def test_what_only_a_cycle_keeps_is_not_left_behind(tmp_path: Path) -> None:
    async with no_leaks(within_s=0.0):
        OwnsADescriptor(os.open(tmp_path / "file", os.O_CREAT))


async def test_timers_of_another_loop_are_not_this_ones() -> None:
    with contextlib.closing(uvloop.new_event_loop()) as another:
        async with no_leaks(within_s=0.0):
            timer = another.call_later(60, print)
        timer.cancel()


@pytest.mark.skipif(not list(Path("/proc/self").glob("task/*/children")), reason="this system does not list children")
async def test_a_process_is_named_by_its_command() -> None:
    processes: list[subprocess.Popen[bytes]] = []

    async def body() -> None:
        processes.append(subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE))  # noqa: ASYNC220

    complaint = await complaint_about(body)

    processes[0].communicate(b"\n")
    assert f"process {processes[0].pid}: {sys.executable} -c input()" in complaint


@pytest.mark.virtual
async def test_in_virtual_time_too() -> None:
    loop = asyncio.get_running_loop()
    left: list[asyncio.TimerHandle] = []

    async def body() -> None:
        left.append(loop.call_later(60, print))

    assert "timer <OwnedTimer" in await complaint_about(body)
    assert loop.time() < 1.0


async def test_the_error_of_the_body_counts_more() -> None:
    left: list[asyncio.Task[None]] = []

    async def main() -> None:
        async with no_leaks():
            left.append(asyncio.create_task(asyncio.sleep(60)))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await main()
    left[0].cancel()
