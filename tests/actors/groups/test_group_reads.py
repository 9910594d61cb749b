"""Reads of a group that are no entries of its log: linearizable at the leader and anywhere, stale where asked for."""

from __future__ import annotations

import asyncio
from typing import Any

import msgpack
import pytest

from coterie import Outcome, Topology
from coterie.actors.groups.group_messages import NOT_READ, Execute, GroupStatus, ReadQueries
from coterie.actors.groups.key_value import Get, Put, Scan
from coterie.actors.groups.replicas.replica import Replica
from coterie.actors.groups.state_machine import Query, StateMachine
from coterie.actors.groups.typed_commands import decode_result, encode_command
from coterie.errors import CommandFailed, CommandRefused, CommandTimeout, MessageTypeError, TopologyError
from coterie.protocols.sessions import decode_reply, encode_batch, encode_plain
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Address

pytestmark = pytest.mark.virtual


@message(name="test.reads.Add")
class Add(Ask[int]):
    amount: int


@message(name="test.reads.Total")
class Total(Query[int]):
    mistake: str = ""


@message(name="test.reads.Logged")
class Logged(Query[int]):
    """Its answer comes from `apply`."""


class Counter(StateMachine[Add | Total | Logged]):
    error: BaseException = ValueError()

    def __init__(self) -> None:
        self.total = 0

    def apply(self, command: Add | Total | Logged, /) -> int:
        assert not isinstance(command, Total), "it is read"
        if isinstance(command, Add):
            self.total += command.amount
        return self.total

    def read(self, query: Total, /) -> int | str:
        if query.mistake == "raises what it is told":
            raise self.error
        if query.mistake == "raises":
            raise ZeroDivisionError("here")
        if query.mistake == "refuses":
            raise CommandRefused("not now")
        return "no int" if query.mistake else self.total


def counters() -> Topology:
    topology = Topology("reads", nodes=["n1", "n2", "n3"])
    topology.raft("counter", machine=Counter)
    return topology


async def last_index(cluster: Any, group: str = "counter") -> int:
    leader = await cluster.leader_of(group)
    status: GroupStatus = (await cluster[leader].group(group).status())[leader]
    return status.last_index


async def test_a_read_is_no_entry_and_sees_what_was_acknowledged(make_cluster: Any) -> None:
    cluster = make_cluster(counters())
    await cluster.start()
    group = (await cluster.client()).group("counter", Counter)
    for number in range(1, 6):
        await group.execute(Add(1))
        before = await last_index(cluster)
        assert await group.execute(Total()) == number
        assert await group.read(Total()) == number
        assert await group.read(Total(), anywhere=True) == number
        assert await last_index(cluster) == before


async def test_a_query_that_read_does_not_take_goes_through_the_log(make_cluster: Any) -> None:
    cluster = make_cluster(counters())
    await cluster.start()
    group = (await cluster.client()).group("counter")
    await group.execute(Add(3))
    before = await last_index(cluster)
    assert await group.read(Logged()) == 3
    assert await group.read(Logged(), anywhere=True) == 3
    assert await last_index(cluster) == before + 2
    assert [await one for one in (group.read(Total()), group.read(Total()))] == [3, 3]
    assert await last_index(cluster) == before + 2


async def test_mistakes_in_read_are_the_outcome_of_that_query_alone(make_cluster: Any) -> None:
    cluster = make_cluster(counters())
    await cluster.start()
    group = (await cluster.client()).group("counter")
    await group.execute(Add(0))
    mistakes = ("", "raises", "refuses", "wrong")
    reads: list[Any] = [group.read(Total(mistake)) for mistake in mistakes]
    good, raised, refused, wrong = await asyncio.gather(*reads, return_exceptions=True)
    assert good == 0
    assert isinstance(raised, CommandFailed)
    assert "ZeroDivisionError: here" in str(raised)
    assert isinstance(refused, CommandRefused)
    assert isinstance(wrong, CommandFailed)
    assert await group.execute(Add(1)) == 1


