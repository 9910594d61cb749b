from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

import pytest

from coterie.errors import HandshakeRefused
from coterie.runtime.transport import Peer, PeerRole, SharedKey, TransportConfig
from coterie.runtime.transport.framing.frames import FrameEncoder
from coterie.runtime.transport.handshake.handshake_messages import RefusalReason, refuse

if TYPE_CHECKING:
    from collections.abc import Callable

    from coterie.runtime.hosts.virtual.virtual_network import NodeNetwork
    from tests.runtime.transport.conftest import Node, World

pytestmark = pytest.mark.virtual


def dial_times(node: Node) -> list[float]:
    """Return a list that will hold the time of each connect of `node` (s)."""
    network: NodeNetwork = node.host.network  # type: ignore[assignment]
    connect, times = network.connect, []
    loop = asyncio.get_running_loop()

    async def recorded(factory: Callable[[], asyncio.Protocol], host: str, port: int) -> None:
        times.append(loop.time())
        await connect(factory, host, port)

    network.connect = recorded  # type: ignore[method-assign]
    return times


async def test_smaller_name_dials_and_larger_one_waits(world: World) -> None:
    a, b = await world.start("a"), await world.start("b")
    times_a, times_b = dial_times(a), dial_times(b)
    a.transport.add_peer("b", *b.address)
    b.transport.add_peer("a", *a.address)
    await world.linked(a, b)
    await asyncio.sleep(10.0)

    assert (len(times_a), len(times_b)) == (2, 0)


async def test_back_off_grows_to_its_cap_with_jitter(world: World) -> None:
    a = await world.start("a")
    times = dial_times(a)
    a.transport.add_peer("b", "b", 9)  # nobody is there
    await asyncio.sleep(60.0)

    pauses = [after - before - 0.001 for before, after in itertools.pairwise(times)]  # a round trip takes 1 ms
    for full_s, pause_s in zip([0.05, 0.1, 0.2, 0.4, 0.8] + [1.0] * 1000, pauses, strict=False):
        assert full_s / 2 - 1e-6 <= pause_s <= full_s + 1e-6
    assert len({round(pause_s, 6) for pause_s in pauses[5:]}) > 20
    assert 60 <= len(times) <= 130
    assert a.transport.stats()["failed_dials"] == len(times)


async def test_after_a_link_that_lasted_the_first_pause_is_short_again(world: World) -> None:
    a, b = await world.start("a"), await world.start("b")
    a.transport.add_peer("b", "b", b.address[1])
    world.network.partition("a", "b")
    await asyncio.sleep(20.0)
    world.network.heal()
    await world.linked(a, b)
    await asyncio.sleep(2.0)
    times, loop = dial_times(a), asyncio.get_running_loop()

    broken_s = loop.time()
    world.network.reset("a", "b")
    await world.until(lambda: bool(times))

    assert times[0] - broken_s <= 0.052


