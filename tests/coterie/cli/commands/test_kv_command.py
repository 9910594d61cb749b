"""`coterie kv`: what clients have stored does not control the terminal, and starts no line of its own."""

from __future__ import annotations

import asyncio
import sys
from argparse import Namespace
from collections.abc import AsyncIterator
from typing import Any

import pytest

from coterie.cli.commands import kv_command
from coterie.cli.output.command_output import CommandOutput

HOSTILE = b"\x1b[2J\tv\nnext\tline \xff"


class FakeStore:
    """A store in which a client has put a hostile pair."""

    async def get(self, key: bytes) -> bytes:
        return key

    async def scan(self, prefix: bytes) -> AsyncIterator[tuple[bytes, bytes]]:
        yield prefix + HOSTILE, HOSTILE


def run(action: Any, form: str = "table", **arguments: object) -> None:
    asyncio.run(action(FakeStore(), Namespace(out=CommandOutput("kv", form), **arguments)))


@pytest.mark.parametrize("is_terminal", [True, False])
def test_scan_prints_one_printable_line_for_each_pair(
    is_terminal: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)

    run(kv_command._scan, prefix="p")

    shown = r"\x1b[2J\tv\nnext\tline \xff"
    assert capsys.readouterr().out == f"p{shown}\t{shown}\n"


def test_get_prints_the_value_as_it_is_into_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    run(kv_command._get, key="a\x1b[2J\nb")

    assert capsys.readouterr().out == "a\x1b[2J\nb\n"


def test_get_prints_the_lines_of_a_value_on_a_terminal_and_no_controls(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    run(kv_command._get, key="a\x1b[2J\nb")

    assert capsys.readouterr().out == "a\\x1b[2J\nb\n"
