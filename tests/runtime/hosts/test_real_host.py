from __future__ import annotations

import asyncio
import socket
import threading
import time
from typing import cast

import pytest

from coterie.runtime.hosts.host import Host
from coterie.runtime.hosts.real_host import RealHost


class Peer(asyncio.Protocol):
    def __init__(self) -> None:
        self.made = asyncio.get_running_loop().create_future()
        self.received = asyncio.get_running_loop().create_future()
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's transports only look like one
        self.made.set_result(None)

    def data_received(self, data: bytes) -> None:
        self.received.set_result(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)


def coterie_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("coterie")}


async def test_two_peers_talk_over_tcp_without_delay() -> None:
    host: Host = RealHost()
    server, client = Peer(), Peer()
    listener = await host.network.listen(lambda: server, "127.0.0.1", 0)
    assert listener.address[0] == "127.0.0.1"
    assert listener.address[1] != 0
    await host.network.connect(lambda: client, *listener.address)
    await server.made
    for peer in (server, client):
        tcp = peer.transport.get_extra_info("socket")
        assert tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
    client.transport.write(b"hello")
    assert await server.received == b"hello"
    client.transport.close()
    assert await server.lost is None
    await client.lost
    listener.close()


async def test_a_closed_listener_keeps_its_address_and_its_connections_and_refuses_new_ones() -> None:
    network = RealHost().network
    server, client = Peer(), Peer()
    listener = await network.listen(lambda: server, "127.0.0.1", 0)
    await network.connect(lambda: client, *listener.address)
    await server.made
    address = listener.address
    listener.close()
    listener.close()
    assert listener.address == address
    client.transport.write(b"still here")
    assert await server.received == b"still here"
    with pytest.raises(ConnectionRefusedError):
        await network.connect(Peer, *address)
    client.transport.close()
    await server.lost
    await client.lost


async def test_a_port_in_use_is_an_os_error() -> None:
    network = RealHost().network
    listener = await network.listen(Peer, "127.0.0.1", 0)
    with pytest.raises(OSError, match="address already in use"):
        await network.listen(Peer, *listener.address)
    listener.close()


async def test_threads_appear_on_use_and_close_leaves_none() -> None:
    host = RealHost()
    others = coterie_threads()
    here = threading.get_ident()
    assert await host.executor.run(threading.get_ident) != here
    assert await host.executor.run_disk(threading.get_ident) != here
    assert len(coterie_threads() - others) == 2
    host.close()
    host.close()
    assert coterie_threads() <= others
    with pytest.raises(RuntimeError):
        host.executor.run(threading.get_ident)


async def test_a_submitted_disk_call_is_told_on_the_loop_in_order() -> None:
    host = RealHost()
    told: list[tuple[object, object, int]] = []
    all_told = asyncio.Event()

    def done(result: object, error: BaseException | None) -> None:
        told.append((result, type(error), threading.get_ident()))
        if len(told) == 2:
            all_told.set()

    host.executor.submit_disk(lambda: "written", done)
    host.executor.submit_disk(lambda: 1 // 0, done)
    await all_told.wait()
    host.executor.join()

    here = threading.get_ident()
    assert told == [("written", type(None), here), (None, ZeroDivisionError, here)]


async def test_disk_calls_run_in_order_on_one_thread() -> None:
    host = RealHost()
    threads, order = dict[int, None](), list[int]()

    def step(number: int) -> None:
        time.sleep(0)  # invites another thread, if there were one
        threads[threading.get_ident()] = None
        order.append(number)

    await asyncio.gather(*(host.executor.run_disk(lambda number=number: step(number)) for number in range(200)))  # type: ignore[misc] # the default binds now
    host.close()
    assert order == list(range(200))
    assert len(threads) == 1


async def test_worker_calls_run_at_the_same_time() -> None:
    host = RealHost()
    barrier = threading.Barrier(2, timeout=30)
    await asyncio.gather(host.executor.run(barrier.wait), host.executor.run(barrier.wait))
    host.close()


async def test_closing_the_executor_waits_for_nothing_and_loses_no_disk_call() -> None:
    host = RealHost()
    gate, done = threading.Event(), list[str]()
    host.executor.run_disk(lambda: gate.wait(30))
    last = host.executor.run_disk(lambda: done.append("written"))
    host.executor.close()
    assert done == []
    gate.set()
    await last
    assert done == ["written"]
    host.close()


async def test_an_error_on_a_thread_reaches_whoever_awaits() -> None:
    host = RealHost()
    with pytest.raises(ZeroDivisionError):
        await host.executor.run(lambda: 1 // 0)
    host.close()


def test_seed_decides_the_numbers_and_entropy_does_without_one() -> None:
    assert RealHost(7).random.random() == RealHost(7).random.random()
    assert RealHost().random.random() != RealHost().random.random()


def test_clocks_are_this_machines() -> None:
    clock = RealHost().clock
    assert time.monotonic() <= clock.monotonic() <= time.monotonic()
    assert time.time() - 60 <= clock.wall() <= time.time() + 60
