"""Log records: one line each, whatever a peer has chosen as a text; the facts themselves stay as they are."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator

import pytest

from coterie.runtime.observing.error_texts import FACT_CHARS_MAX
from coterie.runtime.observing.loggers import logger

FORGED = "\n2026-11-29 10:00:00,000 CRITICAL coterie.n1 store.damaged \x1b[31mcall +1-900\x1b[0m"
RECORD = re.compile(r"^\d{4}-\d\d-\d\d ", re.MULTILINE)


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What a program with a plain handler writes into its log file."""
    stream, root = io.StringIO(), logging.getLogger()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root.addHandler(handler)
    yield stream
    root.removeHandler(handler)


def test_a_fact_of_a_peer_is_no_line_of_the_log(written: io.StringIO) -> None:
    logger("test_loggers").warning("transport.handshake_refused", reason=FORGED, **{"k\n": ("\x1b", FORGED)})

    text = written.getvalue()
    assert len(RECORD.findall(text)) == text.count("\n") == 1
    assert r"reason=\n2026-11-29 10:00:00,000 CRITICAL" in text
    assert "\x1b" not in text


def test_an_event_of_a_users_actor_is_one_line_too(written: io.StringIO) -> None:
    logger("test_loggers").error(f"hello {FORGED}")

    assert written.getvalue().count("\n") == 1


def test_a_long_fact_is_cut(written: io.StringIO) -> None:
    logger("test_loggers").error("actor.failed", error="x" * 1_000_000, path="/shop")

    assert len(written.getvalue()) < FACT_CHARS_MAX + 200
    assert written.getvalue().endswith("… path=/shop\n")


def test_a_traceback_keeps_its_lines_and_none_of_them_looks_like_a_record(written: io.StringIO) -> None:
    try:
        raise ValueError(f"no such key{FORGED}") from KeyError(FORGED)
    except ValueError as error:
        logger("test_loggers").error("actor.failed", exc_info=error)

    lines = written.getvalue().splitlines()
    assert len(RECORD.findall(written.getvalue())) == 1
    assert all(line.startswith("  ") for line in lines[1:])
    assert lines[-2:] == ["  ValueError: no such key", "  " + FORGED[1:].replace("\x1b", r"\x1b")]
    assert [line for line in lines if "test_loggers.py" in line and "line" in line]


def test_the_current_exception_is_formatted_too(written: io.StringIO) -> None:
    try:
        raise ValueError(FORGED)
    except ValueError:
        logger("test_loggers").exception("actor.failed")

    assert len(RECORD.findall(written.getvalue())) == 1


def test_a_traceback_has_a_bounded_length(written: io.StringIO) -> None:
    logger("test_loggers").error("actor.failed", exc_info=ValueError("x\n" * 1_000_000))

    assert len(written.getvalue()) < 20_000


def test_structured_handlers_get_the_facts_and_the_error_as_they_are(caplog: pytest.LogCaptureFixture) -> None:
    error = ValueError(FORGED)
    logger("test_loggers").error("actor.failed", reason=FORGED, exc_info=error)

    (record,) = caplog.records
    assert record.facts == {"reason": FORGED}  # type: ignore[attr-defined]
    assert record.exc_info is not None
    assert record.exc_info[1] is error


def test_no_traceback_is_formatted_if_no_handler_would_write_it(monkeypatch: pytest.MonkeyPatch) -> None:
    root = logging.getLogger("coterie")
    monkeypatch.setattr(root, "propagate", False)
    monkeypatch.setattr(root, "handlers", [logging.NullHandler()])  # else it is stderr
    monkeypatch.setattr("coterie.runtime.observing.loggers.traceback_text", None)

    logger("test_loggers").error("actor.failed", exc_info=ValueError())
