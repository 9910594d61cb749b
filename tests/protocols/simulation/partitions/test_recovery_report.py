"""What a Raft group does in partial partitions: it recovers within a few election time-outs, or is known not to."""

from __future__ import annotations

import pytest

from coterie.protocols.raft.elections import Elections
from coterie.protocols.raft.leadership import Leadership
from coterie.protocols.raft.log.log_adoption import LogAdoption
from coterie.protocols.simulation.partitions.partial_partition import PARTITIONS, SIZES
from coterie.protocols.simulation.partitions.recovery_report import LEADER_LEFT_LIMIT, report_recovery

CASES = [(name, size) for name in PARTITIONS for size in SIZES]
OMNIPAXOS_LIMIT = 4.0
"""The number of election time-outs in which OmniPaxos recovers, as its authors say."""


@pytest.mark.parametrize(("name", "size"), CASES)
def test_a_group_recovers_within_its_limit_or_is_listed_as_one_that_does_not(name: str, size: int) -> None:
    report = report_recovery(name, size, range(3))

    assert report.problems == ()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), CASES)
def test_many_seeds_recover_within_their_limit(name: str, size: int) -> None:
    """`make sim` tries many more."""
    report = report_recovery(name, size, range(100, 112))

    assert report.problems == ()


def test_no_limit_is_above_that_of_omnipaxos() -> None:
    limits = [limit for partition in PARTITIONS.values() for limit in partition.limit_by_size.values()]

    assert max(limits) <= OMNIPAXOS_LIMIT


@pytest.mark.parametrize("name", ["leader-unheard", "leader-deaf", "quorum-loss"])
def test_a_leader_that_no_quorum_answers_steps_down_while_the_links_are_broken(name: str) -> None:
    report = report_recovery(name, 5, range(3))

    assert report.old_leader_left is not None
    assert report.old_leader_left <= LEADER_LEFT_LIMIT


def test_without_entries_from_voters_a_constrained_election_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """This is plain Raft, with pre-vote and check-quorum."""
    monkeypatch.setattr(LogAdoption, "ask", lambda _: None)

    report = report_recovery("constrained-election", 5, range(2))

    assert report.not_recovered == (0, 1)
    assert report.healed is not None
    assert report.healed < 1.0


def test_without_check_quorum_a_leader_that_hears_nobody_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    has_quorum_answered = Leadership.has_quorum_answered
    monkeypatch.setattr(Leadership, "has_quorum_answered", lambda *about: has_quorum_answered(*about) or True)

    report = report_recovery("leader-deaf", 3, range(1))

    assert "does not recover" in report.problems[0]


def test_without_pre_vote_refusals_a_deaf_follower_that_deposes_its_leader_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stand_at_once(elections: Elections) -> None:
        elections._start_election(is_transfer=True)  # voters do not wait for the leader to fall silent

    monkeypatch.setattr(Elections, "start_pre_vote", stand_at_once)

    report = report_recovery("follower-deaf", 3, range(1))

    assert any("lost the lead" in problem for problem in report.problems)
