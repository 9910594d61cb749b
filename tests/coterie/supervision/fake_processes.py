"""Processes for tests of supervision: they end when a test says so, and record the signals they get."""

from __future__ import annotations

import asyncio
import signal
from asyncio.subprocess import Process
from typing import Any, cast

from coterie.supervision.output_pipe import OutputPipe


class FakeProcess:
    """A child process without a system behind it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.output = FakeOutput()
        self.stdin = None
        self.signals: list[signal.Signals] = []
        self.has_child = False
        """Whether a child of the process holds its output open."""
        self._ended = asyncio.Event()

    def end(self, code: int) -> None:
        self.returncode = code
        if not self.has_child:
            self.output.reader.feed_eof()
        self._ended.set()

    async def wait(self) -> int:
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode


class FakeOutput:
    """The pipe of a fake process."""

    def __init__(self) -> None:
        self.reader = asyncio.StreamReader()
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


class FakeProcesses:
    """Starts fake processes. `codes`: those with which the first ones end at once; later ones run."""

    def __init__(self, *codes: int) -> None:
        self.started: list[FakeProcess] = []
        self.started_at: list[float] = []
        self._codes = list(codes)

    async def start(self) -> tuple[Process, OutputPipe]:
        process = FakeProcess(len(self.started) + 1)
        self.started.append(process)
        self.started_at.append(asyncio.get_running_loop().time())
        if self._codes:
            process.end(self._codes.pop(0))
        return cast("Process", process), cast("OutputPipe", process.output)


def signal_fake(process: Any, number: signal.Signals) -> None:
    """Record a signal; SIGTERM and SIGKILL end the process (stands in for `signal_process`)."""
    if process.returncode is None:
        process.signals.append(number)
        if number in (signal.SIGTERM, signal.SIGKILL):
            process.end(-number)
