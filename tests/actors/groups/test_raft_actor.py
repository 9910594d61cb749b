"""One node of a Raft group as an actor: every caller gets an answer, a crash loses nothing, damage ends it."""

from __future__ import annotations

import asyncio
import struct
from functools import partial
from typing import Any

import msgpack
import pytest

from coterie import KeyValue, Topology
from coterie.actors.groups.group_messages import Execute, LeaderIs, Refused, ReportStatus, Unsettled, WatchLeader
from coterie.actors.groups.key_value import CompareAndSwap, Get, Increment, Scan
from coterie.actors.groups.typed_commands import encode_command
from coterie.errors import ActorStopped, UnsupportedFormat
from coterie.protocols.raft.raft_config import RaftConfig
from coterie.protocols.replicated_log import EntryKind
from coterie.protocols.sessions import Done, Malformed, decode_replies, encode_batch, encode_plain
from coterie.runtime.actor import Actor
from coterie.runtime.refs import Address, Ref
from coterie.runtime.storage.log_store import Record, Write

pytestmark = pytest.mark.virtual


def actor_of(cluster: Any, name: str) -> Ref[Any]:
    ref: Ref[Any] = cluster[name].system.at(Address(name, "store"))
    return ref


def cell_of(cluster: Any, name: str) -> Any:
    return cluster[name].system.registry.cell_at("store")


READ = encode_plain(encode_command(Scan(b"n", 1), msgpack.Packer().pack))


def make(topology_config: Any = RaftConfig, nodes: int = 3) -> Topology:
    topology = Topology("test", nodes=[f"n{number}" for number in range(1, nodes + 1)])
    topology.raft("store", machine=KeyValue, config=topology_config)
    return topology


def cut_off(cluster: Any, name: str) -> None:
    for other in cluster:
        if other != name:
            cluster.network.partition(name, other)


# Answers.


async def test_a_follower_refuses_and_names_the_leader(cluster: Any) -> None:
    leader = await cluster.leader_of("store")
    follower = next(name for name in cluster if name != leader)

    answer = await actor_of(cluster, follower).ask(Execute(READ))

    assert answer == Refused("not_leader", leader)


async def test_a_leader_that_loses_its_quorum_answers_unsettled(cluster: Any) -> None:
    leader = await cluster.leader_of("store")
    cut_off(cluster, leader)

    answer = await actor_of(cluster, leader).ask(Execute(READ))

    assert answer == Unsettled("leadership_lost", None)


async def test_who_waits_when_the_actor_stops_is_answered_unsettled(cluster: Any) -> None:
    leader = await cluster.leader_of("store")
    cut_off(cluster, leader)
    waiting = actor_of(cluster, leader).ask(Execute(READ))
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    await cluster[leader].system.stop(cell_of(cluster, leader).ref)

    assert await waiting == Unsettled("stopped", None)


async def test_too_much_in_flight_is_refused_as_overloaded_by_the_leader(make_cluster: Any) -> None:
    cluster = make_cluster(make(partial(RaftConfig, max_uncommitted_entries=4)))
    await cluster.start()
    leader = await cluster.leader_of("store")
    cut_off(cluster, leader)

    answers = await asyncio.gather(*(actor_of(cluster, leader).ask(Execute(READ)) for _ in range(6)))

    assert answers[-2:] == [Refused("overloaded", leader)] * 2
    assert all(isinstance(answer, Unsettled) for answer in answers[:4])


async def test_a_batch_is_one_entry_and_each_of_its_commands_gets_its_reply(cluster: Any) -> None:
    actor = actor_of(cluster, await cluster.leader_of("store"))
    before = await actor.ask(ReportStatus())
    pack = msgpack.Packer().pack
    changes = (Increment(b"n"), Increment(b"n"), CompareAndSwap(b"n", b"2", b"5"))
    commands = [encode_plain(encode_command(change, pack)) for change in changes]

    answer = await actor.ask(Execute(encode_batch([*commands, b"?"])))

    assert isinstance(answer, bytes)
    *replies, malformed = decode_replies(answer)
    assert [msgpack.unpackb(reply.payload)[1] for reply in replies if isinstance(reply, Done)] == [1, 2, True]
    assert malformed == Malformed()
    assert (await actor.ask(ReportStatus())).last_index == before.last_index + 1


async def test_a_command_too_large_for_a_frame_is_refused_and_holds_up_nothing(cluster: Any) -> None:
    leader = await cluster.leader_of("store")
    cap = cluster[leader].system.config.transport.frame_cap_bytes

    answers = await asyncio.gather(
        *(actor_of(cluster, leader).ask(Execute(command)) for command in (READ, bytes(cap), READ))
    )

    assert [type(answer) for answer in answers] == [bytes, Refused, bytes]
    assert answers[1] == Refused("too_large", None, cap - 4096)


async def test_the_status_tells_how_each_node_is_doing(cluster: Any) -> None:
    client = await cluster.client()
    await client.key_value("store").put(b"k", b"v")
    await asyncio.sleep(1)

    statuses = [await actor_of(cluster, name).ask(ReportStatus()) for name in cluster]

    assert [status.node for status in statuses] == ["n1", "n2", "n3"]
    assert sorted(status.role for status in statuses) == ["follower", "follower", "leader"]
    assert {status.leader for status in statuses} == {next(each.node for each in statuses if each.role == "leader")}
    assert len({(status.term, status.commit_index, status.applied_index) for status in statuses}) == 1
    assert len({status.store for status in statuses}) == 3
    assert all(status.syncs > 0 for status in statuses)