async def test_a_read_that_raises_is_logged_as_that_also_before_anything_was_applied_in_this_life(
    make_cluster: Any, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = make_cluster(counters())
    await cluster.start()
    group = (await cluster.client()).group("counter")
    await group.execute(Add(1))
    for name in list(cluster):
        await cluster.kill(name)
        await cluster.start(name)
    caplog.clear()
    for _ in range(5):
        with pytest.raises(CommandFailed, match="ZeroDivisionError"):
            await group.read(Total("raises"), timeout_s=30.0)
    told = [record for record in caplog.records if "read_failed" in record.getMessage()]
    assert {record.levelname for record in told} == {"ERROR"}
    assert told[0].exc_info
    assert not [record for record in caplog.records if "apply_failed" in record.getMessage()]


async def test_a_follower_reads_what_the_leader_has_acknowledged_and_not_what_it_happens_to_have(
    make_cluster: Any,
) -> None:
    cluster = make_cluster(counters())
    await cluster.start()
    client = await cluster.client()
    group = client.group("counter")
    leader = await cluster.leader_of("counter")
    behind = next(name for name in cluster if name != leader)
    await group.execute(Add(0))
    await asyncio.sleep(0.5)
    cluster.network.partition(leader, behind)
    await group.execute(Add(7))
    other = cluster[behind].group("counter")
    stale = await other.read_stale(Total(), node=behind)
    assert stale.value == 0
    assert stale.node == behind

    read = asyncio.create_task(other.read(Total(), timeout_s=20.0))
    await asyncio.sleep(0.3)
    cluster.network.heal()

    assert await read == 7


@pytest.mark.parametrize("was_leader", [False, True])
async def test_a_stale_read_needs_no_leader_and_says_how_old_it_is(make_cluster: Any, *, was_leader: bool) -> None:
    cluster = make_cluster(counters())
    await cluster.start()
    group = (await cluster.client()).group("counter")
    await group.execute(Add(1))
    alone = await cluster.leader_of("counter") if was_leader else "n1"
    await asyncio.sleep(0.5)
    fresh = await cluster[alone].group("counter").read_stale(Total(), node=alone)
    assert (fresh.value, fresh.behind) == (1, 0)
    assert fresh.heard_s < 1.0
    for name in cluster:
        if name != alone:
            cluster.network.partition(alone, name)
    await asyncio.sleep(5.0)  # also as a leader, which steps down

    stale = await cluster[alone].group("counter").read_stale(Total(), node=alone)

    assert stale.value == 1
    assert stale.index >= fresh.index
    assert 4.0 < stale.heard_s < 6.0
    with pytest.raises(CommandTimeout) as timeout:
        await cluster[alone].group("counter").read(Total(), timeout_s=1.0)
    assert timeout.value.outcome in (Outcome.DEFINITE, Outcome.UNKNOWN)


async def test_a_leader_that_was_cut_off_answers_no_linearizable_read(make_cluster: Any) -> None:
    cluster = make_cluster(counters())
    await cluster.start()
    old = await cluster.leader_of("counter")
    others = [name for name in cluster if name != old]
    for name in others:
        cluster.network.partition(old, name)
    read = asyncio.create_task(cluster[old].group("counter").read(Total(), timeout_s=0.2))
    with pytest.raises(CommandTimeout):
        await read


async def test_reads_at_any_node_are_shared_by_all(make_cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    read, asked = Replica.read, set()

    def counted(self: Replica, command: bytes) -> bytes:
        asked.add(id(self))
        return read(self, command)

    monkeypatch.setattr(Replica, "read", counted)
    cluster = make_cluster(counters())
    await cluster.start()
    group = (await cluster.client()).group("counter")
    await group.execute(Add(1))
    await asyncio.sleep(0.5)
    for _ in range(9):
        await group.read(Total(), anywhere=True)
    assert len(asked) == 3


async def test_a_replica_that_has_no_schema_yet_lets_reads_wait(make_cluster: Any) -> None:
    cluster = make_cluster(counters())
    await cluster.start()
    client = await cluster.client()
    reads = [client.group("counter").read(Total(), anywhere=anywhere) for anywhere in (False, True, True, True)]
    assert await asyncio.gather(*reads) == [0] * 4


async def test_a_query_that_is_read_is_never_put_into_the_log_however_it_is_sent(make_cluster: Any) -> None:
    """What `read` answers may differ between replicas, in its order for instance: an entry would let them differ."""
    cluster = make_cluster(counters())
    await cluster.start()
    client = await cluster.client()
    group = client.group("counter")
    await group.execute(Add(2))
    leader = await cluster.leader_of("counter")
    before = await last_index(cluster)
    read, logged = (encode_plain(encode_command(query, msgpack.Packer().pack)) for query in (Total(), Logged()))
    at = client.system.at(Address(leader, "counter"))
    answers = [await at.ask(request(read)) for request in (Execute, ReadQueries)]
    mixed = [await at.ask(request(encode_batch((read, logged)))) for request in (Execute, ReadQueries)]
    assert await asyncio.gather(*(group.read(query) for query in (Total(), Logged(), Total(), Logged()))) == [2] * 4
    replies: list[Any] = list(map(decode_reply, answers))
    assert [decode_result(Total(), reply.payload) for reply in replies] == [2, 2]
    assert [answer.reason for answer in mixed] == [NOT_READ] * 2
    assert await last_index(cluster) == before + 1  # the two that are logged share one


@pytest.mark.parametrize("error", [SystemExit(3), MemoryError("all of it")])
async def test_whatever_read_raises_ends_no_node(make_cluster: Any, error: BaseException) -> None:
    cluster = make_cluster(counters())
    await cluster.start()
    group = (await cluster.client()).group("counter")
    await group.execute(Add(1))
    Counter.error = error
    with pytest.raises(CommandFailed, match=type(error).__name__):
        await group.read(Total("raises what it is told"))
    assert await group.read(Total()) == 1
    assert [node.system.fault for node in cluster.values()] == [None] * 3


async def test_what_is_no_query_is_not_read(make_cluster: Any) -> None:
    cluster = make_cluster(counters())
    await cluster.start()
    group = (await cluster.client()).group("counter")
    with pytest.raises(MessageTypeError, match="Add is no Query"):
        await group.read(Add(1))
    with pytest.raises(MessageTypeError, match="Add is no Query"):
        await group.read_stale(Add(1))
    with pytest.raises(CommandRefused, match="does not answer this query"):
        await group.read_stale(Logged())


async def test_the_store_reads_keys_without_the_log_and_scans_through_it(cluster: Any) -> None:
    store = (await cluster.client()).key_value("store")
    await store.put(b"a", b"1")
    before = await last_index(cluster, "store")
    assert await store.get(b"a") == b"1"
    assert await store.get(b"a", consistency="anywhere") == b"1"
    await asyncio.sleep(0.2)
    assert await store.get(b"a", consistency="stale") == b"1"
    assert await last_index(cluster, "store") == before
    assert [item async for item in store.scan()] == [(b"a", b"1")]
    assert await last_index(cluster, "store") == before + 1


async def test_reads_and_writes_of_one_moment_travel_in_two_batches_and_both_come(cluster: Any) -> None:
    store = (await cluster.client()).group("store")
    answers = await asyncio.gather(
        *(store.execute(Put(b"%d" % number, b"x")) for number in range(50)),
        *(store.read(Get(b"none")) for _ in range(50)),
        store.read(Scan(b"", 10)),
    )
    assert answers[:100] == [None] * 100


def test_the_queries_that_read_takes_are_those_of_its_annotation() -> None:
    class NoAnnotation(StateMachine[Add | Total]):
        def read(self, query, /):  # type: ignore[no-untyped-def]
            return 0

    class NoQuery(StateMachine[Add | Total]):
        def read(self, query: Add, /) -> int:
            return 0

    class Awaiting(Counter):
        async def read(self, query: Total, /) -> int:  # type: ignore[override]
            return 0

    class Yielding(Counter):
        def read(self, query: Total, /) -> Any:
            yield 0

    wrong: list[tuple[Any, str]] = [
        (NoAnnotation, "annotate its parameter"),
        (NoQuery, "no Query of the machine"),
        (Awaiting, "Awaiting.read is `async def`"),
        (Yielding, "Yielding.read has a `yield`"),
    ]
    for machine, why in wrong:
        topology = Topology("reads", nodes=["n1"])
        topology.raft("wrong", machine=machine)
        with pytest.raises(TopologyError, match=why):
            topology.validate()


async def test_a_stale_read_of_a_group_or_node_that_is_not_there_is_refused_at_once(make_cluster: Any) -> None:
    cluster = make_cluster(counters())
    await cluster.start()
    client = await cluster.client()
    await client.all_linked()
    begun = asyncio.get_running_loop().time()

    for api in (client, cluster["n1"]):
        with pytest.raises(CommandRefused, match="there is no group 'countre': the groups are 'counter'"):
            await api.group("countre").read_stale(Total())
        with pytest.raises(CommandRefused, match="there is no node 'n9': the nodes are 'n1', 'n2', 'n3'"):
            await api.group("counter").read_stale(Total(), node="n9")
    assert asyncio.get_running_loop().time() - begun < 1.0


async def test_a_stale_read_of_a_node_that_is_down_says_which_are_linked(make_cluster: Any) -> None:
    cluster = make_cluster(counters())
    await cluster.start()
    await cluster.stop("n1")
    client = await cluster.client()
    await client.all_linked()

    with pytest.raises(CommandTimeout, match=r"has had no link to it; it is linked to n2, n3"):
        await client.group("counter").read_stale(Total(), node="n1")
