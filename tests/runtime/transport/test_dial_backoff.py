from __future__ import annotations

import random

from coterie.runtime.transport.dial_backoff import DialBackoff


def test_waits_double_up_to_the_cap_within_their_jitter() -> None:
    for seed in range(50):
        backoff = DialBackoff(0.05, 1.0, 8.0, random.Random(seed))
        for full_s in (0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0):
            assert full_s / 2 <= backoff.next_s() <= full_s


def test_two_generators_do_not_dial_in_step() -> None:
    one, other = (DialBackoff(0.05, 1.0, 8.0, random.Random(seed)) for seed in (1, 2))
    assert [one.next_s() for _ in range(5)] != [other.next_s() for _ in range(5)]


def test_reset_begins_anew() -> None:
    backoff = DialBackoff(0.05, 1.0, 8.0, random.Random(0))
    for _ in range(6):
        backoff.next_s()
    backoff.reset()
    assert backoff.next_s() <= 0.05


def test_waits_for_a_full_target_double_on_and_return_to_the_usual_cap() -> None:
    backoff = DialBackoff(0.5, 1.0, 8.0, random.Random(0))
    for full_s in (0.5, 1.0, 2.0, 4.0, 8.0, 8.0):
        assert full_s / 2 <= backoff.next_s(is_full=True) <= full_s
    backoff.next_s()
    assert backoff.next_s() <= 1.0
