"""The page of log events names every event of the code, with its level and its facts."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from coterie.protocols.algorithm import NodeId
from coterie.protocols.detection.failure_detector import MemberState
from coterie.protocols.detection.swim.opinions import _evidence
from coterie.protocols.detection.swim.swim_messages import MemberRecord

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
            tree = ast.parse(path.read_text(encoding="utf-8"))
            keys_by_call = {call: keys for function in ast.walk(tree) for call, keys in passed_dicts(function)}
            for node in ast.walk(tree):
                if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                    continue
                first = node.args[0]
                named = isinstance(first, ast.Constant) and isinstance(first.value, str) and EVENT.match(first.value)
                if node.func.attr in LEVELS and named and isinstance(first, ast.Constant):
                    levels, facts = found.setdefault(str(first.value), (set(), set()))
                    levels.add(node.func.attr)
                    facts.update(keyword.arg for keyword in node.keywords if keyword.arg and keyword.arg != "exc_info")
                    facts.update(keys_by_call.get(node, ()))
    return found


def passed_dicts(function: ast.AST) -> Iterator[tuple[ast.Call, set[str]]]:
    """Yield the calls of a function to which it passes `**name`, with the keys of the literals that it put there."""
    if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
        return
    keys_by_name: dict[str, set[str]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            literals = [each for each in ast.walk(node.value) if isinstance(each, ast.Dict)]
            keys = {key.value for each in literals for key in each.keys if isinstance(key, ast.Constant)}
            keys_by_name.setdefault(node.targets[0].id, set()).update(map(str, keys))
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            names = [each.value.id for each in node.keywords if each.arg is None and isinstance(each.value, ast.Name)]
            yield node, set().union(*(keys_by_name.get(name, set()) for name in names))


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


def test_the_facts_of_a_peer_are_the_evidence_of_the_detectors() -> None:
    evidence = {"incarnation", "accuser"}  # `_evidence` of SWIM's opinions
    assert set(_evidence(MemberRecord(NodeId("n1"), 1, MemberState.FAILED, NodeId("n2")))) == evidence

    on_page = listed()
    wanted = {
        "peer.suspected": evidence,
        "peer.trusted": evidence,
        "peer.failed": evidence | {"suspected_s", "accusers"},
    }
    assert {name: facts - on_page[name][1] for name, facts in wanted.items()} == {name: set() for name in wanted}


def test_every_event_of_the_page_is_in_the_code() -> None:
    code = "".join(path.read_text(encoding="utf-8") for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))

    assert [name for name in listed() if f'"{name}"' not in code] == []
    assert len(listed()) > 50
