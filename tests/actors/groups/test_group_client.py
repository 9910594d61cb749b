"""A group as its users see it: exactly once, with an outcome in every error, whichever node fails meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from coterie import Client, Outcome, Topology
from coterie.actors.groups.client_session import Identity
from coterie.actors.groups.group_messages import GroupStatus
from coterie.actors.groups.key_value import Get, Increment, KeyValue, Put
from coterie.actors.groups.leader_router import LeaderRouter
from coterie.actors.groups.routed_command import Way
from coterie.actors.groups.state_machine import StateMachine
from coterie.errors import (
    CommandFailed,
    CommandRefused,
    CommandTimeout,
    CommandTooLate,
    CoterieError,
)
from coterie.protocols.sessions import Deduplication, KeptLimits
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.messages.message import Ask, message

pytestmark = pytest.mark.virtual


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_many_commands_at_once_are_each_executed_once(cluster: Any) -> None:
    group = (await cluster.client()).group("store")

    totals = await asyncio.gather(*(group.execute(Increment(b"n")) for _ in range(1000)))

    assert sorted(totals) == list(range(1, 1001))


async def test_one_identity_sent_by_two_at_once_is_executed_once_and_both_get_its_reply(cluster: Any) -> None:
    one, two = (await cluster.client()).group("store"), (await cluster.client()).group("store")
    session = await one.open_session()
    identity = await session.next()

    replies = await asyncio.gather(*(group.execute_as(identity, Increment(b"n")) for group in (one, two, one, two)))

    assert replies == [1, 1, 1, 1]
    assert await one.execute(Increment(b"n")) == 2


async def test_a_command_below_the_low_water_mark_comes_too_late_and_is_not_executed(cluster: Any) -> None:
    group = (await cluster.client()).group("store")
    session = await group.open_session()
    first = await session.next()
    assert await group.execute_as(first, Increment(b"n")) == 1
    session.settle(first)
    assert await group.execute_as(await session.next(), Increment(b"n")) == 2

    with pytest.raises(CommandTooLate) as caught:
        await group.execute_as(first, Increment(b"n"))

    assert caught.value.outcome is Outcome.UNKNOWN
    assert await group.execute(Increment(b"n")) == 3


@pytest.fixture
def few_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every group keeps two sessions only."""
    original = Deduplication.__init__

    def short(self: Deduplication, machine: Any, *, incarnation: bytes, **_: Any) -> None:
        original(self, machine, incarnation=incarnation, limits=KeptLimits(sessions=2))

    monkeypatch.setattr(Deduplication, "__init__", short)


@pytest.mark.usefixtures("few_sessions")
async def test_an_evicted_session_is_renewed_silently_when_nothing_was_executed(cluster: Any) -> None:
    group = (await cluster.client()).group("store")
    assert await group.execute(Increment(b"n")) == 1
    for _ in range(2):
        await group.open_session()  # evicts the group's own

    assert await group.execute(Increment(b"n")) == 2


@pytest.mark.usefixtures("few_sessions")
async def test_an_identity_of_an_evicted_session_comes_too_late(cluster: Any) -> None:
    group = (await cluster.client()).group("store")
    session = await group.open_session()
    identity = await session.next()
    assert await group.execute_as(identity, Increment(b"n")) == 1
    for _ in range(2):
        await group.open_session()

    with pytest.raises(CommandTooLate) as caught:
        await group.execute_as(identity, Increment(b"n"))

    assert caught.value.outcome is Outcome.UNKNOWN  # somebody may have sent it before, as here
    assert await group.execute(Increment(b"n")) == 2


async def test_a_session_that_another_program_has_disturbed_is_given_up(cluster: Any) -> None:
    """Ids of sessions cannot be guessed; but who has read one could make its owner fail for good."""
    group, other = (await cluster.client()).group("store"), (await cluster.client()).group("store")
    assert await group.execute(Increment(b"n")) == 1
    stolen = group._own.session.id
    await other.execute_as(Identity(stolen, 2**40, 2**40), Increment(b"m"))

    outcomes = []
    for _ in range(3):
        try:
            outcomes.append(await group.execute(Increment(b"n")))
        except CommandTooLate as error:
            outcomes.append(error.outcome)
    assert outcomes == [Outcome.UNKNOWN, 2, 3]
    assert group._own.session.id != stolen


async def test_nobody_waits_longer_than_his_time_for_a_session_that_cannot_be_opened(cluster: Any) -> None:
    group = (await cluster.client()).group("store")
    for name in list(cluster):
        await cluster.kill(name)
    await asyncio.sleep(10)
    begun = now()

    results = await asyncio.gather(
        *(group.execute(Increment(b"n"), timeout_s=timeout_s) for timeout_s in (5.0, 1.0, 2.0, 5.0)),
        return_exceptions=True,
    )

    assert now() - begun < 5.5
    for result in results:
        assert isinstance(result, CommandTimeout)
        assert result.outcome is Outcome.DEFINITE


