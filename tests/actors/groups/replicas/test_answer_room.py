"""Answers that wait for clients: all together are bounded, those that read nothing leave room, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgpack
import pytest

from coterie.actors.groups.group_messages import Execute, Refused
from coterie.actors.groups.key_value import Get, Put
from coterie.actors.groups.replicas.answer_room import ALL_ANSWER_BYTES, FREE_BYTES, AnswerRoom
from coterie.actors.groups.typed_commands import encode_command
from coterie.protocols.sessions import Done, Withheld, decode_reply, encode_plain
from coterie.runtime.observing.dead_letters import Reason
from coterie.runtime.refs import Address

pytestmark = pytest.mark.virtual

VALUE = bytes(400_000)
MIB = 1 << 20


class Links:
    """So many bytes wait for each link."""

    def __init__(self, **unsent_bytes: int) -> None:
        self._by_node = unsent_bytes

    def unsent_bytes(self, node: str) -> int:
        return self._by_node.get(node, 0)

    def all_unsent_bytes(self) -> Iterable[int]:
        return self._by_node.values()


@pytest.mark.parametrize(
    ("unsent", "given"),
    [
        ({}, 4 * MIB),
        ({"shop": 15 * MIB}, MIB),  # of 16 for one link
        ({"hog": 58 * MIB}, 3 * MIB),  # half of what is free: as much is free afterwards
        ({"hog": 63 * MIB, "shop": MIB}, FREE_BYTES),
    ],
)
def test_a_client_has_no_more_than_is_free_afterwards(unsent: dict[str, int], given: int) -> None:
    room = AnswerRoom(lambda: Links(**unsent), 16 * MIB)

    assert room.bytes_for("shop", 4 * MIB) == given
    assert room.bytes_for("shop", 1000) == 1000
    assert room.bytes_for(None, 4 * MIB) == 4 * MIB  # an actor of this node: nothing is sent


def test_a_client_that_reads_is_served_although_others_have_filled_the_room() -> None:
    room = AnswerRoom(lambda: Links(hog=ALL_ANSWER_BYTES, shop=FREE_BYTES, slow=2 * FREE_BYTES), 16 * MIB)

    assert [room.is_used_up(asker) for asker in ("hog", "slow")] == [True, True]
    assert [room.is_used_up(asker) for asker in ("shop", "new", None)] == [False, False, False]


async def test_clients_that_read_nothing_fill_no_memory_and_every_ask_is_answered(make_cluster: Any) -> None:
    """240 MB of answers, to clients to which nothing gets through for a while."""
    cluster = make_cluster()
    await cluster.start()
    clients = [await cluster.client() for _ in range(6)]
    await clients[0].group("store").execute(Put(b"k", VALUE))
    leader = await cluster.leader_of("store")
    transport = cluster[leader].system.remoting.transport
    read = Execute(encode_plain(encode_command(Get(b"k"), msgpack.Packer().pack)))
    for client in clients:
        cluster.network.block(leader, client.system.node)

    at_once = [client.system.at(Address(leader, "store")).ask(read, timeout_s=30.0) for client in clients * 100]
    peak_bytes = peak_of_one = 0
    for _ in range(200):
        await asyncio.sleep(0.01)
        unsent = list(transport.all_unsent_bytes())
        peak_bytes, peak_of_one = max(peak_bytes, sum(unsent)), max(peak_of_one, *unsent)
    for client in clients:
        cluster.network.unblock(leader, client.system.node)
    answers = Counter(_kind(answer) for answer in await asyncio.gather(*at_once))

    assert ALL_ANSWER_BYTES / 2 < peak_bytes <= ALL_ANSWER_BYTES
    assert peak_of_one <= cluster[leader].system.config.transport.outbound_limit_bytes
    assert sum(answers.values()) == 600
    assert answers[Done] > 60
    assert answers[Withheld] + answers[Refused] > 300
    assert Reason.OUTBOUND_FULL not in lost(cluster[leader])


def lost(node: Any) -> set[Reason]:
    return {letter.reason for letter in node.system.dead_letters.latest}


def _kind(answer: bytes | Refused) -> type[object]:
    if isinstance(answer, Refused):
        assert answer.reason == "overloaded"
        return Refused
    return type(decode_reply(answer))


async def test_handles_get_every_reply_although_the_answers_waited(make_cluster: Any) -> None:
    cluster = make_cluster()
    await cluster.start()
    clients = [await cluster.client() for _ in range(8)]
    await clients[0].group("store").execute(Put(b"k", VALUE))
    leader = await cluster.leader_of("store")
    for client in clients:
        await client.group("store").execute(Get(b"k"))
        cluster.network.block(leader, client.system.node)

    reads = [asyncio.ensure_future(client.group("store").execute(Get(b"k"), timeout_s=30.0)) for client in clients * 50]
    await asyncio.sleep(1.5)
    for client in clients:
        cluster.network.unblock(leader, client.system.node)

    assert await asyncio.gather(*reads) == [VALUE] * 400
    assert Reason.OUTBOUND_FULL not in lost(cluster[leader])
    assert await cluster.leader_of("store") == leader
