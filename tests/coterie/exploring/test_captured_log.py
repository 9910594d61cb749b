"""A run's log is captured, bounded, and reaches no other handler."""

from __future__ import annotations

import logging

from coterie.exploring.captured_log import capture_log
from coterie.exploring.run_jobs import worker_settings

OURS = logging.getLogger("coterie.toy")


class HostHandler(logging.Handler):
    """A handler that the host program has set up."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def test_log_is_captured_even_under_worker_settings_which_disable_logging() -> None:
    with worker_settings(), capture_log() as lines:
        OURS.info("the %s", "facts")
        OURS.debug("too fine")

    assert [line.partition(" INFO ")[2] for line in lines] == ["coterie.toy the facts"]


def test_last_records_are_kept() -> None:
    with capture_log(records_max=3) as lines:
        for number in range(10):
            OURS.warning("%s", number)

    assert [line[-1] for line in lines] == ["7", "8", "9"]


def test_no_other_handler_gets_records_until_it_is_over() -> None:
    host, root = HostHandler(), logging.getLogger()
    root.addHandler(host)
    try:
        before = root.level, OURS.parent, OURS.getEffectiveLevel()
        with capture_log():
            OURS.warning("kept")
        assert (root.level, OURS.parent, OURS.getEffectiveLevel()) == before
        OURS.warning("after")
    finally:
        root.removeHandler(host)

    assert [record.getMessage() for record in host.records] == ["after"]
