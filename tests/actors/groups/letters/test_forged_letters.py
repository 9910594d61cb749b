"""Letters that are right in everything but who sends them: a client, or a member under the name of another."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from coterie.actors.groups.group_messages import WatchLeader
from coterie.actors.groups.raft_actor import RaftActor
from coterie.actors.groups.replicas.leader_announcements import WATCHERS_MAX
from coterie.actors.wire_names import RaftPeerMessage, RegisterStore, StoreAccused
from coterie.protocols.raft.raft_messages import AppendEntries, RequestVote, Round
from coterie.protocols.replicated_log import Entry, EntryKind, LogIndex, Term
from coterie.runtime.actor import Terminated
from coterie.runtime.refs import Address, Ref

pytestmark = pytest.mark.virtual

HIGH = Term(2**64 - 1)


def actor_of(cluster: Any, node: str) -> RaftActor:
    actor = cluster[node].system.registry.cell_at("store").actor
    assert isinstance(actor, RaftActor)
    return actor


def letters_of(cluster: Any, sender: str, leader_term: Term) -> list[RaftPeerMessage]:
    """Return letters as `sender` would write them, that would do harm if they were heard."""
    identity = actor_of(cluster, sender)._letters.identity
    term = Term(leader_term + 1)
    entry = Entry(LogIndex(2), term, EntryKind.COMMAND, b"\x00forged", 0)
    bodies: list[RequestVote | AppendEntries] = [
        RequestVote(HIGH, LogIndex(10**9), HIGH),
        AppendEntries(term, Round(1), LogIndex(1), Term(0), LogIndex(2), (entry,)),
        AppendEntries(HIGH, Round(1), LogIndex(0), Term(0), LogIndex(10**9), ()),
    ]
    return [RaftPeerMessage(sender, identity, body) for body in bodies]


async def terms_of(cluster: Any) -> dict[str, int]:
    await asyncio.sleep(3)
    return {node: actor_of(cluster, node)._raft.term for node in cluster}


async def test_a_client_is_no_voter(cluster: Any) -> None:
    client = await cluster.client()
    store = client.key_value("store")
    await store.put(b"balance", b"100")
    leader = await cluster.leader_of("store")
    before = await terms_of(cluster)

    for node in cluster:
        target: Ref[Any] = client.actor("store", node=node)
        for sender in cluster:
            for forged in letters_of(cluster, sender, Term(before[leader])):
                target.tell(forged)
            target.tell(RegisterStore(sender, "f" * 32, b""))
            target.tell(StoreAccused(sender, actor_of(cluster, node)._store.store_id, 2**60, 1))
        target.tell(Terminated(target, "forged"))

    assert await terms_of(cluster) == before
    assert await store.get(b"balance") == b"100"
    assert await cluster.leader_of("store") == leader
    for node in cluster:
        assert cluster[node].system.stats().dead_letters["not_exported"] >= 15
        assert cluster[node].system.stats().failures == 0


async def test_a_member_does_not_speak_for_another(cluster: Any) -> None:
    store = (await cluster.client()).key_value("store")
    await store.put(b"balance", b"100")
    leader = await cluster.leader_of("store")
    liar, target = (node for node in cluster if node != leader)
    before = await terms_of(cluster)

    ref: Ref[Any] = cluster[liar].actor("store", node=target)
    for forged in letters_of(cluster, leader, Term(before[leader])):
        ref.tell(forged)

    assert await terms_of(cluster) == before
    assert await store.get(b"balance") == b"100"
    details = [letter.detail for letter in cluster[target].system.dead_letters.latest]
    assert f"{liar!r} bears the name {leader!r}" in details[-1]


async def test_a_client_cannot_fill_the_table_of_watchers(cluster: Any) -> None:
    client = await cluster.client()
    await client.key_value("store").put(b"k", b"v")
    leader = await cluster.leader_of("store")
    target: Ref[Any] = client.actor("store", node=leader)
    own = client.system.node
    for number in range(200):
        for node, path in ((own, f"w{number}"), (f"nowhere{number}", "w"), (leader, f"w{number}")):
            target.tell(WatchLeader(client.system.at(Address(node, path))))
    await asyncio.sleep(1)

    watchers = actor_of(cluster, leader)._leaders._watchers
    assert own in watchers
    assert not [node for node in watchers if node.startswith("nowhere")]
    assert max(map(len, watchers.values())) <= WATCHERS_MAX
    others = [ref for node, refs in watchers.items() if node != own for ref in refs]
    assert not [ref for ref in others if ref.path.startswith("w")], "a client names only itself"
    assert cluster[leader].system.stats().failures == 0
