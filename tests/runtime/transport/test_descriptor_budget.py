from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest

from coterie.errors import TransportError
from coterie.runtime.hosts.resource_reading import DescriptorReading
from coterie.runtime.hosts.virtual.virtual_resources import VirtualResources
from coterie.runtime.transport import PeerRole, TransportConfig
from coterie.runtime.transport.descriptor_budget import (
    CLIENTS_MIN,
    KEPT_BACK,
    LIMITED,
    NODE_FILES,
    PER_MEMBER,
    STRANGERS_MIN,
    AcceptLimits,
    DescriptorBudget,
    check_room,
)

if TYPE_CHECKING:
    from tests.runtime.transport.conftest import Node, World

CONFIG = TransportConfig(connections_max=1000, handshakes_max=128)


def limits(limit: int | None, open_count: int, connections: int = 0, members: int = 2) -> AcceptLimits:
    return DescriptorBudget(CONFIG).limits(
        DescriptorReading(open_count, limit), connections=connections, members=members
    )


def test_without_a_limit_clients_get_what_is_configured_but_the_places_of_nodes() -> None:
    assert limits(None, 20) == AcceptLimits(1000 - 4, 128)
    assert limits(20_000, 20) == AcceptLimits(1000 - 4, 128)


@pytest.mark.parametrize("limit", [64, 128, 256, 512, 1024, 1100])
@pytest.mark.parametrize("others", [10, 25, 60])
@pytest.mark.parametrize("members", [0, 2, 6])
def test_all_places_together_leave_room_for_the_log_and_for_nodes(limit: int, others: int, members: int) -> None:
    found = limits(limit, others + 7, connections=7, members=members)
    taken = found.clients_max + found.strangers_max
    room = limit - others - KEPT_BACK - PER_MEMBER * members
    assert taken <= max(room, STRANGERS_MIN + CLIENTS_MIN)  # the least; `check_room` sees to it that it is there
    assert found.is_limited


def test_what_the_log_opens_later_is_taken_from_clients() -> None:
    assert limits(256, 60).clients_max - limits(256, 100).clients_max == 30  # 10 of the 40 from strangers


def test_a_limit_that_leaves_no_room_for_a_node_is_an_error_that_names_both() -> None:
    with pytest.raises(TransportError, match=r"limit of open files is 64, and 40 are open: .*ulimit -n"):
        check_room(DescriptorReading(40, 64), members=0)
    check_room(DescriptorReading(20, 64), members=0)
    check_room(DescriptorReading(None, 64), members=0)


def test_other_nodes_and_files_that_will_be_opened_raise_the_least_limit() -> None:
    with pytest.raises(TransportError, match=r"with 2 other nodes needs a limit of at least 72; .*ulimit -n 72"):
        check_room(DescriptorReading(14, 71), members=2, files=10)
    check_room(DescriptorReading(14, 72), members=2, files=10)


@pytest.mark.parametrize("members", [0, 1, 2, 6, 20])
@pytest.mark.parametrize("start", [5, 14, 60])
def test_at_the_least_limit_clients_have_their_least_places_once_all_files_are_open(members: int, start: int) -> None:
    limit = start + NODE_FILES + KEPT_BACK + PER_MEMBER * members + STRANGERS_MIN + CLIENTS_MIN
    with pytest.raises(TransportError, match=f"at least {limit};"):
        check_room(DescriptorReading(start, limit - 1), members=members, files=NODE_FILES)
    check_room(DescriptorReading(start, limit), members=members, files=NODE_FILES)
    found = limits(limit, start + NODE_FILES, members=members)
    assert (found.clients_max, found.strangers_max) == (CLIENTS_MIN, STRANGERS_MIN)


def test_the_bound_that_was_told_stays_until_another_one_is_told() -> None:
    budget, told = DescriptorBudget(CONFIG), []
    enforced = []
    for open_count in (60, 61, 66, 60, 64, 90, 92, 60, 59, 61, 200):
        reading = DescriptorReading(open_count, 256)
        found = budget.limits(reading, connections=0, members=2)
        enforced.append(found.clients_max)
        told += [each.clients_max for each in budget.report(reading, found) if each.event == LIMITED]
    assert list(dict.fromkeys(enforced)) == told  # in this row none comes twice
    assert told == [123, 105, 89, 108, 14]


def test_each_change_is_reported_once() -> None:
    budget, told = DescriptorBudget(CONFIG), []
    for open_count in (100, 150, 204, 205, 250, 200, 191, 100, 240):
        reading = DescriptorReading(open_count, 256)
        found = budget.limits(reading, connections=open_count - 60, members=2)
        told.append([each.event.removeprefix("descriptors.") for each in budget.report(reading, found)])
    assert told == [["limited"], [], [], ["scarce"], [], [], ["ample"], [], ["scarce"]]


