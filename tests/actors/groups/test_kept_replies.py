"""What a group keeps for clients: none fills it, none loses a reply, and none ends the session of another."""

from __future__ import annotations

import asyncio
from typing import Any

import msgpack
import pytest

from coterie import Outcome, Topology
from coterie.actors.groups.group_messages import Execute
from coterie.actors.groups.key_value import Get, Increment, KeyValue, Put
from coterie.actors.groups.raft_actor import RaftActor
from coterie.actors.groups.replicas.replica import VISIT_REPLY_BYTES, Replica
from coterie.actors.groups.replicas.typed_machine import TypedMachine
from coterie.actors.groups.state_machine import StateMachine
from coterie.actors.groups.typed_commands import encode_command
from coterie.errors import CommandTimeout
from coterie.protocols.sessions import (
    Deduplication,
    Done,
    KeptLimits,
    PlainReads,
    Replies,
    encode_open_session,
    encode_plain,
)
from coterie.protocols.sessions.deduplication import BATCH_REPLY_BYTES
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Address

pytestmark = pytest.mark.virtual

LIMITS = KeptLimits(sessions=4, session_bytes=100_000, all_bytes=1_000_000)


@message(name="test.kept.Blow")
class Blow(Ask[bytes]):
    """Reply with so many bytes."""

    number: int
    size: int


class Balloon(StateMachine[Blow]):
    """Replies as large as asked for."""

    def __init__(self) -> None:
        self.executed: list[int] = []

    def apply(self, command: Blow, /) -> bytes:
        self.executed.append(command.number)
        return bytes(command.size)


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[Deduplication]:
    """The sessions of every replica that is made, each within `LIMITS`."""
    original, made = Deduplication.__init__, []

    def limited(self: Deduplication, machine: Any, *, incarnation: bytes, **_: Any) -> None:
        original(self, machine, incarnation=incarnation, limits=LIMITS)
        made.append(self)

    monkeypatch.setattr(Deduplication, "__init__", limited)
    return made


def topology_of(machine: type[StateMachine[Any]]) -> Topology:
    topology = Topology("test", nodes=["n1", "n2", "n3"])
    topology.raft("store", machine=machine)
    return topology


async def test_many_large_replies_at_once_all_come_and_the_group_keeps_little(
    make_cluster: Any, groups: list[Deduplication]
) -> None:
    """20 MB of replies to one client, of which a group keeps one."""
    cluster = make_cluster(topology_of(Balloon))
    await cluster.start()
    group = (await cluster.client()).group("store")
    highest = 0

    async def watch() -> None:
        nonlocal highest
        while True:
            highest = max(highest, *(sessions.kept_bytes for sessions in groups))
            await asyncio.sleep(0.002)

    watching = asyncio.create_task(watch())
    replies = await asyncio.gather(*(group.execute(Blow(at, 50_000), timeout_s=60.0) for at in range(400)))
    watching.cancel()

    assert [len(reply) for reply in replies] == [50_000] * 400
    assert LIMITS.session_bytes < highest <= LIMITS.all_bytes
    executed: list[list[int]] = [sessions._machine.machine.executed for sessions in groups]  # type: ignore[attr-defined]
    assert list(range(400)) in [sorted(each) for each in executed]  # a follower may lag
    assert {len(sessions) for sessions in groups} == {1}  # it was never given up


@pytest.mark.parametrize("is_read", [True, False], ids=["read", "through the log"])
async def test_many_large_reads_at_once_all_come_and_no_batch_makes_all_replies(
    make_cluster: Any, monkeypatch: pytest.MonkeyPatch, *, is_read: bool
) -> None:
    """200 reads travel in one batch; what one batch would make too much of is asked for again."""
    made: list[int] = []
    apply, read = Deduplication.apply, PlainReads.advance

    def measured(self: Deduplication, index: Any, command: bytes) -> Any:
        reply = apply(self, index, command)
        if isinstance(reply, Replies):
            made.append(sum(len(each.payload) for each in reply.replies if isinstance(each, Done)))
        return reply

    def measured_read(self: PlainReads, *arguments: Any) -> int:
        size = read(self, *arguments)
        if self.reply is not None:
            made.append(len(self.reply))
        return size

    monkeypatch.setattr(Deduplication, "apply", measured)
    monkeypatch.setattr(PlainReads, "advance", measured_read)
    if not is_read:
        monkeypatch.setattr(TypedMachine, "is_read", lambda self, command: False)
    cluster = make_cluster(topology_of(KeyValue))
    await cluster.start()
    store = (await cluster.client()).group("store")
    await store.execute(Put(b"k", bytes(200_000)))

    values = await asyncio.gather(*(store.execute(Get(b"k"), timeout_s=60.0) for _ in range(200)))

    assert values == [bytes(200_000)] * 200
    assert BATCH_REPLY_BYTES < max(made) < BATCH_REPLY_BYTES + 202_000


