"""`Systems`: several systems in one process, and the methods of a world."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from coterie import Actor, Address, Ask, Ref, System, SystemConfig, message
from coterie.errors import CoterieError, NodeUnreachable
from coterie.runtime.hosts.host import Host
from coterie.testing import Probe, Systems, VirtualHost, no_leaks, run_virtual

pytestmark = pytest.mark.virtual


@message(name="test.systems.Ping")
class Ping(Ask[str]):
    pass


@message(name="test.systems.News")
class News:
    number: int


class Named(Actor[Ping | News]):
    def receive(self, msg: Ping | News, /) -> str:
        return self.context.system.node


def make(node: str, host: Host) -> System:
    return System(node, cluster="named", host=host, config=SystemConfig(ask_timeout_s=1.0))


@pytest.fixture
async def systems() -> AsyncIterator[Systems]:
    async with no_leaks(), Systems("n1", "n2", "n3", make=make) as systems:
        for system in systems.values():
            system.spawn(Named, name="named")
        yield systems


def to(systems: Systems, source: str, target: str) -> Ref[Ping]:
    return systems[source].at(Address(target, "named"))


async def reaches(systems: Systems, source: str, target: str) -> bool:
    with contextlib.suppress(CoterieError):
        return await to(systems, source, target).ask(Ping()) == target
    return False


async def test_every_two_are_linked_at_the_beginning(systems: Systems) -> None:
    pairs = [(a, b) for a in systems for b in systems]

    assert all([await reaches(systems, a, b) for a, b in pairs])
    assert len(pairs) == 9


async def test_each_is_made_as_the_test_says(systems: Systems) -> None:
    assert systems["n2"].identity.cluster == "named"
    assert isinstance(systems["n2"].host, VirtualHost)


async def test_a_partition_parts_the_sides_and_no_one_else(systems: Systems) -> None:
    systems.partition(["n1"], ["n2", "n3"])

    assert not await reaches(systems, "n1", "n2")
    assert not await reaches(systems, "n3", "n1")
    assert await reaches(systems, "n2", "n3")


async def test_a_partition_may_have_many_sides(systems: Systems) -> None:
    systems.partition(["n1"], ["n2"], ["n3"])

    assert not any([await reaches(systems, a, b) for a, b in (("n1", "n2"), ("n2", "n3"), ("n3", "n1"))])


async def test_an_isolated_one_reaches_nobody_until_it_is_healed(systems: Systems) -> None:
    systems.isolate("n2")
    assert not await reaches(systems, "n2", "n1")
    assert await reaches(systems, "n1", "n3")

    systems.heal()
    await systems.linked()

    assert await reaches(systems, "n2", "n1")


async def test_a_side_is_not_a_name(systems: Systems) -> None:
    with pytest.raises(TypeError, match=r"a side is a list of names: \['n1'\]"):
        systems.partition("n1", "n2")


async def test_a_killed_one_is_gone_at_once_and_lives_again_with_a_new_incarnation(systems: Systems) -> None:
    before = systems["n1"].incarnation
    begin = asyncio.get_running_loop().time()

    await systems.kill("n1")

    assert asyncio.get_running_loop().time() == begin
    assert list(systems) == ["n2", "n3"]
    with pytest.raises(NodeUnreachable):
        await to(systems, "n2", "n1").ask(Ping())
    await systems.start("n1")
    await systems.linked()
    systems["n1"].spawn(Named, name="named")
    assert await reaches(systems, "n2", "n1")
    assert systems["n1"].incarnation != before


async def test_what_a_killed_one_says_while_it_ends_reaches_nobody(systems: Systems) -> None:
    probe = Probe(systems["n2"], News, name="probe")
    at_probe = systems["n1"].at(Address("n2", "probe"))

    class LastWords(Actor[Ping]):
        def receive(self, msg: Ping, /) -> None: ...

        def on_stop(self) -> None:
            at_probe.tell(News(1))

    systems["n1"].spawn(LastWords)
    await systems.kill("n1")

    await probe.expect_none(for_s=30.0)


async def test_a_killed_one_finds_no_way_back_while_it_ends(systems: Systems) -> None:
    probe = Probe(systems["n2"], News, name="probe")
    at_probe = systems["n1"].at(Address("n2", "probe"))

    class SlowLastWords(Actor[Ping]):
        def receive(self, msg: Ping, /) -> None: ...

        async def on_stop(self) -> None:
            await asyncio.sleep(3.0)  # time enough to link again, were it alive
            at_probe.tell(News(1))

    systems["n1"].spawn(SlowLastWords)
    await systems.kill("n1")

    await probe.expect_none(for_s=30.0)


async def test_what_was_not_synced_may_be_lost_with_the_life(systems: Systems) -> None:
    def held(prefix: str) -> list[bytes]:
        disk = systems["n1"].host.disk
        return [disk.open(f"d/{name}").read_at(0, 4) for name in disk.names("d") if name.startswith(prefix)]

    disk = systems["n1"].host.disk
    disk.make_directories("d")
    for number in range(10):
        synced, unsynced = (disk.open(f"d/{kind}-{number}", create=True) for kind in ("synced", "unsynced"))
        disk.sync_directory("d")
        synced.write_at(0, b"data")
        synced.sync()
        unsynced.write_at(0, b"data")

    await systems.kill("n1")
    await systems.start("n1")

    assert held("synced") == [b"data"] * 10
    assert held("unsynced") != [b"data"] * 10  # as the seed of the world will have it


async def test_one_that_stops_in_good_order_says_its_last_words(systems: Systems) -> None:
    probe = Probe(systems["n2"], News, name="probe")
    at_probe = systems["n1"].at(Address("n2", "probe"))

    class LastWords(Actor[Ping]):
        def receive(self, msg: Ping, /) -> None: ...

        def on_stop(self) -> None:
            at_probe.tell(News(1))

    systems["n1"].spawn(LastWords)
    await systems.stop("n1")

    await probe.expect(News(1))
    assert "n1" not in systems


async def test_who_lives_cannot_start_and_who_does_not_live_cannot_be_killed(systems: Systems) -> None:
    with pytest.raises(ValueError, match=r"start\('n1'\): the node is running already"):
        await systems.start("n1")
    await systems.kill("n1")
    with pytest.raises(KeyError):
        await systems.kill("n1")


async def test_a_life_that_ends_by_itself_raises_its_fault(systems: Systems) -> None:
    systems["n1"].fail(OSError("the disk is gone"))

    with pytest.raises(OSError, match="the disk is gone"):
        await systems.ended("n1")

    assert "n1" not in systems


async def test_a_fault_that_nobody_asked_for_comes_out_at_the_end() -> None:
    async def main() -> None:
        async with Systems("n1", "n2") as systems:
            systems["n1"].fail(OSError("the disk is gone"))
            systems["n2"].fail(RuntimeError("and the rest"))
            await asyncio.sleep(1)

    with pytest.raises(BaseExceptionGroup) as caught:
        await main()

    assert [str(fault) for fault in caught.value.exceptions] == ["and the rest", "the disk is gone"]


async def test_a_start_that_fails_ends_what_had_started() -> None:
    made: list[System] = []

    def failing(node: str, host: Host) -> System:
        if node == "n3":
            raise OSError("no such node")
        made.append(System(node, cluster="c", host=host))
        return made[-1]

    async with no_leaks():
        with pytest.raises(OSError, match="no such node"):
            await Systems("n1", "n2", "n3", make=failing).__aenter__()

    assert len(made) == 2


def test_the_same_seed_is_the_same_world_and_another_is_another() -> None:
    async def draw(seed: int) -> list[float]:
        async with Systems("n1", "n2", seed=seed) as systems:
            await systems.kill("n1")
            await systems.start("n1")
            return [system.host.random.random() for system in systems.values()]

    def drawn(seed: int) -> list[float]:
        return run_virtual(lambda: draw(seed))

    assert drawn(1) == drawn(1)
    assert not set(drawn(1)) & set(drawn(2))