def limited(node: Node, limit: int, others: int) -> VirtualResources:
    """Let the process of `node` have `others` descriptors open, beside its connections."""
    resources = cast("VirtualResources", node.host.resources)
    resources.descriptor_limit = limit
    resources.descriptors_open = lambda: others + node.transport.stats()["connections"]
    return resources


@pytest.mark.virtual
async def test_a_restarted_node_gets_in_although_clients_have_taken_all_that_they_may(world: World) -> None:
    node = world.make("n2")
    resources = limited(node, limit=128, others=25)
    node.address = await node.transport.listen("n2", 0, insecure=True)
    node.transport.add_peer("n1", "n1", 1)
    clients = [
        world.make(f"c{at}", role=PeerRole.CLIENT, config=TransportConfig(reconnect_cap_s=0.2)) for at in range(60)
    ]
    for client in clients:
        client.transport.dial(*node.address)
    await asyncio.sleep(3.0)

    assert len(node.recorder.up) == node.transport._shared.slots.clients_max // 2 < len(clients)
    reading = resources.descriptors()
    assert reading.open_count is not None
    assert reading.open_count <= 128 - KEPT_BACK
    _, event, _, limit, clients_max = node.recorder.only("descriptors")[0]
    assert (event, limit, clients_max) == (LIMITED, 128, node.transport._shared.slots.clients_max)

    n1 = await world.start("n1")
    n1.transport.add_peer("n2", *node.address)
    async with asyncio.timeout(5.0):
        await world.until(lambda: "n1" in node.recorder.up)


@pytest.mark.virtual
@pytest.mark.parametrize("after_s", [0.0, 0.002, 0.004, 0.01, 1.0])
async def test_a_node_that_dialled_before_it_was_added_takes_no_place_of_a_client(world: World, after_s: float) -> None:
    n2 = await world.start("n2", config=TransportConfig(connections_max=4))
    n1 = await world.start("n1")
    n1.transport.add_peer("n2", *n2.address)
    await asyncio.sleep(after_s)
    n2.transport.add_peer("n1", *n1.address)
    await world.linked(n1, n2)

    assert n2.transport._shared.slots.clients == 0
    client = world.make("c1", role=PeerRole.CLIENT)
    client.transport.dial(*n2.address)
    await world.linked(client)


@pytest.mark.virtual
async def test_nodes_that_are_named_before_we_listen_have_places_and_are_dialled_later(world: World) -> None:
    n1, n2 = world.make("n1"), await world.start("n2")
    n1.transport.add_peer("n2", *n2.address, may_dial=False)
    resources = limited(n1, limit=63, others=20)
    with pytest.raises(TransportError, match="with 1 other node needs a limit of at least 64"):
        await n1.transport.listen("n1", 0, insecure=True)
    resources.descriptor_limit = 128
    await n1.transport.listen("n1", 0, insecure=True)
    await asyncio.sleep(5)
    assert n1.recorder.up == {}

    n1.transport.add_peer("n2", *n2.address)
    await world.linked(n1, n2)


@pytest.mark.virtual
async def test_the_bound_of_clients_that_is_reported_is_the_one_in_force(world: World) -> None:
    node = world.make("n2")
    resources = limited(node, limit=128, others=19)
    node.address = await node.transport.listen("n2", 0, insecure=True)
    resources.descriptors_open = lambda: 27 + node.transport.stats()["connections"]  # the log was opened
    node.transport.add_peer("n1", "n1", 1)
    node.transport.add_peer("n3", "n3", 1)
    for others in (27, 29, 45, 80, 30):
        limited(node, limit=128, others=others)
        await asyncio.sleep(10)
        reported = node.recorder.only("descriptors")
        assert [event[4] for event in reported if event[1] == LIMITED][-1] == node.transport._shared.slots.clients_max


@pytest.mark.virtual
async def test_the_newest_clients_give_back_what_other_things_have_taken(world: World) -> None:
    node = world.make("n2")
    resources = limited(node, limit=128, others=25)
    node.address = await node.transport.listen("n2", 0, insecure=True)
    clients = [world.make(f"c{at}", role=PeerRole.CLIENT) for at in range(20)]
    for client in clients:
        client.transport.dial(*node.address)
        await world.linked(client)

    resources.descriptors_open = lambda: 80 + node.transport.stats()["connections"]  # the log has grown
    await asyncio.sleep(3.0)

    reading = resources.descriptors()
    assert reading.open_count is not None
    assert 128 - KEPT_BACK - 2 <= reading.open_count <= 128 - KEPT_BACK
    assert set(node.recorder.up) == {f"c{at}" for at in range(12)}
    assert "file descriptors ran out" in str(node.recorder.only("down")[0][3])


@pytest.mark.virtual
async def test_a_node_that_cannot_have_enough_descriptors_does_not_listen(world: World) -> None:
    node = world.make("n1")
    limited(node, limit=40, others=20)
    with pytest.raises(TransportError, match="limit of open files is 40"):
        await node.transport.listen("n1", 0, insecure=True)
