"""A group without a leader says so once on each node that is up, and once when there is a leader again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytestmark = pytest.mark.virtual


def told(caplog: pytest.LogCaptureFixture, event: str) -> list[str]:
    return [record.getMessage() for record in caplog.records if event in record.getMessage()]


async def test_a_lost_quorum_is_told_once_and_its_return_once(cluster: Any, caplog: pytest.LogCaptureFixture) -> None:
    client = await cluster.client()
    await client.key_value("store").put(b"k", b"v")
    assert not told(caplog, "group.no_leader")

    await cluster.kill("n1")
    await cluster.kill("n2")
    await asyncio.sleep(60.0)

    (absence,) = told(caplog, "group.no_leader")
    assert "n1, n2, n3" in absence
    assert "not_linked" in absence
    assert not told(caplog, "group.leader_found")

    await cluster.start("n1")
    await asyncio.sleep(10.0)
    assert await client.key_value("store").get(b"k") == b"v"
    assert len(told(caplog, "group.leader_found")) == 1
    assert len(told(caplog, "group.no_leader")) == 1


async def test_an_ordinary_failover_is_no_warning(cluster: Any, caplog: pytest.LogCaptureFixture) -> None:
    client = await cluster.client()
    await client.key_value("store").put(b"k", b"v")
    leader = client.group("store").leader

    await cluster.kill(leader)
    await client.key_value("store").put(b"k", b"w")
    await asyncio.sleep(10.0)

    assert not told(caplog, "group.no_leader")


async def test_an_emptied_node_that_was_formatted_anew_says_that_its_store_is_refused_and_not_that_nobody_leads(
    cluster: Any, caplog: pytest.LogCaptureFixture
) -> None:
    await (await cluster.client()).key_value("store").put(b"k", b"v")
    await cluster.kill("n3")
    cluster.wipe("n3")
    await cluster.start("n3")  # with --bootstrap new

    await asyncio.sleep(100.0)

    assert not told(caplog, "group.no_leader")
    lines = [line for line in told(caplog, "registration.refused") if "actor=store" in line]
    assert len(lines) == 2, "one for each of the others"
    assert all("although there may be one" in line for line in lines)
    assert all("--bootstrap join, then coterie raft replace" in line for line in lines)
