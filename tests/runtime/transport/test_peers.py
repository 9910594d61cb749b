from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from coterie.errors import NodeUnreachable
from coterie.runtime.hosts.virtual.virtual_network import VirtualNetwork
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.transport import Peer, PeerRole

if TYPE_CHECKING:
    from tests.runtime.transport.conftest import Node, World

pytestmark = pytest.mark.virtual


async def test_a_short_outage_loses_nobody(world: World) -> None:
    a, b = await world.pair()
    world.network.partition("a", "b")
    await asyncio.sleep(4.4)
    world.network.heal()
    await asyncio.sleep(20.0)

    assert a.recorder.kinds() == ["up", "down", "up"]
    assert b.recorder.kinds() == ["up", "down", "up"]


async def test_a_node_out_of_reach_is_lost_in_time_and_only_once(world: World) -> None:
    a, _ = await world.pair()
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    world.network.partition("a", "b")

    await world.until(lambda: "lost" in a.recorder.kinds())
    # Silence counts as absence: 5 s after the last received byte, to the granularity of the keep-alives.
    assert 5.0 <= loop.time() - began_s <= 6.1
    await asyncio.sleep(60.0)

    assert a.recorder.kinds() == ["up", "down", "lost"]
    with pytest.raises(NodeUnreachable, match="it is lost"):
        a.transport.send("b", Lane.BULK, 1)


async def test_the_time_that_a_lost_node_is_out_of_reach_goes_on(world: World) -> None:
    a, _ = await world.pair()
    world.network.partition("a", "b")
    await world.until(lambda: "lost" in a.recorder.kinds())
    await asyncio.sleep(60.0)

    with pytest.raises(NodeUnreachable, match=r"has been down for 6\d\.\d s, it is lost"):
        a.transport.send("b", Lane.BULK, 1)


async def test_the_same_life_may_come_back_after_it_was_lost(world: World) -> None:
    a, b = await world.pair()
    world.network.partition("a", "b")
    await asyncio.sleep(20.0)
    world.network.heal()
    await world.linked(a, b)

    assert a.recorder.kinds() == ["up", "down", "lost", "up"]
    assert a.recorder.up["b"] == Peer("b", 2, PeerRole.NODE)


async def test_a_new_life_loses_the_old_one_before_it_is_up(world: World) -> None:
    a, b = await world.pair()
    await b.transport.close()
    again = await world.start("b", port=b.address[1])
    await world.linked(a, again)

    assert a.told == [
        ("up", "b", 2),
        ("down", "b", 2, "the peer closed the link"),
        ("lost", "b", 2, "it came back as a new incarnation"),
        ("up", "b", 3),
    ]


async def test_a_life_that_was_lost_already_is_not_lost_again_by_its_successor(world: World) -> None:
    a, b = await world.pair()
    await b.transport.close()
    await asyncio.sleep(10.0)
    again = await world.start("b", port=b.address[1])
    await world.linked(a, again)

    assert a.recorder.kinds() == ["up", "down", "lost", "up"]


async def test_a_new_life_ends_the_link_of_the_old_one_that_nobody_saw_die(world: World) -> None:
    b = await world.start("b")
    a = await world.start("a")
    a.transport.add_peer("b", *b.address)
    await world.linked(a, b)
    world.network.freeze("a")  # its machine lost power; its second life runs elsewhere
    again = await world.start("a", port=99, incarnation=77)
    second_host = world.network.for_node("a2")
    again.host._network = second_host  # type: ignore[attr-defined]
    again.transport.add_peer("b", *b.address)
    await world.linked(again)
    await world.until(lambda: b.recorder.up["a"].incarnation == 77)

    assert b.told == [
        ("up", "a", 2),
        ("down", "a", 2, "another incarnation of 'a' was linked; if both run, give one of them another name"),
        ("lost", "a", 2, "it came back as a new incarnation"),
        ("up", "a", 77),
    ]


