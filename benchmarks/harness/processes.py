"""`Child`: starts a child process of a benchmark, measures its CPU time and memory, and ends it by its process id."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable, Sequence
from typing import Any

from coterie.import_order import child_environment, module_command
from coterie.node_process import signal_process

__all__ = ["Child", "cpu_seconds", "free_ports", "peak_bytes", "reset_peak", "resident_bytes", "start_kept"]

_STDERR_BYTES = 16_384
_LAST_WORDS_CHARS = 500
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_RESET_PEAK = "5"  # proc(5), /proc/pid/clear_refs


class Child:
    """One process `python -m <arguments>`; its `first_line` contains `ready` when it is ready.

    It runs in its own session: Ctrl-C reaches only the benchmark, which then ends it. `keeps_stderr`: what it prints on
    stderr is not shown, and its end can be had as `last_words`.
    """

    def __init__(self, arguments: Sequence[str], *, ready: bytes = b"ready", keeps_stderr: bool = False) -> None:
        self.arguments = tuple(arguments)
        self._ready = ready
        self._keeps_stderr = keeps_stderr
        self._stderr_end = b""
        self._stderr_reader: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self.first_line = b""

    async def start(self) -> None:
        """Start it and wait until it is ready. RuntimeError if it ends before that."""
        process = await start_kept(
            self._keep,
            *module_command(*self.arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE if self._keeps_stderr else None,
            env=child_environment(),
        )
        if process.stderr is not None:
            self._stderr_reader = asyncio.create_task(self._read_stderr(process.stderr))
        assert process.stdout is not None
        self.first_line = await process.stdout.readline()
        if self._ready not in self.first_line:
            raise RuntimeError(f"`python -m {' '.join(self.arguments)}` ended before it was ready")

    def _keep(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    def say(self, line: str) -> None:
        """Write a line to its stdin. RuntimeError if it was not started."""
        if self._process is None or self._process.stdin is None:
            raise RuntimeError("it was not started")
        self._process.stdin.write(line.encode() + b"\n")

    async def line(self) -> bytes:
        """Return the next line that it prints. RuntimeError if it ends instead."""
        if self._process is None or self._process.stdout is None:
            raise RuntimeError("it was not started")
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"`python -m {' '.join(self.arguments)}` ended early")
        return line

    async def _read_stderr(self, stream: asyncio.StreamReader) -> None:
        while data := await stream.read(_STDERR_BYTES):
            self._stderr_end = (self._stderr_end + data)[-_STDERR_BYTES:]

    @property
    def last_words(self) -> str:
        """The last lines of its stderr, or the error alone if that is a traceback; at most 500 characters."""
        lines = self._stderr_end.decode(errors="replace").splitlines()
        words = [line.strip() for line in lines if line.strip()]
        count = 1 if any(line.startswith("Traceback") for line in words) else 3
        return " | ".join(words[-count:])[-_LAST_WORDS_CHARS:]

    @property
    def pid(self) -> int:
        """Its process id."""
        if self._process is None:
            raise RuntimeError("it was not started")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    async def end(self) -> None:
        """Kill it if it runs, and wait for it."""
        if self._process is not None:
            signal_process(self._process, signal.SIGKILL)
            await self._process.wait()

    async def end_session(self, *, timeout_s: float) -> None:
        """Send SIGTERM to all processes of its session, and SIGKILL after `timeout_s`."""
        if self._process is None:
            return
        self._kill_session(signal.SIGTERM)
        await self.wait(timeout_s)
        self._kill_session(signal.SIGKILL)
        await self._process.wait()
        if self._stderr_reader is not None:
            # The rest of what it printed; a process that it started in another session may hold the stream open.
            await asyncio.wait([self._stderr_reader], timeout=1.0)
            self._stderr_reader.cancel()

    async def wait(self, timeout_s: float) -> None:
        """Wait until it ends by itself, for `timeout_s` at most."""
        if self._process is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), timeout_s)

    def _kill_session(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)


async def start_kept(
    keep: Callable[[asyncio.subprocess.Process], None], *command: str, **options: Any
) -> asyncio.subprocess.Process:
    """Start a process in a session of its own, and call `keep` with it, also if this is cancelled meanwhile: to end it.

    Ctrl-C reaches only the benchmark. `options`: as for `asyncio.create_subprocess_exec`.
    """
    made = asyncio.ensure_future(asyncio.create_subprocess_exec(*command, start_new_session=True, **options))
    try:
        await asyncio.shield(made)
    finally:
        process = await made
        keep(process)
    return process


def cpu_seconds(pids: Sequence[int]) -> float:
    """Return the processor time, user and system, that these processes have taken so far (seconds)."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / _TICKS_PER_S


def resident_bytes(pid: int) -> int:
    """Return how much memory of a process is resident."""
    return _status_bytes(pid, "VmRSS")


def peak_bytes(pid: int) -> int:
    """Return the most memory of a process that was resident since it began, or since `reset_peak`."""
    return _status_bytes(pid, "VmHWM")


def reset_peak(pid: int) -> None:
    """Let `peak_bytes` of a process of this user begin again."""
    with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as file:
        file.write(_RESET_PEAK)


def _status_bytes(pid: int, name: str) -> int:
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    raise RuntimeError(f"process {pid} has ended, or this kernel does not tell its {name}")


def free_ports(count: int) -> list[int]:
    """Return loopback ports that are free now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
