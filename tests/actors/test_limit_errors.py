"""Every error about a size or number has what was seen, the limit, and the setting that changes it, if there is one."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest

from coterie import Client, KeyValue, StateMachine, System, SystemConfig, Topology
from coterie.actors.groups.key_value import Put
from coterie.actors.part_names import NAME_BYTES_MAX, check_name
from coterie.errors import CommandRefused, CoterieError, FrameTooLarge, MailboxFullError, OutboundFull, ReplyTooLarge
from coterie.runtime.actor import Actor
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Address
from coterie.runtime.transport.transport_config import TransportConfig

pytestmark = pytest.mark.virtual

CAP = 20_000
CLIENT_CAP = 10_000
MESSAGE_CAP = 50_000
CONFIG = SystemConfig(
    capacity=8,
    transport=TransportConfig(
        frame_cap_bytes=CAP,
        client_frame_cap_bytes=CLIENT_CAP,
        frame_soft_bytes=4096,
        message_cap_bytes=MESSAGE_CAP,
        outbound_limit_bytes=100_000,
    ),
)


@message(name="test.limits.Echo")
class Echo(Ask[bytes]):
    size_bytes: int
    body: bytes = b""


@message(name="test.limits.Slow")
class Slow(Ask[None]):
    pass


class Server(Actor[Echo | Slow]):
    async def receive(self, msg: Echo | Slow, /) -> bytes | None:
        if isinstance(msg, Slow):
            await asyncio.sleep(1000)
            return None
        return bytes(msg.size_bytes)


@message(name="test.limits.Make")
class Make(Ask[bytes]):
    size_bytes: int


class Maker(StateMachine[Make]):
    def apply(self, command: Make, /) -> bytes:
        return bytes(command.size_bytes)


@pytest.fixture
async def cluster(make_cluster: Any) -> Any:
    topology = Topology("test", nodes=["n1", "n2", "n3"])
    topology.raft("store", machine=KeyValue)
    topology.raft("maker", machine=Maker)
    topology.actor("server", lambda _: Server())
    made = make_cluster(topology, config=CONFIG)
    await made.start()
    await made["n1"].system.linked("n2")
    return made


async def client_of(cluster: Any) -> Client:
    host = VirtualHost("limited", network=cluster.network, seed=5)
    return Client(list(cluster.addresses.values()), host=host, config=CONFIG)


def says(error: BaseException, *parts: object) -> bool:
    """Whether the text of an error has each part, numbers as a whole."""
    text = str(error)
    return all(re.search(rf"(?<!\d){re.escape(str(part))}(?!\d)", text) for part in parts)


async def test_a_key_or_value_that_is_too_large_from_a_client(cluster: Any) -> None:
    async with await client_of(cluster) as client:
        for key, value in ((b"k" * CLIENT_CAP, b"v"), (b"k", b"v" * CLIENT_CAP)):
            with pytest.raises(CommandRefused) as caught:
                await client.key_value("store").put(key, value)
            size = re.search(r"a command of (\d+) bytes", str(caught.value))
            assert size is not None
            assert CLIENT_CAP < int(size[1]) < CLIENT_CAP + 100
            assert says(caught.value, CLIENT_CAP, "client_frame_cap_bytes=")


async def test_a_command_that_is_too_large_from_a_node(cluster: Any) -> None:
    group = cluster["n1"].group("store")
    for _ in range(2):  # from a follower, or the leader
        with pytest.raises(CommandRefused) as caught:
            await group.execute(Put(b"k", b"v" * CAP))
        assert re.search(r"a command of 200\d\d bytes", str(caught.value))
        assert re.search(r"an entry may have \d+ bytes", str(caught.value))
        assert says(caught.value, "frame_cap_bytes=", "max_write_bytes=")


async def test_a_reply_of_a_state_machine_that_is_too_large(cluster: Any) -> None:
    with pytest.raises(ReplyTooLarge) as caught:
        await cluster["n1"].group("maker").execute(Make(CAP))

    assert caught.value.size_bytes > caught.value.limit_bytes > 0
    assert says(caught.value, caught.value.size_bytes, caught.value.limit_bytes, "frame_cap_bytes=")


async def test_a_message_and_a_reply_that_are_too_large(cluster: Any) -> None:
    with pytest.raises(FrameTooLarge) as sent:
        await cluster["n1"].actor("server", node="n2").ask(Echo(1, b"x" * MESSAGE_CAP))
    with pytest.raises(CoterieError) as replied:
        await cluster["n1"].actor("server", node="n2").ask(Echo(MESSAGE_CAP))

    assert says(sent.value, sent.value.size_bytes, MESSAGE_CAP, "message_cap_bytes=")
    assert says(replied.value, MESSAGE_CAP, "message_cap_bytes=")
    assert re.search(r"has 500\d\d bytes", str(replied.value))


async def test_a_mailbox_that_is_full(cluster: Any) -> None:
    server = cluster["n1"].actor("server", node="n1")
    asks = [server.ask(Slow(), timeout_s=1.0) for _ in range(20)]
    errors = await asyncio.gather(*asks, return_exceptions=True)
    full = next(error for error in errors if isinstance(error, MailboxFullError))

    assert says(full, "8 of 8", "capacity=")


async def test_a_send_queue_that_is_full(cluster: Any) -> None:
    cluster.partition(["n1"], ["n2"])
    server = cluster["n1"].actor("server", node="n2")
    asks = [server.ask(Echo(1, b"x" * 3000), timeout_s=0.5) for _ in range(100)]
    errors = await asyncio.gather(*asks, return_exceptions=True)
    cluster.heal()
    full = next(error for error in errors if isinstance(error, OutboundFull))

    assert says(full, full.size_bytes, full.pending_bytes, 100_000, "outbound_limit_bytes=")


@pytest.mark.parametrize(
    ("make", "size", "limit"),
    [
        (lambda: System("n" * 129), 129, 128),
        (lambda: System("n1", cluster="c" * 200), 200, 128),
        (lambda: check_name("g" * 2000), 2000, NAME_BYTES_MAX),
    ],
)
async def test_a_name_that_is_too_long(make: Callable[[], object], size: int, limit: int) -> None:
    with pytest.raises(ValueError, match=r"characters|bytes") as caught:
        make()

    assert says(caught.value, size, limit)


async def test_a_path_that_is_too_long_for_the_wire(cluster: Any) -> None:
    with pytest.raises(CoterieError) as caught:
        await cluster["n1"].system.at(Address("n2", "p" * 5000)).ask(Slow())

    assert says(caught.value, 5000, 1024)
