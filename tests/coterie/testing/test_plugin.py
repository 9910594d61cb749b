"""The pytest plugin, in processes of its own: with and without pytest-asyncio, in each of its modes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SUITE = """
import asyncio

import pytest

from coterie import KeyValue, Topology
from coterie.testing import Simulation

topology = Topology("kv", nodes=["n1", "n2", "n3"])
topology.raft("store", machine=KeyValue)
seeds = []


@pytest.mark.sim(seeds=3, first=5)
async def test_many_seeds(sim: Simulation, tmp_path):
    assert tmp_path.exists()
    seeds.append(sim.seed)
    sim.deploy(topology)
    await sim.ready()


def test_they_were_three():
    assert seeds == [5, 6, 7]


@pytest.mark.parametrize("wish", [1, 2])
async def test_parameters(sim, wish):
    assert wish in {1, 2}


class TestClass:
    async def test_method(self, sim):
        assert isinstance(self, TestClass)
        assert sim.seed == 0


def test_sync(sim):
    sim.run(lambda: asyncio.sleep(1.0))
    assert sim.now() >= 1.0
"""

BROKEN = """
import pytest


@pytest.mark.sim(seeds=[3, 4, 5])
async def test_broken(sim):
    assert sim.seed != 4
"""

CONFIGURED = "-o asyncio_default_fixture_loop_scope=function"
MODES = {
    "without pytest-asyncio": "-p no:asyncio",
    "auto": f"{CONFIGURED} -o asyncio_mode=auto",
    "strict": f"{CONFIGURED} -o asyncio_mode=strict",
}


def run(directory: Path, suite: str, options: str = "-p no:asyncio") -> tuple[int, str]:
    (directory / "test_it.py").write_text(suite, encoding="utf-8")
    command = [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p"]
    command += ["coterie.testing.plugin", *options.split()]
    ended = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=100, check=False)
    return ended.returncode, ended.stdout + ended.stderr


RUN_EACH = """
import sys
import pytest

for options in sys.argv[1:]:
    print("exit code", int(pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:asyncio", "-p",
        "coterie.testing.plugin", *options.split()])))
"""


def exit_codes(directory: Path, suite: str, *options: str) -> list[int]:
    """Run a suite once with each of the options, all in one process; return the exit codes."""
    (directory / "test_it.py").write_text(suite, encoding="utf-8")
    command = [sys.executable, "-W", "error", "-c", RUN_EACH, *options]
    ended = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=100, check=False)
    return [int(code) for code in re.findall(r"^exit code (\d+)$", ended.stdout, re.MULTILINE)]


@pytest.mark.parametrize("mode", MODES)
def test_tests_run_in_worlds_of_their_own(mode: str, tmp_path: Path) -> None:
    code, told = run(tmp_path, SUITE, MODES[mode])

    assert (code, "6 passed" in told) == (0, True), told


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_a_failure_names_its_seed_and_how_to_see_it_again(mode: str, tmp_path: Path) -> None:
    code, told = run(tmp_path, BROKEN, MODES[mode])
    again = re.search(r"seed 4 failed; again: pytest test_it.py::test_broken --sim-seed 4", told)

    assert (code, again is not None) == (1, True), told


@pytest.mark.slow
def test_the_command_line_chooses_the_seeds(tmp_path: Path) -> None:
    codes = exit_codes(tmp_path, BROKEN, "--sim-seed 4", "--sim-seed 3", "--sim-seeds 4", "--sim-seeds 5")

    assert codes == [1, 0, 0, 1]


@pytest.mark.slow
def test_a_marker_that_makes_no_sense_is_an_error(tmp_path: Path) -> None:
    assert "keywords only" in run(tmp_path, BROKEN.replace("seeds=[3, 4, 5]", "3"))[1]
    assert "at least one seed" in run(tmp_path, BROKEN.replace("[3, 4, 5]", "0"))[1]
    told = run(tmp_path, BROKEN.replace("seeds=[3, 4, 5]", "sedes=3"))[1]
    assert "@pytest.mark.sim(sedes=3): it has no such argument: did you mean 'seeds'?" in told


def test_the_command_that_shows_it_again_works_where_pytest_was_started(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    inner = tmp_path / "tests"
    inner.mkdir()

    code, told = run(inner, BROKEN)

    assert (code, "again: pytest test_it.py::test_broken --sim-seed 4" in told) == (1, True), told


def test_who_does_not_ask_for_it_does_not_load_it(tmp_path: Path) -> None:
    suite = (
        "import sys\n\n\ndef test_nothing():\n    assert 'coterie.actors.simulation.simulation' not in sys.modules\n"
    )

    assert run(tmp_path, suite)[0] == 0
