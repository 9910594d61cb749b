from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from coterie.cli import main
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import Crash, Fault, SlowNode, WipedDisk
from coterie.protocols.faults.plan_format import dump_plan

START = [sys.executable, "-m", "coterie", "nemesis"]
NODES = ("n1", "n2", "n3")


@pytest.fixture(autouse=True)
def directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write_plan(path: Path, *faults: Fault, ends_at_s: float = 3.0) -> str:
    path.write_text(dump_plan(FaultPlan(NODES, faults, ends_at_s)))
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["chrashes"], "there is no profile 'chrashes': did you mean 'crashes'?"),
        (["plan.json", "--nodes", "5"], "--nodes 5: 'plan.json' is for 3 nodes: n1, n2, n3"),
        (["plan.json", "--seconds", "9"], "--seconds 9: the plan 'plan.json' lasts 3 s"),
        (["plan.json", "--clients", "0"], "--clients 0: at least one is needed"),
        (["slow.json"], "faults[0] (slow_node) cannot be carried out at level 'process'"),
        (
            ["slow.json"],
            "only at: protocol, system; use --skip-unsupported to leave out such faults",
        ),
        (["slow.json", "--skip-unsupported"], "real processes support none of its faults: slow_node"),
        (["beyond.json"], "faults[1] (wiped_disk) at 2.0 s is beyond the fault budget"),
        (["unknown.json"], "has the unknown kind 'crush': did you mean 'crash'?"),
        (["missing.json"], "there is no file 'missing.json'"),
        (["plam.json"], "there is no file 'plam.json': did you mean 'plan.json'?"),
        (["runs/raft-2"], "there is no file 'runs/raft-2': did you mean 'runs/raft-29'?"),
        (["crashes", "--nodes", "0"], "--nodes 0: at least one"),
        (["crashes", "--seconds", "0"], "--seconds 0: it must be above 0, and finite"),
        (["plan.json", "--keep", "."], "--keep '.' exists already"),
    ],
)
def test_bad_input_is_named_and_nothing_is_started(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_plan(Path("plan.json"), Crash(1.0, "n1"))
    write_plan(Path("slow.json"), SlowNode(1.0, "n1", 1.0, 0.01))
    write_plan(Path("beyond.json"), WipedDisk(1.0, "n1"), WipedDisk(2.0, "n2"))
    Path("runs/raft-29").mkdir(parents=True)
    Path("runs/raft-29/case.json").write_text("{}")
    Path("unknown.json").write_text(
        json.dumps({"nodes": ["n1"], "ends_at_s": 3.0, "faults": [{"kind": "crush", "at_s": 1.0}]})
    )

    code = main(["nemesis", *arguments])

    assert code == (2 if told.startswith(("--nodes", "--seconds", "--clients")) else 1)
    assert told in capsys.readouterr().err
    assert not Path("coterie-runs").exists()


@pytest.mark.slow
def test_supported_faults_are_injected_and_everything_requested_is_kept() -> None:
    plan = write_plan(Path("plan.json"), SlowNode(0.5, "n1", 1.0, 0.01), Crash(1.0, "n1"))
    command = [*START, plan, "--skip-unsupported", "-o", "json", "--keep", "kept"]

    ended = subprocess.run(command, capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stderr.splitlines()[0] == "skipped, not supported by real processes: slow_node 1"
    found = json.loads(ended.stdout)
    facts = found["data"]
    assert (found["verdict"], facts["outcome"]) == ("passed", "passed")
    assert (facts["fired"], facts["skipped"]) == ({"crash": 1}, {"slow_node": 1})
    assert json.loads(Path("kept/plan.json").read_text())["faults"][0]["kind"] == "crash"
    assert facts["operations"] >= 100
    assert "operations; fired:" in ended.stderr
    for name in (
        "plan.json",
        "trace.txt",
        "history-store.jsonl",
        "timeline-store.html",
        "verdict.json",
        "nodes/n1.log",
    ):
        assert (Path("kept") / name).exists()
    assert facts["kept"] == "kept"


@pytest.mark.slow
def test_interrupted_run_prints_how_to_continue_and_leaves_no_process() -> None:
    plan = write_plan(Path("plan.json"), Crash(1.0, "n1"), ends_at_s=100.0)
    process = subprocess.Popen([*START, plan], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "under attack" in line and " 0 operations" not in line:
            break
    folder = Path("coterie-runs/nemesis-plan-0")
    ports = [
        int(port) for log in folder.glob("nodes/*.log") for port in re.findall(r"127\.0\.0\.1:(\d+)", log.read_text())
    ]

    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)

    assert process.returncode == 130
    assert f"again: coterie nemesis {folder}/plan.json --seed 0 --clients 10" in output
    assert len(dict.fromkeys(ports)) >= 3  # a node tells its own, and may tell those of others
    for port in ports:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
