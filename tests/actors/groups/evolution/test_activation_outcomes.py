"""An activation is never reported as refused if the schema has become active, whatever fails meanwhile."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from coterie import Outcome
from coterie.actors.groups.group_messages import Refused, SchemaActivated, Unsettled
from coterie.actors.groups.replicas.answer_room import AnswerRoom
from coterie.actors.groups.replicas.client_proposals import ClientProposals
from coterie.errors import CommandError, CommandRefused
from tests.actors.groups.evolution.test_group_evolution import V1, V2, Add, Upgrades

pytestmark = pytest.mark.virtual


@pytest.fixture
async def upgraded(make_cluster: Any) -> Upgrades:
    """All nodes on the new code, which is not active yet."""
    cluster = make_cluster(V1)
    await cluster.start()
    made = Upgrades(cluster)
    await made.execute(Add(100))
    for node in ("n1", "n2", "n3"):
        await made.upgrade(node, V2)
    await made.settle()
    return made


async def check(upgraded: Upgrades, outcome: object) -> None:
    """Compare what the caller was told with what is so."""
    await asyncio.sleep(5.0)
    revisions = {status.revision for status in (await upgraded.statuses()).values()}
    assert len(revisions) == 1
    if isinstance(outcome, SchemaActivated):
        assert revisions == {2}
    else:
        assert isinstance(outcome, CommandError)
        assert outcome.outcome is Outcome.UNKNOWN or revisions == {1}


@pytest.mark.parametrize("pause_s", [0.01, 0.1, 0.3, 0.5, 0.8, 1.2, 1.6, 2.0, 2.8])
async def test_followers_that_stop_meanwhile_make_no_false_outcome(upgraded: Upgrades, pause_s: float) -> None:
    leader = await upgraded.leader()
    group = (await upgraded.cluster.client()).group("totals")
    network = upgraded.cluster.network
    for node in ("n1", "n2", "n3"):
        if node != leader:
            network.partition(leader, node)

    activation = asyncio.ensure_future(group.activate(timeout_s=6.0))
    await asyncio.sleep(pause_s)
    network.heal()
    (outcome,) = await asyncio.gather(activation, return_exceptions=True)

    await check(upgraded, outcome)


@pytest.mark.parametrize("pause_s", [0.0001, 0.001, 0.002, 0.005, 0.02])
async def test_a_leader_that_is_killed_meanwhile_makes_no_false_outcome(upgraded: Upgrades, pause_s: float) -> None:
    leader = await upgraded.leader()
    group = (await upgraded.cluster.client()).group("totals")

    activation = asyncio.ensure_future(group.activate(timeout_s=8.0))
    await asyncio.sleep(pause_s)
    await upgraded.cluster.kill(leader)
    await asyncio.sleep(1.0)
    await upgraded.start(leader)
    (outcome,) = await asyncio.gather(activation, return_exceptions=True)

    await check(upgraded, outcome)


async def test_a_node_that_does_not_answer_does_not_keep_the_others_from_being_asked(upgraded: Upgrades) -> None:
    leader = await upgraded.leader()
    group = (await upgraded.cluster.client()).group("totals")
    await upgraded.cluster.kill(next(node for node in ("n1", "n2", "n3") if node != leader))

    assert isinstance(await group.activate(timeout_s=8.0), SchemaActivated)


async def test_a_refusal_of_the_leader_is_definite_and_comes_at_once(make_cluster: Any) -> None:
    cluster = make_cluster(V1)
    await cluster.start()
    upgrades = Upgrades(cluster)
    await upgrades.execute(Add(100))
    for node in ("n1", "n2"):
        await upgrades.upgrade(node, V2)
    await upgrades.lead("n1")
    await asyncio.sleep(1.0)
    group = (await cluster.client()).group("totals")
    began_s = asyncio.get_running_loop().time()

    with pytest.raises(CommandRefused, match="n3 runs version 1"):
        await group.activate(timeout_s=8.0)

    assert asyncio.get_running_loop().time() - began_s < 1.0


@pytest.mark.parametrize(("answer", "is_certain"), [(Refused("r", None), True), (Unsettled("u", None), False)])
def test_a_schema_entry_that_may_still_be_committed_is_not_told_as_rejected(
    answer: Refused | Unsettled, is_certain: bool
) -> None:
    told: list[tuple[int, bool]] = []

    class Schemas:
        def rejected(self, ref: int, *, is_certain: bool) -> None:
            told.append((ref, is_certain))

    schemas: Any = Schemas()
    proposals = ClientProposals(
        "n1",
        schemas,
        AnswerRoom(lambda: None, 1),
        command_bytes_max=1,
        answer_bytes_max=1,
    )
    ref = proposals.next_ref()

    proposals.answer(ref, answer)

    assert told == [(ref, is_certain)]


async def test_a_leader_that_does_not_know_yet_what_is_committed_refuses_nothing(upgraded: Upgrades) -> None:
    leader = await upgraded.leader()
    await (await upgraded.cluster.client()).group("totals").activate()
    cell: Any = upgraded.cluster[leader].system.registry.cell_at("totals")
    keeper = cell.actor._schemas
    elected_just_now = SimpleNamespace(
        role=keeper._raft.role, term=keeper._raft.term, leader=leader, facts=keeper._raft.facts, commit_index=0
    )
    told: list[Any] = []

    keeper._raft, known = elected_just_now, keeper._raft
    keeper.activate(told.append)
    keeper._raft = known

    (answer,) = told
    assert answer.reason == "the last schema is not committed yet: ask again"
    assert not answer.is_certain
