from __future__ import annotations

from dataclasses import replace

from coterie.demo.node_kill import Killed, void_reasons

LEADER = Killed("n1", was_leader=True, term=3, in_flight=16, acknowledged=40, acknowledged_away=9)
FOLLOWER = replace(LEADER, was_leader=False)


def test_run_with_work_around_the_kill_is_not_void() -> None:
    assert void_reasons(LEADER, last_term=4) == []
    assert void_reasons(FOLLOWER, last_term=3) == []


def test_run_is_void_if_nothing_was_in_flight_at_the_kill() -> None:
    assert void_reasons(replace(LEADER, in_flight=0), last_term=4) == ["no file was in flight at the kill"]


def test_run_is_void_if_nothing_was_acknowledged_while_the_node_was_away() -> None:
    reasons = void_reasons(replace(FOLLOWER, acknowledged_away=0), last_term=3)

    assert reasons == ["no file was acknowledged between kill and restart"]


def test_run_is_void_if_the_leader_was_killed_and_the_term_did_not_rise() -> None:
    assert void_reasons(LEADER, last_term=3) == ["the leader was killed, but the term (3) did not rise"]
