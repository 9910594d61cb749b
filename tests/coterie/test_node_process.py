"""Signals to child processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress

from coterie.node_process import signal_process


async def test_a_signal_to_a_process_that_has_just_ended_leaves_its_exit_code() -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "raise SystemExit(7)")
    with suppress(ChildProcessError):  # on Python 3.11 a thread may have fetched the exit code already
        # It has ended, and the loop does not know it yet.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222 (the loop must not run)

    signal_process(process, signal.SIGCONT)

    assert await process.wait() == 7
    signal_process(process, signal.SIGKILL)
    assert process.returncode == 7
