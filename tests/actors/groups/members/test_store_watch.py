"""What the logs say of a node that comes with another store: the command to run, and no alarm once it is run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from coterie.actors.groups.members.invitations import Invitations
from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.membership.membership import StoreId
from coterie.testing import Cluster
from tests.actors.groups.members.test_member_changes import NODES, add, group_of, store_of, topology_of

pytestmark = pytest.mark.virtual


@pytest.fixture
async def cluster(make_cluster: Callable[..., Cluster]) -> Cluster:
    made = make_cluster(topology_of(), joining=NODES[3:])
    await made.start()
    return made


async def wipe(cluster: Cluster, node: str, caplog: pytest.LogCaptureFixture, **options: Any) -> None:
    """Let the node lose its disk, and start it; what is logged from then on is in `caplog`."""
    await cluster.kill(node)
    cluster.wipe(node, **options)
    caplog.clear()
    caplog.set_level(logging.INFO)
    await cluster.start(node)


def alarming(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The names of the events that are more than information, but for those of lost and returned links."""
    events = [record.getMessage().split()[0] for record in caplog.records if record.levelno > logging.INFO]
    return [event for event in events if event not in ("node.lost", "node.back")]


def texts_of(event: str, caplog: pytest.LogCaptureFixture) -> list[str]:
    return [text for record in caplog.records if (text := record.getMessage()).startswith(event)]


async def test_a_wiped_node_is_named_once_by_the_leader_with_the_command_to_run(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    group = await group_of(cluster)
    await add(group, 3)
    await group.transfer("n1")
    lost = store_of(await group.members(), "n3")
    await wipe(cluster, "n3", caplog, join=True)

    await asyncio.sleep(60)

    assert alarming(caplog) == ["group.other_store"]
    (told,) = texts_of("group.other_store", caplog)
    assert "node=n1" in told
    assert "peer=n3" in told
    assert f"coterie raft replace totals n3 --store {lost[:8]}" in told


async def test_a_replacement_that_is_asked_for_at_once_alarms_nobody(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    group = await group_of(cluster)
    await add(group, 3)
    await group.transfer("n1")
    lost = store_of(await group.members(), "n3")
    await wipe(cluster, "n3", caplog, join=True)

    await group.replace("n3", store=lost[:6])
    await asyncio.sleep(60)

    assert alarming(caplog) == []
    deferred = texts_of("transport.handshake_deferred", caplog)
    assert deferred
    assert all("is let in once the former one has been out of reach" in text for text in deferred)


async def test_a_wiped_founder_that_was_formatted_anew_is_an_error_with_the_command_to_run(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    group = await group_of(cluster)
    await add(group, 3)
    lost = store_of(await group.members(), "n3")
    await wipe(cluster, "n3", caplog)

    await asyncio.sleep(20)

    refusals = texts_of("store.refused", caplog)
    assert refusals
    assert all(f"coterie raft replace totals n3 --store {lost[:8]}" in text for text in refusals)


async def test_nothing_is_told_while_an_operator_replaces_the_store(
    cluster: Cluster, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = await group_of(cluster)
    await add(group, 3)
    lost = store_of(await group.members(), "n3")
    ask = Invitations._ask

    async def late(self: Invitations, node: NodeId) -> StoreId:
        await asyncio.sleep(20)
        return await ask(self, node)

    monkeypatch.setattr(Invitations, "_ask", late)
    await wipe(cluster, "n3", caplog, join=True)

    await group.replace("n3", store=lost[:6])

    assert alarming(caplog) == []
