"""A small part of `python -m benchmarks.hostile_fuzz`, and its verdict on what no run has shown."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.hostile_fuzz import NODES, verdict

ROOT = Path(__file__).parent.parent.parent
NO_LIMIT_MS = "5000"  # how long a frame takes is measured by the long run, on a machine without other work

GOOD: dict[str, Any] = {
    "failures": 0,
    "restarts": 0,
    "ended": [],
    "frame_ms_max": 5.0,
    "lag_ms_max": 20.0,
    "hold_ms_max": 10.0,
    "rss_mb": 50.0,
    "term": 1,
    "applied": 7,
    "digest": "d",
    "state": "s",
}


def judged(**changes: object) -> list[str]:
    """Return the verdict on three nodes, of which the second has these facts at the end."""
    begin = [GOOD] * len(NODES)
    return verdict(begin, begin, [GOOD, GOOD | changes, GOOD])


def test_nodes_that_an_attack_has_not_changed_hold() -> None:
    assert judged() == []


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"failures": 1}, "n2: 1 failures, 0 restarts, ended: []"),
        ({"ended": ["store"]}, "n2: 0 failures, 0 restarts, ended: ['store']"),
        ({"frame_ms_max": 51.0}, "n2: a frame took 51.0 ms of processor time, at most 50.0"),
        ({"rss_mb": 99.0}, "n2: 49.0 MB more than after the first tenth, at most 48.0"),
        ({"digest": "e"}, "replicas differ: [(7, 'd', 's'), (7, 'e', 's'), (7, 'd', 's')]"),
        ({"term": 2}, "the leader was lost: term 1 became 2"),
    ],
)
def test_harm_is_named(changes: dict[str, object], line: str) -> None:
    assert judged(**changes) == [line]


def test_a_leader_that_is_lost_while_the_machine_did_not_run_a_node_is_not_held_against_the_attack() -> None:
    assert judged(term=2, lag_ms_max=400.0) == []
    assert judged(term=2, lag_ms_max=400.0, hold_ms_max=390.0) == ["the leader was lost: term 1 became 2"]


@pytest.mark.slow
@pytest.mark.parametrize("mode", [[], ["--as-node"]], ids=["client", "node"])
def test_real_nodes_hold(mode: list[str]) -> None:
    command = [sys.executable, "-W", "error", "-m", "benchmarks.hostile_fuzz", "--rows", "5000", *mode]
    bounds = ["--frame-ms-max", NO_LIMIT_MS, "--election-timeout", "2"]  # a busy machine is no attack
    ended = subprocess.run([*command, *bounds], cwd=ROOT, capture_output=True, text=True, timeout=150, check=False)

    assert "BROKEN" not in ended.stdout, ended.stdout
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.rstrip().endswith("held")
