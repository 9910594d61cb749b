"""A program that embeds coterie, in a process of its own under `-W error -X dev`: it prints what it prints itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

PROGRAM = """
import asyncio, sys, tempfile
import uvloop
from coterie import Actor, Address, Ask, Client, KeyValue, System, Topology, message
from coterie.errors import ActorFailed

@message(name="quiet.Work")
class Work(Ask[int]):
    amount: int

class Worker(Actor[Work]):
    def on_start(self) -> None:
        self.context.every(0.01, Work(0))

    async def receive(self, msg: Work, /) -> int:
        if msg.amount < 0:
            raise ValueError("a failure that its supervisor looks after")
        return await self.context.run_blocking(lambda: msg.amount)

async def cycle(data: str, bootstrap) -> None:
    async with System() as system:
        worker = system.spawn(Worker)
        assert await worker.ask(Work(1)) == 1
        try:
            await worker.ask(Work(-1))
        except ActorFailed:
            pass
        worker.tell(Work(-1))
        assert await worker.ask(Work(2)) == 2
        abandoned = worker.ask(Work(3))
    topology = Topology("quiet", nodes=["n1", "n2", "n3"])
    topology.raft("store", machine=KeyValue)
    topology.pool("workers", lambda _: Worker())
    async with topology.together(data=data, bootstrap=bootstrap) as nodes:
        async with Client([node.address for node in nodes.values()]) as client:
            await client.key_value("store").put(b"k", b"v")
            assert await client.pool("workers").ask(Work(4)) == 4
        assert await nodes["n2"].key_value("store").get(b"k") == b"v"

async def main() -> None:
    asyncio.get_running_loop().slow_callback_duration = 60.0  # the machine may be busy
    with tempfile.TemporaryDirectory() as data:
        await cycle(data, "new")
        await cycle(data, None)

factory = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}[sys.argv[1]]
with asyncio.Runner(loop_factory=factory) as runner:
    runner.run(main())
print("done")
"""


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_only_failures_are_printed_and_nothing_warns(loop: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])

    ended = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", program, loop],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    records = [line for line in ended.stderr.splitlines() if not line.startswith("  ")]  # without tracebacks
    failure = "actor.failed node=local actor=worker-1 error=ValueError: a failure that its supervisor looks after"
    assert {line.replace(" repeated=1", "") for line in records} == {f"{failure} message=Work"}
    assert len(records) <= 4  # two in each cycle, or one that stands for both
    assert ended.stdout == "done\n"
    assert ended.returncode == 0