async def test_a_superseded_life_never_comes_back(world: World) -> None:
    b = await world.start("b")
    old, new = world.make("a", incarnation=1001), world.make("a", incarnation=1002)
    b.transport.add_peer("a", "a", 1)
    old.transport.add_peer("b", *b.address)
    await world.linked(b, old)

    new.transport.add_peer("b", *b.address)  # two processes of one name
    await asyncio.sleep(30.0)

    assert [event for event in b.told if event[0] != "refused"] == [
        ("up", "a", 1001),
        ("down", "a", 1001, "another incarnation of 'a' was linked; if both run, give one of them another name"),
        ("lost", "a", 1001, "it came back as a new incarnation"),
        ("up", "a", 1002),
    ]
    assert new.recorder.kinds() == ["up"]
    assert "superseded: a newer incarnation of 'a' was linked" in str(old.recorder.only("refused")[0][2])


async def test_a_client_cannot_take_the_name_of_a_node(world: World) -> None:
    b = await world.start("b")
    b.transport.add_peer("a", "a", 1)
    impostor = world.make("a", role=PeerRole.CLIENT)

    impostor.transport.dial(*b.address)
    await asyncio.sleep(0.3)

    assert b.recorder.only("up") == []
    assert "name_taken: 'a' is the name of a node" in str(impostor.recorder.only("refused")[0][2])


async def test_lost_clients_are_forgotten(world: World) -> None:
    node = await world.start("n1")
    for number in range(20):
        client = world.make(f"client {number}", role=PeerRole.CLIENT, cluster="")
        client.transport.dial(*node.address)
        await world.linked(client)
        await client.transport.close()
    await asyncio.sleep(7.0)

    assert len(node.recorder.only("lost")) == 20
    assert node.transport._peers._entries == {}


async def test_both_may_dial_at_once_and_one_link_remains(world: World) -> None:
    a, b = await world.start("a"), await world.start("b")
    a.transport.dial(*b.address)
    b.transport.dial(*a.address)
    await asyncio.sleep(10.0)
    downs = a.recorder.kinds().count("down")
    await asyncio.sleep(60.0)

    assert a.transport.peers() == [Peer("b", 2, PeerRole.NODE)]
    assert b.transport.peers() == [Peer("a", 1, PeerRole.NODE)]
    assert (a.transport.stats()["connections"], b.transport.stats()["connections"]) == (2, 2)
    assert a.recorder.kinds().count("down") == downs  # it has settled


async def test_a_reconnect_that_overtakes_the_old_links_end_replaces_it(world: World) -> None:
    a, b = await world.pair()
    link = a.transport._links["b"]
    world.network.block("a", "b")  # b will not hear that a gave up …
    link.down("for a test")
    world.network.heal()
    await world.until(lambda: a.recorder.kinds().count("up") == 2)
    await asyncio.sleep(1.0)

    assert b.recorder.kinds() == ["up", "down", "up"]
    a.transport.send("b", Lane.BULK, "over the new link")
    await asyncio.sleep(0.1)
    assert b.items == ["over the new link"]


async def test_reconnects_are_counted(world: World) -> None:
    a, b = await world.pair()
    for _ in range(3):
        world.network.reset("a", "b")
        await asyncio.sleep(0.01)
        await world.linked(a, b)
    assert a.transport.stats()["reconnects"] == b.transport.stats()["reconnects"] == 3
    assert a.transport.stats()["links_up"] == 4


async def test_a_stall_of_our_own_loop_loses_nobody(world: World) -> None:
    a, b = await world.pair()
    loop = asyncio.get_running_loop()
    world.network.partition("a", "b")
    await world.until(lambda: "down" in a.recorder.kinds())
    world.network.heal()

    loop.clock.advance_to(loop.time() + 3600.0)  # type: ignore[attr-defined]
    await world.linked(a, b)

    assert a.recorder.kinds() == ["up", "down", "up"]


