"""`NodeSupervisor`: runs one node's process, restarts it when it ends, and gives up when that does not help.

         ┌──────────── back-off ◀──────────┐
         ▼                                 │ budget left
start ─▶ running ── ended, or fenced ──▶ ended ── budget spent, or it cannot start ──▶ given up
             └────── has left its cluster ─▶ not started again
"""

from __future__ import annotations

import asyncio
import random
import signal
from asyncio.subprocess import Process
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from coterie.node_process import end_process, is_left_line, is_up_line, process_end, signal_process
from coterie.runtime.cells.supervision import RestartBudget, Supervision
from coterie.supervision.output_pipe import OutputPipe

__all__ = ["RESTARTS", "NodeSupervisor"]

RESTARTS: Final = Supervision(max_restarts=10, within_s=120.0, backoff_min_s=0.2, backoff_max_s=10.0)
"""The default budget: a node that always fails at once is given up after about a minute."""

UNUSABLE: Final = 2
"""The exit code of a process that cannot start with its code, its options or its data: a restart would not help."""

CODES_SHOWN: Final = 5

OUTPUT_GRACE_S: Final = 1.0
"""How long the rest of the output is read after the end of the process, s. It is not read to its end: a child of the
process may have inherited the output, and live on."""


class NodeSupervisor:
    """Supervises the process of one node. `run` it in a task; cancelling the task stops the process in order.

    Args:
        node: the name of the node.
        start: starts its process, with its output in a pipe; returns both.
        say: takes a line about the node: of its output, or of what happens to it.
        restarts: how often it is restarted, and after which back-off.
        monotonic: the clock, s.
    """

    def __init__(
        self,
        node: str,
        start: Callable[[], Awaitable[tuple[Process, OutputPipe]]],
        say: Callable[[str, str], None],
        restarts: Supervision,
        monotonic: Callable[[], float],
    ) -> None:
        self.node = node
        self.life = 0
        """The number of processes started so far."""
        self.is_up = False
        """Whether the present process has reported that it is up: before, it starts, or replays its log."""
        self.has_left = False
        """Whether its present process has reported that it has left its cluster."""
        self.has_given_up = False
        """Whether it is not restarted any more."""
        self._start = start
        self._say = say
        self._restarts = restarts
        self._budget = RestartBudget(restarts)
        self._monotonic = monotonic
        self._rng = random.Random()
        self._codes: deque[int] = deque(maxlen=CODES_SHOWN)
        self._process: Process | None = None

    @property
    def is_running(self) -> bool:
        """Whether its process has not ended."""
        return self._process is not None and self._process.returncode is None

    def fence(self, reason: str) -> None:
        """Kill the process, which hangs: it is restarted as after every end. No effect if it has ended."""
        if self._process is not None and self.is_running:
            self._say(self.node, f"fenced (SIGKILL of pid {self._process.pid}): {reason}")
            signal_process(self._process, signal.SIGKILL)

    def hang_up(self) -> None:
        """Let the process read its certificates again (SIGHUP). No effect if it is not up."""
        if self._process is not None and self.is_up:
            signal_process(self._process, signal.SIGHUP)

    def note(self, text: str) -> None:
        """Say a line about the node."""
        self._say(self.node, text)

    async def run(self) -> None:
        """Run the node until cancelled, until its budget is spent, or until it cannot start (exit code 2)."""
        while True:
            code = await self._run_once()
            if code == 0 and self.has_left:
                self._say(self.node, "it is not started again: it has left the cluster")
                return
            self._codes.append(code)
            if code == UNUSABLE and not self.is_up:
                self._give_up("it cannot start with the topology, the options and the data that it has")
                return
            wait_s = self._budget.next_backoff_s(self._monotonic(), self._rng)
            if wait_s is None:
                times, within_s = self._restarts.max_restarts + 1, self._restarts.within_s
                codes = ", ".join(map(str, self._codes))
                self._give_up(f"it ended {times} times within {within_s:g} s, last with the codes {codes}")
                return
            self._say(self.node, f"ended with code {code}: restart in {wait_s:.1f} s")
            await asyncio.sleep(wait_s)

    def _give_up(self, why: str) -> None:
        self.has_given_up = True
        text = f"GIVEN UP: {why}; the other nodes go on. Find the cause in its output, then start again"
        self._say(self.node, text)

    async def _run_once(self) -> int:
        """Run the process once; return its exit code."""
        self.is_up = self.has_left = False
        process, output = await self._start()
        self._process = process
        self.life += 1
        reading = asyncio.create_task(self._forward_output(output.reader))
        try:
            code = await _end_of(process, reading)
        except BaseException:
            signal_process(process, signal.SIGTERM)
            signal_process(process, signal.SIGCONT)  # a stopped process ends too
            await end_process(process)
            await _let_go(process, output, reading)
            raise
        await _let_go(process, output, reading)
        return code

    async def _forward_output(self, reader: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await reader.readline()
            except ValueError:  # longer than the reader's limit: the line was dropped
                line = b"(line too long to show)"
            if not line:
                return
            text = line.decode(errors="replace").rstrip()
            self.is_up = self.is_up or is_up_line(text, self.node)
            self.has_left = self.has_left or is_left_line(text, self.node)
            self._say(self.node, text)


async def _end_of(process: Process, reading: asyncio.Task[None]) -> int:
    """Wait until a process has ended; return its exit code. The error of `reading`, if it fails before."""
    ended = asyncio.create_task(process_end(process))
    try:
        await asyncio.wait({reading, ended}, return_when=asyncio.FIRST_COMPLETED)
        if reading.done():
            reading.result()
        return await ended
    finally:
        ended.cancel()


async def _let_go(process: Process, output: OutputPipe, reading: asyncio.Task[None]) -> None:
    """Give the reader of an ended process a short time for the rest of the output; then close the pipes."""
    try:
        await asyncio.wait({reading}, timeout=OUTPUT_GRACE_S)
    finally:
        is_read = reading.done()
        reading.cancel()
        output.close()
        if process.stdin is not None:
            process.stdin.close()
    if is_read:
        reading.result()
