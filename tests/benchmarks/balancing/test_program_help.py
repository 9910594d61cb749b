"""The balancing benchmarks that are programs of their own explain themselves, and refuse what they do not know."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROGRAMS = [
    f"benchmarks.balancing.{path.stem}"
    for path in sorted((ROOT / "benchmarks" / "balancing").glob("*.py"))
    if 'if __name__ == "__main__":' in path.read_text(encoding="utf-8")
]


def run(program: str, argument: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", program, argument]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_is_printed(program: str) -> None:
    ended = run(program, "--help")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith(f"usage: python -m {program} ")


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_unknown_option_is_refused(program: str) -> None:
    ended = run(program, "--qwick")

    assert ended.returncode == 2
    assert "unrecognized arguments: --qwick" in ended.stderr


def test_the_cost_of_picks_is_one_of_the_programs() -> None:
    assert "benchmarks.balancing.pick_cost" in PROGRAMS
