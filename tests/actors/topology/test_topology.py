"""Topologies: every mistake is named at once, a start that fails leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any, cast

import pytest

from coterie import Client, KeyValue, Node, Topology
from coterie.actors.groups.key_value import Get
from coterie.actors.groups.state_machine import StateMachine
from coterie.errors import (
    AlreadyFormatted,
    CoterieError,
    DataDirectoryInUse,
    InsecureBind,
    NotFormatted,
    StorageDamaged,
    StorageFailed,
    TopologyError,
    TransportError,
    WrongStore,
)
from coterie.protocols.paxos.synod_config import SynodConfig
from coterie.protocols.raft.raft_config import RaftConfig
from coterie.runtime.actor import Actor
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.hosts.virtual.virtual_network import VirtualNetwork
from coterie.runtime.system import System, SystemConfig
from coterie.runtime.transport.transport_config import TransportConfig

pytestmark = pytest.mark.virtual


def idle(_: Node) -> Actor[Any]:
    raise NotImplementedError


def find_mistakes(topology: Topology) -> tuple[str, ...]:
    with pytest.raises(TopologyError) as caught:
        topology.validate()
    return caught.value.mistakes


async def test_a_topology_without_mistakes_is_valid() -> None:
    topology = Topology("t", nodes=["n1", "n2"])
    topology.raft("store", machine=KeyValue)
    topology.raft("part", machine=KeyValue, nodes=["n2"])
    topology.synod("config")
    topology.pool("workers", idle, per_node=2)

    topology.validate()


class Nodeless(Actor[Any]):
    def receive(self, msg: object) -> None:
        """Take anything; made without a node."""


async def test_makers_that_do_not_take_the_node_are_told_before_anything_runs() -> None:
    topology = Topology("t", nodes=["n1"])
    topology.pool("workers", Nodeless)  # type: ignore[arg-type]
    topology.actor("single", Nodeless)  # type: ignore[arg-type]
    topology.actor("bound", partial(idle, None))  # type: ignore[arg-type]
    topology.pool("unseen", lambda _: Nodeless())

    told = "Nodeless must take the node that it runs on as its one argument: too many positional arguments"
    assert find_mistakes(topology) == (
        f"pool 'workers': {told}",
        f"actor 'single': {told}",
        f"actor 'bound': {told.replace('Nodeless', 'idle')}",
    )


async def test_all_mistakes_are_told_at_once() -> None:
    topology = Topology("t", nodes=["n1", "n1"])
    topology.raft("store", machine=KeyValue, nodes=["n1", "n9"])
    topology.synod("store")
    topology.synod("empty", nodes=[])
    topology.synod("again", nodes=["n1", "n1"])
    topology.pool("a/b", idle, per_node=0)
    topology.pool("#node", idle)
    topology.pool("", idle)
    topology.actor("lost", idle, nodes=["n8"])
    topology.pool("light", idle, weights={"n1": 0.0, "n7": 2.0})

    text = "; ".join(find_mistakes(topology))

    for part in (
        "node 'n1' is named twice",
        "two parts have the name 'store'",
        "group 'store' is on node 'n9', which the topology does not have",
        "group 'empty' has no nodes",
        "group 'again' is on node 'n1' twice",
        "pool 'a/b' has 0 workers",
        "'a/b' is not a valid name: it contains '/'",
        "'#node' is not a valid name: it contains '#'",
        "'' is not a valid name: a name must have 1 to 1000 bytes, '' has 0",
        "actor 'lost' is on node 'n8', which the topology does not have",
        "pool 'light' gives node 'n1' the weight 0.0: it must be above 0 and finite",
        "pool 'light' gives a weight to node 'n7', which it is not on",
    ):
        assert part in text


@pytest.mark.parametrize("name", ["", "a/b", "a#b", "a=b", "a b", "a\x1b[2J", "a\u202e"])
async def test_what_is_no_name_for_a_node_is_a_mistake(name: str) -> None:
    assert any(
        f"{name!r} is not a valid name for a node: " in each for each in find_mistakes(Topology("t", nodes=[name]))
    )


async def test_a_topology_without_nodes_is_a_mistake() -> None:
    assert "it has no nodes" in find_mistakes(Topology("t", nodes=[]))


class Silent(StateMachine):  # type: ignore[type-arg]
    pass


@pytest.mark.parametrize("machine", [Silent, dict, KeyValue(), lambda: None])
async def test_what_makes_no_state_machine_is_a_mistake(machine: Any) -> None:
    topology = Topology("t", nodes=["n1"])
    topology.raft("store", machine=machine)

    (mistake,) = find_mistakes(topology)

    assert mistake.startswith("group 'store': machine= makes no state machine")


def plainly(function: Any) -> Any:
    @functools.wraps(function)
    def inner(*args: Any) -> Any:
        return function(*args)

    return inner


class Lacking(StateMachine[Get]):
    pass


class Asynchronous(StateMachine[Get]):
    async def apply(self, command: Get, /) -> None:
        pass


class Inheriting(Asynchronous):
    pass


class Decorated(StateMachine[Get]):
    @plainly
    @plainly
    async def apply(self, command: Get, /) -> None:
        pass


class Generating(StateMachine[Get]):
    def apply(self, command: Get, /) -> Any:
        yield None


class GeneratingLater(StateMachine[Get]):
    async def apply(self, command: Get, /) -> Any:
        yield None


class CallsAsynchronously:
    async def __call__(self, command: Get) -> None:
        pass


class Holding(StateMachine[Get]):
    def __init__(self) -> None:
        self.apply = CallsAsynchronously()  # type: ignore[method-assign]


class Partial(StateMachine[Get]):
    async def _get(self, how: int, command: Get) -> None:
        pass

    apply = cast("Any", functools.partialmethod(_get, 3))


@pytest.mark.parametrize(
    ("machine", "text"),
    [
        (Lacking, "Lacking has no apply: write `def apply(self, command)`"),
        (Asynchronous, "Asynchronous.apply is `async def`: write `def`"),
        (Inheriting, "Inheriting.apply is `async def`"),
        (Decorated, "Decorated.apply is `async def`"),
        (Holding, "Holding.apply is `async def`"),
        (Partial, "Partial.apply is `async def`"),
        (Generating, "Generating.apply has a `yield`"),
        (GeneratingLater, "GeneratingLater.apply has a `yield`"),
    ],
)
async def test_a_state_machine_whose_apply_cannot_be_executed_is_a_mistake(machine: Any, text: str) -> None:
    topology = Topology("t", nodes=["n1"])
    topology.raft("store", machine=machine)

    (mistake,) = find_mistakes(topology)

    assert mistake.startswith(f"group 'store': {text}")


class Fine(StateMachine[Get]):
    @plainly
    def apply(self, command: Get, /) -> None:
        pass


class FineToo(Fine):
    pass


@pytest.mark.parametrize("machine", [Fine, FineToo, KeyValue])
async def test_a_state_machine_with_an_ordinary_apply_is_none(machine: Any) -> None:
    topology = Topology("t", nodes=["n1"])
    topology.raft("store", machine=machine)

    topology.validate()


async def test_a_configuration_that_is_none_is_a_mistake() -> None:
    topology = Topology("t", nodes=["n1"])
    topology.raft("store", machine=KeyValue, config=partial(RaftConfig, heartbeat_interval_s=5.0))

    (mistake,) = find_mistakes(topology)

    assert "config= makes no configuration" in mistake


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (lambda members: SynodConfig(members[:1]), "config= is for n1, not for its nodes n1, n2"),
        (
            lambda members: SynodConfig(members, backoff_min_s=0.0),
            "config= makes no configuration: expected 0 < backoff",
        ),
        (RaftConfig, "config= makes no configuration, but a RaftConfig"),
        (lambda: None, "config= makes no configuration: "),
    ],
)
async def test_a_configuration_that_does_not_fit_its_synod_is_a_mistake(config: Any, told: str) -> None:
    topology = Topology("t", nodes=["n1", "n2"])
    topology.synod("config", config=config)

    (mistake,) = find_mistakes(topology)

    assert mistake.startswith(f"group 'config': {told}")


# Starting.


class World:
    """One node's disk and network, on which a start is tried again and again; nothing may be left of a failed one."""

    def __init__(self) -> None:
        self.network = VirtualNetwork()
        self.disk = VirtualDisk()
        self.descriptor_limit: int | None = None

    @contextlib.asynccontextmanager
    async def started(
        self, *, name: str = "t", nodes: Sequence[str] = ("n1", "n2"), **arguments: Any
    ) -> AsyncIterator[Node]:
        topology = Topology(name, nodes=nodes)
        topology.raft("store", machine=KeyValue, nodes=["n1"])
        host = VirtualHost("n1", network=self.network, disk=self.disk)
        host.resources.descriptor_limit = self.descriptor_limit
        host.resources.descriptors_open = lambda: 14
        arguments = {"node": "n1", "listen": "127.0.0.1:7401", "data": "data", "host": host, **arguments}
        async with topology.start(**arguments) as node:
            yield node

    async def fails(self, error: type[Exception], match: str, **arguments: Any) -> None:
        with pytest.raises(error, match=match):
            async with self.started(**arguments):
                pytest.fail("it started")
        await asyncio.sleep(0.1)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    async def works(self, **arguments: Any) -> None:
        async with self.started(**arguments) as node:
            await node.key_value("store").put(b"k", b"v")
        await asyncio.sleep(0.1)
        assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.fixture
