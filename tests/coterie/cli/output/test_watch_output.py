"""Tables that are printed again and again: in place on a terminal, under the time elsewhere."""

from __future__ import annotations

import re
import sys

import pytest

from coterie.cli.output.watch_output import print_table


def test_a_table_that_is_printed_once_has_no_head(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["a", "b"], is_live=False)

    assert capsys.readouterr().out == "a\nb\n"


def test_a_terminal_is_cleared_first(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    print_table(["a"], is_live=True)

    assert capsys.readouterr().out == "\x1b[H\x1b[2Ja\n"


def test_a_pipe_gets_the_time_before_each_table(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["a"], is_live=True)
    print_table(["b"], is_live=True)

    assert re.fullmatch(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n[ab]\n){2}", capsys.readouterr().out)
