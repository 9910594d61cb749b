"""The pytest plugin, in processes of its own: with and without pytest-asyncio, in each of its modes."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
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
import textwrap
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


@pytest.mark.parametrize(
    ("suite", "says"),
    [
        (
            """
            import pytest

            @pytest.mark.usefixtures("sim")
            def test_outside():
                pass
            """,
            "and the test itself runs outside: take `sim` as an argument of the test: only such a test runs in",
        ),
        (
            """
            import pytest

            @pytest.mark.sim(seeds=100)
            async def test_outside():
                pass
            """,
            "the test has the marker `sim` and not the argument: take `sim` as an argument of the test",
        ),
        (
            """
            import pytest

            @pytest.fixture
            def cluster(sim):
                return 3

            def test_outside(cluster):
                pass
            """,
            "`sim` comes by usefixtures or by another fixture",
        ),
        (
            """
            import pytest

            @pytest.fixture
            def cluster(sim):
                sim.deploy(None)

            async def test_inside(sim, cluster):
                pass
            """,
            "a fixture uses `sim.deploy`, but there is a new simulation for each seed, which only a test gets",
        ),
    ],
    ids=["usefixtures", "marker alone", "fixture on top", "fixture that uses it"],
)
def test_what_seems_simulated_and_is_not_fails(tmp_path: Path, suite: str, says: str) -> None:
    code, output = run(tmp_path, textwrap.dedent(suite))

    assert code == 1
    assert says in " ".join(output.split())


WORK = """
from coterie import KeyValue, Topology

topology = Topology("kv", nodes=["n1", "n2", "n3"])
topology.raft("store", machine=KeyValue)

async def workload(client):
    store = client.key_value("store")
    for number in client.rounds(20):
        await store.put(b"k", b"%d" % number)

"""

WARNED = {
    "no two operations of group 'store' overlapped": WORK
    + """
async def test_alone(sim):
    sim.deploy(topology)
    await sim.ready()
    await sim.clients(1, workload)
    sim.assert_linearizable()
""",
    "no fault of its plan took effect": WORK
    + """
import pytest

@pytest.mark.sim(seeds=2, profile="everything")
async def test_over_too_soon(sim):
    sim.deploy(topology)
""",
}


@pytest.mark.parametrize("says", WARNED)
def test_a_run_that_shows_less_than_it_seems_to_warns(tmp_path: Path, says: str) -> None:
    code, output = run(tmp_path, WARNED[says])

    assert (code, says in output, "SimWarning" in output) == (1, True, True)  # `-W error` makes it a failure


def test_a_run_with_faults_and_overlapping_operations_warns_of_nothing(tmp_path: Path) -> None:
    suite = (
        WORK
        + """
import pytest

@pytest.mark.sim(seeds=2, profile="everything")
async def test_work(sim):
    sim.deploy(topology)
    await sim.ready()
    await sim.clients(3, workload)
    sim.assert_linearizable()
"""
    )
    code, output = run(tmp_path, suite)

    assert code == 0, output
