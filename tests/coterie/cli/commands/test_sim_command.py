"""`coterie sim`: results, exit codes, saved failures, replay commands and JSON."""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from coterie.cli import main
from coterie.cli.commands import sim_command
from coterie.cli.output.command_output import CommandOutput
from coterie.errors import PlanError
from coterie.exploring.failure_shrinking import TIME_LIMIT_S
from coterie.exploring.scenario_discovery import ScenarioError, find_scenario
from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.faults.plan_format import dump_plan
from coterie.protocols.simulation.mutants import MUTANTS, patched
from coterie.protocols.simulation.scenarios.protocol_scenarios import EVERYTHING
from tests.coterie.exploring import toy

Printed = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def sim_run(*argv: str) -> int:
    parser = argparse.ArgumentParser(prog="coterie")
    sim_command.add_parser(parser.add_subparsers())
    args = parser.parse_args(["sim", *argv])
    args.out = CommandOutput("sim", args.output)
    return cast("int", args.run(args))


def toy_run(name: str, *argv: str) -> int:
    return sim_run(f"{toy.WHERE}:{name}", *argv)


def as_json(printed: Printed) -> dict[str, object]:
    """Return the data of the one envelope that was printed."""
    return cast("dict[str, object]", json.loads(printed.readouterr().out)["data"])


def test_what_is_usual_is_what_exploring_takes_for_usual() -> None:
    assert sim_command.PROFILE == EVERYTHING
    assert sim_command.SHRINKING_S == TIME_LIMIT_S
    assert {Level(level) for level in sim_command.LEVELS} == {
        find_scenario("raft", Level(level)).level for level in sim_command.LEVELS
    }


@pytest.fixture
def terminal() -> Iterator[io.StringIO]:
    """What `coterie --log-level …` has set up: coterie's loggers write to a terminal."""
    stream, ours = io.StringIO(), logging.getLogger("coterie")
    handler, level = logging.StreamHandler(stream), ours.level
    logging.getLogger().addHandler(handler)
    ours.setLevel("WARNING")
    yield stream
    logging.getLogger().removeHandler(handler)
    ours.setLevel(level)


def test_log_of_what_is_simulated_goes_to_the_folder_of_a_failure_and_not_to_the_terminal(
    terminal: io.StringIO, capsys: Printed
) -> None:
    assert toy_run("fragile", "--seeds", "6", "-o", "json") == 1

    folder = Path(str(as_json(capsys)["saved"]))
    assert terminal.getvalue() == ""
    assert "WARNING coterie.toy toy.crashed node=n" in (folder / "log.txt").read_text()
    assert sim_run(f"{toy.WHERE}:fragile", "--replay", str(folder)) == 1
    assert terminal.getvalue() == ""


def test_log_of_simulated_nodes_is_shown_on_request(terminal: io.StringIO) -> None:
    parser = argparse.ArgumentParser()
    sim_command.add_parser(parser.add_subparsers())
    args = parser.parse_args(["sim", f"{toy.WHERE}:fragile", "--seed", "5", "--shrink", "0"])
    args.log_level, args.out = "warning", CommandOutput("sim")

    assert args.run(args) == 1

    assert terminal.getvalue().startswith("toy.crashed node=n")


def test_many_seeds_pass_and_say_so(capsys: Printed) -> None:
    assert sim_run("synod", "--seeds", "2", "--seed", "10", "-o", "json") == 0

    facts = as_json(capsys)
    told = [facts[name] for name in ("scenario", "level", "seeds", "passed", "failed", "void", "failing_seeds")]
    assert told == ["synod", "protocol", 2, 2, 0, 0, []]
    counted = ("operations", "messages", "messages_per_s", "events", "events_per_s")
    for name in (*counted, "simulated_s", "seeds_per_minute", "realtime_factor"):
        assert cast("float", facts[name]) > 0


def test_one_seed_prints_the_hash_of_its_trace(capsys: Printed) -> None:
    assert toy_run("good", "--seed", "5", "-o", "json") == 0
    printed = capsys.readouterr()
    digest = toy.good.run(5, hashed=True).digest

    assert f"trace {digest}" in printed.err.splitlines()
    assert json.loads(printed.out)["data"]["trace_hash"] == digest
    assert toy_run("good", "--seed", "5") == 0
    assert f"trace {digest}" in capsys.readouterr().out.splitlines()


