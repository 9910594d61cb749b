"""A client program outside the cluster: it is linked, or its error says why not."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from coterie import Ask, Client, KeyValue, Topology, message
from coterie.actors.groups.group_messages import ReportStatus
from coterie.actors.groups.key_value import Get, Put
from coterie.actors.groups.state_machine import Query, StateMachine
from coterie.errors import (
    ActorStopped,
    CommandFailed,
    CommandRefused,
    CommandTimeout,
    MessageTypeError,
    NodeUnreachable,
    Outcome,
)
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.system import System, SystemConfig
from coterie.runtime.transport.handshake.shared_key import SharedKey
from coterie.runtime.transport.transport_config import TransportConfig

pytestmark = pytest.mark.virtual


@message(name="test.client.Foreign")
class Foreign(Ask[None]):
    has_text: bool = False


@message(name="test.client.Asked")
class Asked(Query[int]):
    pass


async def test_a_client_needs_an_address() -> None:
    with pytest.raises(ValueError, match="at least one node"):
        Client([], host=VirtualHost())
    with pytest.raises(ValueError, match="is no address"):
        Client(["nowhere"], host=VirtualHost())


async def test_where_nobody_answers_a_client_starts_in_time_says_so_when_asked_and_leaves_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    begun = asyncio.get_running_loop().time()

    async with Client(["127.0.0.1:9"], connect_timeout_s=2.0, host=VirtualHost()) as client:
        assert asyncio.get_running_loop().time() - begun < 2.1
        assert "client.not_linked" in caplog.text
        assert client.nodes == client.known_nodes == []
        with pytest.raises(NodeUnreachable, match=r"127\.0\.0\.1:9.*no link in 3 s: no node answers"):
            await client.linked(3.0)
        assert not await client.all_linked()

    await asyncio.sleep(1)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_what_is_asked_without_a_link_fails_by_its_own_time_limit_and_says_why() -> None:
    async with Client(["127.0.0.1:9"], connect_timeout_s=0.0, host=VirtualHost()) as client:
        begun = asyncio.get_running_loop().time()
        with pytest.raises(CommandTimeout, match=r"in 3 s .*linked with no node: none answers.*not executed") as put:
            await client.group("store").execute(Put(b"k", b"v"), timeout_s=3.0)
        assert put.value.outcome is Outcome.DEFINITE
        assert 2.9 < asyncio.get_running_loop().time() - begun < 3.1

        with pytest.raises(CommandTimeout, match=r"in 1 s .*linked with no node: none answers"):
            await client.synod("config").value(timeout_s=1.0)
        with pytest.raises(NodeUnreachable, match=r"'n1' is unreachable \(this client is linked with no node"):
            await client.actor("clerk", node="n1").ask(Get(b"k"))


@pytest.mark.parametrize("connect_timeout_s", [0.0, 2.0])
async def test_a_client_that_starts_before_its_cluster_works_once_that_is_up(
    make_cluster: Any, connect_timeout_s: float
) -> None:
    cluster = make_cluster()
    host = VirtualHost("early", network=cluster.network, seed=5)
    async with Client(list(cluster.addresses.values()), host=host, connect_timeout_s=connect_timeout_s) as client:
        putting = asyncio.create_task(client.group("store").execute(Put(b"k", b"v"), timeout_s=60.0))
        await asyncio.sleep(20)
        assert not putting.done()

        await cluster.start()
        await putting
        await client.linked()
        assert await client.key_value("store").get(b"k") == b"v"


async def test_a_refusal_that_comes_after_the_start_is_in_the_errors(make_cluster: Any) -> None:
    cluster = make_cluster()
    host = VirtualHost("early", network=cluster.network, seed=5)
    addresses = list(cluster.addresses.values())
    async with Client(addresses, host=host, connect_timeout_s=0.0, auth=SharedKey(b"0123456789abcdef")) as client:
        await cluster.start()
        with pytest.raises(NodeUnreachable, match="key_required"):
            await client.linked()
        with pytest.raises(CommandTimeout, match="key_required"):
            await client.group("store").execute(Get(b"k"), timeout_s=1.0)


async def test_a_client_that_does_not_run_says_so() -> None:
    with pytest.raises(RuntimeError, match="use it inside `async with`"):
        await Client(["127.0.0.1:9"], host=VirtualHost()).linked()


async def refused(there: Any, addresses: list[str], **options: Any) -> str:
    """Return the text of the error of a client that is not let in."""
    host = VirtualHost("stranger", network=there.network, seed=5)
    with pytest.raises(NodeUnreachable) as caught:
        async with Client(addresses, host=host, connect_timeout_s=100.0, **options):
            pytest.fail("it linked")
    return str(caught.value)


@pytest.mark.parametrize(
    ("options", "reason", "advice"),
    [
        ({"cluster": "another"}, "wrong_cluster", "compare the addresses (--connect)"),
        ({"name": "n1"}, "own_name", "give this client another --name"),
        ({"auth": SharedKey(b"0123456789abcdef")}, "key_required", "a client uses --key-file"),
    ],
)
async def test_a_client_that_its_node_refuses_for_good_is_told_at_once(
    cluster: Any, options: dict[str, Any], reason: str, advice: str
) -> None:
    begun = asyncio.get_running_loop().time()

    text = await refused(cluster, [cluster.addresses["n1"]], **options)

    assert f"{cluster.addresses['n1']}: {reason}: " in text
    assert advice in text
    assert "once its link is up" not in text
    assert asyncio.get_running_loop().time() - begun < 5.0
    await asyncio.sleep(1)


async def test_a_client_that_is_too_old_for_its_node_is_told_at_once() -> None:
    host = VirtualHost("n1")
    config = SystemConfig(transport=TransportConfig(version_min=4))
    old = SystemConfig(transport=TransportConfig(version_max=3))
    async with System("n1", cluster="shop", host=host, config=config) as node:
        address = "{}:{}".format(*await node.listen())
        client = Client([address], host=VirtualHost("c", network=host.virtual_network), config=old)
        with pytest.raises(NodeUnreachable, match=r"unsupported_version: .*use the release of the nodes"):
            async with client:
                pytest.fail("it linked")


async def test_a_client_that_every_node_refuses_is_told_of_each(cluster: Any) -> None:
    text = await refused(cluster, [*cluster.addresses.values(), cluster.addresses["n1"]], name="n1")

    assert f"{cluster.addresses['n1']}: own_name" in text
    assert all(f"{address}: name_taken" in text for node, address in cluster.addresses.items() if node != "n1")
    assert text.count("give this client another --name") == 1


async def test_a_client_that_not_every_address_refuses_waits_for_the_others(cluster: Any) -> None:
    begun = asyncio.get_running_loop().time()

    host = VirtualHost("stranger", network=cluster.network, seed=5)
    client = Client([cluster.addresses["n1"], "127.0.0.1:9"], cluster="another", host=host, connect_timeout_s=0.0)
    async with client:
        with pytest.raises(NodeUnreachable) as caught:
            await client.linked(100.0)

    text = str(caught.value)
    assert "no link in 100 s" in text
    assert "wrong_cluster" in text
    assert "compare the addresses (--connect)" in text
    assert asyncio.get_running_loop().time() - begun >= 100.0


async def test_a_client_whose_name_another_one_has_waits_until_that_one_is_gone(cluster: Any) -> None:
    first = Client([cluster.addresses["n1"]], name="billing", host=VirtualHost("first", network=cluster.network))
    host = VirtualHost("second", network=cluster.network, seed=7)

    async with first:
        second = Client([cluster.addresses["n1"]], name="billing", host=host, connect_timeout_s=100.0)
        linking = asyncio.create_task(second.__aenter__())
        await asyncio.sleep(3.0)
        assert not linking.done()
        assert "name_in_use" in str(second.system.remoting.refused_handshakes)

    await linking
    assert second.nodes == ["n1"]
    await second.__aexit__(None, None, None)


async def test_one_living_node_among_the_addresses_is_enough(cluster: Any) -> None:
    host = VirtualHost("stranger", network=cluster.network, seed=6)

    async with Client(["127.0.0.1:9", *cluster.addresses.values()], host=host) as client:
        await client.key_value("store").put(b"k", b"v")
        assert await client.key_value("store").get(b"k") == b"v"


async def test_a_client_that_is_closed_says_so_at_once(cluster: Any) -> None:
    client = Client([cluster.addresses["n1"]], host=VirtualHost("late", network=cluster.network, seed=8))
    async with client:
        store, synod = client.key_value("store"), client.synod("config")
        actor = client.actor("store", node="n1")
        await store.put(b"k", b"v")
    begun = asyncio.get_running_loop().time()

    with pytest.raises(CommandRefused, match=r"group 'store' cannot be asked: client '.*' is closed"):
        await store.put(b"k", b"w")
    with pytest.raises(CommandRefused, match="is closed"):
        await store.get(b"k")
    with pytest.raises(CommandRefused, match=r"synod 'config' cannot be asked: client '.*' is closed"):
        await synod.value()
    with pytest.raises(NodeUnreachable, match=r"client '.*' is closed"):
        await actor.ask(ReportStatus())
    with pytest.raises(RuntimeError, match="is closed"):
        client.key_value("another")
    assert asyncio.get_running_loop().time() == begun


async def test_a_client_that_is_closed_meanwhile_fails_what_waits(make_cluster: Any) -> None:
    cluster = make_cluster()  # it is not started: nobody answers
    client = Client(["127.0.0.1:9"], host=VirtualHost("late", network=cluster.network, seed=8), connect_timeout_s=0.0)
    async with client:
        putting = asyncio.ensure_future(client.key_value("store").put(b"k", b"v"))
        await asyncio.sleep(1.0)
    begun = asyncio.get_running_loop().time()

    with pytest.raises(CommandRefused, match="is closed"):
        await putting
    assert asyncio.get_running_loop().time() - begun < 1.0


async def test_the_handles_of_a_node_that_has_stopped_say_so_at_once(cluster: Any) -> None:
    store = cluster["n1"].key_value("store")
    actor = cluster["n1"].actor("store", node="n1")
    await store.put(b"k", b"v")
    node = cluster["n1"]
    await cluster.stop("n1")

    with pytest.raises(CommandRefused, match="system 'n1' is closed"):
        await store.get(b"k")
    with pytest.raises(ActorStopped, match="system 'n1' is closed"):
        await actor.ask(ReportStatus())
    with pytest.raises(RuntimeError, match="system 'n1' is closed"):
        node.group("another")


async def test_a_client_that_was_not_entered_gives_no_handle() -> None:
    with pytest.raises(RuntimeError, match=r"client '.*' does not run: use it inside `async with`"):
        Client(["127.0.0.1:9"], host=VirtualHost()).group("store")


def test_addresses_of_another_form_are_named() -> None:
    addresses: Any = [("127.0.0.1", 7431)]
    with pytest.raises(ValueError, match=r"\('127.0.0.1', 7431\) is no address: write it as text, host:port"):
        Client(addresses)
    with pytest.raises(TypeError, match=r"is one text: give a list, such as \['127.0.0.1:7431'\]"):
        Client("127.0.0.1:7431")
    late: Any = "5"
    with pytest.raises(TypeError, match="timeout_s is '5': it must be a number of seconds"):
        Client(["127.0.0.1:7431"], connect_timeout_s=late)


async def test_a_time_limit_or_machine_that_is_none_is_named_and_nothing_is_sent(cluster: Any) -> None:
    client: Any = await cluster.client()
    store, synod = client.group("store"), client.synod("config")
    for call in (
        partial(store.execute, Put(b"k", b"v")),
        partial(store.read, Get(b"k")),
        partial(store.read_stale, Get(b"k")),
        store.transfer,
        store.activate,
        store.open_session,
        synod.value,
        partial(client.actor("store", node="n1").ask, ReportStatus()),
    ):
        with pytest.raises(TypeError, match="timeout_s is '1': it must be a number of seconds"):
            await call(timeout_s="1")
        with pytest.raises(ValueError, match="timeout_s is nan: it must be a number of seconds"):
            await call(timeout_s=float("nan"))
    with pytest.raises(MessageTypeError, match="of group 'store' is no class: give the class of its state machine"):
        client.group("store", KeyValue())
    with pytest.raises(MessageTypeError, match="a class is not a message: send an instance of it"):
        client.actor("store", node="n1").ask(ReportStatus)


async def test_without_a_majority_the_errors_say_that_there_is_no_leader(cluster: Any) -> None:
    await (await cluster.client()).key_value("store").put(b"k", b"v")
    await asyncio.sleep(5)
    await cluster.stop("n2")
    await cluster.stop("n3")
    client = await cluster.client()
    group = client.group("store")
    await asyncio.sleep(5)

    no_leader = r"group 'store' did not answer in 3 s \(last: 'n1': it knows no leader: .*`coterie status`\)"
    with pytest.raises(CommandTimeout, match=rf"{no_leader}: .*; the command was not executed"):
        await group.execute(Put(b"k", b"v"), timeout_s=3.0)
    with pytest.raises(CommandTimeout, match=rf"{no_leader}: it is a query, .* it changes nothing"):
        await group.read(Get(b"k"), timeout_s=3.0)


async def test_a_command_of_another_group_is_refused_with_those_that_the_group_takes(cluster: Any) -> None:
    client = await cluster.client()

    refusal = r"group 'store': 'test.client.Foreign' is not active: .*it takes 'kv.Batch', .* meant for another group\?"
    with pytest.raises(CommandRefused, match=refusal):
        await client.group("store").execute(Foreign())
    with pytest.raises(CommandRefused, match=r"does not answer this query: .* meant for another group"):
        await client.group("store").read_stale(Asked())


class Failing(StateMachine[Foreign]):
    def apply(self, command: Foreign) -> None:
        raise ValueError if command.has_text else CommandRefused


async def test_a_command_that_failed_without_a_text_says_where_and_what(make_cluster: Any) -> None:
    topology = Topology("failing", nodes=["n1"])
    topology.raft("orders", machine=Failing)
    cluster = make_cluster(topology)
    await cluster.start()
    group = (await cluster.client()).group("orders")

    with pytest.raises(
        CommandFailed, match=r"Foreign failed where it was executed: ValueError \(in group 'orders': the"
    ):
        await group.execute(Foreign(has_text=True))
    with pytest.raises(CommandRefused, match=r"^Foreign was refused by group 'orders', which gave no reason$"):
        await group.execute(Foreign(has_text=False))
