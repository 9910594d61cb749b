"""A synod of real actors in virtual time: one value, whoever proposes, dies or comes back."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from coterie import Outcome, Topology
from coterie.actors.paxos.synod_actor import ReadValue
from coterie.errors import ActorFailed, CommandTimeout
from coterie.protocols.algorithm import NodeId
from coterie.protocols.paxos.synod_config import SynodConfig
from coterie.protocols.quorums import Weighted
from coterie.runtime.refs import Address

pytestmark = pytest.mark.virtual


async def test_there_is_no_value_before_and_one_for_ever_after(cluster: Any) -> None:
    synod = (await cluster.client()).synod("config")

    assert await synod.value() is None
    assert await synod.propose(b"one") == b"one"
    assert await synod.propose(b"two") == b"one"
    assert await synod.value() == b"one"
    for node in cluster.values():
        assert await node.synod("config").value() == b"one"


async def test_concurrent_proposals_of_all_nodes_choose_one_of_their_values(cluster: Any) -> None:
    await asyncio.sleep(1)
    proposals = [
        node.synod("config").propose(f"{name}/{number}".encode())
        for name, node in cluster.items()
        for number in range(5)
    ]

    chosen = set(await asyncio.gather(*proposals))

    assert len(chosen) == 1
    assert chosen.pop().decode().split("/")[0] in cluster


async def test_a_minority_that_is_down_changes_nothing(cluster: Any) -> None:
    synod = (await cluster.client()).synod("config")
    await asyncio.sleep(1)  # a cluster that has never been whole has no minority yet
    await cluster.kill("n2")

    assert await synod.propose(b"v") == b"v"

    await cluster.start("n2")
    assert await cluster["n2"].synod("config").value() == b"v"


async def test_without_a_majority_a_proposal_is_unknown_and_a_read_is_definite(cluster: Any) -> None:
    synod = (await cluster.client()).synod("config")
    await cluster.kill("n2")
    await cluster.kill("n3")

    with pytest.raises(CommandTimeout, match="synod 'config' did not answer") as proposed:
        await synod.propose(b"v", timeout_s=3.0)
    with pytest.raises(CommandTimeout) as read:
        await synod.value(timeout_s=3.0)

    assert proposed.value.outcome is Outcome.UNKNOWN
    assert read.value.outcome is Outcome.DEFINITE


async def test_with_no_node_at_all_a_proposal_is_definitely_undone(cluster: Any) -> None:
    synod = (await cluster.client()).synod("config")
    for name in list(cluster):
        await cluster.kill(name)
    await asyncio.sleep(10)

    with pytest.raises(CommandTimeout, match="linked with no node: none answers") as caught:
        await synod.propose(b"v", timeout_s=1.0)

    assert caught.value.outcome is Outcome.DEFINITE


@pytest.mark.parametrize("seed", range(5))
async def test_the_chosen_value_stays_while_acceptors_crash_and_come_back(cluster: Any, seed: int) -> None:
    rng = random.Random(seed)
    client = await cluster.client()
    answers: list[bytes] = []

    async def propose(value: bytes) -> None:
        for _ in range(6):
            answers.append(await client.synod("config").propose(value, timeout_s=60.0))
            await asyncio.sleep(rng.uniform(0, 0.2))

    async def crash() -> None:
        for _ in range(8):
            await asyncio.sleep(rng.uniform(0.0, 0.05))
            victim = rng.choice(sorted(cluster))
            await cluster.kill(victim)
            await asyncio.sleep(rng.choice([0.0, 0.01, 0.2]))
            await cluster.start(victim)

    await asyncio.gather(crash(), *(propose(b"%d" % number) for number in range(3)))

    assert len(set(answers)) == 1
    assert await client.synod("config").value() == answers[0]


async def test_the_value_survives_the_death_of_all_nodes(cluster: Any) -> None:
    synod = (await cluster.client()).synod("config")
    await synod.propose(b"v")

    for name in list(cluster):
        await cluster.kill(name)
    await cluster.start()

    assert await synod.value(timeout_s=30.0) == b"v"


async def test_a_wiped_acceptor_is_not_believed_under_its_old_name(cluster: Any) -> None:
    await asyncio.sleep(1)
    for node in cluster.values():
        assert await node.synod("config").value() is None  # now every node knows the store of every other
    await cluster.kill("n3")
    assert await cluster["n1"].synod("config").propose(b"v") == b"v"
    await cluster.kill("n1")
    await cluster.kill("n2")
    cluster.wipe("n2")
    await cluster.start("n2", "n3")
    await asyncio.sleep(2)

    for name in ("n2", "n3"):  # together they would be a quorum that has not accepted v
        with pytest.raises(CommandTimeout):
            await cluster[name].synod("config").propose(b"w", timeout_s=5.0)

    await cluster.start("n1")
    assert await cluster["n1"].synod("config").value(timeout_s=30.0) == b"v"


@pytest.mark.parametrize("latency_s", [0.05, 0.1, 0.2, 0.4])
async def test_a_value_is_chosen_over_slow_links_by_one_proposer_and_by_many(cluster: Any, latency_s: float) -> None:
    client = await cluster.client()
    cluster.network.latency_s = latency_s
    await asyncio.sleep(3.0)

    assert await client.synod("config").propose(b"one", timeout_s=60.0) == b"one"
    for node in cluster.values():
        assert await node.synod("config").propose(b"two", timeout_s=60.0) == b"one"


@pytest.mark.parametrize("seed", range(5))
async def test_duels_over_slow_links_end(cluster: Any, seed: int) -> None:
    rng = random.Random(seed)
    cluster.network.latency_s = lambda *_: rng.uniform(0.1, 0.5)
    await asyncio.sleep(3.0)
    proposals = [node.synod("config").propose(name.encode(), timeout_s=120.0) for name, node in cluster.items()]

    assert len(set(await asyncio.gather(*proposals))) == 1


async def test_a_synod_runs_with_the_configuration_that_its_topology_gives(make_cluster: Any) -> None:
    topology = Topology("test", nodes=["n1", "n2", "n3"])
    heavy = {NodeId("n1"): 3, NodeId("n2"): 1, NodeId("n3"): 1}
    topology.synod("config", config=lambda members: SynodConfig(members, quorum=Weighted(heavy)))
    cluster = make_cluster(topology)
    await cluster.start()
    await asyncio.sleep(1)
    for name in ("n2", "n3"):
        await cluster.kill(name)

    assert await cluster["n1"].synod("config").propose(b"v") == b"v"  # n1 alone is a quorum


async def test_an_acceptor_whose_store_went_back_in_time_takes_no_part_and_says_so(
    cluster: Any, caplog: pytest.LogCaptureFixture
) -> None:
    await asyncio.sleep(1)
    for node in cluster.values():
        assert await node.synod("config").value() is None
    await cluster["n2"].store.mark_lost("n1 remembers a later generation")
    await cluster.kill("n2")
    await cluster.kill("n1")
    await cluster.start("n2")
    await asyncio.sleep(2)

    with pytest.raises(CommandTimeout):  # n2 and n3 would be a quorum
        await cluster["n3"].synod("config").propose(b"w", timeout_s=5.0)
    with pytest.raises(ActorFailed, match="went back in time: n1 remembers a later generation"):
        await cluster["n2"].system.at(Address("n2", "config")).ask(ReadValue())
    assert "group.takes_no_part" in caplog.text

    await cluster.start("n1")
    assert await cluster["n1"].synod("config").propose(b"v", timeout_s=30.0) in (b"v", b"w")
