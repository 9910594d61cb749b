"""`coterie sim`: verdicts, exit codes, replay commands and JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from coterie.cli import sim
from coterie.protocols.simulation.mutants import MUTANTS, patched
from coterie.protocols.simulation.mutants import hunt as sim_hunt
from coterie.protocols.simulation.synod_scenario import run_synod_seed
from coterie.protocols.simulation.verdict import Verdict

Printed = pytest.CaptureFixture[str]


def sim_run(*argv: str) -> int:
    parser = argparse.ArgumentParser(prog="coterie")
    sim.add_parser(parser.add_subparsers())
    args = parser.parse_args(["sim", *argv])
    code = args.run(args)
    assert isinstance(code, int)
    return code


def with_scenario(monkeypatch: pytest.MonkeyPatch, change: Callable[[Verdict], Verdict]) -> None:
    """Let the synod scenario's verdicts be changed."""

    def run_seed(seed: int, *, nodes: int | None = None, hashed: bool = False) -> Verdict:
        return change(run_synod_seed(seed, nodes=nodes, hashed=hashed))

    monkeypatch.setattr(sim, "SCENARIOS", {"synod": run_seed})


def test_many_seeds_pass_and_say_so(capsys: Printed) -> None:
    assert sim_run("synod", "--seeds", "3", "--seed", "10", "--json") == 0

    facts = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (facts["scenario"], facts["seeds"], facts["passed"], facts["failed"], facts["void"]) == ("synod", 3, 3, 0, 0)
    assert facts["failing_seeds"] == []
    assert facts["operations"] > 100
    assert min(facts[key] for key in ("events", "events_per_s", "simulated_s", "realtime_factor")) > 0


def test_one_seed_prints_the_hash_of_its_trace(capsys: Printed) -> None:
    assert sim_run("synod", "--seed", "5", "--nodes", "5", "--json") == 0

    lines = capsys.readouterr().out.splitlines()
    digest = run_synod_seed(5, nodes=5, hashed=True).digest
    assert lines[0] == f"trace {digest}"
    assert json.loads(lines[-1])["trace_hash"] == digest


def test_failure_prints_the_tail_the_violation_and_one_command_to_see_it_again(capsys: Printed) -> None:
    mutant = next(mutant for mutant in MUTANTS if mutant.name == "synod: promise not durable")

    with patched(mutant.patches):
        code = sim_run("synod", "--seeds", "2", "--nodes", "3", "--json")

    lines = capsys.readouterr().out.splitlines()
    assert code == 1
    assert lines.index("replay: coterie sim synod --seed 0 --nodes 3") > 5
    assert any(line.startswith("seed 0: synod.promise_ahead_of_disk broken at n") for line in lines)
    assert json.loads(lines[-1])["failing_seeds"] == [0, 1]


def test_void_seeds_are_told_and_make_the_exit_code_two(capsys: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    with_scenario(monkeypatch, lambda verdict: replace(verdict, fired={}))

    assert sim_run("synod", "--seeds", "2") == 2
    assert "void seeds: 0 1" in capsys.readouterr().out
    assert sim_run("synod", "--seed", "1") == 2
    assert "seed 1 is void: never fired: " in capsys.readouterr().out


def test_interrupt_prints_what_was_learned(capsys: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(verdict: Verdict) -> Verdict:
        if verdict.seed == 2:
            raise KeyboardInterrupt
        return verdict

    with_scenario(monkeypatch, interrupt)

    assert sim_run("synod", "--seeds", "9", "--json") == 130
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("synod: interrupted after 2 seeds")
    assert json.loads(lines[-1])["interrupted"] is True


def test_two_jobs_find_the_same(capsys: Printed) -> None:
    assert sim_run("synod", "--seeds", "6", "--json") == 0
    alone = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert sim_run("synod", "--seeds", "6", "--jobs", "2", "--json") == 0
    together = json.loads(capsys.readouterr().out.splitlines()[-1])

    for key in ("seeds", "passed", "operations", "events", "simulated_s"):
        assert alone[key] == together[key]


def test_mutants_are_reported_in_a_table(capsys: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sim, "MUTANTS", MUTANTS[-4:-2])

    assert sim_run("mutants") == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:5] == ["synod:", "promise", "not", "durable", "synod.promise_ahead_of_disk"]
    assert lines[-1] == "2 killed, 0 survived"


def test_surviving_mutant_makes_the_exit_code_one(capsys: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    harmless = replace(MUTANTS[-1], name="synod: harmless", patches=())
    monkeypatch.setattr(sim, "MUTANTS", (harmless,))
    monkeypatch.setattr(sim, "hunt", lambda mutant: sim_hunt(mutant, most_seeds=1))

    assert sim_run("mutants", "--json") == 1
    lines = capsys.readouterr().out.splitlines()
    assert "SURVIVED 1 seeds" in lines[1]
    assert json.loads(lines[-1])["survived"] == 1


@pytest.mark.parametrize("argv", [("paxos",), ("raft", "--seeds", "0"), ("raft", "--nodes", "4")])
def test_nonsense_is_refused(argv: tuple[str, ...], capsys: Printed) -> None:
    with pytest.raises(SystemExit):
        sim_run(*argv)
    assert "coterie sim: error" in capsys.readouterr().err
