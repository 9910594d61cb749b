"""A cluster of three processes that heals itself: a node that hangs is found, killed and started again.

python examples/self_healing.py

`coterie up` runs the nodes. This program stops one with SIGSTOP: its process lives and keeps its connections, but does
nothing. The failure detectors of the others (SWIM) declare it failed; `coterie up` reads their verdict, kills the
process (it is *fenced*), and starts it again.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from coterie import Failed, KeyValue, Node, Swim, Topology


def alarm(node: Node, failed: Failed) -> None:
    """Called on each node: page an operator, move work, … `node.health` knows it already."""
    print(f"{node.name} has given {failed.peer} up: {failed.reason}", flush=True)


topology = Topology("healing", nodes=["n1", "n2", "n3"])
topology.raft("store", machine=KeyValue)
topology.detector(Swim.local(), on_failed=alarm)


def wait_for(up: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    assert up.stdout is not None
    for line in up.stdout:
        if match := re.match(pattern, line):
            return match
    raise RuntimeError(f"`coterie up` ended without a line like {pattern}")


def main() -> None:
    with tempfile.TemporaryDirectory() as data:
        command = [sys.executable, "-m", "coterie", "up", f"{Path(__file__).stem}:topology", "--port", "0"]
        with subprocess.Popen(
            [*command, "--data", data], cwd=Path(__file__).parent, stdout=subprocess.PIPE, text=True
        ) as up:
            pids: dict[str, int] = {}
            while len(pids) < 3:
                node, pid = wait_for(up, r"(n\d) \| node .* is up at .* \(pid (\d+)\)").groups()
                pids[node] = int(pid)
            print("three nodes are up")
            os.kill(pids["n2"], signal.SIGSTOP)
            wait_for(up, r"n2 \| fenced \(SIGKILL of pid \d+\): 2 of the 2 other nodes that answer say")
            print("n2 hung: the other two declared it failed, and it was killed")
            wait_for(up, r"n2 \| node .* is up at")
            print("n2 is up again")
            up.terminate()
            up.communicate()


if __name__ == "__main__":
    main()
