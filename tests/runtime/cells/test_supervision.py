"""The restart budget, by a table; the policy, validated."""

from __future__ import annotations

import random

import pytest

from coterie.runtime.cells.supervision import Restart, RestartBudget, Supervision


def exactly(max_restarts: int, within_s: float) -> Supervision:
    """Return a policy whose back-off is no matter of chance."""
    return Supervision(max_restarts=max_restarts, within_s=within_s, backoff_min_s=0.1, backoff_max_s=0.5, jitter=0.0)


@pytest.mark.parametrize(
    ("policy", "moments", "expected"),
    [
        (Supervision(max_restarts=0), [0.0], [None]),
        (exactly(2, 10), [0, 1, 2], [0.1, 0.2, None]),
        (exactly(4, 10), [0, 0, 0, 0, 0], [0.1, 0.2, 0.4, 0.5, None]),
        (exactly(1, 10), [0, 9.9, 10.0], [0.1, None, 0.1]),
        (exactly(2, 10), [0, 5, 10.5, 12], [0.1, 0.2, 0.2, None]),
        (exactly(1, 1), [0, 2, 4, 6], [0.1, 0.1, 0.1, 0.1]),
    ],
)
def test_the_budget_spaces_out_restarts_and_runs_out(
    policy: Supervision, moments: list[float], expected: list[float | None]
) -> None:
    budget = RestartBudget(policy)

    assert [budget.next_backoff_s(now, random.Random(0)) for now in moments] == expected


def test_the_jitter_stays_within_its_fraction_and_does_vary() -> None:
    policy = Supervision(max_restarts=1000, within_s=1, backoff_min_s=1, backoff_max_s=1, jitter=0.2)
    rng = random.Random(1)
    backoffs = [RestartBudget(policy).next_backoff_s(0, rng) or 0 for _ in range(200)]

    assert 0.8 <= min(backoffs) < 0.85
    assert 1.15 < max(backoffs) <= 1.2


def test_thousands_of_restarts_stay_at_the_longest_backoff() -> None:
    budget = RestartBudget(Supervision(max_restarts=5000, within_s=1e9, jitter=0, backoff_max_s=1))

    assert [budget.next_backoff_s(0, random.Random(0)) for _ in range(5000)][-1] == 1


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"max_restarts": -1}, "max_restarts"),
        ({"within_s": 0}, "within_s"),
        ({"backoff_min_s": -1}, "back-off"),
        ({"backoff_min_s": 2, "backoff_max_s": 1}, "back-off"),
        ({"jitter": 1}, "jitter"),
        ({"jitter": -0.1}, "jitter"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(options: dict[str, float], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Supervision(**options)  # type: ignore[arg-type]


def test_a_temporary_actor_cannot_end_its_system_because_its_first_failure_ends_it_alone() -> None:
    with pytest.raises(ValueError, match="ends_system=True needs max_restarts=0 instead"):
        Supervision(restart=Restart.TEMPORARY, ends_system=True)
