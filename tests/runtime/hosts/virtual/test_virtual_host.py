from __future__ import annotations

import asyncio

import pytest

from coterie.runtime.hosts.host import Host
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.hosts.virtual.virtual_loop import VirtualLoop
from coterie.runtime.hosts.virtual.virtual_network import VirtualNetwork


@pytest.mark.virtual
async def test_virtual_host_keeps_the_host_contract(virtual_host: VirtualHost) -> None:
    host: Host = virtual_host
    await asyncio.sleep(2.5)
    assert host.clock.monotonic() == asyncio.get_running_loop().time() == 2.5


@pytest.mark.virtual
async def test_hosts_of_one_seed_draw_the_same_numbers_and_nodes_of_it_different_ones() -> None:
    again = [VirtualHost("a", seed=7).random.random() for _ in range(2)]
    assert again[0] == again[1]
    assert VirtualHost("b", seed=7).random.random() != again[0]
    assert VirtualHost("a", seed=8).random.random() != again[0]


@pytest.mark.virtual
async def test_hosts_meet_on_a_shared_network() -> None:
    network = VirtualNetwork()
    left, right = VirtualHost("left", network=network), VirtualHost("right", network=network)
    listener = await left.network.listen(asyncio.Protocol, "127.0.0.1", 0)
    await right.network.connect(asyncio.Protocol, *listener.address)
    assert network.connections() == [("right", "left")]


@pytest.mark.virtual
async def test_virtual_hosts_of_one_node_share_no_disk_unless_given_one() -> None:
    first = VirtualHost("a")
    first.disk.make_directories("/data")
    assert not VirtualHost("a").disk.exists("/data")
    assert VirtualHost("a", disk=first.disk).disk.exists("/data")


async def test_virtual_host_refuses_a_loop_that_is_not_virtual() -> None:
    with pytest.raises(TypeError, match="running loop must be a VirtualLoop"):
        VirtualHost()


def test_virtual_host_can_be_made_before_its_loop_runs() -> None:
    loop = VirtualLoop()
    try:
        host = VirtualHost(loop=loop)
        loop.run_until_complete(asyncio.sleep(1))
        assert host.clock.monotonic() == 1
    finally:
        loop.close()
