"""The page on evolution shows the rules that the code follows."""

from __future__ import annotations

import re
from pathlib import Path

from coterie.protocols.evolution.schema_changes import CHANGE_RULES

PAGE = (Path(__file__).parent.parent / "docs" / "evolution.md").read_text(encoding="utf-8")


def rows() -> dict[bool, list[str]]:
    """The rows of the two tables as the code has them."""
    found: dict[bool, list[str]] = {True: [], False: []}
    for kind, rule in CHANGE_RULES.items():
        found[rule.is_addition].append(f"| {kind.value} | {rule.advice} |")
    return found


def test_the_tables_are_the_rules() -> None:
    shown = [
        [row for row in table.splitlines() if not re.match(r"\| (-|change)", row)]
        for table in re.findall(r"(?:^\|.*\n)+", PAGE, re.MULTILINE)
    ]
    assert shown[:2] == [rows()[True], rows()[False]]
