"""A group in which something fails in a loop for a minute logs one line a second and kind at most."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

import pytest

from coterie import Ask, CommandError, CoterieError, Query, StateMachine, Topology, message
from coterie.testing import Cluster
from tests.runtime.observing.test_failing_loops import EVERY_S, Lines, turns

pytestmark = pytest.mark.virtual


@message(name="failing.Do")
class Do(Ask[int]):
    number: int


@message(name="failing.Look")
class Look(Query[int]):
    pass


class Machine(StateMachine[Do | Look]):
    """Fails at each `Do`."""

    def apply(self, command: Do | Look, /) -> int:
        if isinstance(command, Do):
            raise ValueError(f"command {command.number} fails")
        return 1


@pytest.fixture
async def failing(make_cluster: Any) -> Cluster:
    topology = Topology("failing", nodes=["n1", "n2", "n3"])
    topology.raft("group", machine=Machine)
    cluster: Cluster = make_cluster(topology)
    await cluster.start()
    assert await (await cluster.client()).group("group").execute(Look()) == 1
    return cluster


@pytest.fixture
async def lines(failing: Cluster) -> Any:
    """What a program's own handler gets from now on."""
    handler = Lines(asyncio.get_running_loop().time)
    logging.getLogger("coterie").addHandler(handler)
    yield handler
    logging.getLogger("coterie").removeHandler(handler)


def too_many(lines: Lines) -> dict[tuple[str, ...], int]:
    return {kind: count for kind, count in lines.count_by_second.items() if count > 1}


async def test_commands_that_fail_for_a_minute_are_told_at_each_doubling(failing: Cluster, lines: Lines) -> None:
    group = (await failing.client()).group("group")
    for number, _ in enumerate(turns()):
        with contextlib.suppress(CommandError):
            await group.execute(Do(number))
        await asyncio.sleep(EVERY_S)

    assert lines.events == {"group.apply_failed", "group.apply_failed_again"}
    assert sum(lines.count_by_second.values()) <= 3 * 11  # the first one and ten doublings, on each node


async def test_a_group_without_a_quorum_says_so_once(failing: Cluster, lines: Lines) -> None:
    client = await failing.client()
    for name in ("n2", "n3"):
        await failing.kill(name)
    for _ in turns():
        with contextlib.suppress(CoterieError):
            await client.group("group").execute(Look(), timeout_s=EVERY_S)

    assert too_many(lines) == {}
    assert lines.events >= {"group.no_leader", "node.lost"}
    assert sum(lines.count_by_second.values()) < 20


async def test_a_node_whose_disk_fails_in_each_of_its_lives_is_a_line_a_life(failing: Cluster, lines: Lines) -> None:
    client = await failing.client()
    lives = 0
    for _ in turns():
        failing.disks["n3"].fail_next_sync(OSError(5, "the disk is broken"))
        for number in range(3):
            with contextlib.suppress(CoterieError):
                await client.group("group").execute(Do(number), timeout_s=1.0)
        with contextlib.suppress(CoterieError):
            await asyncio.wait_for(failing.ended("n3"), 5.0)
        lives += 1
        await asyncio.sleep(1)  # as `coterie up` waits
        with contextlib.suppress(CoterieError):
            await failing.start("n3")

    assert lives > 10
    assert {kind: count for kind, count in too_many(lines).items() if "apply_failed" not in kind[0]} == {}
    assert "system.failed" in lines.events
