"""`CheckpointRounds`: when a leader asks, and for which entry."""

from __future__ import annotations

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checkpoints.checkpoint_rounds import INTERVAL_S, CheckpointRounds
from coterie.protocols.checkpoints.digest_count import DigestsAgree, DigestsDiffer
from coterie.protocols.checkpoints.digest_history import RECENT_ENTRIES, Digest
from coterie.protocols.checkpoints.digest_messages import DigestReport, DigestRequest
from coterie.protocols.quorums import Majority
from coterie.protocols.replicated_log import LogIndex, Term

TERM = Term(3)
N1, N2, N3 = NodeId("n1"), NodeId("n2"), NodeId("n3")
QUORUM = Majority((N1, N2, N3))


def ask(rounds: CheckpointRounds, at_s: float, applied: int, changed: int | None = None, wanted: int = 0) -> int | None:
    """Return the index that is asked about at a time, if any is."""
    changed_index = LogIndex(applied if changed is None else changed)
    request = rounds.next_request(
        QUORUM,
        applied_index=LogIndex(applied),
        changed_index=changed_index,
        now=at_s,
        wanted_index=LogIndex(wanted),
    )
    assert request is None or request == DigestRequest(TERM, request.index)
    return None if request is None else request.index


def report(index: int, term: int = TERM, digest: bytes = b"x") -> DigestReport:
    return DigestReport(Term(term), LogIndex(index), Digest(digest))


def test_a_leader_asks_once_in_each_interval() -> None:
    rounds = CheckpointRounds(TERM, now=100.0)

    assert ask(rounds, 100.0 + INTERVAL_S - 0.01, 7) is None
    assert ask(rounds, 100.0 + INTERVAL_S, 7) == 7
    assert ask(rounds, 100.0 + 2 * INTERVAL_S - 0.01, 9) is None
    assert ask(rounds, 100.0 + 2 * INTERVAL_S, 9) == 9


def test_an_idle_group_is_not_asked_again_and_its_own_checkpoint_is_no_command() -> None:
    rounds = CheckpointRounds(TERM, now=0.0)

    assert ask(rounds, 10.0, 7) == 7
    rounds.take(N1, report(7))
    assert isinstance(rounds.take(N2, report(7)), DigestsAgree)
    assert ask(rounds, 20.0, 8, changed=7) is None
    assert ask(rounds, 30.0, 9, changed=9) == 9


def test_an_idle_group_is_asked_again_as_long_as_too_few_have_answered() -> None:
    rounds = CheckpointRounds(TERM, now=0.0)
    assert ask(rounds, 10.0, 7) == 7
    rounds.take(N1, report(7))

    assert ask(rounds, 10.0 + INTERVAL_S - 0.01, 8, changed=7) is None
    assert ask(rounds, 10.0 + INTERVAL_S, 8, changed=7) == 7

    assert rounds.take(N1, report(7)) is None  # it counts once
    assert rounds.take(N2, report(7)) == DigestsAgree(LogIndex(7), Digest(b"x"), ())
    assert ask(rounds, 30.0, 8, changed=7) is None


def test_a_busy_group_is_asked_about_an_entry_whose_digest_is_kept_for_long() -> None:
    rounds = CheckpointRounds(TERM, now=0.0)

    assert ask(rounds, 10.0, 3 * RECENT_ENTRIES + 5) == 3 * RECENT_ENTRIES
    assert ask(rounds, 20.0, 3 * RECENT_ENTRIES + 9) == 3 * RECENT_ENTRIES + 9
    assert ask(rounds, 30.0, 4 * RECENT_ENTRIES) == 4 * RECENT_ENTRIES


