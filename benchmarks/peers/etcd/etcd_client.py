"""etcd client: builds and runs the Go program with etcd's client: a closed loop, or steady writes through a failover.

The program (`load.go`) is built once per run, into a temporary directory, from the sources of Debian's packages.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

from benchmarks.harness.processes import start_kept
from benchmarks.peers.etcd.etcd_packages import GO_SOURCES
from benchmarks.peers.load_figures import LoadFigures, read_figures
from coterie.node_process import signal_process

__all__ = ["ETCD_CLIENT", "EtcdLoad", "EtcdSteadyWrites", "GoProgram", "built_program"]

ETCD_CLIENT: Final = "etcd's client"
_SOURCE: Final = Path(__file__).with_name("load.go")


@functools.cache
def _directory() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="coterie-benchmark-")


@functools.cache
def built_program() -> tuple[str, ...]:
    """Build `load.go`; return the command that runs it. RuntimeError with the compiler's words if that fails.

    Go's own cache makes a second build quick; the first takes some ten seconds. Nothing is downloaded.
    """
    program = os.path.join(_directory().name, "load")
    offline = {"GO111MODULE": "off", "GOPATH": GO_SOURCES, "GOTOOLCHAIN": "local", "GOFLAGS": ""}
    environment = {"GOCACHE": os.path.join(_directory().name, "cache")} if "HOME" not in os.environ else {}
    built = subprocess.run(
        ["go", "build", "-o", program, str(_SOURCE)],
        env={**environment, **os.environ, **offline},
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode:
        raise RuntimeError(f"`go build` of {_SOURCE.name} failed: {built.stderr.strip()[-500:]}")
    return (program,)


class GoProgram:
    """The running Go program. Use it as an async context manager; it is killed, by its process id, at the end.

    `command`: the program; default: the built one, tests give another.
    """

    def __init__(self, arguments: Sequence[str], command: Sequence[str] | None = None) -> None:
        self._arguments = tuple(arguments)
        self._command = command
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        """Build it if it is not built yet, and start it."""
        command = await asyncio.to_thread(built_program) if self._command is None else self._command
        try:
            await start_kept(
                self._keep,
                *command,
                *self._arguments,
                stdin=asyncio.subprocess.PIPE,  # it ends when this ends
                stdout=asyncio.subprocess.PIPE,
            )
        except asyncio.CancelledError:
            await self._end()
            raise
        return self

    def _keep(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill it if it runs, and wait for it."""
        await self._end()

    async def _end(self) -> None:
        if self._process is not None:
            signal_process(self._process, signal.SIGKILL)
            await self._process.wait()

    async def line(self) -> bytes:
        """Return the next line that it prints. RuntimeError if it ends instead; what it said is on stderr."""
        assert self._process is not None
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"etcd's client ended early, with code {await self._process.wait()}")
        return line

    def say(self, line: str) -> None:
        """Write a line to its standard input."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")


@dataclass(frozen=True, slots=True)
class EtcdLoad:
    """A closed loop of `clients` over `connections` to `endpoints`: puts of `size` bytes, or linearizable gets.

    Each request takes one of `keys` keys at random; all of them are written first.
    """

    endpoints: tuple[str, ...]
    operation: Literal["put", "get"]
    clients: int
    connections: int = 1
    size: int = 100
    keys: int = 1000

    async def measure(
        self,
        *,
        warm_up_s: float,
        measure_s: float,
        at_begin: Callable[[], None] = lambda: None,
        command: Sequence[str] | None = None,
    ) -> LoadFigures:
        """Run it; return its figures. `at_begin` is called when the measurement begins.

        Raises:
            ValueError: the program printed something else than figures.
            RuntimeError: the program could not be built, or ended early.
        """
        options = {
            "endpoints": ",".join(self.endpoints),
            "operation": self.operation,
            "clients": self.clients,
            "connections": self.connections,
            "size": self.size,
            "keys": self.keys,
            "warm-up": f"{warm_up_s}s",
            "seconds": f"{measure_s}s",
        }
        async with GoProgram([f"-{option}={value}" for option, value in options.items()], command) as program:
            if (line := await program.line()).strip() != b"begin":
                read_figures(line, ETCD_CLIENT)
                raise ValueError("etcd's client printed figures before the measurement began")
            at_begin()
            return read_figures(await program.line(), ETCD_CLIENT)


class EtcdSteadyWrites(GoProgram):
    """Steady writes to `endpoints`: one is started every `interval_s`, whether or not the others are answered."""

    def __init__(
        self, endpoints: Sequence[str], *, interval_s: float, size: int = 100, command: Sequence[str] | None = None
    ) -> None:
        where = f"-endpoints={','.join(endpoints)}"
        super().__init__([where, "-operation=steady", f"-interval={interval_s}s", f"-size={size}"], command)

    async def ready(self) -> None:
        """Wait until the first write is acknowledged. ValueError if the program says something else."""
        if (line := await self.line()).strip() != b"ready":
            raise ValueError(f"etcd's client said {line!r}, not that it is ready")

    async def first_acknowledged(self) -> None:
        """Wait until a write is acknowledged that was started after this call."""
        self.say("mark")
        if "recovered_s" not in json.loads(await self.line()):
            raise ValueError("etcd's client printed no time")
