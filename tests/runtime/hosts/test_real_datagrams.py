"""UDP through the running loop: what is sent arrives, and nothing that the network does raises or blocks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from coterie.runtime.hosts.host import DatagramSocket
from coterie.runtime.hosts.real_datagrams import RealDatagramSocket
from coterie.runtime.hosts.real_network import RealNetwork

Datagram = tuple[bytes, tuple[str, int]]


class Inbox:
    """The datagrams that a socket has received."""

    def __init__(self) -> None:
        self.datagrams: asyncio.Queue[Datagram] = asyncio.Queue()

    def __call__(self, data: bytes, source: tuple[str, int]) -> None:
        self.datagrams.put_nowait((data, source))

    async def next(self) -> Datagram:
        async with asyncio.timeout(30):
            return await self.datagrams.get()


async def opened(received: Callable[[bytes, tuple[str, int]], None], host: str = "127.0.0.1") -> DatagramSocket:
    return await RealNetwork().open_datagrams(received, host, 0)


async def until(is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_true():  # noqa: ASYNC110 (a counter of the socket)
            await asyncio.sleep(0)


async def test_a_datagram_arrives_with_the_address_of_its_sender() -> None:
    inbox = Inbox()
    one, other = await opened(Inbox()), await opened(inbox)
    one.send(b"hello", other.address)

    assert await inbox.next() == (b"hello", one.address)
    assert one.address[1] != 0
    one.close()
    other.close()


async def test_a_port_in_use_is_an_error_that_says_that_it_is_udp() -> None:
    one = await opened(Inbox())
    host, port = one.address
    with pytest.raises(OSError, match=rf"UDP port {port} of {host} is in use \(failure detectors") as caught:
        await RealNetwork().open_datagrams(Inbox(), host, port)
    assert caught.value.errno is not None
    one.close()


async def test_a_closed_socket_sends_nothing_and_its_port_is_free() -> None:
    inbox = Inbox()
    one, other = await opened(Inbox()), await opened(inbox)
    one.close()
    one.close()
    one.send(b"too late", other.address)
    await asyncio.sleep(0)
    again = await RealNetwork().open_datagrams(Inbox(), *one.address)
    again.send(b"in time", other.address)

    assert (await inbox.next())[0] == b"in time"
    assert (one.dropped, one.errors) == (0, 0)
    again.close()
    other.close()


async def test_what_the_network_refuses_is_counted_and_raises_nothing() -> None:
    one = await opened(Inbox())
    one.send(bytes(70_000), one.address)
    await until(lambda: one.errors == 1)
    one.send(b"another family", ("::1", one.address[1]))
    await until(lambda: one.errors == 2)
    one.close()


async def test_a_name_is_resolved_in_the_background_and_once() -> None:
    inbox = Inbox()
    one, other = await opened(Inbox()), await opened(inbox)
    named = ("localhost", other.address[1])
    while inbox.datagrams.empty():
        one.send(b"hello", named)
        await asyncio.sleep(0.001)
    dropped = one.dropped
    one.send(b"again", named)

    assert dropped >= 1
    assert one.dropped == dropped
    while (await inbox.next())[0] != b"again":
        pass
    one.close()
    other.close()


async def test_a_name_that_cannot_be_resolved_is_asked_for_again_and_again() -> None:
    one = await opened(Inbox())
    while one.errors < 2:
        one.send(b"hello", (f"{'x' * 64}.invalid", 9))
        await asyncio.sleep(0.001)
    one.close()


async def test_a_name_that_is_being_resolved_does_not_outlive_the_socket() -> None:
    one = await opened(Inbox())
    one.send(b"hello", ("localhost", 9))
    one.close()
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_a_datagram_that_the_full_buffer_cannot_take_is_dropped_and_counted() -> None:
    one = await opened(Inbox())
    assert isinstance(one, RealDatagramSocket)

    class Full:
        """A transport that holds a datagram that the kernel did not take."""

        def get_write_buffer_size(self) -> int:
            return 1

        def sendto(self, data: bytes, addr: object) -> None:
            raise AssertionError("it must not queue more")

    transport, one._transport = one._transport, Full()  # type: ignore[assignment]
    one.send(b"hello", one.address)
    one._transport = transport

    assert one.dropped == 1
    one.close()