def test_failure_is_shrunk_saved_and_told_with_exactly_one_command_that_shows_it_again(capsys: Printed) -> None:
    assert toy_run("seldom", "--seeds", "12", "-o", "json") == 1

    printed = capsys.readouterr()
    lines, found = printed.err.splitlines(), json.loads(printed.out)
    [command] = [line for line in lines if "coterie sim" in line]
    facts = found["data"]
    assert found["verdict"] == "failed"
    assert len(found["errors"]) == facts["failed"]
    assert "toy.too_many broken at n" in found["errors"][0]["message"]
    assert facts["shrunk_faults"] == 3
    assert any(line.startswith("seed ") and "toy.too_many broken at n" in line for line in lines)
    assert Path(facts["saved"], "sequence.svg").is_file()

    assert sim_run(*shlex.split(command.removeprefix("replay: coterie sim"))) == 1
    again = capsys.readouterr().out
    assert "toy.too_many broken at n" in again
    assert json.loads(Path(facts["saved"], "verdict.json").read_text())["trace_hash"] in again


def test_failure_is_saved_without_shrinking_if_shrink_is_0(capsys: Printed) -> None:
    assert toy_run("fragile", "--seed", "5", "--shrink", "0") == 1

    command = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("replay: "))
    assert sim_run(*shlex.split(command.removeprefix("replay: coterie sim"))) == 1


def test_mutated_algorithm_leaves_a_small_failure_that_can_be_replayed(capsys: Printed) -> None:
    mutant = next(mutant for mutant in MUTANTS if mutant.name == "raft: vote not durable")

    with patched(mutant.patches):
        assert sim_run("raft", "--seeds", "3", "--nodes", "3", "--shrink", "20", "-o", "json") == 1
        facts = as_json(capsys)
        assert sim_run("raft", "--replay", str(facts["saved"])) == 1
        replayed = capsys.readouterr().out
    assert sim_run("raft", "--replay", str(facts["saved"])) != 1

    assert {"timeline.html", "history.jsonl", "sequence.svg"} <= {it.name for it in Path(str(facts["saved"])).iterdir()}
    result = json.loads(Path(str(facts["saved"]), "verdict.json").read_text())
    assert cast("int", facts["shrunk_faults"]) <= 5
    assert result["violation"]["invariant"] in replayed
    assert result["trace_hash"] in replayed


def test_plan_of_ones_own_replaces_the_profile(capsys: Printed) -> None:
    plan = toy.a_plan(5)
    Path("mine.json").write_text(dump_plan(replace(plan, faults=plan.faults[:2])), encoding="utf-8")

    assert toy_run("fragile", "--seeds", "2", "--plan", "mine.json", "-o", "json") == 0
    assert as_json(capsys)["fired"] == {"crash": 4}
    assert toy_run("fragile", "--seeds", "2", "-o", "json") == 1


def test_void_seeds_are_told_and_make_the_exit_code_two(capsys: Printed) -> None:
    assert toy_run("void", "--seeds", "2") == 2
    assert "void seeds: 0 1" in capsys.readouterr().out
    assert toy_run("void", "--seed", "1") == 2
    assert "seed 1 is void: only 3 commands were answered" in capsys.readouterr().out


def test_interrupt_prints_the_results_so_far_and_the_command_to_continue(capsys: Printed) -> None:
    assert toy_run("interrupted", "--seeds", "9", "--nodes", "3", "-o", "json") == 130

    printed = capsys.readouterr()
    lines, found = printed.err.splitlines(), json.loads(printed.out)
    assert lines[0].startswith(f"{toy.WHERE}:interrupted: interrupted after 3 seeds")
    assert f"continue: coterie sim {toy.WHERE}:interrupted --seed 3 --seeds 6 --level protocol --nodes 3" in lines
    assert found["data"]["interrupted"] is True
    assert (found["verdict"], found["errors"][0]["code"]) == (None, "interrupted")


