"""The page of promises names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "promises.md"
NAMED = re.compile(r"`(T/[\w/]+\.py|tests/[\w/]+\.py|…)(?:::(\w+))?`")


def named_tests(text: str) -> list[tuple[Path, str]]:
    """Return (file, test) for each test that `text` names; `…` stands for the file named before."""
    found: list[tuple[Path, str]] = []
    file = ROOT
    for name, test in NAMED.findall(text):
        if name != "…":
            file = ROOT / re.sub("^T/", "tests/runtime/", name)
        found.append((file, test))
    return found


def missing(text: str) -> list[str]:
    return [
        f"{file.relative_to(ROOT)}::{test}".removesuffix("::")
        for file, test in named_tests(text)
        if not file.is_file() or (test and f"def {test}(" not in file.read_text(encoding="utf-8"))
    ]


def test_every_test_that_a_promise_names_exists() -> None:
    assert missing(PAGE.read_text(encoding="utf-8")) == []


def test_every_promise_names_a_test() -> None:
    items = re.split(r"\n(?=\* |#)", PAGE.read_text(encoding="utf-8"))
    assert [item for item in items if item.startswith("* ") and not NAMED.search(item)] == []


def test_a_test_that_does_not_exist_is_seen() -> None:
    assert missing("`T/cells/test_asks.py::test_no_such_thing`, `…::test_nor_this`, `T/test_nowhere.py`") == [
        "tests/runtime/cells/test_asks.py::test_no_such_thing",
        "tests/runtime/cells/test_asks.py::test_nor_this",
        "tests/runtime/test_nowhere.py",
    ]