async def world() -> World:
    return World()


async def test_a_node_is_formatted_once_and_started_often(world: World) -> None:
    await world.fails(NotFormatted, "is not formatted")
    await world.works(bootstrap="new")
    await world.fails(AlreadyFormatted, "already holds", bootstrap="new")
    await world.works()


async def test_a_node_whose_address_is_taken_is_not_formatted_and_the_same_call_works_later(world: World) -> None:
    squatter = await world.network.for_node("n2").listen(asyncio.Protocol, "127.0.0.1", 7401)

    await world.fails(OSError, "7401", bootstrap="new")

    squatter.close()
    await world.works(bootstrap="new")


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"node": "n9"}, "node 'n9' is not one of n1, n2"),
        ({"peers": {"n9": "127.0.0.1:1"}}, "peer 'n9' is not one of its nodes"),
        ({"peers": {"n1": "127.0.0.1:1"}}, "node 'n1' is named as its own peer"),
        ({"data": None, "bootstrap": "new"}, "data= is not given"),
    ],
)
async def test_a_start_that_does_not_fit_the_topology_is_refused_before_anything_is_touched(
    world: World, arguments: dict[str, Any], match: str
) -> None:
    await world.fails(TopologyError, match, **arguments)
    assert not world.disk.exists("data")


@pytest.mark.parametrize("arguments", [{"listen": "7401"}, {"peers": {"n2": "nowhere"}}, {"listen": "h:99999"}])
async def test_a_bad_address_is_named_before_anything_is_touched(world: World, arguments: dict[str, Any]) -> None:
    await world.fails(ValueError, "is no address", bootstrap="new", **arguments)
    assert not world.disk.exists("data")