def test_ctrl_c_ends_a_command_with_workers_that_would_never_end() -> None:
    root = Path(sim_command.__file__).parents[3]
    command = [sys.executable, "-m", "coterie", "sim", f"{toy.WHERE}:signalling", "--seeds", "9", "--jobs", "2"]

    ended = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=60)

    assert ended.returncode == 130, ended.stderr
    assert "continue: coterie sim tests.coterie.exploring.toy:signalling --seed " in ended.stdout
    assert "Traceback" not in ended.stderr


def test_failure_before_an_interrupt_is_not_lost(capsys: Printed) -> None:
    assert toy_run("fragile_and_interrupted", "--seeds", "9") == 1

    out = capsys.readouterr().out
    assert "replay: coterie sim" in out
    assert "continue: coterie sim" in out


def test_two_jobs_find_the_same(capsys: Printed) -> None:
    assert toy_run("good", "--seeds", "6", "-o", "json") == 0
    alone = as_json(capsys)
    assert toy_run("good", "--seeds", "6", "--jobs", "2", "-o", "json") == 0
    together = as_json(capsys)

    for name in ("seeds", "passed", "operations", "events", "simulated_s", "fired"):
        assert alone[name] == together[name]


def test_determinism_is_checked(capsys: Printed) -> None:
    assert toy_run("good", "--seeds", "3", "--check-determinism", "-o", "json") == 0
    assert as_json(capsys)["nondeterministic_seeds"] == []

    assert toy_run("wavering", "--seeds", "2", "--check-determinism", "-o", "json") == 1
    printed = capsys.readouterr()
    told = [line for line in printed.err.splitlines() if line.startswith("seed")]  # not the progress of a slow machine
    assert told[0].startswith("seed 0 is not deterministic: its traces first differ in line ")
    assert json.loads(printed.out)["data"]["nondeterministic_seeds"] == [0, 1]


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["raft", "synod"])
def test_scenarios_of_coterie_are_deterministic(scenario: str, capsys: Printed) -> None:
    assert sim_run(scenario, "--seeds", "2", "--check-determinism", "-o", "json") == 0
    assert as_json(capsys)["nondeterministic_seeds"] == []


def test_whole_command_has_fixed_string_hashes() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"}
    command = [sys.executable, "-m", "coterie", "sim", f"{toy.WHERE}:wavering", "--seed", "1"]
    root = Path(sim_command.__file__).parents[3]

    outputs = [
        subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]

    traces = [[line for line in output.splitlines() if line.startswith("trace ")] for output in outputs]
    assert traces[0] == traces[1] != []


@pytest.mark.parametrize("argv", [("raft", "--seeds", "0"), ("raft", "--level", "sistem"), ("raft", "--jobs", "x")])
def test_nonsense_is_refused(argv: tuple[str, ...], capsys: Printed) -> None:
    with pytest.raises(SystemExit):
        sim_run(*argv)
    assert "coterie sim: error" in capsys.readouterr().err


def test_bad_names_are_told_with_the_nearest(capsys: Printed) -> None:
    assert main(["sim", "rafd"]) == 1
    assert "coterie: there is no scenario 'rafd': did you mean 'raft'?" in capsys.readouterr().err
    with pytest.raises(ScenarioError, match="not run at level 'system', but at level 'protocol'"):
        sim_run(f"{toy.WHERE}:good", "--level", "system")
    with pytest.raises(PlanError, match=r"did you mean 'everything'\?"):
        sim_run("raft", "--profile", "everythin")


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ('{"kind": "crush"}', r"'p\.json': .*did you mean 'crash'\?"),
        ('{"kind": "bit_rot", "at_s": 0, "target": "n1"}', r"faults\[0\] \(bit_rot\)"),
    ],
)
def test_bad_plan_is_told(fault: str, told: str) -> None:
    Path("p.json").write_text(f'{{"nodes": ["n1"], "ends_at_s": 1, "faults": [{fault}]}}', encoding="utf-8")

    with pytest.raises(PlanError, match=told):
        sim_run("raft", "--seed", "1", "--plan", "p.json")


def test_replay_of_another_scenario_is_refused() -> None:
    assert toy_run("fragile", "--seed", "5", "--shrink", "0") == 1
    [folder] = Path("coterie-runs").iterdir()

    with pytest.raises(ValueError, match="holds a case of scenario"):
        sim_run("raft", "--replay", str(folder))