async def test_a_peer_that_accepts_and_drops_is_not_hammered(world: World) -> None:
    a = await world.start("a")

    class Dropper(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            transport.close()

    await world.network.for_node("b").listen(Dropper, "b", 5)
    times = dial_times(a)
    a.transport.add_peer("b", "b", 5)
    await asyncio.sleep(30.0)

    assert len(times) <= 70
    assert "incomplete: the other end closed it" in str(a.recorder.only("refused")[0][2])


async def test_a_link_that_breaks_at_once_again_and_again_is_not_hammered(world: World) -> None:
    a, b = await world.pair()
    told = b.recorder.link_up

    def break_it(peer: Peer) -> None:
        told(peer)
        asyncio.get_running_loop().call_soon(b.transport._links[peer.node].down, "for a test")

    b.recorder.link_up = break_it  # type: ignore[method-assign]
    world.network.reset("a", "b")
    await asyncio.sleep(30.0)

    assert 20 <= a.recorder.kinds().count("up") <= 80


async def test_a_port_that_never_answers_is_given_up_in_time(world: World) -> None:
    a = await world.start("a")
    await world.network.for_node("b").listen(asyncio.Protocol, "b", 5)
    a.transport.add_peer("b", "b", 5)
    await asyncio.sleep(2.1)

    assert a.told == [("refused", "b:5", "incomplete: no link was made within 2.0 s")]


async def test_a_second_connection_that_fails_takes_the_first_with_it(world: World) -> None:
    a, b = await world.start("a"), await world.start("b")
    network: NodeNetwork = a.host.network  # type: ignore[assignment]
    connect, calls = network.connect, itertools.count()

    async def works_once(factory: Callable[[], asyncio.Protocol], host: str, port: int) -> None:
        if next(calls):
            raise ConnectionRefusedError
        await connect(factory, host, port)

    network.connect = works_once  # type: ignore[method-assign]
    a.transport.add_peer("b", *b.address)
    await world.until(lambda: a.transport.stats()["failed_dials"] > 0)
    await asyncio.sleep(0.01)  # well before either side's timeout

    assert (a.transport.stats()["connections"], b.transport.stats()["connections"]) == (0, 0)


async def test_a_connect_that_hangs_is_given_up_in_time(world: World) -> None:
    a, b = await world.start("a"), await world.start("b")
    world.network.partition("a", "b")
    a.transport.add_peer("b", *b.address)
    await asyncio.sleep(2.1)
    assert a.transport.stats()["failed_dials"] == 1
    world.network.heal()
    await world.linked(a, b)


async def test_a_stopped_node_is_linked_when_it_goes_on(world: World) -> None:
    a, b = await world.start("a"), await world.start("b")
    world.network.freeze("b")
    a.transport.add_peer("b", *b.address)
    await asyncio.sleep(30.0)
    assert a.recorder.only("up") == []

    world.network.thaw("b")
    await world.linked(a, b)
    await asyncio.sleep(10.0)

    assert a.recorder.kinds()[-1] == "up"
    assert b.transport.stats()["connections"] == 2


async def test_the_wrong_node_at_an_address_is_refused(world: World) -> None:
    a, c = await world.start("a"), await world.start("c")
    a.transport.add_peer("b", *c.address)
    await asyncio.sleep(0.1)

    assert "wrong_node: 'a' expected node 'b' here; this is 'c'" in str(a.recorder.only("refused")[0][2])
    assert "wrong_node" in str(c.recorder.only("refused")[0][2])
    assert a.recorder.only("up") == []


async def test_another_cluster_is_refused_at_both_ends(world: World) -> None:
    a, b = await world.start("a"), await world.start("b", cluster="other")
    a.transport.add_peer("b", *b.address)
    await asyncio.sleep(0.1)

    assert "wrong_cluster: 'b' belongs to cluster 'other', 'a' to 'test'" in str(a.recorder.only("refused")[0][2])
    assert a.transport.stats()["refused_handshakes"] == b.transport.stats()["refused_handshakes"] > 0
    assert ({*a.recorder.dialled}, {*b.recorder.dialled}) == ({True}, {False})


class Liar(asyncio.Protocol):
    """Refuses every dialer with the claim that it dialled itself."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        reply = refuse(RefusalReason.DIALLED_SELF, "it is you").reply
        assert reply is not None
        transport.write(FrameEncoder().encode(reply))


async def test_who_is_told_by_a_stranger_that_he_dialled_himself_goes_on(world: World) -> None:
    a = await world.start("a")
    liar = await world.network.for_node("b").listen(Liar, "b", 5)
    a.transport.add_peer("b", "b", 5)
    await world.until(lambda: bool(a.recorder.only("refused")))

    liar.close()
    b = await world.start("b", port=5)
    b.transport.add_peer("a", *a.address)
    await world.linked(a, b)


async def test_a_client_without_a_place_dials_less_and_less_often_until_there_is_one(world: World) -> None:
    node = await world.start("n", config=TransportConfig(connections_max=2))
    first, second = (world.make(name, role=PeerRole.CLIENT) for name in ("c1", "c2"))
    first.transport.dial(*node.address)
    await world.linked(first)
    second.transport.dial(*node.address)
    await asyncio.sleep(60.0)

    assert 7 <= len(second.recorder.only("refused")) <= 16  # 60 of them with the usual cap of 1 s
    await first.transport.close()
    await asyncio.sleep(10.1)
    assert list(second.recorder.up) == ["n"]


async def test_a_node_that_dials_itself_stops(world: World) -> None:
    a = await world.start("a")
    times = dial_times(a)
    a.transport.dial(*a.address)
    await asyncio.sleep(60.0)

    assert len(times) == 1
    assert "dialled_self" in str(a.recorder.only("refused")[0][2])


async def test_a_client_belongs_to_the_first_cluster_that_welcomed_it(world: World) -> None:
    one, other = await world.start("n1", cluster="one"), await world.start("n2", cluster="other")
    client = world.make("visitor", role=PeerRole.CLIENT, cluster="")
    client.transport.dial(*one.address)
    client.transport.dial(*other.address)  # at the same moment
    await asyncio.sleep(5.0)

    assert client.transport.identity.cluster in {"one", "other"}
    assert len(client.transport.peers()) == 1


async def test_two_addresses_of_one_node_make_one_link(world: World) -> None:
    node = await world.start("n1")
    second = await node.transport.listen("elsewhere", 5, insecure=True)
    client = world.make("visitor", role=PeerRole.CLIENT)
    client.transport.dial(*node.address)
    await world.linked(client)
    client.transport.dial(*second)
    await asyncio.sleep(5.0)
    settled = len(client.told)
    await asyncio.sleep(60.0)

    assert len(client.transport.peers()) == 1
    assert client.transport.stats()["connections"] == 2
    assert len(client.told) == settled


async def test_a_peer_added_again_elsewhere_is_dialled_there(world: World) -> None:
    a, b = await world.start("a"), await world.start("b")
    times = dial_times(a)
    a.transport.add_peer("b", "nowhere", 1)
    a.transport.add_peer("b", "nowhere", 1)  # nothing new
    await asyncio.sleep(5.0)
    assert a.recorder.only("up") == []
    a.transport.add_peer("b", *b.address)
    await world.linked(a, b)
    count = len(times)
    await asyncio.sleep(10.0)

    assert len(times) == count


async def test_a_dialer_that_is_replaced_leaves_others_on_the_same_link_alone(world: World) -> None:
    a, b = await world.start("a"), await world.start("b")
    a.transport.add_peer("b", *b.address)
    await world.linked(a, b)
    a.transport.dial(*b.address)
    await asyncio.sleep(5.0)  # both wait for the end of one link

    a.transport.add_peer("b", "nowhere", 1)
    await asyncio.sleep(1.0)
    world.network.reset("a", "b")
    await asyncio.sleep(5.0)

    assert a.recorder.kinds()[-1] == "up"


async def test_a_dialer_that_fails_unexpectedly_is_not_silent(world: World) -> None:
    a = await world.start("a", config=TransportConfig())
    seen: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context))

    async def broken(factory: object, host: str, port: int) -> None:
        raise ZeroDivisionError

    a.host.network.connect = broken  # type: ignore[method-assign]
    a.transport.add_peer("b", "b", 1)
    await asyncio.sleep(0.1)

    assert [type(context["exception"]) for context in seen] == [ZeroDivisionError]
    assert "will not dial again" in str(seen[0]["message"])


async def test_an_address_is_tried_without_a_link_and_the_other_end_reports_nothing(world: World) -> None:
    a, b = await world.start("a"), await world.start("b", store="b" * 32)

    peer = await a.transport.try_address(*b.address)
    await asyncio.sleep(10.0)

    assert (peer.node, peer.store) == ("b", "b" * 32)
    assert (a.told, b.told) == ([], [])
    assert not b.transport._shared.connections


async def test_a_link_stays_while_its_address_is_tried(world: World) -> None:
    a, b = await world.pair()

    for _ in range(3):
        assert (await a.transport.try_address(*b.address)).node == "b"
    await asyncio.sleep(10.0)

    assert (a.recorder.kinds().count("down"), b.recorder.kinds().count("down")) == (0, 0)


async def test_who_does_not_know_the_key_is_not_believed_when_an_address_is_tried(world: World) -> None:
    a = await world.start("a", auth=SharedKey(b"k" * 32))
    b = await world.start("b", auth=SharedKey(b"x" * 32))

    with pytest.raises(HandshakeRefused, match="wrong_key"):
        await a.transport.try_address(*b.address)
    with pytest.raises(ConnectionRefusedError):
        await a.transport.try_address("b", 9)