def test_reports_that_differ_and_decide_nothing_in_an_interval_are_told_once() -> None:
    rounds = CheckpointRounds(TERM, now=0.0)
    ask(rounds, 10.0, 7)
    rounds.take(N1, report(7, digest=b"x"))
    rounds.take(N2, report(7, digest=b"y"))

    assert rounds.differing(now=10.0 + INTERVAL_S - 0.01) is None
    differing = DigestsDiffer(LogIndex(7), {N1: Digest(b"x"), N2: Digest(b"y")}, is_final=False)
    assert rounds.differing(now=10.0 + INTERVAL_S) == differing
    assert rounds.differing(now=10.0 + 2 * INTERVAL_S) is None
    assert rounds.take(N3, report(7, digest=b"y")) == DigestsAgree(LogIndex(7), Digest(b"y"), (N1,))


def test_too_few_reports_that_do_not_differ_are_nothing_to_tell() -> None:
    rounds = CheckpointRounds(TERM, now=0.0)
    ask(rounds, 10.0, 7)
    rounds.take(N1, report(7))

    assert rounds.differing(now=10.0 + INTERVAL_S) is None


def test_what_a_quorum_reports_is_the_result() -> None:
    rounds = CheckpointRounds(TERM, now=0.0)
    ask(rounds, 10.0, 7)

    assert rounds.take(N1, report(7)) is None
    assert rounds.take(N2, report(7)) == DigestsAgree(LogIndex(7), Digest(b"x"), ())


def test_reports_of_another_request_or_term_do_not_count() -> None:
    rounds = CheckpointRounds(TERM, now=0.0)
    assert rounds.take(N1, report(7)) is None
    ask(rounds, 10.0, 7)
    rounds.take(N1, report(7))
    ask(rounds, 20.0, 9)

    assert rounds.take(N2, report(7)) is None
    assert rounds.take(N2, report(9, term=2)) is None
    assert rounds.take(N2, report(9)) is None
    assert rounds.take(N3, report(9)) is not None


def test_a_snapshot_that_waits_for_a_checkpoint_is_asked_for_at_once_and_once() -> None:
    rounds = CheckpointRounds(TERM, now=0.0)

    assert ask(rounds, 0.1, 7, wanted=5) == 7
    assert ask(rounds, 0.2, 8, wanted=7) is None, "the request for 7 is open"
    assert ask(rounds, 0.3, 9, wanted=8) == 9
    assert ask(rounds, 0.4, 9, wanted=9) is None, "nothing was applied since"
    assert ask(rounds, 0.3 + INTERVAL_S, 9, wanted=9) == 9, "too few have answered: the same is asked again"
    assert ask(rounds, 0.3 + 2 * INTERVAL_S, 10) == 10


def test_of_a_busy_group_an_entry_is_asked_for_that_is_kept_for_long_if_the_snapshot_has_no_later_one() -> None:
    rounds = CheckpointRounds(TERM, now=0.0)

    assert ask(rounds, 0.1, RECENT_ENTRIES + 9, wanted=RECENT_ENTRIES) == RECENT_ENTRIES
    later = 2 * RECENT_ENTRIES + 1
    assert ask(rounds, 0.2, later + 8, wanted=later) is None, "it is busy: the next one that is kept for long is near"
    assert ask(rounds, 0.21, later + 200, wanted=later) is None
    assert ask(rounds, 0.22, 3 * RECENT_ENTRIES + 9, wanted=later) == 3 * RECENT_ENTRIES
    assert ask(rounds, 0.23, 3 * RECENT_ENTRIES + 50, wanted=3 * RECENT_ENTRIES + 20) == 3 * RECENT_ENTRIES + 50, "idle"


def test_a_leader_is_not_waiting_while_a_snapshot_waits() -> None:
    rounds = CheckpointRounds(TERM, now=0.0)

    assert rounds.is_waiting(now=0.1)
    assert not rounds.is_waiting(now=0.1, wanted_index=LogIndex(5))
    assert ask(rounds, 0.1, 7, wanted=5) == 7
    assert rounds.is_waiting(now=0.2, wanted_index=LogIndex(7))
