"""`client.group(name, machine)`: commands are checked by type at the caller; a group that does not exist is named."""

from __future__ import annotations

import asyncio
from typing import Any, assert_type

import pytest

from coterie import Client, KeyValue, Query, StateMachine, Topology
from coterie.actors.groups.client_session import Identity
from coterie.actors.groups.key_value import Get, Put
from coterie.errors import CommandRefused, MessageTypeError, Outcome
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.messages.message import Ask, message

pytestmark = pytest.mark.virtual


@message(name="test.stock.Receive")
class Receive(Ask[int]):
    count: int


@message(name="test.stock.InStock")
class InStock(Query[int]):
    pass


@message(name="test.stock.Audit")
class Audit(Ask[str]):
    pass


class Stock(StateMachine[Receive | InStock]):
    total = 0

    def apply(self, command: Receive | InStock, /) -> int:
        if isinstance(command, Receive):
            self.total += command.count
        return self.total


class Undeclared(StateMachine):  # type: ignore[type-arg]
    pass


@pytest.fixture
async def shop(make_cluster: Any) -> Any:
    topology = Topology("shop", nodes=["n1", "n2", "n3"])
    topology.raft("stock", machine=Stock)
    topology.raft("store", machine=KeyValue, nodes=["n1"])
    cluster = make_cluster(topology)
    await cluster.start()
    return cluster


async def test_commands_of_the_machine_are_executed_and_typed(shop: Any) -> None:
    client: Client = await shop.client()
    stock = client.group("stock", Stock)

    assert_type(await stock.execute(Receive(2)), int)
    total = await stock.execute(InStock())
    session = await stock.open_session()
    again = await stock.execute_as(await session.next(), Receive(3))

    assert (total, again) == (2, 5)
    assert client.group("stock", Stock) is stock


async def test_a_command_of_another_machine_is_refused_before_it_is_sent(shop: Any) -> None:
    client: Client = await shop.client()
    stock = client.group("stock", Stock)
    begun = asyncio.get_running_loop().time()
    text = r"Stock of group 'stock' does not take Audit: nothing was sent; its commands are InStock, Receive"

    with pytest.raises(MessageTypeError, match=text):
        await stock.execute(Audit())  # type: ignore[arg-type]
    with pytest.raises(MessageTypeError, match=text):
        await stock.execute_as(Identity(b"0123456789abcdef", 1, 1), Audit())  # type: ignore[arg-type]
    with pytest.raises(MessageTypeError, match="does not take str"):
        await stock.execute("all")  # type: ignore[arg-type]

    assert asyncio.get_running_loop().time() == begun


async def test_without_a_class_the_group_itself_refuses_what_it_does_not_take(shop: Any) -> None:
    client: Client = await shop.client()

    with pytest.raises(CommandRefused, match="Audit"):
        await client.group("stock").execute(Audit())
    assert await client.group("stock").execute(Receive(1)) == 1


async def test_a_class_that_does_not_declare_its_commands_is_refused(shop: Any) -> None:
    with pytest.raises(MessageTypeError, match="Undeclared does not declare its commands"):
        (await shop.client()).group("stock", Undeclared)


@pytest.mark.parametrize("is_client", [True, False])
async def test_a_group_that_does_not_exist_is_refused_at_once_with_those_that_do(shop: Any, is_client: bool) -> None:
    api = await shop.client() if is_client else shop["n2"]
    await asyncio.sleep(1)
    begun = asyncio.get_running_loop().time()

    with pytest.raises(CommandRefused, match=r"there is no group 'stok': the groups are 'stock', 'store'") as refused:
        await api.group("stok", Stock).execute(Receive(1))
    with pytest.raises(CommandRefused, match=r"there is no group 'stok'"):
        await api.key_value("stok").get(b"k")

    assert refused.value.outcome is Outcome.DEFINITE
    assert asyncio.get_running_loop().time() - begun < 1.0


async def test_a_group_on_other_nodes_is_no_group_that_does_not_exist(shop: Any) -> None:
    """`store` runs on n1 alone: what n2 and n3 do not have is asked for at n1."""
    client: Client = await shop.client()

    await client.group("store", KeyValue).execute(Put(b"k", b"v"))
    assert await shop["n3"].group("store").execute(Get(b"k")) == b"v"


async def test_a_group_is_not_denied_while_no_node_has_told_which_there_are(shop: Any) -> None:
    host = VirtualHost("early", network=shop.network, seed=5)
    async with Client(list(shop.addresses.values()), host=host, connect_timeout_s=0.0) as client:
        assert client.known_groups is None
        await client.group("stock", Stock).execute(Receive(1))
        assert client.known_groups == {"stock", "store"}
