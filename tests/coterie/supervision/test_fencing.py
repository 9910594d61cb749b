"""Whom to fence: a table of the rules, and of what must never happen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coterie.supervision.fencing import Fence, NodeState, choose_fence

UP = NodeState("n1", is_running=True, was_up=True, is_accusable=True, silent_s=0.0)
HANG_TIMEOUT_S = 10.0


def up(node: str) -> NodeState:
    return replace(UP, node=node)


def silent(node: str, silent_s: float) -> NodeState:
    return replace(UP, node=node, silent_s=silent_s)


def chosen(states: list[NodeState], failed: dict[str, set[str]]) -> Fence | None:
    return choose_fence(states, failed, hang_timeout_s=HANG_TIMEOUT_S)


def test_a_healthy_cluster_loses_no_node() -> None:
    assert chosen([up("n1"), up("n2"), up("n3")], {"n1": set(), "n2": set(), "n3": set()}) is None


def test_a_node_that_is_silent_for_the_time_out_is_fenced_without_any_detector() -> None:
    assert chosen([up("n1"), silent("n2", 9.9)], {}) is None
    assert chosen([up("n1"), silent("n2", 10.0)], {}) == Fence("n2", "it has not answered for 10.0 s")


def test_a_single_node_is_fenced_too() -> None:
    assert chosen([silent("n1", 12.0)], {}) == Fence("n1", "it has not answered for 12.0 s")


@pytest.mark.parametrize(
    ("failed", "reason"),
    [
        ({"n1": {"n3"}, "n2": {"n3"}}, "2 of the 2 other nodes that answer say that it has failed"),
        ({"n1": {"n3"}}, "1 of the 1 other nodes that answer say that it has failed"),
        ({"n1": {"n3"}, "n2": set()}, None),  # a half is no majority
        ({"n1": set(), "n2": set()}, None),
        ({"n3": {"n3"}}, None),  # a node has no vote on itself
        ({}, None),
    ],
)
def test_a_majority_of_the_other_nodes_that_answer_decides(failed: dict[str, set[str]], reason: str | None) -> None:
    expected = None if reason is None else Fence("n3", reason)
    assert chosen([up("n1"), up("n2"), silent("n3", 2.0)], failed) == expected


def test_three_of_five_need_two_votes_of_the_three_that_answer() -> None:
    states = [up("n1"), up("n2"), up("n3"), silent("n4", 2.0), silent("n5", 2.0)]

    assert chosen(states, {"n1": {"n5"}, "n2": set(), "n3": set()}) is None
    fence = chosen(states, {"n1": {"n5"}, "n2": {"n4", "n5"}, "n3": set()})

    assert fence == Fence("n5", "2 of the 3 other nodes that answer say that it has failed")


@pytest.mark.parametrize(
    "state",
    [
        replace(silent("n3", 2.0), is_accusable=False),  # just restarted: the verdict is about its former process
        replace(silent("n3", 9.9), is_accusable=False, returning_s=9.9),  # as above, after a fence
        silent("n3", 1.9),  # a few lost questions, or a short pause
    ],
)
def test_a_verdict_counts_only_if_it_can_be_about_this_process_and_the_silence_lasts(state: NodeState) -> None:
    assert chosen([up("n1"), up("n2"), state], {"n1": {"n3"}, "n2": {"n3"}}) is None


def test_a_node_that_answers_is_not_fenced_whatever_the_others_say() -> None:
    assert chosen([up("n1"), up("n2")], {"n1": {"n2"}, "n2": {"n1"}}) is None


@pytest.mark.parametrize(
    "state",
    [
        replace(silent("n3", 3600.0), was_up=False),  # it starts, or replays its log
        replace(silent("n3", 3600.0), is_running=False),  # there is nothing to kill
    ],
)
def test_a_node_that_is_not_up_or_has_ended_is_not_fenced(state: NodeState) -> None:
    assert chosen([up("n1"), up("n2"), state], {"n1": {"n3"}, "n2": {"n3"}}) is None


def test_one_node_is_fenced_at_a_time() -> None:
    states = [up("n1"), silent("n2", 11.0), silent("n3", 12.0)]
    first = chosen(states, {})
    second = chosen([states[0], states[1], replace(states[2], returning_s=1.0, was_up=False)], {})
    third = chosen([states[0], states[1], up("n3")], {})

    assert first == Fence("n3", "it has not answered for 12.0 s")
    assert second is None
    assert third == Fence("n2", "it has not answered for 11.0 s")


def test_a_verdict_goes_before_mere_silence() -> None:
    fence = chosen([up("n1"), silent("n2", 60.0), silent("n3", 2.0)], {"n1": {"n3"}})

    assert fence is not None
    assert fence.node == "n3"


def test_a_fenced_node_that_hangs_again_before_its_first_answer_is_fenced_again() -> None:
    again = replace(silent("n2", 10.0), is_accusable=False, returning_s=12.0)

    assert chosen([up("n1"), again, silent("n3", 60.0)], {}) == Fence("n2", "it has not answered for 10.0 s")


@pytest.mark.parametrize("was_up", [False, True])
@pytest.mark.parametrize(("returning_s", "is_n3_fenced"), [(29.9, False), (30.0, True), (3600.0, True)])
def test_a_fenced_node_that_does_not_return_blocks_the_others_for_30_s(
    returning_s: float, is_n3_fenced: bool, was_up: bool
) -> None:
    returning = replace(silent("n2", 0.5), was_up=was_up, is_accusable=False, returning_s=returning_s)

    fence = chosen([up("n1"), returning, silent("n3", 60.0)], {})

    assert fence == (Fence("n3", "it has not answered for 60.0 s") if is_n3_fenced else None)
