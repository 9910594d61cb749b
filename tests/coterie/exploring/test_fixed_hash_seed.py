"""A process whose string hashes are drawn anew begins again with fixed ones, once."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from coterie.exploring.fixed_hash_seed import has_fixed_hash_seed, restart_with_fixed_hash_seed

PROGRAM = """
import sys
from coterie.exploring.fixed_hash_seed import restart_with_fixed_hash_seed
print("begun", flush=True)
restart_with_fixed_hash_seed()
print(hash("coterie"), sys.argv[1:])
"""


def run_program(hash_seed: str | None) -> list[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"}
    if hash_seed is not None:
        environment["PYTHONHASHSEED"] = hash_seed
    command = [sys.executable, "-c", PROGRAM, "--seed", "a b"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return ended.stdout.splitlines()


def test_process_begins_again_with_the_same_arguments_and_hash_seed_0() -> None:
    drawn, random, fixed = run_program(None), run_program("random"), run_program("0")

    assert drawn[:2] == random[:2] == ["begun", "begun"]
    assert fixed[0] == "begun"
    assert drawn[2] == random[2] == fixed[1]
    assert drawn[2].endswith("['--seed', 'a b']")


def test_hash_seed_of_the_environment_is_kept() -> None:
    assert len(run_program("7")) == 2


def test_fixed_process_does_not_begin_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    monkeypatch.setattr(os, "execve", lambda *_: pytest.fail("it began again"))

    assert has_fixed_hash_seed()
    restart_with_fixed_hash_seed()