@pytest.mark.parametrize("peers", [{"n2": "127.0.0.1:7401"}, {"n2": "h:1", "n3": "h:1"}])
async def test_an_address_that_two_nodes_share_is_a_mistake(world: World, peers: dict[str, str]) -> None:
    await world.fails(TopologyError, "has the address .* of", peers=peers, nodes=("n1", "n2", "n3"), bootstrap="new")
    assert not world.disk.exists("data")


@pytest.mark.parametrize("bootstrap", [{"bootstrap": "new"}, {}])
async def test_a_limit_of_open_files_that_is_too_low_is_told_before_anything_is_touched(
    world: World, bootstrap: dict[str, Any]
) -> None:
    world.descriptor_limit = 81
    told = "limit of open files is 81, and 14 are open: a node with 1 other node needs a limit of at least 82; "
    await world.fails(TransportError, told, **bootstrap)
    assert not world.disk.exists("data")
    world.descriptor_limit = 82
    await world.works(bootstrap="new")
    await world.works()


async def test_a_node_that_dials_while_another_one_starts_takes_no_place_of_a_client(world: World) -> None:
    async with System("n2", cluster="t", host=VirtualHost("n2", network=world.network)) as n2:
        config = SystemConfig(transport=TransportConfig(connections_max=4))
        n2.dial("127.0.0.1", 7401)  # from the first moment on: n1 listens before it formats its data
        async with world.started(bootstrap="new", peers={"n2": "127.0.0.1:7402"}, config=config) as node:
            await node.system.linked("n2")
            async with Client(["127.0.0.1:7401"], host=VirtualHost("c1", network=world.network)) as client:
                await client.key_value("store").put(b"k", b"v")


