"""The log of a command: records of every library are one line each, with indented tracebacks."""

from __future__ import annotations

import io
import logging
import sys

import pytest

from coterie.cli import log_options


def test_records_of_other_libraries_are_printable_too(monkeypatch: pytest.MonkeyPatch) -> None:
    root, stream = logging.getLogger(), io.StringIO()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(logging.getLogger("coterie"), "level", logging.WARNING)
    monkeypatch.setattr(sys, "stderr", stream)

    log_options.configure("warning")
    error = ValueError("x\n2026-01-01 CRITICAL forged \x1b[2J")
    logging.getLogger("other.library").error("a task\nfailed \x1b[2J", exc_info=error)

    first, *others = stream.getvalue().splitlines()
    assert first.endswith(r"ERROR other.library a task\nfailed \x1b[2J")
    assert others == ["  ValueError: x", r"  2026-01-01 CRITICAL forged \x1b[2J"]


def test_advice_in_the_log_names_flags_and_no_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    root, stream = logging.getLogger(), io.StringIO()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(logging.getLogger("coterie"), "level", logging.WARNING)
    monkeypatch.setattr(sys, "stderr", stream)

    log_options.configure("warning")
    logging.getLogger("coterie.runtime").warning("topology.peers_missing advice=give --peer n3=HOST:PORT (peers=)")

    assert stream.getvalue().endswith("topology.peers_missing advice=give --peer n3=HOST:PORT\n")
