"""What fits alone fits together, every caller hears the truth about its own command, and in its own time."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import Any

import pytest

from coterie import Outcome, Topology
from coterie.actors.groups.group_client import GroupClient
from coterie.actors.groups.key_value import Get, Increment, KeyValue, Put
from coterie.actors.groups.routed_command import RoutedCommand
from coterie.actors.groups.state_machine import StateMachine
from coterie.errors import CommandRefused, CommandTimeout, CommandTooLate, ReplyTooLarge
from coterie.protocols.raft.raft_config import RaftConfig
from coterie.protocols.sessions import Deduplication, KeptLimits, encode_plain
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.system_config import SystemConfig
from coterie.runtime.transport.transport_config import TransportConfig

pytestmark = pytest.mark.virtual

NEAR_S, FAR_S = 0.0005, 0.05
FRAME_CAP = 4 * 1024 * 1024
SMALL_FRAMES = SystemConfig(transport=TransportConfig(frame_cap_bytes=256 * 1024))


@message(name="test.outcomes.Blow")
class Blow(Ask[bytes]):
    """Reply with so many bytes."""

    size: int


class Balloon(StateMachine[Blow]):
    """Replies as large as asked for; counts the executions of all replicas."""

    def __init__(self, executed: list[int]) -> None:
        self._executed = executed

    def apply(self, command: Blow, /) -> bytes:
        self._executed.append(command.size)
        return bytes(command.size)


def balloons(executed: list[int]) -> Topology:
    topology = Topology("test", nodes=["n1", "n2", "n3"])
    topology.raft("store", machine=partial(Balloon, executed))
    return topology


def now() -> float:
    return asyncio.get_running_loop().time()


async def opened(cluster: Any) -> GroupClient[Any]:
    """Return a client whose session is open, so that its next commands are sent together."""
    group: GroupClient[Any] = (await cluster.client()).group("store")
    with contextlib.suppress(CommandRefused):  # not every machine knows it
        await group.execute(Increment(b"opens the session"))
    return group


def place_client(cluster: Any, latency_s: float) -> None:
    """Set the latency between the client and the nodes; nodes are near to each other."""
    names = list(cluster.names)
    cluster.network.latency_s = lambda a, b: NEAR_S if a in names and b in names else latency_s


# Replies that do not fit into one answer.

GIVEN, WITHHELD = 1_000_000, 3_500_000
"""Replies to one batch: a group makes both, and one answer takes the first."""


async def test_commands_whose_replies_were_withheld_are_never_called_unexecuted(make_cluster: Any) -> None:
    executed: list[int] = []
    cluster = make_cluster(balloons(executed))
    await cluster.start()
    group = (await cluster.client()).group("store")
    await group.execute(Blow(1))
    leader = await cluster.leader_of("store")
    place_client(cluster, FAR_S)

    async def lose_the_quorum() -> None:
        while WITHHELD not in executed:  # noqa: ASYNC110 (virtual time)
            await asyncio.sleep(0.001)
        for name in [name for name in cluster if name != leader]:  # the answer is on its way
            await cluster.kill(name)

    losing = asyncio.create_task(lose_the_quorum())
    results = await asyncio.gather(
        *(group.execute(Blow(size), timeout_s=8.0) for size in (GIVEN, WITHHELD)), return_exceptions=True
    )
    await losing

    assert results[0] == bytes(GIVEN)  # the first one fitted: its caller has its reply
    assert isinstance(results[1], CommandTimeout)
    assert results[1].outcome is Outcome.HAPPENED
    assert "it was executed" in str(results[1])


async def test_a_command_whose_reply_was_withheld_is_not_executed_again_in_another_session(
    make_cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Deduplication.__init__

    def short(self: Deduplication, machine: Any, *, incarnation: bytes, **_: Any) -> None:
        original(self, machine, incarnation=incarnation, limits=KeptLimits(sessions=2))

    monkeypatch.setattr(Deduplication, "__init__", short)
    executed: list[int] = []
    cluster = make_cluster(balloons(executed))
    await cluster.start()
    group = (await cluster.client()).group("store")
    await group.execute(Blow(1))
    nearby = cluster[await cluster.leader_of("store")].group("store")
    await nearby.execute(Blow(1))
    place_client(cluster, FAR_S)

    async def evict() -> None:
        while WITHHELD not in executed:  # noqa: ASYNC110 (virtual time)
            await asyncio.sleep(0.001)
        for node in cluster.names:  # sessions of one owner would make room for each other
            await cluster[node].group("store").open_session()
        place_client(cluster, NEAR_S)

    evicting = asyncio.create_task(evict())
    results = await asyncio.gather(*(group.execute(Blow(size)) for size in (GIVEN, WITHHELD)), return_exceptions=True)
    await evicting
    await asyncio.sleep(1)

    assert results[0] == bytes(GIVEN)
    assert isinstance(results[1], CommandTooLate)
    assert results[1].outcome is Outcome.HAPPENED
    assert (executed.count(GIVEN), executed.count(WITHHELD)) == (3, 3)  # each command once on each replica


async def test_large_replies_come_one_answer_after_another_and_each_command_is_executed_once(
    make_cluster: Any,
) -> None:
    executed: list[int] = []
    cluster = make_cluster(balloons(executed))
    await cluster.start()
    group = await opened(cluster)
    sizes = [300_000 + number for number in range(80)]

    replies = await asyncio.gather(*(group.execute(Blow(size)) for size in sizes))
    await asyncio.sleep(1)

    assert [len(reply) for reply in replies] == sizes
    assert sorted(executed) == sorted(sizes * 3)


async def test_one_reply_too_large_for_any_answer_does_not_hurt_the_others_of_its_batch(make_cluster: Any) -> None:
    executed: list[int] = []
    cluster = make_cluster(balloons(executed))
    await cluster.start()
    group = await opened(cluster)
    sizes = [10, FRAME_CAP, 20, FRAME_CAP + 1, 3_000_000, 3_000_001]

    results = await asyncio.gather(*(group.execute(Blow(size)) for size in sizes), return_exceptions=True)
    await asyncio.sleep(1)

    assert [len(result) for result in results if isinstance(result, bytes)] == [10, 20, 3_000_000, 3_000_001]
    failures = [result for result in results if isinstance(result, ReplyTooLarge)]
    assert [failure.outcome for failure in failures] == [Outcome.HAPPENED] * 2
    assert failures[0].size_bytes > failures[0].limit_bytes == FRAME_CAP - 4096
    assert "Blow was executed, but its reply of" in str(failures[0])
    assert sorted(executed) == sorted(sizes * 3)


async def test_large_replies_come_although_the_leader_gives_answers_less_room_than_the_client_expects(
    make_cluster: Any,
) -> None:
    cluster = make_cluster(balloons([]), config=SMALL_FRAMES)
    await cluster.start()
    group = await opened(cluster)  # its own frames take 4 MiB
    largest = 256 * 1024 - 4096 - 8  # it fills its answer, so that it fits into no answer to two commands
    sizes = [100_000, 250_000, 200_000, 257_000, 90_000, 1, 240_000, largest, largest - 1]

    replies = await asyncio.gather(*(group.execute(Blow(size)) for size in sizes))

    assert [len(reply) for reply in replies] == sizes


# Commands that do not fit into one entry.


@pytest.mark.parametrize("is_client", [True, False], ids=["client", "node"])
async def test_commands_that_are_fine_alone_are_fine_together(make_cluster: Any, is_client: bool) -> None:
    cluster = make_cluster(config=SMALL_FRAMES)
    await cluster.start()
    group = ((await cluster.client()) if is_client else cluster["n1"]).group("store")
    await group.execute(Increment(b"m"))

    results = await asyncio.gather(*(group.execute(Put(b"k%d" % at, bytes(100_000))) for at in range(20)))
    counts = await asyncio.gather(*(group.execute(Increment(b"n")) for _ in range(1000)))

    assert results == [None] * 20
    assert sorted(counts) == list(range(1, 1001))


async def test_a_command_too_large_for_an_entry_is_refused_without_the_others_of_its_batch(make_cluster: Any) -> None:
    cluster = make_cluster(config=SMALL_FRAMES)
    await cluster.start()
    group = await opened(cluster)

    results = await asyncio.gather(
        *(group.execute(Put(b"k", bytes(size))) for size in (10, 300_000, 20, 100_000)), return_exceptions=True
    )

    assert results[0] is results[2] is results[3] is None
    assert isinstance(results[1], CommandRefused)
    assert results[1].outcome is Outcome.DEFINITE
    assert "300064 bytes, the limit is 262144" in str(results[1])


async def test_many_commands_at_once_get_through_a_leader_that_holds_less_than_a_batch(make_cluster: Any) -> None:
    topology = Topology("test", nodes=["n1", "n2", "n3"])
    topology.raft("store", machine=KeyValue, config=partial(RaftConfig, max_uncommitted_bytes=64 * 1024))
    cluster = make_cluster(topology)
    await cluster.start()
    clients = [await opened(cluster) for _ in range(3)]

    results = await asyncio.gather(
        *(group.execute(Put(b"k%d" % at, bytes(50_000))) for at in range(30) for group in clients)
    )

    assert results == [None] * 90


# The time that a caller gives.


async def fill_session(group: GroupClient[Any], cluster: Any) -> list[asyncio.Task[int]]:
    """Stop all nodes, and let so many patient callers wait that the session's window is full."""
    await group.execute(Increment(b"n"))
    for name in list(cluster):
        await cluster.kill(name)
    patient = [asyncio.create_task(group.execute(Increment(b"n"), timeout_s=60.0)) for _ in range(4096)]
    await asyncio.sleep(0.01)
    return patient


