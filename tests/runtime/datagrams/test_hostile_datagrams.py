"""Datagrams of somebody who wants to be believed: each is dropped, counted by its reason, and never answered."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from coterie.runtime.datagrams.authentication import DatagramAuthentication
from coterie.runtime.datagrams.datagram_format import Datagram, ProcessName, encode_header, pack_body, parse
from coterie.runtime.datagrams.dropped_datagrams import REMIND_S
from coterie.runtime.observing.actor_events import Event
from coterie.runtime.observing.dead_letters import Reason
from coterie.runtime.refs import Address
from coterie.runtime.transport.handshake.identity import Peer, PeerRole
from coterie.runtime.transport.handshake.shared_key import SharedKey
from coterie.runtime.transport.peers import _PeerEntry
from coterie.testing.virtual_time import advance
from tests.runtime.datagrams.pairs import KEY, Number, keyed

if TYPE_CHECKING:
    from tests.runtime.datagrams.pairs import Pair

pytestmark = pytest.mark.virtual

OURS = DatagramAuthentication(KEY)
A_STRANGERS = DatagramAuthentication(SharedKey(b"a key that no node of ours has"))
BODY = pack_body("keeper", "datagrams.Number", (7, b""))


def made(pair: Pair, body: bytes = BODY, seal: DatagramAuthentication = OURS, **changes: object) -> bytes:
    """Return a datagram from a to b with some header fields changed, and a code by `seal`."""
    fields: dict[str, object] = {
        "cluster": "test",
        "sender": ProcessName("a", pair.a.incarnation),
        "receiver": ProcessName("b", pair.b.incarnation),
        "sequence": 1,
        **changes,
    }
    covered = encode_header(**fields) + body  # type: ignore[arg-type] # as many types as fields
    return covered + seal.code(covered)


async def test_a_datagram_made_with_the_key_is_believed(pair: Pair) -> None:
    pair.inject(made(pair))

    assert await pair.received() == [7]


FORGERIES: dict[str, tuple[str, Callable[[Pair], bytes]]] = {
    "another cluster": ("foreign_cluster", lambda pair: made(pair, cluster="other")),
    "another node": ("not_for_us", lambda pair: made(pair, receiver=ProcessName("c", pair.b.incarnation))),
    "an earlier life": ("not_for_us", lambda pair: made(pair, receiver=ProcessName("b", 1))),
    "a reflection": (
        "not_for_us",
        lambda pair: made(
            pair, sender=ProcessName("b", pair.b.incarnation), receiver=ProcessName("a", pair.a.incarnation)
        ),
    ),
    "from ourselves": ("unknown_peer", lambda pair: made(pair, sender=ProcessName("b", pair.b.incarnation))),
    "from a stranger": ("unknown_peer", lambda pair: made(pair, sender=ProcessName("c", 1))),
    "from an earlier life": ("old_incarnation", lambda pair: made(pair, sender=ProcessName("a", 1))),
    "number zero": ("replayed", lambda pair: made(pair, sequence=0)),
    "a stranger's key": ("forged", lambda pair: made(pair, seal=A_STRANGERS)),
    "no key": ("forged", lambda pair: made(pair, seal=DatagramAuthentication(None))),
    "another version": ("version", lambda pair: b"\xc0dg\x02" + made(pair)[4:]),
    "a body that is no MessagePack": ("bad_message", lambda pair: made(pair, b"\xc1")),
    "an unknown type": ("bad_message", lambda pair: made(pair, pack_body("keeper", "some.Type", (7,)))),
    "a bad field": ("bad_message", lambda pair: made(pair, pack_body("keeper", "datagrams.Number", ("7",)))),
    "a missing field": ("bad_message", lambda pair: made(pair, pack_body("keeper", "datagrams.Number", ()))),
    "a long path": ("bad_message", lambda pair: made(pair, pack_body("x" * 1025, "datagrams.Number", (7,)))),
    "a type that the actor does not take": (
        "bad_message",
        lambda pair: made(pair, pack_body("keeper", "coterie.runtime.actor.Terminated", ((1,), "x"))),
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
async def test_a_datagram_is_dropped_for_the_first_thing_that_is_wrong(pair: Pair, name: str) -> None:
    reason, forge = FORGERIES[name]
    pair.inject(forge(pair))

    assert await pair.received() == []
    assert pair.dropped == {reason: 1}
    assert pair.b.dead_letters.total == (reason == "bad_message")


async def test_a_replay_is_dropped_whenever_it_comes(pair: Pair) -> None:
    packet = pair.packet(1)
    pair.inject(packet)
    pair.inject(packet)
    pair.systems.network.reset("a")
    await pair.systems.linked()
    pair.inject(packet)
    pair.systems.isolate("b")
    await advance(60)
    pair.systems.heal()
    await pair.systems.linked()
    pair.inject(packet)

    assert await pair.received() == [1]
    assert pair.dropped == {"replayed": 3}


async def test_a_datagram_that_is_overtaken_by_many_is_late_and_not_a_replay(pair: Pair) -> None:
    packets = [pair.packet(number) for number in range(1025)]
    for packet in reversed(packets):
        pair.inject(packet)

    assert sorted(await pair.received()) == list(range(1, 1025)), "the first was overtaken by 1024"
    assert pair.dropped == {"replayed": 1}


async def test_a_datagram_of_an_earlier_process_of_the_peer_is_dropped(pair: Pair) -> None:
    packet = pair.packet()
    await pair.systems.kill("a")
    await pair.systems.start("a")
    await pair.systems.linked()
    pair.inject(packet)

    assert await pair.received() == []
    assert pair.dropped == {"old_incarnation": 1}


async def test_a_datagram_for_an_earlier_process_of_this_node_is_dropped(pair: Pair) -> None:
    packet = pair.packet()
    await pair.systems.kill("b")
    await pair.systems.start("b")
    pair.b = pair.systems["b"]
    await pair.systems.linked()
    pair.inject(packet)
    await advance(0.1)

    assert pair.dropped == {"not_for_us": 1}


async def test_a_node_that_this_program_has_not_added_is_not_believed_although_it_is_linked(pair: Pair) -> None:
    async with keyed("aa", pair.systems.host("aa")) as stranger:
        await stranger.listen(datagrams=True)
        host, _, port = pair.systems.addresses["b"].rpartition(":")
        stranger.add_peer("b", host, int(port))
        await stranger.linked("b")
        stranger.datagrams.tell(Address("b", "keeper"), Number(7))

        assert await pair.received() == []
        assert pair.dropped == {"unknown_peer": 1}


async def test_a_client_is_not_believed_even_with_the_key(pair: Pair) -> None:
    # It has the name of a node that is added only later, when no handshake was made as a node.
    pair.b.remoting.transport._peers._entries["c"] = _entry_of_a_client()  # type: ignore[union-attr]
    pair.inject(made(pair, sender=ProcessName("c", 3)))

    assert pair.dropped == {"unknown_peer": 1}


def _entry_of_a_client() -> _PeerEntry:
    return _PeerEntry(address=("127.0.0.1", 1), peer=Peer("c", 3, PeerRole.CLIENT))


async def test_every_flipped_bit_is_seen(pair: Pair) -> None:
    packet = pair.packet()
    for bit in range(8 * len(packet)):
        damaged = bytearray(packet)
        damaged[bit // 8] ^= 1 << bit % 8
        pair.inject(bytes(damaged))

    assert await pair.received() == []
    assert sum(pair.dropped.values()) == 8 * len(packet)
    assert "bad_message" not in pair.dropped, "nothing is decoded before its code was checked"


async def test_what_was_dropped_does_not_move_the_window(pair: Pair) -> None:
    pair.inject(made(pair, seal=A_STRANGERS, sequence=2**64 - 1))
    pair.inject(made(pair, sequence=1))

    assert await pair.received() == [7]


async def test_random_bytes_are_never_delivered_and_never_raise(pair: Pair) -> None:
    rng = random.Random(3)
    packet = pair.packet()
    for _ in range(5000):
        kept = packet[: rng.choice((0, 4, 31, len(packet) - 16))]
        pair.inject(kept + rng.randbytes(rng.randint(0, 60)))

    assert await pair.received() == []
    assert sum(pair.dropped.values()) == 5000
    assert "bad_message" not in pair.dropped


async def test_random_bodies_with_the_right_code_never_raise(pair: Pair) -> None:
    rng = random.Random(4)
    for sequence in range(1, 3000):
        body = bytearray(BODY)
        for _ in range(rng.randint(1, 4)):
            body[rng.randrange(len(body))] = rng.randrange(256)
        pair.inject(made(pair, bytes(body), sequence=sequence))

    assert set(pair.dropped) <= {"bad_message"}
    assert pair.b.stats().datagrams["delivered"] + pair.dropped["bad_message"] == 2999


async def test_nothing_that_is_dropped_is_answered(pair: Pair) -> None:
    received: list[bytes] = []
    network = pair.systems.host("enemy").network
    enemy = await network.open_datagrams(lambda data, source: received.append(data), "127.0.0.1", 666)
    host, _, port = pair.systems.addresses["b"].rpartition(":")
    for _, forge in FORGERIES.values():
        enemy.send(forge(pair), (host, int(port)))
    await advance(10)

    assert received == []
    assert sum(pair.dropped.values()) == len(FORGERIES)


async def test_a_reason_is_reported_once_a_minute_with_the_number_since(pair: Pair) -> None:
    events: list[Event] = []
    pair.b.events.subscribe(events.append)
    for _ in range(100):
        pair.inject(b"garbage")
    pair.inject(made(pair, seal=A_STRANGERS))
    await advance(REMIND_S)
    pair.inject(b"garbage")

    assert [(event.name, event.facts["reason"], event.facts["times"]) for event in events] == [
        ("datagram.dropped", "garbage", 1),
        ("datagram.dropped", "forged", 1),
        ("datagram.dropped", "garbage", 100),
    ]
    assert events[0].facts["source"] == "10.6.6.6:666"


async def test_a_bad_message_is_a_dead_letter_that_names_its_sender_and_the_field(pair: Pair) -> None:
    pair.inject(made(pair, pack_body("keeper", "datagrams.Number", ("7",))))

    (letter,) = pair.b.dead_letters.latest
    assert (letter.reason, letter.target) == (Reason.BAD_MESSAGE, "from a")
    assert "field 'value': expected int" in letter.detail


async def test_a_datagram_whose_code_is_of_a_key_that_is_going_out_of_use_is_believed(pair: Pair) -> None:
    old = b"the key that is going out of use"
    pair.b.datagrams._incoming._authentication = DatagramAuthentication(SharedKey(KEY.key, also=(old,)))
    pair.inject(made(pair, seal=DatagramAuthentication(SharedKey(old))))

    assert await pair.received() == [7]


async def test_a_parsed_datagram_shows_no_key(pair: Pair) -> None:
    parsed = parse(pair.packet())

    assert isinstance(parsed, Datagram)
    assert KEY.key not in repr(replace(parsed)).encode()
