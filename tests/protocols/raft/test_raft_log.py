"""The log: terms of everything, entries of the newest, checked against a plain list."""

from __future__ import annotations

import random

import pytest

from coterie.errors import InvariantViolated
from coterie.protocols.raft.log.term_runs import TermRuns
from coterie.protocols.raft.raft_log import RaftLog, cut
from coterie.protocols.replicated_log import LogIndex, Term
from coterie.protocols.simulation.directed.raft_shorthand import entry


def log_of(*terms: int) -> RaftLog:
    log = RaftLog()
    for index, term in enumerate(terms, 1):
        log.append(entry(index, term, b"%d" % index))
    return log


def runs(*pairs: tuple[int, int]) -> tuple[tuple[LogIndex, Term], ...]:
    return tuple((LogIndex(index), Term(term)) for index, term in pairs)


def test_term_before_the_first_entry_is_zero_and_beyond_the_last_unknown() -> None:
    log = log_of(1, 1, 3)

    assert [log.term_at(LogIndex(index)) for index in (-1, 0, 1, 2, 3, 4)] == [None, 0, 1, 1, 3, None]


def test_restored_log_knows_all_terms_and_holds_no_entry() -> None:
    log = RaftLog(runs((1, 1), (4, 3)), LogIndex(5))

    assert [log.term_at(LogIndex(index)) for index in range(6)] == [0, 1, 1, 1, 3, 3]
    assert (log.last_index, log.last_term, log.cache_first, log.commit_index) == (5, 3, 6, 0)


@pytest.mark.parametrize(
    ("pairs", "last"),
    [
        (((2, 1),), 3),
        (((1, 1),), 0),
        ((), 1),
        (((1, 1), (5, 2)), 4),
        (((1, 2), (3, 2)), 4),
        (((1, 2), (3, 1)), 4),
        (((1, 1), (1, 2)), 4),
    ],
)
def test_runs_that_are_no_log_are_refused(pairs: tuple[tuple[int, int], ...], last: int) -> None:
    with pytest.raises(ValueError, match="runs must"):
        RaftLog(runs(*pairs), LogIndex(last))


def test_entry_must_follow_the_last_one() -> None:
    with pytest.raises(InvariantViolated, match="entry 3 cannot follow entry 1"):
        log_of(1).append(entry(3, 1))


def test_terms_never_fall_along_the_log() -> None:
    with pytest.raises(InvariantViolated, match="terms never fall"):
        log_of(2).append(entry(2, 1))


def test_committed_entry_is_never_dropped() -> None:
    log = log_of(1, 1, 1)
    log.commit_to(LogIndex(2))

    with pytest.raises(InvariantViolated, match="entry 2 is committed"):
        log.truncate_from(LogIndex(2))
    log.truncate_from(LogIndex(3))
    assert log.last_index == 2


def test_commit_index_never_falls_nor_passes_the_end() -> None:
    log = log_of(1, 1, 1)
    log.commit_to(LogIndex(2))
    log.commit_to(LogIndex(1))

    assert log.commit_index == 2
    with pytest.raises(InvariantViolated, match="the log ends at 3"):
        log.commit_to(LogIndex(4))


def test_first_difference_is_found_and_nothing_else() -> None:
    log = log_of(1, 1, 2)

    assert log.find_conflict([]) == 0
    assert log.find_conflict([entry(2, 1), entry(3, 2)]) == 2
    assert log.find_conflict([entry(2, 1), entry(3, 3)]) == 1
    assert log.find_conflict([entry(3, 2), entry(4, 2)]) == 1
    assert log.find_conflict([entry(2, 2), entry(3, 2)]) == 0


@pytest.mark.parametrize("terms", [(), (1,), (1, 2, 2, 4, 4, 4), (3, 3), (2, 5, 6, 9)])
def test_hints_are_the_ends_of_all_runs_up_to_a_place_and_a_term(terms: tuple[int, ...]) -> None:
    log = log_of(*terms)

    for index in range(len(terms) + 3):
        for term in range(11):
            expected = {of_term: place for place, of_term in enumerate(terms[:index], 1) if of_term <= term}
            ends = sorted(((place, of_term) for of_term, place in expected.items()), reverse=True)
            assert log.hints(LogIndex(index), Term(term)) == (*ends, (0, 0))


