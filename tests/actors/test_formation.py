"""A cluster forms once, when enough of its voters are up; after that no wiped voter is ever counted again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from coterie import KeyValue, Outcome, Topology
from coterie.actors.groups.group_messages import NOT_REGISTERED, Execute, GroupStatus, Refused, ReportStatus
from coterie.actors.groups.key_value import Get, Put
from coterie.actors.groups.raft_records import decode_register
from coterie.errors import CommandTimeout
from coterie.protocols.sessions import encode_plain
from coterie.runtime.refs import Address

pytestmark = pytest.mark.virtual


def topology_of(nodes: int) -> Topology:
    topology = Topology("test", nodes=[f"n{number}" for number in range(1, nodes + 1)])
    topology.raft("store", machine=KeyValue)
    topology.synod("config")
    return topology


async def roles(cluster: Any) -> dict[str, str]:
    statuses = [await cluster[name].system.at(Address(name, "store")).ask(ReportStatus()) for name in cluster]
    assert all(isinstance(status, GroupStatus) for status in statuses)
    return {status.node: status.role for status in statuses}


async def test_three_nodes_form_a_cluster_only_once_the_third_is_up(make_cluster: Any) -> None:
    cluster = make_cluster()
    await cluster.start("n1", "n2")
    client = await cluster.client()
    with pytest.raises(CommandTimeout, match="takes no part yet") as caught:
        await client.group("store").execute(Put(b"k", b"v"), timeout_s=5.0)
    assert caught.value.outcome is Outcome.DEFINITE
    with pytest.raises(CommandTimeout, match="its store is not registered"):
        await client.synod("config").propose(b"v", timeout_s=5.0)
    assert await roles(cluster) == {"n1": "registering", "n2": "registering"}

    await cluster.start("n3")

    await client.key_value("store").put(b"k", b"v")
    assert await client.synod("config").propose(b"v") == b"v"
    await asyncio.sleep(1)
    assert sorted((await roles(cluster)).values()) == ["follower", "follower", "leader"]


async def test_who_takes_no_part_refuses_commands(make_cluster: Any) -> None:
    cluster = make_cluster()
    await cluster.start("n1")

    answer = await cluster["n1"].system.at(Address("n1", "store")).ask(Execute(encode_plain(b"x")))

    assert answer == Refused(NOT_REGISTERED, None)


async def test_five_nodes_form_a_cluster_without_the_fifth_which_joins_when_it_comes(make_cluster: Any) -> None:
    cluster = make_cluster(topology_of(5))
    await cluster.start("n1", "n2", "n3", "n4")
    client = await cluster.client()

    await client.key_value("store").put(b"k", b"v")
    await cluster.start("n5")
    await asyncio.sleep(3)

    assert sorted((await roles(cluster)).values()) == ["follower"] * 4 + ["leader"]


async def test_a_formed_cluster_starts_again_without_the_third(make_cluster: Any) -> None:
    cluster = make_cluster()
    await cluster.start()
    client = await cluster.client()
    await client.key_value("store").put(b"k", b"v")
    await client.synod("config").propose(b"v")
    for name in list(cluster):
        await cluster.kill(name)

    await cluster.start("n1", "n2")

    assert await client.group("store").execute(Get(b"k"), timeout_s=30.0) == b"v"
    assert await client.synod("config").value(timeout_s=30.0) == b"v"


async def test_a_cluster_forms_although_nodes_crash_again_and_again_meanwhile(make_cluster: Any) -> None:
    cluster = make_cluster()
    await cluster.start()
    for turn in range(12):
        await asyncio.sleep(0.001 * turn)
        victim = f"n{1 + turn % 3}"
        await cluster.kill(victim)
        await cluster.start(victim)

    await (await cluster.client()).key_value("store").put(b"k", b"v")
    await asyncio.sleep(3)

    assert sorted((await roles(cluster)).values()) == ["follower", "follower", "leader"]


@pytest.mark.parametrize("durable", [True, False])
async def test_a_node_with_a_new_store_stays_out_says_so_and_is_refused_by_both(
    make_cluster: Any, durable: bool, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = make_cluster(durable=durable)
    await cluster.start()
    client = await cluster.client()
    await client.key_value("store").put(b"k", b"v")
    wiped = next(name for name, role in (await roles(cluster)).items() if role == "follower")
    await cluster.kill(wiped)
    if durable:
        cluster.wipe(wiped)

    await cluster.start(wiped)
    await asyncio.sleep(5)

    assert (await roles(cluster))[wiped] == "refused"
    status = await cluster[wiped].system.at(Address(wiped, "store")).ask(ReportStatus())
    assert (status.term, status.last_index) == (0, 0)
    assert "registration.refused" in caplog.text
    assert "store.refused" in caplog.text
    assert await client.key_value("store").get(b"k") == b"v"


async def test_a_new_voter_answers_no_peer_message_and_writes_nothing_of_its_own(make_cluster: Any) -> None:
    cluster = make_cluster()
    await cluster.start()
    store = (await cluster.client()).key_value("store")
    await store.put(b"k", b"v")
    leader = await cluster.leader_of("store")
    wiped, third = sorted(set(cluster) - {leader})
    await cluster.kill(wiped)
    cluster.wipe(wiped)
    await cluster.start(wiped)
    founding = (await cluster[wiped].store.state("store")).metadata
    assert decode_register("store", founding).facts.membership_index == 0
    await cluster.kill(third)

    with pytest.raises(CommandTimeout):
        await store.group.execute(Put(b"k", b"w"), timeout_s=10.0)

    for group in ("store", "config"):
        state = await cluster[wiped].store.state(group)
        assert (state.metadata, state.last) == (founding if group == "store" else None, 0)