@pytest.mark.parametrize("seed", range(20))
async def test_when_both_ends_dial_both_keep_the_link_that_the_smaller_name_dialled(world: World, seed: int) -> None:
    rng = random.Random(seed)
    world.network = VirtualNetwork(latency_s=lambda _source, _target: rng.uniform(0.0001, 0.02))
    a, b = await world.start("a"), await world.start("b")

    a.transport.dial(*b.address)
    b.transport.dial(*a.address)
    await world.until(lambda: bool(a.recorder.up) and bool(b.recorder.up))
    await asyncio.sleep(5.0)
    settled = len(a.told), len(b.told)
    await asyncio.sleep(60.0)

    assert (len(a.told), len(b.told)) == settled, "it flaps"
    assert (a.transport.stats()["connections"], b.transport.stats()["connections"]) == (2, 2)
    assert a.recorder.up.keys() == {"b"}
    assert b.recorder.up.keys() == {"a"}
    dialled = a.transport._links["b"].is_dialled_by_us, b.transport._links["a"].is_dialled_by_us
    assert dialled in ((True, False), (False, True))
    a.transport.send("b", Lane.BULK, 1)
    b.transport.send("a", Lane.BULK, 2)
    await asyncio.sleep(0.1)
    assert (a.items, b.items) == ([2], [1])


async def test_of_two_links_that_cross_exactly_the_smaller_names_one_stays(world: World) -> None:
    a, b = await world.start("a"), await world.start("b")
    a.transport.dial(*b.address)
    b.transport.dial(*a.address)  # the same latency both ways: neither knows of the other's dial
    await asyncio.sleep(10.0)

    assert a.transport._links["b"].is_dialled_by_us
    assert not b.transport._links["a"].is_dialled_by_us
    assert a.recorder.kinds().count("up") <= 2


async def test_bytes_of_an_older_life_are_never_delivered_after_the_new_one_is_up(world: World) -> None:
    b = await world.start("b")
    a = await world.start("a")
    b.transport.add_peer("a", "a", 1)
    a.transport.add_peer("b", *b.address)
    await world.linked(a, b)
    world.network.freeze("a")
    a.transport.send("b", Lane.BULK, "stale")
    await asyncio.sleep(0.01)

    again = world.make("a", incarnation=77)
    again.host._network = world.network.for_node("a2")  # type: ignore[attr-defined]
    again.transport.add_peer("b", *b.address)
    await world.until(lambda: b.recorder.up.get("a") == Peer("a", 77, PeerRole.NODE))
    world.network.thaw("a")
    again.transport.send("b", Lane.BULK, "fresh")
    await asyncio.sleep(5.0)

    assert b.items == ["fresh"]


@pytest.mark.parametrize("incarnation", [2, 77])  # its own life again, and the next one
async def test_a_larger_name_that_dials_again_replaces_the_link_that_nobody_saw_die(
    world: World, incarnation: int
) -> None:
    a, b = await world.start("a"), await world.start("b")
    b.transport.dial(*a.address)
    await world.linked(a, b)
    world.network.freeze("b")
    await assert_linked_at_once(world, a, incarnation)


async def test_the_next_life_of_a_larger_name_replaces_the_link_that_we_dialled(world: World) -> None:
    a, b = await world.pair()  # a dials
    world.network.freeze("b")
    del b
    await assert_linked_at_once(world, a, 77)


async def assert_linked_at_once(world: World, a: Node, incarnation: int) -> None:
    """Let a life of b dial a, from elsewhere: it is linked before the older link can fall silent."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()

    again = world.make("b", incarnation=incarnation)
    again.host._network = world.network.for_node("b2")  # type: ignore[attr-defined]
    again.transport.dial(*a.address)
    await world.linked(again)
    await world.until(lambda: a.recorder.kinds().count("up") == 2)

    assert a.recorder.up["b"] == Peer("b", incarnation, PeerRole.NODE)
    assert loop.time() - began_s < 1.0


async def test_a_peer_that_is_removed_is_dialled_no_more_and_a_link_that_is_up_stays(world: World) -> None:
    a, b = await world.pair()
    a.transport.remove_peer("b")
    a.transport.remove_peer("nobody")
    assert a.transport.member_addresses == {}
    assert not a.transport._dialers
    a.transport.send("b", Lane.BULK, 1)
    await world.until(lambda: bool(b.items))

    await b.transport.close()
    await asyncio.sleep(30.0)
    assert a.recorder.kinds() == ["up", "down", "lost"]
