"""The load of a pool's workers, as nodes see it that probe or subscribe: over the wire, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from coterie import Actor, Address, Ask, Ref, message
from coterie.actors.pools.loads.load_book import TARGETS_MAX, LoadBook
from coterie.actors.pools.loads.load_messages import ProbeLoad, UnknownWorker
from coterie.actors.pools.loads.load_subscribers import LEASE_S
from coterie.actors.pools.loads.node_sampler import NodeSampler
from coterie.actors.pools.loads.worker_loads import WorkerLoads
from coterie.actors.pools.pool_actor import PoolActor
from coterie.actors.pools.pool_messages import ListWorkers
from coterie.actors.pools.pool_size import SizeLimits
from coterie.errors import ActorFailed
from coterie.protocols.balancing import LoadReport
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.remote.rows import LOAD
from coterie.testing import Systems, no_leaks

pytestmark = pytest.mark.virtual

SERVICE_S = 0.5
POOL = "pool"
WORKER = Address("server", f"{POOL}/1")


@message(name="test.worker_loads.Work")
class Work(Ask[str]):
    fails: bool = False


class Worker(Actor[Work]):
    async def receive(self, msg: Work) -> str:
        await asyncio.sleep(SERVICE_S)
        if msg.fails:
            raise RuntimeError("broken")
        return "done"


@pytest.fixture
async def systems() -> AsyncIterator[Systems]:
    """Nodes `server`, with a pool of two workers, `caller` and `other`."""
    async with no_leaks(), Systems("server", "caller", "other") as systems:
        systems["server"].spawn(pool_actor, name=POOL)
        await asyncio.sleep(0.1)
        yield systems


def pool_actor() -> PoolActor:
    return PoolActor(Worker, SizeLimits(2, 2), weight=1.0, exported=False)


def worker(systems: Systems, node: str) -> Ref[Any]:
    return systems[node].at(WORKER)


async def probe(systems: Systems, path: str = WORKER.path) -> LoadReport:
    ref: Ref[Any] = systems["caller"].at(Address("server", POOL))
    return await ref.ask(ProbeLoad(path))


async def subscribe(systems: Systems, node: str) -> LoadBook:
    await systems[node].at(Address("server", POOL)).ask(ListWorkers(subscriber=node))
    return systems[node].extension(LoadBook)


async def warm_up(systems: Systems, rounds: int = 7, waiting: int = 4) -> None:
    """Let `waiting` requests come at once, several times."""
    for _ in range(rounds):
        await asyncio.gather(*(worker(systems, "other").ask(Work()) for _ in range(waiting)))


async def test_a_probe_shows_the_requests_in_flight_and_the_latency_that_so_many_have(systems: Systems) -> None:
    await probe(systems)
    await warm_up(systems)
    asked = [worker(systems, "caller").ask(Work()) for _ in range(3)]
    await asyncio.sleep(0.1)

    load = await probe(systems)

    assert load.in_flight == 3
    assert load.latency_s is not None
    assert 3 * SERVICE_S < load.latency_s <= 4 * SERVICE_S, "the fourth of each round waited for three"
    assert load.service_s == pytest.approx(SERVICE_S, abs=0.01)
    await asyncio.gather(*asked)
    assert (await probe(systems)).in_flight == 0


async def test_the_other_worker_of_the_pool_has_its_own_load(systems: Systems) -> None:
    await probe(systems, f"{POOL}/2")
    asked = worker(systems, "caller").ask(Work())
    await asyncio.sleep(0.1)

    assert (await probe(systems, f"{POOL}/2")).in_flight == 0
    await asked


@pytest.mark.parametrize("path", [f"{POOL}/3", POOL, "", "nowhere"])
async def test_a_probe_of_no_worker_of_the_pool_is_an_error_of_its_own(systems: Systems, path: str) -> None:
    with pytest.raises(UnknownWorker, match="no worker at"):
        await probe(systems, path)


async def test_a_subscriber_gets_the_load_with_each_reply_and_others_do_not(systems: Systems) -> None:
    book, others = await subscribe(systems, "caller"), systems["other"].extension(LoadBook)
    asked = [worker(systems, "caller").ask(Work()), worker(systems, "other").ask(Work())]
    await asyncio.gather(*asked)

    load = book.latest(worker(systems, "caller"))

    assert load is not None
    assert load.in_flight == 1, "the reply left while the other request was still in flight"
    assert load.latency_s == pytest.approx(SERVICE_S, abs=0.01)
    assert others.latest(worker(systems, "other")) is None
    assert systems["other"].remoting.loads_dropped == 0


async def test_a_report_that_is_older_than_the_request_does_not_count(systems: Systems) -> None:
    book = await subscribe(systems, "caller")
    ref, monotonic = worker(systems, "caller"), systems["caller"].host.clock.monotonic
    await ref.ask(Work())
    received_at = monotonic()

    assert book.latest(ref, since=received_at) is not None
    await asyncio.sleep(0.1)
    assert book.latest(ref, since=monotonic()) is None


async def test_a_subscription_that_is_not_renewed_ends(systems: Systems) -> None:
    book = await subscribe(systems, "caller")
    ref, monotonic = worker(systems, "caller"), systems["caller"].host.clock.monotonic
    await asyncio.sleep(LEASE_S - 2)
    sent_at = monotonic()
    await ref.ask(Work())
    assert book.latest(ref, since=sent_at) is not None
    await asyncio.sleep(2)
    sent_at = monotonic()
    await ref.ask(Work())
    assert book.latest(ref, since=sent_at) is None


async def test_names_without_a_link_are_no_subscribers_and_take_no_place(systems: Systems) -> None:
    book = await subscribe(systems, "caller")
    for number in range(1200):
        await systems["other"].at(Address("server", POOL)).ask(ListWorkers(subscriber=f"{number}" * 100))
    cell = systems["server"].registry.cell_at(POOL)
    assert cell is not None
    assert isinstance(cell.actor, PoolActor)
    assert len(cell.actor._loads._subscribers) == 1
    await worker(systems, "caller").ask(Work())
    assert book.latest(worker(systems, "caller")) is not None


async def test_failures_carry_the_load_and_count_as_errors(systems: Systems) -> None:
    book, ref = await subscribe(systems, "caller"), worker(systems, "caller")
    with pytest.raises(ActorFailed):
        await ref.ask(Work(fails=True))

    load = book.latest(ref)

    assert load is not None
    assert load.errors_per_s > 0


async def test_a_restarted_worker_keeps_its_load(systems: Systems) -> None:
    await probe(systems)
    ref = worker(systems, "caller")
    asked = [ref.ask(Work(fails=True)), ref.ask(Work()), ref.ask(Work())]
    with pytest.raises(ActorFailed):
        await asked[0]
    assert (await probe(systems)).in_flight == 2
    await asyncio.gather(*asked[1:])

    assert (await probe(systems)).in_flight == 0
    assert systems["server"].stats().restarts == 1


async def test_a_local_worker_needs_no_subscription(systems: Systems) -> None:
    server = systems["server"]
    book, ref = server.extension(LoadBook), worker(systems, "server")
    first = book.latest(ref)
    assert first is not None
    asked = ref.ask(Work())
    await asyncio.sleep(0.1)

    load = book.latest(ref)

    assert load is not None
    assert load.in_flight == 1
    assert book.latest(server.at(Address("server", POOL))) is None, "it has no meter"
    assert book.latest(server.at(Address("server", "nowhere"))) is None
    await asked


async def test_the_report_has_the_resources_of_the_node(systems: Systems) -> None:
    host: Any = systems["server"].host
    host.resources.cpu_used = 0.5
    await probe(systems)
    await asyncio.sleep(1)

    resources = (await probe(systems)).resources

    assert resources is not None
    assert resources.cpu_used == pytest.approx(0.5)
    assert resources.actors == 3
    assert systems["server"].extension(NodeSampler).is_sampling


async def test_the_reports_of_a_node_are_forgotten_with_its_link(systems: Systems) -> None:
    book = await subscribe(systems, "caller")
    await worker(systems, "caller").ask(Work())
    assert len(book) == 1
    systems.partition(["server"], ["caller", "other"])
    await asyncio.sleep(60)

    assert len(book) == 0
    assert book.latest(worker(systems, "caller")) is None


WRONG: list[tuple[object, ...]] = [
    ("many",),
    (-1,),
    (1, float("nan")),
    (1, float("inf")),
    (1, -0.5),
    (1, None, None, "x"),
    (1, None, None, 0.0, 0.0, None, (0.5,) * 40),
    (1, None, None, 0.0, 0.0, None, (-1.0,)),
    (1, None, None, 0.0, 0.0, None, 7),
]


@pytest.mark.parametrize("values", WRONG)
async def test_a_report_with_wrong_values_is_a_bad_row_and_is_not_kept(
    systems: Systems, values: tuple[object, ...]
) -> None:
    caller, server = systems["caller"], systems["server"]
    book, transport = caller.extension(LoadBook), server.remoting.transport
    assert transport is not None
    number = caller.remoting.next_number() + 1
    asked = worker(systems, "caller").ask(Work())
    transport.send("caller", Lane.BULK, (LOAD, number, values))

    assert await asked == "done"
    assert caller.stats().dead_letters == {"bad_message": 1}
    assert len(book) == 0


async def test_fields_of_a_later_version_are_ignored_and_missing_ones_have_defaults(systems: Systems) -> None:
    caller, transport = systems["caller"], systems["server"].remoting.transport
    book = caller.extension(LoadBook)
    assert transport is not None
    for values in ((3, 0.25, None, 1.0, 0.0, None, None, "new"), (3,)):
        number = caller.remoting.next_number() + 1
        asked = worker(systems, "caller").ask(Work())
        transport.send("caller", Lane.BULK, (LOAD, number, values))
        await asked

        load = book.latest(worker(systems, "caller"))
        assert load is not None
        assert load.in_flight == 3


async def test_the_book_is_bounded(systems: Systems) -> None:
    system = systems["caller"]
    book, listener = system.extension(LoadBook), system.remoting.load_listener
    assert listener is not None
    for number in range(TARGETS_MAX + 5):
        listener("server", f"w{number}", (number,))

    assert len(book) == TARGETS_MAX
    assert book.latest(system.at(Address("server", "w4"))) is None
    assert book.latest(system.at(Address("server", "w5"))) == LoadReport(5)


async def test_nothing_is_measured_while_nobody_asks(systems: Systems) -> None:
    await worker(systems, "caller").ask(Work())
    cell = systems["server"].registry.cell_at(WORKER.path)

    assert cell is not None
    assert cell.actor_class.plain == {Work}, "asks are enqueued as those of any other actor"
    assert not systems["server"].extension(NodeSampler).is_sampling


async def test_a_worker_that_joins_later_is_metered_for_the_subscribers_from_its_start(systems: Systems) -> None:
    loads = WorkerLoads(systems["server"], "other_pool")
    loads.subscribe("caller")
    states: list[bool] = []
    loads.meter_for("3").attach(states.append)
    loads.close()

    assert states == [True]


async def test_workers_that_have_ended_are_forgotten(systems: Systems) -> None:
    loads = WorkerLoads(systems["server"], "other_pool")
    for number in range(100):
        loads.meter_for(str(number))
        loads.subscribe("caller")

    assert len(loads) == 0
    loads.close()
