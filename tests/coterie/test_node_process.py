"""Signals to child processes; the file descriptors that they inherit; whose data a directory holds."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import uvloop

from coterie.node_process import cluster_in, signal_process

COUNT = """
import os, stat
from coterie.node_process import close_copies
own, theirs = os.open("/dev/null", os.O_RDONLY), os.dup(1)  # not inheritable: Python's own
close_copies()
streams = [os.fstat(at)[1:3] for at in (0, 1, 2)]
names = [int(name) for name in os.listdir("/dev/fd")]
open_now = [at for at in names if at > 2 and at != max(names) and os.fstat(at)[1:3] in streams]
print(open_now == [theirs], os.fstat(own) is not None)
"""


async def test_a_signal_to_a_process_that_has_just_ended_leaves_its_exit_code() -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "raise SystemExit(7)")
    with suppress(ChildProcessError):  # on Python 3.11 a thread may have fetched the exit code already
        # It has ended, and the loop does not know it yet.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222 (the loop must not run)

    signal_process(process, signal.SIGCONT)

    assert await process.wait() == 7
    signal_process(process, signal.SIGKILL)
    assert process.returncode == 7


def test_a_process_that_uvloop_starts_closes_the_copies_of_its_streams_and_nothing_of_its_own() -> None:
    async def start() -> bytes:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", COUNT, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT
        )
        return (await process.communicate())[0]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(start()) == b"True True\n"


def test_a_file_beside_the_data_directories_holds_no_cluster(tmp_path: Path) -> None:
    """As the logs of the nodes, which `coterie up` writes there."""
    (tmp_path / "n1.log").write_text("a line")

    assert cluster_in(str(tmp_path / "n1.log")) is None
    assert cluster_in(str(tmp_path / "nothing")) is None