# Watchers.


class Listener(Actor[LeaderIs]):
    def __init__(self, announced: list[LeaderIs]) -> None:
        self._announced = announced

    def receive(self, msg: LeaderIs, /) -> None:
        self._announced.append(msg)


async def test_a_watcher_hears_of_each_new_leader_until_its_link_is_down(cluster: Any) -> None:
    client = await cluster.client()
    leader = await cluster.leader_of("store")
    watched = next(name for name in cluster if name != leader)
    announced: list[LeaderIs] = []
    watcher = client.system.spawn(partial(Listener, announced))

    known = await client.system.at(Address(watched, "store")).ask(WatchLeader(watcher))
    await cluster.kill(leader)
    await asyncio.sleep(3)

    assert known.leader == leader
    assert [news.node for news in announced] == [watched]
    assert announced[0].term > known.term
    assert announced[0].leader != leader
    watchers = cell_of(cluster, watched).actor._leaders._watchers
    assert watcher in watchers[watcher.node]
    cluster.network.partition("client", watched)
    await asyncio.sleep(10)
    assert watcher.node not in watchers


# Crashes of the actor alone.


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("victims", ["leader", "followers", "all"])
async def test_actors_that_crash_restart_from_the_log_and_every_increment_happens_once(
    make_cluster: Any, durable: bool, victims: str
) -> None:
    cluster = make_cluster(make(), durable=durable)
    await cluster.start()
    group = (await cluster.client()).group("store")
    await group.execute(Increment(b"n"))

    async def crash() -> None:
        for _ in range(3):
            await asyncio.sleep(0.3)
            leader = await cluster.leader_of("store")
            for name in list(cluster):
                if victims == "all" or (name == leader) == (victims == "leader"):
                    cell_of(cluster, name).actor._driver.wake_with("no event at all")  # the protocol chokes on it

    async def count() -> None:
        for _ in range(20):
            await group.execute(Increment(b"n"), timeout_s=60.0)
            await asyncio.sleep(0.02)

    await asyncio.gather(crash(), *(count() for _ in range(5)))

    assert await group.execute(Get(b"n")) == b"101"
    assert sum(node.system.restarts for node in cluster.values()) >= 3


# Damage.


async def test_a_group_whose_metadata_does_not_read_ends_and_says_so_and_the_others_go_on(cluster: Any) -> None:
    client = await cluster.client()
    await client.key_value("store").put(b"k", b"v")
    leader = await cluster.leader_of("store")
    victim = next(name for name in cluster if name != leader)
    node = cluster[victim]
    node.store.write(Write("store", metadata=b"\x01no metadata"), lambda: None)
    cell_of(cluster, victim).actor._driver.wake_with("no event at all")  # its next life reads it
    await asyncio.sleep(5)

    with pytest.raises(ActorStopped):
        await actor_of(cluster, victim).ask(ReportStatus())
    assert (node.system.failures, node.system.restarts) == (2, 1)  # the crash, and the one look at the metadata
    assert await client.key_value("store").get(b"k") == b"v"
    assert await node.synod("config").value() is None  # what else runs there goes on


@pytest.mark.parametrize("is_last", [True, False])
@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        ((7, EntryKind.COMMAND, 0), "entry 3 of group store' has entry format 7, this release reads 1"),
        ((1, 9, 0), "entry 3 of group store' has entry kind 9, this release reads 0 to 5"),
    ],
)
async def test_an_entry_of_no_known_format_or_kind_stops_the_node_and_is_raised_to_its_host(
    make_cluster: Any, header: tuple[int, int, int], complaint: str, is_last: bool
) -> None:
    cluster = make_cluster(make(nodes=1))
    await cluster.start()
    await (await cluster.client()).key_value("store").put(b"k", b"v")
    node = cluster["n1"]
    status = await actor_of(cluster, "n1").ask(ReportStatus())
    bodies = [struct.pack(">BBQ", *header)]
    if not is_last:
        bodies.append(struct.pack(">BBQ", 1, EntryKind.NOOP, 0))
    records = [Record(status.term, body) for body in bodies]
    node.store.write(Write("store", truncate_from=3, first=3, records=records), lambda: None)
    cell_of(cluster, "n1").actor._driver.wake_with("no event at all")

    with pytest.raises(UnsupportedFormat, match=complaint):
        await cluster.ended("n1")


# Sizes of clusters.


@pytest.mark.parametrize("nodes", [1, 2, 5])
async def test_clusters_of_other_sizes_work_and_survive_what_they_can(make_cluster: Any, nodes: int) -> None:
    cluster = make_cluster(make(nodes=nodes))
    await cluster.start()
    store = (await cluster.client()).key_value("store")
    for number in range(20):
        await store.put(b"%d" % number, b"v")

    for name in list(cluster)[: (nodes - 1) // 2]:
        await cluster.kill(name)
    await store.put(b"after", b"v")
    for name in list(cluster):
        await cluster.kill(name)
    await cluster.start()

    assert [await store.get(b"%d" % number) for number in range(20)] == [b"v"] * 20
    assert await store.get(b"after") == b"v"


async def test_before_its_first_life_has_begun_an_actor_keeps_its_mail(make_cluster: Any) -> None:
    cluster = make_cluster(make(nodes=1))
    await cluster.start()

    answer = cluster["n1"].system.at(Address("n1", "store")).ask(ReportStatus())

    assert (await answer).node == "n1"
