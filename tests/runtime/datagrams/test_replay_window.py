from __future__ import annotations

import random

from coterie.runtime.datagrams.replay_window import ReplayWindow


def accepts(window: ReplayWindow, sequence: int) -> bool:
    is_fresh = window.is_fresh(sequence)
    if is_fresh:
        window.take(sequence)
    return is_fresh


def test_each_number_is_accepted_once_in_whatever_order() -> None:
    rng = random.Random(1)
    window = ReplayWindow(64)
    numbers = sorted(range(1, 500), key=lambda number: number + rng.uniform(0, 30))

    assert all(accepts(window, number) for number in numbers)
    assert not any(accepts(window, number) for number in numbers)


def test_a_number_below_the_window_counts_as_a_replay() -> None:
    window = ReplayWindow(64)
    assert accepts(window, 100)

    assert accepts(window, 100 - 63)
    assert not accepts(window, 100 - 64)


def test_nothing_seen_is_forgotten_when_the_window_moves_by_less_than_its_size() -> None:
    window = ReplayWindow(64)
    assert accepts(window, 10)
    assert accepts(window, 73)

    assert not accepts(window, 10)


def test_a_jump_to_the_last_number_costs_no_memory_and_forgets_what_is_out_of_the_window() -> None:
    window = ReplayWindow(64)
    assert accepts(window, 5)
    last = 2**64 - 1
    assert accepts(window, last)

    assert window._seen.bit_length() <= 64
    assert not accepts(window, last)
    assert not accepts(window, 5)
    assert accepts(window, last - 1)


def test_the_window_agrees_with_a_set_of_all_numbers() -> None:
    rng = random.Random(2)
    window, seen, highest = ReplayWindow(16), set[int](), 0
    for _ in range(5000):
        number = max(0, highest + rng.randint(-24, 20))
        expected = number not in seen and number > highest - 16 and number > 0
        assert accepts(window, number) == expected
        seen.add(number)
        highest = max(highest, number) if expected else highest


def test_the_number_zero_is_never_accepted() -> None:
    assert not accepts(ReplayWindow(8), 0)
