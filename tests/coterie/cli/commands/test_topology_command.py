"""`coterie topology`: a picture, or every mistake."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from coterie.cli import main

MODULE = """
from coterie import KeyValue, Topology

good = Topology("shop", nodes=["n1", "n2"])
good.raft("store", machine=KeyValue)

bad = Topology("shop", nodes=["n1", "n1"])
bad.synod("config", nodes=["n9"])
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "drawn_of_tests.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    sys.modules.pop("drawn_of_tests", None)


def test_it_prints_a_tree(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["topology", "drawn_of_tests:good"]) == 0
    assert capsys.readouterr().out == "shop (n1, n2)\n└─ store  raft group of KeyValue, on every node\n"


@pytest.mark.parametrize(("form", "first"), [("mermaid", "flowchart LR"), ("dot", 'graph "shop" {')])
def test_it_prints_diagrams(form: str, first: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["topology", "drawn_of_tests:good", "--as", form]) == 0
    assert capsys.readouterr().out.startswith(first)


def test_mistakes_are_told_all_at_once_and_end_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["topology", "drawn_of_tests:bad"]) == 2

    first, second = capsys.readouterr().err.splitlines()
    assert first == "coterie: topology 'shop' cannot run: node 'n1' is named twice"
    assert second.startswith("coterie: topology 'shop' cannot run: group 'config' is on node 'n9', which the topology")


def test_as_json_each_mistake_is_an_entry(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["topology", "drawn_of_tests:bad", "-o", "json"]) == 2

    errors = json.loads(capsys.readouterr().out)["errors"]
    assert [error["code"] for error in errors] == ["wrong_usage", "wrong_usage"]
    assert "node 'n1' is named twice" in errors[0]["message"]
