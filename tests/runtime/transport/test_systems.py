"""What whole systems make of the wire: keys, certificates, and messages that grow."""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from coterie.errors import ActorNotFound, InsecureBind
from coterie.runtime.actor import Actor
from coterie.runtime.hosts.tls_config import TlsConfig
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.hosts.virtual.virtual_network import VirtualNetwork
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Address
from coterie.runtime.system import System
from coterie.runtime.transport.handshake.identity import PeerRole
from coterie.runtime.transport.handshake.shared_key import ClientKey, SharedKey
from tests.runtime.transport.certificate_authority import CLIENT, Authority

CLIENT_KEY = ClientKey("visitor", b"c" * 32)
KEY = SharedKey(b"n" * 32, clients=(CLIENT_KEY,))


@message(name="wire.Order")
class OldOrder(Ask[int]):
    amount: int


@message(name="wire.Order")
class NewOrder(Ask[int]):
    amount: int
    note: str = "none"
    parts: tuple[int, ...] = ()


class OldShop(Actor[OldOrder]):
    def receive(self, msg: OldOrder) -> int:
        return msg.amount


class NewShop(Actor[NewOrder]):
    def receive(self, msg: NewOrder) -> int:
        return msg.amount + len(msg.note) + sum(msg.parts)


@contextlib.asynccontextmanager
async def two_systems(one: System, other: System) -> AsyncIterator[None]:
    """Run `one`, which listens, and `other`, which dials it."""
    async with one, other:
        host, port = await one.listen()
        other.dial(host, port)
        async with asyncio.timeout(20.0):
            while not other.links:  # noqa: ASYNC110 (no event tells)
                await asyncio.sleep(0.005)
        yield


@pytest.mark.virtual
async def test_fields_appended_to_a_message_are_read_both_ways() -> None:
    network = VirtualNetwork()
    old = System("old", cluster="c", host=VirtualHost("old", network=network, seed=1))
    new = System("new", cluster="c", host=VirtualHost("new", network=network, seed=2))
    async with old, new:
        old.spawn(OldShop, name="shop")
        new.spawn(NewShop, name="shop")
        new.dial(*await old.listen())
        while not (old.links and new.links):  # noqa: ASYNC110 (no event tells)
            await asyncio.sleep(0.001)

        to_new = await old.at(Address("new", "shop")).ask(OldOrder(10))
        to_old = await new.at(Address("old", "shop")).ask(NewOrder(10, "ignored", (1, 2)))

    assert to_new == 10 + len("none")  # what the old one does not say has its default
    assert to_old == 10  # what the old one does not know it ignores


@pytest.mark.virtual
async def test_a_system_listens_to_everybody_only_with_a_key() -> None:
    async with System("n", host=VirtualHost("n")) as plain:
        with pytest.raises(InsecureBind, match="auth= or tls="):
            await plain.listen("0.0.0.0")
    async with System("n", host=VirtualHost("n"), auth=KEY) as keyed:
        assert (await keyed.listen("0.0.0.0"))[1] > 0


@pytest.mark.virtual
async def test_a_virtual_network_says_that_it_has_no_tls() -> None:
    tls = TlsConfig("n.crt", "n.key", "authority.pem")
    async with System("n", host=VirtualHost("n"), tls=tls) as system:
        with pytest.raises(OSError, match="a virtual network has no TLS"):
            await system.listen()


async def test_a_client_with_the_clients_key_reaches_exported_actors_only() -> None:
    node = System("n", cluster="c", auth=KEY)
    client = System("visitor", cluster="", role=PeerRole.CLIENT, auth=CLIENT_KEY)
    async with two_systems(node, client):
        node.spawn(OldShop, name="shop", exported=True)
        node.spawn(OldShop, name="private")

        assert await client.at(Address("n", "shop")).ask(OldOrder(3)) == 3
        with pytest.raises(ActorNotFound):
            await client.at(Address("n", "private")).ask(OldOrder(3))


async def test_systems_ask_each_other_in_tls_and_reload_their_certificates(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    node = System("n", cluster="c", tls=authority.issue("n"))
    client = System("visitor", cluster="", role=PeerRole.CLIENT, tls=authority.issue("visitor", usages=CLIENT))
    async with two_systems(node, client):
        node.spawn(OldShop, name="shop", exported=True)
        authority.issue("n")
        node.reload_certificates()

        assert await client.at(Address("n", "shop")).ask(OldOrder(3)) == 3


def test_a_tls_configuration_names_what_is_missing() -> None:
    with pytest.raises(ValueError, match="key=, the path of a PEM file"):
        TlsConfig("a.crt", "", "authority.pem")


class ResetTransport:
    """A transport whose peer has reset the connection, of which the loop has not told its protocol yet."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write_eof(self) -> None:
        raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")


async def test_a_peer_that_has_just_reset_its_connections_disturbs_no_end() -> None:
    one, other = System("one", cluster="c"), System("other", cluster="c")
    async with two_systems(one, other):
        for system in (one, other):
            assert system.remoting.transport is not None
            for connection in system.remoting.transport._shared.connections:
                connection._transport = ResetTransport(connection._transport)  # type: ignore[assignment]


@pytest.mark.parametrize("host", ["a..b", "x" * 64])
async def test_a_name_that_no_host_can_have_is_dialled_like_one_that_does_not_answer(
    host: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The resolver refuses it by an error that is no OSError."""
    async with System("n1", cluster="dialer") as system:
        await system.listen()
        system.add_peer("n2", host, 80)
        async with asyncio.timeout(10):
            while system.stats().transport["failed_dials"] < 2:  # noqa: ASYNC110 (nothing tells of it)
                await asyncio.sleep(0.01)
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
