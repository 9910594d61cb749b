"""Accepting on real sockets, on asyncio and on uvloop: bounded in each turn, and at a limit of open files."""

from __future__ import annotations

import asyncio
import errno
import itertools
import socket
from typing import Any, cast

import pytest

from coterie.runtime.hosts import real_listener
from coterie.runtime.hosts.real_listener import ACCEPTS_PER_TURN, RealListener, bind_all


class Greeter(asyncio.Protocol):
    """Says hello and keeps the connection."""

    def __init__(self, greeted: list[asyncio.Transport]) -> None:
        self.greeted = greeted

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(b"hello")
        self.greeted.append(self.transport)


class Scarce:
    """A listening socket that has no descriptor for the first `failures` connections; `accepted` counts the others."""

    def __init__(self, listening: socket.socket, failures: int) -> None:
        self.listening = listening
        self.failures = failures
        self.accepted = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.listening, name)

    def accept(self) -> tuple[socket.socket, Any]:
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EMFILE, "too many open files")
        accepted = self.listening.accept()
        self.accepted += 1
        return accepted


def dialled(address: tuple[str, int], count: int) -> list[socket.socket]:
    return [socket.create_connection(address, timeout=5.0) for _ in range(count)]


async def until(condition: Any) -> None:
    async with asyncio.timeout(20.0):
        while not condition():  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.001)


async def ended(listener: RealListener, greeted: list[asyncio.Transport], clients: list[socket.socket]) -> None:
    listener.close()
    for transport in greeted:
        transport.close()
    for client in clients:
        client.close()
    await until(lambda: not listener._opening)
    await asyncio.sleep(0.01)


async def test_a_storm_of_connections_is_accepted_a_few_in_each_turn() -> None:
    greeted: list[asyncio.Transport] = []
    listening = Scarce((await bind_all("127.0.0.1", 0))[0], failures=0)
    listener = RealListener([cast(socket.socket, listening)], lambda: Greeter(greeted))
    clients = dialled(listener.address, 3 * ACCEPTS_PER_TURN)
    accepted: list[int] = []

    while len(greeted) < len(clients):
        accepted.append(listening.accepted)
        await asyncio.sleep(0)

    assert max(later - earlier for earlier, later in itertools.pairwise(accepted)) <= ACCEPTS_PER_TURN
    await asyncio.sleep(0.01)  # uvloop writes at the end of a turn
    assert all(client.recv(5) == b"hello" for client in clients)
    await ended(listener, greeted, clients)


async def test_without_a_descriptor_it_pauses_and_then_accepts_what_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(real_listener, "PAUSE_S", 0.01)
    greeted: list[asyncio.Transport] = []
    scarce = Scarce((await bind_all("127.0.0.1", 0))[0], failures=3)
    listener = RealListener([cast(socket.socket, scarce)], lambda: Greeter(greeted))
    clients = dialled(listener.address, 5)

    await until(lambda: len(greeted) == 5)

    assert scarce.failures == 0
    await ended(listener, greeted, clients)


async def test_closing_within_a_pause_leaves_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(real_listener, "PAUSE_S", 0.02)
    scarce = Scarce((await bind_all("127.0.0.1", 0))[0], failures=1000)
    listener = RealListener([cast(socket.socket, scarce)], lambda: Greeter([]))
    clients = dialled(listener.address, 1)
    await until(lambda: scarce.failures < 1000)

    await ended(listener, [], clients)
    left = scarce.failures
    await asyncio.sleep(0.05)
    assert scarce.failures == left


async def test_every_address_of_a_name_is_bound_and_one_in_use_is_named() -> None:
    sockets = await bind_all("localhost", 0)
    families = {each.family for each in sockets}
    assert socket.AF_INET in families or socket.AF_INET6 in families
    port = next(each for each in sockets if each.family == socket.AF_INET).getsockname()[1]
    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}: address already in use"):
        await bind_all("127.0.0.1", port)
    for each in sockets:
        each.close()


async def test_an_address_that_is_not_of_this_machine_is_named() -> None:
    with pytest.raises(OSError, match=r"cannot listen on 192\.0\.2\.1:0"):
        await bind_all("192.0.2.1", 0)
