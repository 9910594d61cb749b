"""The page of log events names every event of the code, with its level and its facts."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "log-events.md"
FOLDERS = ("runtime", "actors", "coterie")
LEVELS = ("debug", "info", "warning", "error", "critical")
ROW = re.compile(r"^\| `([a-z_]+\.[a-z_]+)` \| ([a-z, ]+) \| ([^|]*) \| [^|]+ \|$", re.MULTILINE)
EVENT = re.compile(r"^[a-z]+\.[a-z_]+$")


def logged() -> dict[str, tuple[set[str], set[str]]]:
    """The events that the code names where it logs them, with their levels and facts."""
    found: dict[str, tuple[set[str], set[str]]] = {}
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            if "simulation" in path.parts:
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                    continue
                first = node.args[0]
                named = isinstance(first, ast.Constant) and isinstance(first.value, str) and EVENT.match(first.value)
                if node.func.attr in LEVELS and named and isinstance(first, ast.Constant):
                    levels, facts = found.setdefault(str(first.value), (set(), set()))
                    levels.add(node.func.attr)
                    facts.update(keyword.arg for keyword in node.keywords if keyword.arg and keyword.arg != "exc_info")
    return found


def listed() -> dict[str, tuple[set[str], set[str]]]:
    rows = ROW.findall(PAGE.read_text(encoding="utf-8"))
    return {name: (set(levels.split(", ")), set(re.findall(r"`(\w+)`", facts))) for name, levels, facts in rows}


def test_every_event_is_on_the_page_with_its_level_and_facts() -> None:
    on_page = listed()
    wrong = {
        name: (sorted(levels), sorted(facts))
        for name, (levels, facts) in logged().items()
        if name not in on_page or on_page[name][0] != levels or not facts <= on_page[name][1]
    }

    assert wrong == {}


def test_every_event_of_the_page_is_in_the_code() -> None:
    code = "".join(path.read_text(encoding="utf-8") for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))

    assert [name for name in listed() if f'"{name}"' not in code] == []
    assert len(listed()) > 50