async def test_between_long_replies_the_loop_goes_on(make_cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica that made them all at once would read no heartbeat meanwhile: one frame would end a leadership."""
    made: list[int] = []
    visit_end, apply = RaftActor.on_visit_end, Replica.apply

    def visited(self: RaftActor) -> None:
        made.append(0)
        visit_end(self)

    def measured(self: Replica, entry: Any) -> bytes | None:
        reply = apply(self, entry)
        made[-1] += len(reply or b"")
        return reply

    monkeypatch.setattr(TypedMachine, "is_read", lambda self, command: False)
    cluster = make_cluster(topology_of(KeyValue))
    await cluster.start()
    client = await cluster.client()
    store = client.group("store")
    await store.execute(Put(b"k", bytes(400_000)))
    leader = await cluster.leader_of("store")
    read = Execute(encode_plain(encode_command(Get(b"k"), msgpack.Packer().pack)))
    monkeypatch.setattr(RaftActor, "on_visit_end", visited)
    monkeypatch.setattr(Replica, "apply", measured)

    asks = [client.system.at(Address(leader, "store")).ask(read, timeout_s=60.0) for _ in range(30)]
    await asyncio.gather(*asks, return_exceptions=True)  # answers beyond what may wait for a connection are lost
    await store.execute(Put(b"k", b""))

    assert sum(made) >= 30 * 400_000
    assert VISIT_REPLY_BYTES < max(made) < VISIT_REPLY_BYTES + 401_000


async def test_a_command_that_a_full_session_refuses_until_its_time_is_over_was_not_executed(
    make_cluster: Any, groups: list[Deduplication]
) -> None:
    """The replies before it never come: somebody keeps their numbers unsettled."""
    cluster = make_cluster(topology_of(Balloon))
    await cluster.start()
    group = (await cluster.client()).group("store")
    await group.execute(Blow(0, 1))
    held = group._own.session.sequences.take()
    for at in range(1, 11):  # half of what the group keeps: as much as is free then
        await group.execute(Blow(at, 50_000))

    with pytest.raises(CommandTimeout, match="too many replies for this client that it has not had") as caught:
        await group.execute(Blow(20, 50_000), timeout_s=1.0)

    assert caught.value.outcome is Outcome.DEFINITE
    group._own.session.sequences.give_back(held)
    assert len(await group.execute(Blow(21, 50_000))) == 50_000
    assert all(20 not in sessions._machine.machine.executed for sessions in groups)  # type: ignore[attr-defined]


async def test_a_client_that_opens_sessions_without_end_ends_only_its_own(
    make_cluster: Any, groups: list[Deduplication]
) -> None:
    """Whatever owner its openings name: that of the link counts."""
    cluster = make_cluster(topology_of(KeyValue))
    await cluster.start()
    shop = (await cluster.client()).group("store")
    rogue = await cluster.client()
    assert await shop.execute(Increment(b"n")) == 1
    mine = shop._own.session.id

    leader = await cluster.leader_of("store")
    for number in range(20):
        opening = encode_open_session(number.to_bytes(16, "big"), b"owner %d" % number)
        await rogue.system.at(Address(leader, "store")).ask(Execute(opening))

    assert await shop.execute(Increment(b"n")) == 2
    assert shop._own.session.id == mine
    assert {len(sessions) for sessions in groups} == {LIMITS.sessions}
