"""Progress: each step, and how long the rest takes; few lines where stderr is a file."""

from __future__ import annotations

import pytest

from benchmarks.harness.estimate import in_words, left_s
from benchmarks.harness.progress_line import Progress


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (42.0, "42 s"), (89.4, "89 s"), (90.0, "2 min"), (1234.0, "21 min"), (5400.0, "1.5 h")],
)
def test_durations_are_said_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_the_rest_takes_as_long_as_what_was_done() -> None:
    assert left_s(30.0, 3, 12) == 90.0
    assert left_s(30.0, 0, 12) is None
    assert left_s(30.0, 13, 12) == 0.0


def test_a_step_says_how_long_the_rest_takes_and_a_file_gets_few_lines(capsys: pytest.CaptureFixture[str]) -> None:
    now_s = [100.0]
    progress = Progress(steps=100, monotonic=lambda: now_s[0])
    for step in range(1, 8):
        progress.show(f"step {step} of 100")
        now_s[0] += 4.0

    assert capsys.readouterr().err.splitlines() == [
        "  step 4 of 100 (about 6 min left)",
        "  step 7 of 100 (about 6 min left)",
    ]
