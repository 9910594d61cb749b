"""Singletons that move: the holder crashes, is cut off, leaves, is drained; never do two act at once."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from typing import Any

import pytest

from coterie import Client, CoterieError, Members, Role, Topology
from coterie.actors.membership.singleton.singleton_actor import SingletonActor
from coterie.actors.membership.singleton.singleton_client import SingletonClient
from coterie.errors import NoTargets, Outcome, RemovedFromView
from coterie.testing import Cluster
from tests.actors.membership.singleton_clusters import (
    CRON,
    Account,
    Do,
    End,
    Fail,
    all_up,
    running,
    started,
    topology,
    until,
    where,
)

pytestmark = pytest.mark.virtual


def now() -> float:
    return asyncio.get_running_loop().time()


def singleton_actor(cluster: Cluster, node: str) -> SingletonActor[Any]:
    cell = cluster[node].system.registry.cell_at(CRON)
    assert cell is not None
    assert isinstance(cell.actor, SingletonActor)
    return cell.actor


async def test_it_runs_once_and_every_node_and_client_reaches_it() -> None:
    account = Account()
    async with started(account) as cluster:
        singletons = [node.singleton(CRON) for node in cluster.values()]
        singletons.append((await cluster.client()).singleton(CRON))

        answers = [await singleton.ask(Do(number)) for number, singleton in enumerate(singletons)]

        assert answers == ["n1/1"] * 4
        assert running(cluster) == [("n1", "cron/epoch-1")]
        registry = cluster["n3"].membership.registry  # type: ignore[union-attr]
        await asyncio.sleep(1)
        registry = cluster["n3"].membership.registry  # type: ignore[union-attr]
        assert (registry.holders[CRON].member.name, registry.holders[CRON].epoch) == ("n1", 1)  # type: ignore[union-attr]


async def test_messages_that_are_told_arrive_in_their_order_also_those_that_waited() -> None:
    account = Account()
    declared = topology(account)
    async with Cluster(declared) as cluster:
        singleton = cluster["n3"].singleton(CRON)
        for number in range(20):
            singleton.tell(Do(number))
        await all_up(cluster)
        await where(singleton)

        assert [number for *_, number in account.done if number >= 0] == list(range(20))


async def test_when_its_node_crashes_the_next_in_turn_starts_it_when_the_lease_is_over() -> None:
    account = Account()
    async with started(account) as cluster:
        singleton = cluster["n3"].singleton(CRON)
        await where(singleton)
        await asyncio.sleep(5.0)  # a leader expels nobody before it has been in touch with the group for so long
        crashed_at = now()

        await cluster.kill("n1")

        assert await where(singleton) == "n2/2"
        assert now() - crashed_at < 7.5


async def test_when_its_node_leaves_the_next_starts_it_at_once() -> None:
    account = Account()
    async with started(account) as cluster:
        client = (await cluster.client()).singleton(CRON)
        await where(client)

        leaving = asyncio.create_task(cluster["n1"].membership.leave())  # type: ignore[union-attr]
        await until(lambda: ("n1", "cron/epoch-1") not in running(cluster))
        stopped_at = now()
        answers = [await client.ask(Do(number)) for number in range(3)]

        assert answers == ["n2/2"] * 3
        assert now() - stopped_at < 0.3
        await leaving
        assert account.lives == [("start", "n1", 1), ("stop", "n1", 1), ("start", "n2", 2)]


async def test_when_its_node_is_drained_the_next_starts_it_at_once_and_no_ask_fails() -> None:
    account = Account()
    async with started(account) as cluster:
        singleton = cluster["n3"].singleton(CRON)
        await where(singleton)
        asks = [asyncio.ensure_future(singleton.ask(Do(number, 0.01))) for number in range(50)]
        await asyncio.sleep(0.1)
        drained_at = now()

        await cluster["n1"].drain()

        answers = Counter(await asyncio.gather(*asks))
        assert set(answers) == {"n1/1", "n2/2"}
        assert now() - drained_at < 1.5
        await cluster.stop("n1")
        assert await where(singleton) == "n2/2"


async def test_a_drained_node_does_not_take_it_again_while_it_is_up() -> None:
    account = Account()
    async with started(account) as cluster:
        await where(cluster["n3"].singleton(CRON))
        await cluster["n1"].drain()
        await where(cluster["n3"].singleton(CRON))

        await cluster["n2"].drain()
        await asyncio.sleep(10)
        await cluster["n3"].drain()
        await asyncio.sleep(10)

        assert account.holders == ["n1", "n2", "n3"]
        assert running(cluster) == []


@pytest.mark.parametrize("handler_s", [0.0, 60.0])
async def test_a_holder_that_is_cut_off_stops_before_its_lease_ends_whatever_its_handler_awaits(
    handler_s: float,
) -> None:
    account = Account()
    async with started(account) as cluster:
        singleton = cluster["n3"].singleton(CRON)
        await where(singleton)
        if handler_s:
            cluster["n1"].singleton(CRON).tell(Do(1, handler_s))
        await asyncio.sleep(1)
        cut_at = now()

        cluster.isolate("n1")

        await until(lambda: not running(cluster))
        assert now() - cut_at <= 2.5
        assert await where(singleton) == "n2/2"
        assert 1 not in account.finished
        cluster.heal()


@pytest.mark.parametrize(("source", "target"), [("n1", "others"), ("others", "n1")])
async def test_a_holder_that_is_cut_off_one_way_stops_and_another_takes_over(source: str, target: str) -> None:
    account = Account()
    async with started(account) as cluster:
        singleton = cluster["n3"].singleton(CRON)
        await where(singleton)

        for other in ("n2", "n3"):
            cluster.network.block("n1" if source == "n1" else other, "n1" if target == "n1" else other)

        assert await where(singleton) == "n2/2"
        for other in ("n2", "n3"):
            cluster.network.unblock("n1" if source == "n1" else other, "n1" if target == "n1" else other)


async def test_a_lease_that_lapses_for_a_moment_brings_a_new_epoch_on_the_same_node() -> None:
    account = Account()
    async with started(account) as cluster:
        await where(cluster["n1"].singleton(CRON))

        cluster.isolate("n1")
        await until(lambda: not running(cluster))
        cluster.heal()

        assert await where(cluster["n2"].singleton(CRON)) == "n1/2"
        assert account.lives == [("start", "n1", 1), ("stop", "n1", 1), ("start", "n1", 2)]


async def test_after_the_whole_cluster_restarts_the_epochs_go_on() -> None:
    account = Account()
    async with started(account) as cluster:
        await where(cluster["n2"].singleton(CRON))
        for node in list(cluster):
            await cluster.kill(node)

        await cluster.start()
        await all_up(cluster)

        answer = await where(cluster["n2"].singleton(CRON))
        assert account.epochs == [1, 2]
        assert answer.endswith("/2")


async def test_it_runs_on_nodes_with_the_role_only_and_others_reach_it() -> None:
    account = Account()
    declared = topology(account, nodes=Role("worker"), roles={"n2": ["worker"], "n3": ["worker"]})
    async with started(account, declared) as cluster:
        assert await where(cluster["n1"].singleton(CRON)) == "n2/1"

        await cluster["n2"].drain()

        assert await where(cluster["n1"].singleton(CRON)) == "n3/2"


async def test_a_first_node_whose_code_does_not_have_it_does_not_block_it() -> None:
    account = Account()
    async with started(account, Topology("shop", nodes=Members(founders=["n1", "n2", "n3"]))) as cluster:
        cluster.topology = topology(account)
        for node in ("n2", "n3"):
            await cluster.stop(node)
            await cluster.start(node)
        await all_up(cluster)

        assert account.holders == []
        assert await where(cluster["n3"].singleton(CRON)) in {"n2/1", "n3/1"}
        client = (await cluster.client()).singleton(CRON)
        assert await where(client) in {"n2/1", "n3/1"}


async def test_a_client_goes_to_another_node_when_the_one_that_it_asked_gave_no_answer() -> None:
    account = Account()
    async with started(account) as cluster:
        singleton = (await cluster.client()).singleton(CRON)
        await where(singleton)
        cluster.network.freeze("n1")  # it holds the singleton, and has passed the client's messages on

        answers: list[object] = []
        while not answers:
            with contextlib.suppress(CoterieError):
                answers.append(await singleton.ask(Do(len(account.done) + 1, 0.0), timeout_s=1.0))

        assert answers == ["n2/2"]
        cluster.network.thaw("n1")
        await revive(cluster)


async def test_a_singleton_that_nobody_knows_is_not_reached_for_certain() -> None:
    account = Account()
    async with started(account) as cluster:
        for singleton in (cluster["n1"].singleton("none"), (await cluster.client()).singleton("none")):
            with pytest.raises(NoTargets, match=r"no singleton 'none': the singletons are 'cron'$") as caught:
                await singleton.ask(Do(1))
            assert caught.value.outcome is Outcome.DEFINITE


async def test_a_client_is_told_that_nobody_holds_the_singleton() -> None:
    account = Account()
    async with started(account) as cluster:
        client = await cluster.client()
        await where(cluster["n1"].singleton(CRON))
        for name in ("n1", "n2", "n3"):
            for other in {"n1", "n2", "n3"} - {name}:
                cluster.network.block(name, other)
        await until(lambda: not running(cluster))

        with pytest.raises(NoTargets, match=r"singleton 'cron' was not reached by node 'n\d': nobody holds it$"):
            await client.singleton(CRON).ask(Do(1), timeout_s=2.0)


# --- actors that end by themselves


async def test_an_actor_that_fails_is_restarted_in_its_epoch() -> None:
    account = Account()
    async with started(account) as cluster:
        singleton = cluster["n2"].singleton(CRON)
        await where(singleton)

        with pytest.raises(CoterieError) as caught:
            await singleton.ask(Fail())

        assert caught.value.outcome is Outcome.UNKNOWN
        assert await where(singleton) == "n1/1"
        assert account.epochs == [1, 1]


async def test_an_actor_that_gives_up_starts_on_another_node() -> None:
    account = Account()
    async with started(account) as cluster:
        singleton = cluster["n2"].singleton(CRON)
        for _ in range(6):
            await where(singleton)
            with pytest.raises(CoterieError):
                await singleton.ask(Fail())
            await asyncio.sleep(1.5)

        assert await where(singleton) == "n2/2"


async def test_an_actor_that_stops_itself_starts_on_another_node() -> None:
    account = Account()
    async with started(account) as cluster:
        singleton = cluster["n2"].singleton(CRON)
        await where(singleton)

        singleton.tell(End())

        await asyncio.sleep(0.1)
        assert await where(singleton) == "n2/2"


async def test_a_singleton_actor_that_is_restarted_claims_a_new_epoch() -> None:
    account = Account()
    async with started(account) as cluster:
        await where(cluster["n2"].singleton(CRON))
        cell = cluster["n1"].system.registry.cell_at(CRON)
        assert cell is not None

        cell.life_cycle.fail(RuntimeError("as it was told"))

        await asyncio.sleep(1)
        assert await where(cluster["n2"].singleton(CRON)) == "n1/2"


# --- storms


async def storm(singleton: SingletonClient, first: int, outcomes: dict[int, str], *, until: float) -> None:
    """Ask each 20 ms, and note how each ask ended."""
    number, asks = first, []

    async def ask(number: int) -> None:
        try:
            await singleton.ask(Do(number, 0.002 * (number % 3)), timeout_s=2.0)
            outcomes[number] = "answered"
        except CoterieError as error:
            outcomes[number] = error.outcome.name

    while now() < until:
        asks.append(asyncio.create_task(ask(number)))
        number += 1
        await asyncio.sleep(0.02)
    await asyncio.gather(*asks)


async def disturb(cluster: Cluster, rng: random.Random) -> None:
    """Let the node that runs the singleton be drained, crash, or be cut off in some way; then mend it."""
    found = running(cluster)
    holder = found[0][0] if found else rng.choice(sorted(cluster))
    match rng.choice(["drain", "kill", "isolate", "deaf", "mute", "freeze"]):
        case "drain":
            await cluster[holder].drain()
            await cluster.stop(holder)
            await cluster.start(holder)
        case "kill":
            await cluster.kill(holder)
            await asyncio.sleep(rng.uniform(0, 8))
            await cluster.start(holder)
        case "freeze":
            cluster.network.freeze(holder)
            await asyncio.sleep(rng.uniform(0, 9))
            cluster.network.thaw(holder)
        case way:
            for other in cluster.names:
                if other != holder and way in ("isolate", "deaf"):
                    cluster.network.block(other, holder)
                if other != holder and way in ("isolate", "mute"):
                    cluster.network.block(holder, other)
            await asyncio.sleep(rng.uniform(0, 9))
            cluster.heal()
    await revive(cluster)


async def revive(cluster: Cluster) -> None:
    """Start the nodes again that the cluster has decided out."""
    await asyncio.sleep(1)
    for node in list(cluster):
        if cluster[node].membership.has_ended:  # type: ignore[union-attr]
            with pytest.raises(RemovedFromView):
                await cluster.ended(node)
            await cluster.start(node)


@pytest.mark.parametrize("seed", range(4))
async def test_in_a_storm_each_ask_is_answered_or_fails_as_it_says_and_none_is_done_twice(seed: int) -> None:
    account = Account()
    rng = random.Random(seed)
    outcomes: dict[int, str] = {}
    async with started(account, seed=seed) as cluster:
        client: Client = await cluster.client()
        storms = [asyncio.create_task(storm(client.singleton(CRON), 1_000, outcomes, until=now() + 60))]
        for _ in range(4):
            await disturb(cluster, rng)
            await asyncio.sleep(rng.uniform(1, 5))
        await asyncio.gather(*storms)

        assert await where(client.singleton(CRON), timeout_s=30)
    done = Counter(number for *_, number in account.done)
    assert {number for number, outcome in outcomes.items() if outcome == "answered"} <= set(account.finished)
    assert not [number for number, outcome in outcomes.items() if outcome == "DEFINITE" and done[number]]
    assert Counter(outcomes.values())["answered"] > 500