async def test_a_session_that_may_have_been_opened_leaves_the_command_definitely_undone(cluster: Any) -> None:
    group = (await cluster.client()).group("store")
    for name in cluster:
        for other in cluster:
            if name < other:
                cluster.network.partition(name, other)

    with pytest.raises(CommandTimeout, match="the command was not executed") as caught:
        await group.execute(Increment(b"n"), timeout_s=3.0)

    assert caught.value.outcome is Outcome.DEFINITE


async def test_a_frozen_leader_costs_no_more_than_the_election(cluster: Any) -> None:
    group = (await cluster.client()).group("store")
    await group.execute(Increment(b"n"))
    frozen = await cluster.leader_of("store")
    begun = now()
    cluster.network.freeze(frozen)

    assert await group.execute(Increment(b"n")) == 2

    assert now() - begun < 1.5  # well before the ask to the frozen node gives up
    assert group.leader != frozen


@pytest.mark.parametrize("kind", ["execute", "read"])
async def test_an_error_names_the_whole_time_although_the_first_attempt_took_it(cluster: Any, kind: str) -> None:
    group = (await cluster.client()).group("store")
    await group.execute(Increment(b"n"))
    cluster.network.freeze(await cluster.leader_of("store"))

    with pytest.raises(CommandTimeout, match=r"group 'store' did not answer in 0\.1 s \(last: "):
        await (
            group.execute(Increment(b"n"), timeout_s=0.1) if kind == "execute" else group.read(Get(b"n"), timeout_s=0.1)
        )


