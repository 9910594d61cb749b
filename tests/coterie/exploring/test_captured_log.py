"""A run's log is kept, bounded, and told to nobody else."""

from __future__ import annotations

import logging

from coterie.exploring.captured_log import kept_log
from coterie.exploring.run_jobs import many_runs

OURS = logging.getLogger("coterie.toy")


class Heard(logging.Handler):
    """What a host has set up for itself."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def test_log_is_kept_even_among_runs_that_let_nobody_log() -> None:
    with many_runs(), kept_log() as lines:
        OURS.info("the %s", "facts")
        OURS.debug("too fine")

    assert [line.partition(" INFO ")[2] for line in lines] == ["coterie.toy the facts"]


def test_last_records_are_kept() -> None:
    with kept_log(most=3) as lines:
        for number in range(10):
            OURS.warning("%s", number)

    assert [line[-1] for line in lines] == ["7", "8", "9"]


def test_nobody_else_hears_of_it_until_it_is_over() -> None:
    heard, root = Heard(), logging.getLogger()
    root.addHandler(heard)
    try:
        before = root.level, OURS.parent, OURS.getEffectiveLevel()
        with kept_log():
            OURS.warning("kept")
        assert (root.level, OURS.parent, OURS.getEffectiveLevel()) == before
        OURS.warning("heard")
    finally:
        root.removeHandler(heard)

    assert [record.getMessage() for record in heard.records] == ["heard"]