async def test_a_peer_that_is_missing_is_told_by_name_with_the_option(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await world.works(bootstrap="new", peers={"n2": "127.0.0.1:7402"}, nodes=("n1", "n2", "n3"))
    assert "topology.peers_missing" in caplog.text
    assert "peers=n3 advice=give --peer n3=HOST:PORT" in caplog.text
    caplog.clear()
    await world.works(peers={"n2": "127.0.0.1:7402"})
    assert "peers_missing" not in caplog.text


async def test_a_first_start_that_fails_late_leaves_nothing_formatted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("an actor cannot be made")

    with monkeypatch.context() as patched:
        patched.setattr("coterie.actors.topology.topology.spawn_parts", fail)
        await world.fails(RuntimeError, "cannot be made", bootstrap="new")
    assert world.disk.names("data") == ["lock"]
    await world.works(bootstrap="new")
    with monkeypatch.context() as patched:
        patched.setattr("coterie.actors.topology.topology.spawn_parts", fail)
        await world.fails(RuntimeError, "cannot be made")
    await world.works()  # what an earlier start has formatted stays


async def test_a_first_start_on_a_full_disk_leaves_nothing_formatted(world: World) -> None:
    world.disk.capacity_bytes = 1000
    await world.fails(StorageFailed, "the disk is full", bootstrap="new")
    world.disk.capacity_bytes = None
    await world.works(bootstrap="new")


async def test_what_fails_after_the_node_was_up_leaves_its_store(world: World) -> None:
    with pytest.raises(RuntimeError, match="the program"):
        async with world.started(bootstrap="new"):
            raise RuntimeError("the program failed")
    await world.works()


async def test_data_of_another_cluster_or_node_is_refused(world: World) -> None:
    await world.works(bootstrap="new")

    await world.fails(WrongStore, "belongs to node 'n1' of cluster 't'", name="other")
    await world.fails(WrongStore, "not to node 'n2'", node="n2")
    await world.works()


async def test_a_data_directory_in_use_is_refused_and_the_node_that_has_it_goes_on(world: World) -> None:
    async with world.started(bootstrap="new") as node:
        with pytest.raises(DataDirectoryInUse):
            async with world.started(listen="127.0.0.1:7402"):
                pytest.fail("it started")
        await node.key_value("store").put(b"k", b"v")


async def test_listening_to_strangers_needs_insecure_and_a_refusal_lets_go_of_the_data(world: World) -> None:
    await world.works(bootstrap="new")

    await world.fails(InsecureBind, "insecure=True", listen="0.0.0.0:7401")
    await world.works(listen="0.0.0.0:7401", insecure=True)


async def test_an_address_in_use_is_an_error_that_lets_go_of_the_data(world: World) -> None:
    await world.works(bootstrap="new")
    taken = await world.network.for_node("n1").listen(asyncio.Protocol, "127.0.0.1", 7401)

    await world.fails(OSError, "in use")
    taken.close()
    await world.works()


async def test_a_damaged_log_names_file_and_offset_and_lets_go_of_the_data(world: World) -> None:
    await world.works(bootstrap="new")
    await world.works()
    segment = max(
        (f"data/{name}" for name in world.disk.names("data") if name.endswith(".log")),
        key=lambda path: len(world.disk.contents(path)),
    )
    at = len(world.disk.contents(segment)) // 3
    world.disk.flip(segment, at)

    with pytest.raises(StorageDamaged) as caught:
        async with world.started():
            pytest.fail("it started")

    assert caught.value.path == segment
    assert 0 < caught.value.offset <= at
    world.disk.flip(segment, at)
    await world.works()


async def test_a_node_tells_where_it_really_listens(world: World) -> None:
    async with world.started(bootstrap="new", listen="127.0.0.1:0") as node:
        assert node.name == "n1"
        assert int(node.address.removeprefix("127.0.0.1:")) > 0


async def test_run_goes_on_until_it_is_cancelled() -> None:
    topology = Topology("t", nodes=["n1"])
    running = asyncio.create_task(topology.run(node="n9", listen="127.0.0.1:0"))

    with pytest.raises(CoterieError, match="n9"):
        await running


def test_a_mailbox_that_cannot_be_is_a_mistake() -> None:
    topology = Topology("t", nodes=["n1"])
    options: Any = [{"capacity": 0}, {"capacity": "10"}, {"overflow": "drop_old"}]
    for number, each in enumerate(options):
        topology.actor(f"a{number}", idle, **each)
        topology.pool(f"p{number}", idle, **each)

    choices = "overflow='drop_old' must be one of Overflow.FAIL, Overflow.DROP_NEW, Overflow.DROP_OLD"
    mistakes = [
        "capacity=0 must be a number of messages, 1 or more",
        "capacity='10' must be a number of messages, 1 or more",
    ]
    assert find_mistakes(topology) == tuple(
        f"{kind} {name}{number}': {mistake}"
        for number, mistake in enumerate([*mistakes, choices])
        for kind, name in (("actor", "'a"), ("pool", "'p"))
    )
