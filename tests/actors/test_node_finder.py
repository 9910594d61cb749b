"""A client learns the addresses of a cluster's nodes: one that is given is enough, also when its node has died."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from coterie import Client, KeyValue, SharedKey, System, TlsConfig, Topology
from coterie.actors.groups.key_value import Put
from coterie.actors.network_addresses import parse_address
from coterie.actors.node_finder import INTERVAL_S, NODES_MAX
from coterie.actors.node_report import NODE_REPORT_PATH, NodeDirectory, ReportDirectory
from coterie.runtime.actor import Actor
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.transport.handshake.shared_key import Auth, ClientKey
from tests.runtime.transport.certificate_authority import CLIENT, Authority

virtual = pytest.mark.virtual


def client_of(cluster: Any, addresses: list[str], **options: Any) -> Client:
    return Client(addresses, host=VirtualHost("stranger", network=cluster.network, seed=6), **options)


def dialled(client: Client) -> set[str]:
    """The addresses that a client dials now."""
    transport = client.system.remoting.transport
    assert transport is not None
    return {str(target) for target, _ in transport._dialers.values()}


@virtual
@pytest.mark.parametrize("given", ["n1", "n2", "n3"])
async def test_one_address_is_enough_and_its_node_may_die(cluster: Any, given: str) -> None:
    async with client_of(cluster, [cluster.addresses[given]]) as client:
        assert await client.all_linked()
        assert client.nodes == client.known_nodes == ["n1", "n2", "n3"]
        await client.key_value("store").put(b"k", b"v")

        await cluster.kill(given)
        await client.key_value("store").put(b"k", b"w")
        assert await client.key_value("store").get(b"k") == b"w"
        assert given in client.known_nodes
        assert given not in client.nodes


@virtual
async def test_a_client_links_again_when_only_learned_addresses_answer(cluster: Any) -> None:
    async with client_of(cluster, [cluster.addresses["n1"]]) as client:
        assert await client.all_linked()
        await client.key_value("store").put(b"k", b"v")
        for name in ("n1", "n2", "n3"):
            await cluster.kill(name)
        await asyncio.sleep(60)
        assert client.nodes == []

        await cluster.start("n2")
        await cluster.start("n3")
        await client.group("store").execute(Put(b"k", b"w"), timeout_s=30.0)
        await asyncio.sleep(5)
        assert client.nodes == ["n2", "n3"]


@virtual
async def test_a_node_that_moved_to_another_port_is_found_there(cluster: Any) -> None:
    async with client_of(cluster, [cluster.addresses["n1"]]) as client:
        assert await client.all_linked()
        await cluster.kill("n3")
        old, cluster.addresses["n3"] = cluster.addresses["n3"], "127.0.0.1:7999"
        for name in ("n1", "n2"):
            cluster[name].system.add_peer("n3", *parse_address(cluster.addresses["n3"]))
        await cluster.start("n3")
        await asyncio.sleep(INTERVAL_S + 2)

        assert client.nodes == ["n1", "n2", "n3"]
        assert "127.0.0.1:7999" in dialled(client)
        assert old not in dialled(client)  # no list has it any more


@virtual
async def test_given_addresses_are_not_dialled_twice_and_links_are_not_replaced(cluster: Any) -> None:
    given = [cluster.addresses["n1"], cluster.addresses["n1"].replace("127.0.0.1", "localhost")]
    async with client_of(cluster, given) as client:
        assert await client.all_linked()
        await asyncio.sleep(60)
        stats = client.system.remoting.transport.stats() if client.system.remoting.transport else {}

    assert stats["links_up"] == 3
    assert stats["links_down"] == 0


@virtual
async def test_what_is_in_flight_survives_when_a_node_with_two_addresses_comes_back(cluster: Any) -> None:
    given = [cluster.addresses["n1"], cluster.addresses["n1"].replace("127.0.0.1", "localhost")]
    async with client_of(cluster, given) as client:
        assert await client.all_linked()
        for _ in range(5):
            await cluster.kill("n1")
            await asyncio.sleep(1)
            await cluster.start("n1")
            await asyncio.sleep(5)
        assert client.system.remoting.transport is not None
        stats = client.system.remoting.transport.stats()

    assert stats["links_up"] == 3 + 5
    assert stats["links_down"] == 5


@virtual
async def test_with_learning_off_only_given_addresses_are_dialled(cluster: Any) -> None:
    async with client_of(cluster, [cluster.addresses["n2"]], learn_addresses=False) as client:
        assert await client.all_linked()
        await asyncio.sleep(2 * INTERVAL_S)
        assert client.nodes == ["n2"]
        assert client.known_nodes == ["n1", "n2", "n3"]


class Liar(Actor[ReportDirectory]):
    """Lists what a test says."""

    def __init__(self, addresses: dict[str, str]) -> None:
        self._addresses = addresses

    def receive(self, msg: ReportDirectory, /) -> NodeDirectory:
        return NodeDirectory(self._addresses, ())


async def learned_from(addresses: dict[str, str], *, node_host: str = "127.0.0.1") -> set[str]:
    """The addresses that a client dials that one node tells it, beside its own."""
    host = VirtualHost("10.0.0.1" if node_host != "127.0.0.1" else "local")
    async with System("n1", cluster="shop", host=host) as system:
        system.spawn(lambda: Liar(addresses), name=NODE_REPORT_PATH, exported=True)
        bound, port = await system.listen(node_host, insecure=True)
        async with Client([f"{bound}:{port}"], host=VirtualHost("c", network=host.virtual_network)) as client:
            await asyncio.sleep(2)
            assert client.nodes == ["n1"]
            return dialled(client) - {f"{bound}:{port}"}


@virtual
async def test_what_is_no_address_is_left_out_and_lists_are_bounded() -> None:
    wrong = {
        "a": "",
        "b": "nowhere",
        "c": "h:99999",
        "d": "h:0",
        "e\n": "h:1",
        "f": "h\x1b:1",
        "": "h:1",
        "g": "x" * 256 + ":1",
    }
    assert await learned_from({**wrong, "n2": "10.0.0.2:7401"}) == {"10.0.0.2:7401"}

    many = {f"m{number}": f"10.0.0.2:{number + 1}" for number in range(2 * NODES_MAX)}
    assert len(await learned_from(many)) == NODES_MAX


@virtual
async def test_a_loopback_address_from_another_machine_is_not_dialled() -> None:
    told = {"n2": "127.0.0.1:7402", "n3": "10.0.0.3:7401"}

    assert await learned_from(told, node_host="10.0.0.1") == {"10.0.0.3:7401"}
    assert await learned_from(told) == {"127.0.0.1:7402", "10.0.0.3:7401"}


@virtual
async def test_another_node_at_a_learned_address_is_refused(cluster: Any) -> None:
    host = VirtualHost("liar", network=cluster.network, seed=9)
    async with System("n9", cluster="test", host=host) as system:
        system.spawn(lambda: Liar({"n8": cluster.addresses["n2"]}), name=NODE_REPORT_PATH, exported=True)
        bound, port = await system.listen()
        async with client_of(cluster, [f"{bound}:{port}"]) as client:
            await asyncio.sleep(5)
            assert client.nodes == ["n9"]
            assert "wrong_node" in str(client.system.remoting.refused_handshakes)


def stores() -> Topology:
    topology = Topology("shop", nodes=["n1", "n2", "n3"])
    topology.raft("store", machine=KeyValue)
    return topology


async def write_through_one_address(
    nodes: dict[str, tuple[Auth | None, TlsConfig | None]], auth: Auth | None, tls: TlsConfig | None
) -> list[str]:
    """Run three nodes on loopback; a client that was given one address writes; return the nodes it is linked with."""
    topology, running = stores(), {}
    async with AsyncExitStack() as stack:
        for name, (node_auth, node_tls) in nodes.items():
            starting = topology.start(node=name, listen="127.0.0.1:0", auth=node_auth, tls=node_tls)  # type: ignore[arg-type]
            running[name] = await stack.enter_async_context(starting)
        for name, node in running.items():
            for peer in running.values():
                if peer.name != name:
                    node.system.add_peer(peer.name, *parse_address(peer.address))
        async with Client([running["n1"].address], auth=auth, tls=tls) as client:
            await client.key_value("store").put(b"k", b"v")
            await client.all_linked(5.0)
            return client.nodes


async def test_learned_addresses_work_with_keys() -> None:
    node_key = SharedKey(b"0123456789abcdef", clients=(ClientKey("web", b"fedcba9876543210"),))
    client_key = ClientKey("web", b"fedcba9876543210")

    linked = await write_through_one_address(dict.fromkeys(("n1", "n2", "n3"), (node_key, None)), client_key, None)

    assert linked == ["n1", "n2", "n3"]


async def test_learned_addresses_work_with_certificates_and_names_are_checked(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    nodes: dict[str, tuple[Auth | None, TlsConfig | None]] = {
        name: (None, authority.issue(name)) for name in ("n1", "n2", "n3")
    }

    linked = await write_through_one_address(nodes, None, authority.issue("web", usages=CLIENT))

    assert linked == ["n1", "n2", "n3"]