async def give_up(tasks: list[asyncio.Task[int]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.slow
async def test_no_caller_waits_longer_than_its_time_for_room_in_the_session(cluster: Any) -> None:
    group = (await cluster.client()).group("store")
    patient = await fill_session(group, cluster)
    begun = now()

    with pytest.raises(CommandTimeout, match="had no room in time") as caught:
        await group.execute(Increment(b"n"), timeout_s=1.0)

    assert now() - begun < 1.05
    assert caught.value.outcome is Outcome.DEFINITE
    await give_up(patient)


@pytest.mark.slow
async def test_a_caller_that_gave_up_waiting_for_room_leaves_the_room_to_others(cluster: Any) -> None:
    group = (await cluster.client()).group("store")
    patient = await fill_session(group, cluster)
    with pytest.raises(CommandTimeout):
        await group.execute(Increment(b"n"), timeout_s=0.5)
    await give_up(patient)

    await cluster.start()

    assert await group.execute(Increment(b"n"), timeout_s=20.0) >= 2


@pytest.mark.parametrize("timeout_s", [0.5, 2.05, 2.5, 4.1])
async def test_no_caller_waits_longer_than_its_time_for_a_group_without_a_quorum(
    cluster: Any, timeout_s: float
) -> None:
    group = (await cluster.client()).group("store")
    await group.execute(Increment(b"n"))
    for name in [name for name in cluster if name != "n1"]:
        await cluster.kill(name)
    begun = now()

    results = await asyncio.gather(
        group.execute(Get(b"n"), timeout_s=timeout_s),
        group.execute(Increment(b"n"), timeout_s=timeout_s),
        group.open_session(timeout_s=timeout_s),
        return_exceptions=True,
    )

    assert [type(result) for result in results] == [CommandTimeout] * 3
    assert now() - begun < timeout_s + 0.05


async def test_no_caller_waits_longer_than_its_time_between_its_last_two_attempts(cluster: Any) -> None:
    group = (await cluster.client()).group("store")
    await group.execute(Increment(b"n"))
    for name in cluster:
        cluster.network.freeze(name)
    routed = RoutedCommand()
    routed.pauses = 10  # so that its next pause would be a long one
    begun = now()

    with pytest.raises(CommandTimeout):
        await group._router.execute(encode_plain(b""), timeout_s=2.02, routed=routed)

    assert now() - begun < 2.05


@pytest.mark.slow
async def test_a_patient_caller_gets_its_reply_when_the_group_is_back_after_an_hour(cluster: Any) -> None:
    group = (await cluster.client()).group("store")
    await group.execute(Increment(b"n"))
    for name in list(cluster):
        await cluster.kill(name)
    waiting = asyncio.create_task(group.execute(Increment(b"n"), timeout_s=7200.0))
    await asyncio.sleep(3600.0)

    await cluster.start()

    assert await waiting == 2


# Sessions.


async def test_an_opening_that_is_retried_costs_one_session(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    group = (await cluster.client()).group("store")
    leader = await cluster.leader_of("store")
    cluster.network.block(leader, "client")  # the opening arrives, its reply does not
    with pytest.raises(CommandTimeout, match="the command was not executed"):
        await group.execute(Increment(b"n"), timeout_s=1.0)
    cluster.network.unblock(leader, "client")

    assert await group.execute(Increment(b"n")) == 1

    for name in cluster:
        assert len(cluster[name].system.registry.cell_at("store").actor._replica._deduplication) == 1


async def test_ids_of_sessions_are_long_and_differ(cluster: Any) -> None:
    groups = [(await cluster.client()).group("store") for _ in range(3)]

    sessions = [await group.open_session() for group in groups for _ in range(5)]

    assert {len(session.id) for session in sessions} == {16}
    assert len({session.id for session in sessions}) == 15
