"""The demo's live view of its members: each change of the worst opinion is one line."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from coterie.actors.detection.detector_messages import MemberLine, MembersReport
from coterie.demo.demo_topology import three_nodes
from coterie.demo.member_watch import MemberWatch
from coterie.testing import Cluster


def report(node: str, **states: str) -> MembersReport:
    lines = [MemberLine(peer, state, 0.0, "silent", 0, None, ()) for peer, state in states.items()]
    return MembersReport(node, "SwimConfig", tuple(lines))


def watch_of(client: Any = None) -> tuple[MemberWatch, list[str]]:
    said: list[str] = []
    return MemberWatch(client, cast("Any", SimpleNamespace(say=said.append))), said


def test_members_that_are_alive_from_the_start_are_not_news() -> None:
    watch, said = watch_of()

    watch.take([report("n1", n2="alive", n3="alive"), report("n2", n1="alive", n3="alive"), None])

    assert said == []


def test_each_new_worst_opinion_is_said_once_with_its_observer() -> None:
    watch, said = watch_of()
    for states in (("alive", "suspected"), ("suspected", "suspected"), ("suspected", "failed"), ("failed", "failed")):
        watch.take([report("n1", n3=states[0]), report("n2", n3=states[1])])
    watch.take([report("n1", n3="alive"), report("n2", n3="failed")])
    watch.take([report("n1", n3="alive"), report("n2", n3="alive")])

    assert said == [
        "n3 is suspected, says n2: silent",
        "n3 has failed, says n2: silent",
        "n3 is trusted by all",
    ]


@pytest.mark.virtual
async def test_a_killed_node_is_shown_live() -> None:
    async with Cluster(three_nodes()) as cluster:
        client = await cluster.client()
        await asyncio.sleep(5)
        watch, said = watch_of(client)
        task = asyncio.get_running_loop().create_task(watch.run())
        await cluster.kill(await cluster.leader_of("store"))
        await asyncio.sleep(10)
        task.cancel()

    assert [line.split(",")[0].split(" ", 1)[1] for line in said] == ["is suspected", "has failed"]
