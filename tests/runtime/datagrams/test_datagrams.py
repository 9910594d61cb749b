"""Messages in datagrams: what arrives, and what goes over the link instead."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from coterie.errors import InsecureBind, MessageTypeError
from coterie.runtime.actor import Actor
from coterie.runtime.datagrams.datagram_config import DatagramConfig
from coterie.runtime.hosts.host import Host
from coterie.runtime.hosts.real_host import RealHost
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.hosts.virtual.virtual_network import VirtualNetwork
from coterie.runtime.messages.message import message
from coterie.runtime.observing.dead_letters import Reason
from coterie.runtime.refs import Address
from coterie.runtime.system import System, SystemConfig
from coterie.testing import Systems
from coterie.testing.virtual_time import advance
from tests.runtime.datagrams.pairs import KEY, Keeper, Number, keyed

if TYPE_CHECKING:
    from tests.runtime.datagrams.pairs import Pair

KEEPER = Address("b", "keeper")


@message(name="datagrams.Stranger")
class Stranger:
    pass


@message(name="datagrams.Wide")
class Wide:
    fields: tuple[int, ...]


@pytest.mark.virtual
async def test_a_message_arrives_in_one_datagram(pair: Pair) -> None:
    frames = pair.a.stats().transport["items_out"]
    pair.tell(7)

    assert await pair.received() == [7]
    assert pair.a.stats().datagrams["sent"] == 1
    assert pair.b.stats().datagrams["delivered"] == 1
    assert pair.a.stats().transport["items_out"] == frames, "nothing went over the link"


@pytest.mark.virtual
async def test_datagrams_arrive_although_the_link_is_down(pair: Pair) -> None:
    pair.systems.network.reset("a")
    for _ in range(3):
        await asyncio.sleep(0)
    assert pair.a.links == pair.b.links == ()
    pair.tell(7)

    assert await pair.received() == [7]
    assert pair.a.stats().datagrams["sent"] == 1


@pytest.mark.virtual
async def test_a_partition_loses_them_and_nothing_is_repeated(pair: Pair) -> None:
    pair.systems.isolate("a")
    pair.tell(1)
    await advance(1)
    pair.systems.heal()
    pair.tell(2)

    assert await pair.received() == [2]


@pytest.mark.virtual
async def test_a_message_to_an_actor_of_the_same_system_is_a_local_message(pair: Pair) -> None:
    pair.a.datagrams.tell(Address("a", "keeper"), Number(7))

    assert await pair.received("a") == [7]
    assert {name: count for name, count in pair.a.stats().datagrams.items() if count} == {}


@pytest.mark.virtual
async def test_a_message_that_does_not_fit_goes_over_the_link(pair: Pair) -> None:
    pair.tell(7, padding=bytes(2000))

    assert await pair.received() == [7]
    assert (pair.a.stats().datagrams["sent"], pair.a.stats().datagrams["sent_by_link"]) == (0, 1)


@pytest.mark.virtual
@pytest.mark.parametrize("count", [0, 5, 200])
async def test_the_budget_is_what_fits_to_the_byte(pair: Pair, count: int) -> None:
    datagrams = pair.a.datagrams
    room = datagrams.budget_bytes(KEEPER, Number)
    size = datagrams.size_bytes(Number(count, bytes(1000)))
    fits = Number(count, bytes(1000 + room - size))
    packet = datagrams._packet(KEEPER, fits)

    assert packet is not None
    assert len(packet) == 1400
    assert datagrams.size_bytes(fits) == room
    assert datagrams._packet(KEEPER, Number(count, bytes(1001 + room - size))) is None


@pytest.mark.virtual
async def test_there_is_no_budget_where_there_are_no_datagrams(pair: Pair) -> None:
    assert pair.a.datagrams.budget_bytes(Address("c", "keeper"), Number) == 0


@pytest.mark.virtual
async def test_a_system_without_a_socket_uses_the_link() -> None:
    async with Systems("a", "b", make=keyed) as systems:
        a, b = systems["a"], systems["b"]
        keeper = b.spawn(Keeper, name="keeper")
        a.datagrams.tell(KEEPER, Number(7))
        await advance(0.1)
        cell = b.registry.cell_at(keeper.path)

        assert cell is not None
        assert cell.handled == 1
        assert not a.datagrams.is_open
        assert a.stats().datagrams == {}
        assert a.datagrams.stats()["sent_by_link"] == 1


@pytest.mark.virtual
async def test_a_peer_that_was_never_linked_gets_nothing_and_the_dead_letter_names_it(pair: Pair) -> None:
    pair.a.add_peer("c", "127.0.0.1", 9999)
    pair.a.datagrams.tell(Address("c", "keeper"), Number(7))

    assert pair.a.dead_letters.counts[Reason.UNREACHABLE] == 1


@pytest.mark.virtual
async def test_a_new_incarnation_gets_datagrams_with_numbers_from_one_again(pair: Pair) -> None:
    pair.tell(1)
    await advance(0.1)
    await pair.systems.kill("b")
    await pair.systems.start("b")
    pair.b = pair.systems["b"]
    pair.b.spawn(Keeper, name="keeper")
    await pair.systems.linked()
    pair.tell(2)

    assert await pair.received() == [2]
    assert pair.a.datagrams._receivers["b"].sequence == 1


@pytest.mark.virtual
async def test_the_same_incarnation_goes_on_counting_after_its_link_was_down(pair: Pair) -> None:
    pair.tell(1)
    await advance(0.1)
    pair.systems.network.reset("a")
    await pair.systems.linked()
    pair.tell(2)

    assert await pair.received() == [1, 2]
    assert pair.a.datagrams._receivers["b"].sequence == 2


@pytest.mark.virtual
async def test_a_message_for_an_actor_that_does_not_exist_is_a_dead_letter_there(pair: Pair) -> None:
    pair.a.datagrams.tell(Address("b", "nobody"), Number(7))
    await advance(0.1)

    assert pair.b.dead_letters.counts[Reason.NOT_FOUND] == 1
    assert pair.dropped == {}


@pytest.mark.virtual
async def test_what_cannot_be_sent_is_reported_as_by_an_ordinary_tell(pair: Pair) -> None:
    wrong: Any = "no number"
    pair.a.datagrams.tell(KEEPER, Number(wrong))
    with pytest.raises(MessageTypeError):
        pair.a.datagrams.tell(KEEPER, "no message")
    await advance(0.1)

    assert pair.a.dead_letters.counts[Reason.BAD_MESSAGE] + pair.b.dead_letters.counts[Reason.BAD_MESSAGE] == 1


@pytest.mark.virtual
async def test_a_full_mailbox_makes_dead_letters_as_any_tell_does(pair: Pair) -> None:
    pair.b.spawn(Keeper, name="small", capacity=1)
    queue = pair.b.run_queue
    assert queue.hold()
    for number in range(3):
        pair.a.datagrams.tell(Address("b", "small"), Number(number))
    await advance(0.1)
    queue.release()

    assert pair.b.dead_letters.counts[Reason.MAILBOX_FULL] == 2


@pytest.mark.virtual
async def test_a_system_that_has_stopped_sends_nothing_more() -> None:
    async with Systems("a", "b", make=keyed, datagrams=True) as systems:
        a = systems["a"]
        await systems.stop("a")
        a.datagrams.close()

        assert not a.datagrams.is_open


def with_config(config: DatagramConfig) -> Any:
    def make(node: str, host: Host) -> System:
        return System(node, cluster="test", host=host, config=SystemConfig(datagrams=config))

    return make


@pytest.mark.virtual
async def test_without_a_key_datagrams_arrive_and_the_system_says_that_they_prove_nothing() -> None:
    async with Systems("a", "b", make=with_config(DatagramConfig(max_bytes=256)), datagrams=True) as systems:
        a, b = systems["a"], systems["b"]
        b.spawn(Keeper, name="keeper")
        a.datagrams.tell(KEEPER, Number(7))
        a.datagrams.tell(KEEPER, Number(7, bytes(256)))
        await advance(0.1)

        assert b.stats().datagrams["delivered"] == 1
        assert a.stats().datagrams["sent_by_link"] == 1
        assert not a.datagrams.is_authenticated
        assert System(auth=KEY, host=VirtualHost()).datagrams.is_authenticated


# --- sockets


@pytest.mark.virtual
async def test_a_host_that_needs_security_is_refused_before_anything_is_bound() -> None:
    network = VirtualNetwork()
    # If it were bound, the error would be that the port is in use.
    await VirtualHost("b", network=network).network.open_datagrams(lambda data, source: None, "10.0.0.1", 7401)
    async with System("a", host=VirtualHost("a", network=network)) as system:
        with pytest.raises(InsecureBind):
            await system.listen("10.0.0.1", 7401, datagrams=True)

        assert not system.datagrams.is_open


@pytest.mark.virtual
async def test_if_the_port_is_taken_for_links_none_is_kept_for_datagrams() -> None:
    network = VirtualNetwork()
    await VirtualHost("b", network=network).network.listen(asyncio.Protocol, "127.0.0.1", 7401)
    async with System("a", host=VirtualHost("a", network=network)) as system:
        with pytest.raises(OSError, match="7401"):
            await system.listen("127.0.0.1", 7401, datagrams=True)
        assert not system.datagrams.is_open

        await VirtualHost("b", network=network).network.open_datagrams(lambda data, source: None, "127.0.0.1", 7401)
        with pytest.raises(OSError, match="7401"):
            await system.listen("127.0.0.1", 7401, datagrams=True)


@pytest.mark.virtual
async def test_a_free_port_is_free_for_links_and_datagrams() -> None:
    network = VirtualNetwork()
    other = VirtualHost("b", network=network).network
    taken = [await other.listen(asyncio.Protocol, "127.0.0.1", 0) for _ in range(3)]
    async with System("a", host=VirtualHost("a", network=network)) as system:
        address = await system.listen(datagrams=True)

        assert address not in [listener.address for listener in taken]
        assert system.datagrams._sockets[0].address == address


async def test_real_systems_tell_each_other_in_datagrams() -> None:
    async with (
        System("a", cluster="test", host=RealHost(), auth=KEY) as a,
        System("b", cluster="test", host=RealHost(), auth=KEY) as b,
    ):
        b.spawn(Keeper, name="keeper")
        a.add_peer("b", *await b.listen(datagrams=True))
        b.add_peer("a", *await a.listen(datagrams=True))
        await a.linked("b")
        async with asyncio.timeout(30):
            while b.stats().datagrams["delivered"] == 0:
                a.datagrams.tell(KEEPER, Number(7))
                await asyncio.sleep(0.01)

        assert a.stats().datagrams["sent_by_link"] == 0


@pytest.mark.virtual
async def test_an_actor_that_receives_a_datagram_runs_at_once(pair: Pair) -> None:
    class Notes(Actor[Number]):
        async def receive(self, msg: Number) -> None:
            notes.append(asyncio.get_running_loop().time())

    notes: list[float] = []
    pair.b.spawn(Notes, name="notes")
    pair.systems.network.latency_s = 0.25
    began_s = asyncio.get_running_loop().time()
    pair.a.datagrams.tell(Address("b", "notes"), Number(7))
    await advance(1)

    assert notes == [pytest.approx(began_s + 0.25)]
