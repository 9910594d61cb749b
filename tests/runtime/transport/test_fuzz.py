"""A small, seeded part of `python -m benchmarks.wire_fuzz`: the long run is for patient people."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent.parent


def fuzz(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "benchmarks.wire_fuzz", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 20261123])
def test_the_wire_holds(seed: int) -> None:
    ended = fuzz("--frames", "20000", "--seed", str(seed), "--processes", "1")

    assert ended.stderr == ""
    assert ended.returncode == 0
    assert "held: 20," in ended.stdout


def test_one_case_can_be_run_again() -> None:
    first, again = fuzz("--case", "123456"), fuzz("--case", "123456")
    assert first.stdout.startswith("held: ")
    assert first.stdout == again.stdout
