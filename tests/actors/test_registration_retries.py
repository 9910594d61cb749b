"""A voter asks those again that do not answer, and names them in the log, both ever more seldom."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from coterie.actors.voter_registration import RETRY_MAX_S, RETRY_MIN_S
from coterie.actors.wire_names import StoreRegistered
from tests.actors.registering_voters import RegisteringVoters

pytestmark = pytest.mark.virtual


async def test_who_does_not_answer_is_asked_again_ever_more_seldom() -> None:
    group = RegisteringVoters(3)
    await group.start("n1", "n2")
    group.settle()
    voter = group.up["n1"]

    for _ in range(8):
        voter.registration.retry()

    assert {to for to, _ in group.messages} == {"n3"}
    assert voter.delays[:3] == [RETRY_MIN_S, 2 * RETRY_MIN_S, 4 * RETRY_MIN_S]
    assert voter.delays[-2:] == [RETRY_MAX_S] * 2


async def test_who_does_not_answer_is_told_ever_more_seldom_and_anew_when_that_changes() -> None:
    group = RegisteringVoters(5)
    await group.start("n1", "n2")
    group.settle()
    voter = group.up["n1"]

    for _ in range(100):
        voter.registration.retry()

    assert {event for event, _ in voter.logged} == {"registration.delayed"}
    assert {facts["missing"] for _, facts in voter.logged} == {"n3, n4, n5"}
    assert "--peer NODE=HOST:PORT" in voter.logged[0][1]["advice"]
    assert len(voter.logged) == 7  # the 1st, 2nd, 4th, … 64th of 94 or so
    await group.start("n3")
    group.remind()
    group.settle()
    voter.registration.retry()
    assert (len(voter.logged), voter.logged[-1][1]["not_linked"]) == (8, "n4, n5")


async def test_who_gets_a_link_is_asked_at_once_and_nobody_after_all_have_answered() -> None:
    group = RegisteringVoters(3)
    await group.start("n1")
    voter = group.up["n1"]
    group.messages.clear()

    for kind, node in (("up", "n2"), ("down", "n3"), ("up", "stranger")):
        voter.listeners[0](SimpleNamespace(kind=kind, node=node))
    assert group.messages == [("n2", group.request("n1", "n1/1"))]

    for peer in ("n2", "n3"):
        voter.registration.handle_reply(StoreRegistered(peer, "n1/1"))
    voter.disk.sync_one()
    group.messages.clear()
    voter.registration.retry()
    assert group.messages == []
    assert voter.listeners == []
