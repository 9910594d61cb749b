"""`docs/command-line.md` is made from the parsers: with COTERIE_REWRITE=1 in the environment this test writes it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from coterie.cli import EXIT_CODES, make_parser

PAGE = Path(__file__).parent.parent.parent.parent / "docs" / "command-line.md"
INTRODUCTION = """\
# Command line

This page is made from the parsers of the commands, and a test holds it against them. `coterie COMMAND --help` prints
the same. No option can be abbreviated. Where `--connect` is required, the environment variable `COTERIE_CONNECT` may
say it instead.
"""


def page() -> str:
    exit_codes = " ".join(EXIT_CODES.split())
    return "\n".join([INTRODUCTION, f"{exit_codes[0].upper()}{exit_codes[1:]}.", *_section(make_parser()), ""])


def _section(parser: argparse.ArgumentParser) -> Iterator[str]:
    subparsers = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    yield ""
    yield f"{'##' if parser.prog.count(' ') < 2 else '###'} {parser.prog}"
    if parser.description:
        yield ""
        yield from ["```text", parser.description.strip().replace("%%", "%"), "```"]
    shown = [action for action in parser._actions if action not in subparsers and action.dest != "help"]
    rows = list(map(_row, shown))
    if rows:
        yield ""
        yield from ["| argument | meaning |", "| --- | --- |", *rows]
    for action in subparsers:
        for child in action.choices.values():
            yield from _section(child)


def _row(action: argparse.Action) -> str:
    metavar = action.metavar or (action.dest.upper() if action.option_strings else action.dest)
    if action.choices is not None and action.metavar is None:
        metavar = "{" + ",".join(map(str, action.choices)) + "}"
    takes = "" if action.nargs == 0 else f" {metavar if isinstance(metavar, str) else ' '.join(metavar)}"
    names = ", ".join(f"`{name}{takes}`" for name in action.option_strings) or f"`{takes.strip()}`"
    said = (action.help or "").replace("|", r"\|")
    if said and said != argparse.SUPPRESS:
        said = said % {**vars(action), "prog": "coterie"} if "%" in said else said
    need = " (required)" if action.option_strings and action.required else ""
    return f"| {names} | {said}{need} |"


def test_the_page_is_what_the_parsers_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COTERIE_CONNECT", raising=False)
    if os.environ.get("COTERIE_REWRITE"):
        PAGE.write_text(page(), encoding="utf-8")

    assert PAGE.read_text(encoding="utf-8") == page()
