"""What fails in a loop is one line a second and kind, and no kind hides another."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from coterie.runtime.observing.log_folding import FOLD_S, KINDS_MAX
from coterie.runtime.observing.loggers import logger


class Clock:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(clock: Clock, caplog: pytest.LogCaptureFixture) -> Any:
    caplog.set_level(logging.DEBUG, "coterie")
    return logger("test_log_folding", clock.monotonic)


def test_a_minute_of_failures_is_a_record_a_second_and_none_is_uncounted(
    log: Any, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(60_000):
        log.error("actor.failed", actor="a", error="ValueError: x", exc_info=ValueError("x"))
        clock.now_s += 0.001
    clock.now_s += FOLD_S
    log.error("actor.failed", actor="a", error="ValueError: last", exc_info=ValueError("x"))

    records = [record.getMessage() for record in caplog.records]
    assert 55 <= len(records) <= 62
    assert sum(1 + int(text.partition("repeated=")[2] or 0) for text in records) == 60_001


@pytest.mark.parametrize("other", [{"actor": "b"}, {"peer": "n2"}, {"group": "g"}, {"exc_info": KeyError("x")}])
def test_another_kind_is_not_hidden(log: Any, caplog: pytest.LogCaptureFixture, other: dict[str, Any]) -> None:
    facts = {"actor": "a", "exc_info": ValueError("x")}
    for _ in range(3):
        log.error("actor.failed", **facts)
        log.error("actor.failed", **{**facts, **other})
        log.error("actor.stop_failed", **facts)

    assert len(caplog.records) == 3


def test_actors_that_differ_by_a_number_and_errors_whose_classes_have_one_name_are_of_one_kind(
    log: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(100):
        made_again: type[Exception] = type("Made", (Exception,), {})
        log.error("actor.failed", actor=f"shop/request-{number}/step", exc_info=made_again())

    assert len(caplog.records) == 1


def test_news_and_the_end_of_a_system_are_never_left_out(log: Any, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        log.debug("link.changed")
        log.info("link.changed")
        log.critical("system.failed")

    assert len(caplog.records) == 9


def test_what_is_counted_already_is_not_folded_again(log: Any, caplog: pytest.LogCaptureFixture) -> None:
    for count in (2, 4, 8):
        log.error("group.apply_failed_again", count=count)
        log.warning("transport.handshake_refused", times=count)

    assert len(caplog.records) == 6


def test_so_many_kinds_are_remembered_and_no_more(log: Any, caplog: pytest.LogCaptureFixture) -> None:
    for actor in range(3 * KINDS_MAX):
        log.warning("actor.stalled", actor=f"a{actor}", odd=[])
    log.warning("actor.stalled", actor=f"a{3 * KINDS_MAX - 1}")  # of a kind that is remembered
    log.warning("actor.stalled", actor="a0")  # forgotten

    assert len(caplog.records) == 3 * KINDS_MAX + 1