@pytest.mark.parametrize(
    ("hints", "below", "agreeing"),
    [
        ([(3, 2), (1, 1), (0, 0)], 5, 3),  # the other log has our term 2 as far as we
        ([(2, 2), (1, 1), (0, 0)], 5, 2),  # it has less of it
        ([(4, 2), (1, 1), (0, 0)], 5, 3),  # it has more of it
        ([(4, 3), (1, 1), (0, 0)], 5, 1),  # its term 3 is not ours: what is above our term 2 cannot agree
        ([(9, 4), (0, 0)], 5, 4),  # never at the refused place
        ([(4, 3)], 6, 3),  # a list that was cut bounds what may agree
        ([(0, 0)], 6, 0),
        ([(-7, 4)], 6, 0),  # no log has such hints: they only lower the result
        ([(99, 99)], 6, 5),
        ([], 6, 5),
    ],
)
def test_last_agreeing_place_is_found_from_hints(hints: list[tuple[int, int]], below: int, agreeing: int) -> None:
    log = log_of(1, 2, 2, 4, 4)

    assert log.last_agreeing([(LogIndex(i), Term(t)) for i, t in hints], LogIndex(below)) == agreeing


@pytest.mark.parametrize(
    ("sizes", "max_bytes", "count"),
    [((), 5, 0), ((9,), 5, 1), ((9, 1), 5, 1), ((2, 3, 1), 5, 2), ((2, 3, 0), 5, 3), ((2, 4), 5, 1)],
)
def test_cut_takes_what_fits_but_at_least_one(sizes: tuple[int, ...], max_bytes: int, count: int) -> None:
    entries = [entry(index, 1, bytes(size)) for index, size in enumerate(sizes, 1)]

    assert cut(entries, max_bytes) == tuple(entries[:count])


def test_nothing_is_evicted_that_is_not_durable() -> None:
    log = log_of(1, 1, 1, 1, 1)

    log.evict(LogIndex(2), max_entries=1, max_bytes=1)

    assert log.cache_first == 3
    assert [e.index for e in log.read(LogIndex(3), LogIndex(5), 10, 100)] == [3, 4, 5]


def test_eviction_stops_as_soon_as_the_rest_fits() -> None:
    log = RaftLog()
    for index in range(1, 6):
        log.append(entry(index, 1, b"four"))

    log.evict(LogIndex(5), max_entries=5, max_bytes=10)

    assert log.cache_first == 4


@pytest.mark.parametrize("seed", range(20))
def test_log_behaves_like_a_list(seed: int) -> None:
    rng = random.Random(seed)
    log, model, durable = RaftLog(), [entry(0, 0)], 0
    for _ in range(300):
        move = rng.random()
        if move < 0.5:
            term = model[-1].term + rng.choice((0, 0, 0, 1, 2)) or 1
            model.append(entry(len(model), term, bytes(rng.randint(0, 4))))
            log.append(model[-1])
        elif move < 0.6 and log.commit_index + 1 < len(model):
            index = rng.randint(log.commit_index + 1, len(model) - 1)
            del model[index:]
            durable = min(durable, index - 1)
            log.truncate_from(LogIndex(index))
        elif move < 0.7:
            durable = rng.randint(durable, len(model) - 1)
            log.evict(LogIndex(durable), max_entries=rng.randint(1, 9), max_bytes=rng.randint(1, 20))
        elif move < 0.75:
            log.commit_to(LogIndex(rng.randint(log.commit_index, min(len(model) - 1, log.commit_index + 1))))
        last = len(model) - 1
        assert (log.last_index, log.last_term) == (last, model[-1].term)
        assert [log.term_at(LogIndex(i)) for i in range(last + 1)] == [e.term for e in model]
        assert log.cache_first <= durable + 1
        held = log.read(log.cache_first, log.last_index, 1000, 100_000)
        assert list(held) == model[log.cache_first :]
        assert log.entries_bytes == sum(len(e.command) for e in held)


def test_runs_are_few() -> None:
    """The terms of a long log cost memory for each leader, not for each entry."""
    log = log_of(*[1] * 500, *[2] * 500)

    assert len(log._runs._starts) == 2


def test_runs_without_entries_have_term_zero() -> None:
    assert (TermRuns().last_term, TermRuns().term_at(LogIndex(3))) == (0, 0)