async def test_a_short_timeout_does_not_cut_short_the_others_of_its_batch(
    cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = (await cluster.client()).group("store")
    await group.execute(Increment(b"n"))
    asked: list[int] = []
    original = LeaderRouter._ask

    def counted(self: LeaderRouter, node: str, batch: Any, way: Way) -> None:
        asked.append(len(batch))
        original(self, node, batch, way)

    leader = await cluster.leader_of("store")
    others = [name for name in cluster if name != leader]
    for other in others:
        cluster.network.partition(leader, other)

    async def heal() -> None:
        await asyncio.sleep(0.15)
        cluster.network.heal()

    healing = asyncio.create_task(heal())
    monkeypatch.setattr(LeaderRouter, "_ask", counted)
    hasty = asyncio.create_task(group.execute(Increment(b"n"), timeout_s=0.05))
    patient = asyncio.create_task(group.execute(Increment(b"m"), timeout_s=10.0))

    with pytest.raises(CommandTimeout) as caught:
        await hasty
    assert caught.value.outcome is Outcome.UNKNOWN
    assert not patient.done()
    assert await patient == 1
    assert asked == [2]  # the one with the long timeout was asked once, together with the one with the short timeout
    await healing


async def test_a_client_that_knows_one_node_only_is_told_that_the_leader_is_not_linked(cluster: Any) -> None:
    leader = await cluster.leader_of("store")
    follower = next(name for name in cluster if name != leader)
    host = VirtualHost("stranger", network=cluster.network, seed=99)

    async with Client([cluster.addresses[follower]], host=host, learn_addresses=False) as client:
        with pytest.raises(CommandTimeout, match=f"'{leader}' leads, but there is no link to it") as caught:
            await client.key_value("store").group.execute(Put(b"k", b"v"), timeout_s=2.0)

    assert caught.value.outcome is Outcome.DEFINITE


async def test_a_command_beyond_the_frame_cap_is_refused_at_once_from_a_client_and_from_the_leader(
    cluster: Any,
) -> None:
    client = await cluster.client()
    group = client.group("store")
    await group.execute(Put(b"k", b"v"))
    leader = cluster[await cluster.leader_of("store")]
    cap = leader.system.config.transport.frame_cap_bytes
    begun = now()

    with pytest.raises(CommandRefused, match="would not fit into a frame") as from_client:
        await group.execute(Put(b"k", b"x" * (cap + 1)))
    with pytest.raises(CommandRefused, match="would not fit into a frame") as just_so:
        await group.execute(Put(b"k", b"x" * (cap - 300)))
    with pytest.raises(CommandRefused, match="would not fit into a frame") as from_leader:
        await leader.group("store").execute(Put(b"k", b"x" * (cap + 1)))

    assert now() - begun < 2.0
    for caught in (from_client, just_so, from_leader):
        assert caught.value.outcome is Outcome.DEFINITE
    assert await client.key_value("store").get(b"k") == b"v"  # and nothing is held up behind it


@pytest.mark.parametrize("sender", ["client", "node"])
async def test_the_largest_command_that_is_taken_reaches_every_node(cluster: Any, sender: str) -> None:
    client = await cluster.client()
    transport = cluster["n1"].system.config.transport
    cap = transport.client_cap_bytes if sender == "client" else transport.frame_cap_bytes
    value = b"x" * (cap - 4096 - 100)

    await (client if sender == "client" else cluster["n1"]).key_value("store").put(b"k", value)
    await asyncio.sleep(2)

    statuses = (await client.group("store").status()).values()
    assert len({status.applied_index for status in statuses if isinstance(status, GroupStatus)}) == 1
    assert await client.key_value("store").get(b"k") == value


async def test_a_scan_of_more_than_a_frame_holds_comes_in_pages(cluster: Any) -> None:
    store = (await cluster.client()).key_value("store")
    value = b"x" * 500_000
    for number in range(12):
        await store.put(b"k%02d" % number, value)

    assert [item async for item in store.scan(b"k")] == [(b"k%02d" % number, value) for number in range(12)]


async def test_many_large_values_read_at_once_come_although_no_frame_holds_them_together(cluster: Any) -> None:
    store = (await cluster.client()).key_value("store")
    value = b"x" * 500_000
    for number in range(12):
        await store.put(b"k%02d" % number, value)

    assert await asyncio.gather(*(store.get(b"k%02d" % number) for number in range(12))) == [value] * 12


async def test_a_reply_that_no_frame_holds_is_a_failure_that_says_so(make_cluster: Any) -> None:
    @message(name="test.group.Blow")
    class Blow(Ask[bytes]):
        size: int

    class Balloon(StateMachine[Blow]):
        def apply(self, command: Blow, /) -> bytes:
            return bytes(command.size)

    topology = Topology("test", nodes=["n1", "n2", "n3"])
    topology.raft("store", machine=Balloon)
    cluster = make_cluster(topology)
    await cluster.start()
    group = (await cluster.client()).group("store")
    cap = cluster["n1"].system.config.transport.frame_cap_bytes

    with pytest.raises(CommandFailed, match="its reply of 4194312 bytes would not fit into a frame"):
        await group.execute(Blow(cap))
    assert await group.execute(Blow(3)) == bytes(3)


async def test_refusals_and_failures_of_the_machine_keep_their_kind(make_cluster: Any) -> None:
    @message(name="test.group.Do")
    class Do(Ask[int]):
        what: str

    class Moody(StateMachine[Do]):
        def apply(self, command: Do, /) -> int:
            if command.what == "refuse":
                raise CommandRefused("no")
            raise RuntimeError("broken")

    topology = Topology("moody", nodes=["n1", "n2", "n3"])
    topology.raft("store", machine=Moody)
    cluster = make_cluster(topology)
    await cluster.start()
    group = (await cluster.client()).group("store")

    with pytest.raises(CommandRefused, match=r"^no$"):
        await group.execute(Do("refuse"))
    with pytest.raises(CommandFailed, match="RuntimeError: broken"):
        await group.execute(Do("fail"))


async def test_a_group_on_some_of_the_nodes_is_found_through_all(make_cluster: Any) -> None:
    topology = Topology("part", nodes=["n1", "n2", "n3", "n4", "n5"])
    topology.raft("store", machine=KeyValue, nodes=["n2", "n3", "n4"])
    cluster = make_cluster(topology)
    await cluster.start()
    store = (await cluster.client()).key_value("store")

    await store.put(b"k", b"v")

    assert await cluster["n5"].key_value("store").get(b"k") == b"v"
    statuses = await store.group.status()
    assert [name for name, status in statuses.items() if isinstance(status, CoterieError)] == ["n1", "n5"]


async def test_closing_a_client_leaves_no_tasks(cluster: Any) -> None:
    before = asyncio.all_tasks()
    host = VirtualHost("passer-by", network=cluster.network, seed=7)

    async with Client(list(cluster.addresses.values()), host=host) as client:
        await client.key_value("store").put(b"k", b"v")
        client.group("no such group")
        await asyncio.sleep(0.3)
    await asyncio.sleep(0.1)

    assert asyncio.all_tasks() - before == set()


async def test_a_closed_group_listens_to_links_no_more(cluster: Any) -> None:
    client = await cluster.client()
    group = client.group("store")
    await group.execute(Increment(b"n"))

    await group.close()

    assert group._router._link_changed not in client.system.remoting._listeners
    assert not group._router._tasks
