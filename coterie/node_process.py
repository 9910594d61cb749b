"""Node process: starts and ends one node as a child process `python -m coterie run`, for `up`, `nemesis` and `demo`.

The child runs in its own session (Ctrl-C reaches only the parent), with a pipe as its standard input: when the parent
ends, for any reason, the pipe ends, and then the node ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from typing import IO, Final

from coterie.errors import NotFormatted
from coterie.import_order import child_environment, module_command
from coterie.runtime.hosts.real_disk import RealDisk
from coterie.runtime.storage.data_directory import read_meta

__all__ = [
    "close_copies",
    "cluster_in",
    "end_process",
    "is_left_line",
    "is_up_line",
    "left_line",
    "process_end",
    "signal_process",
    "start_process",
    "up_line",
]

STOP_TIMEOUT_S = 10.0

POLL_S: Final = 0.1
"""How often the exit code is looked at while `Process.wait` waits for more than the end of the process, s."""


def up_line(node: str, cluster: str, address: str, pid: int) -> str:
    """Return the line that a node process prints once it is up: its store is open, its actors run."""
    return f"node {node!r} of {cluster!r} is up at {address} (pid {pid})"


def is_up_line(line: str, node: str) -> bool:
    """Return whether `line` is the `up_line` of `node`."""
    return line.startswith(f"node {node!r} of ") and " is up at " in line


def left_line(node: str, cluster: str) -> str:
    """Return the line that a node process prints when it ends because it has left its cluster's view."""
    return f"node {node!r} of {cluster!r} has left the cluster"


def is_left_line(line: str, node: str) -> bool:
    """Return whether `line` is the `left_line` of `node`."""
    return line.startswith(f"node {node!r} of ") and line.endswith(" has left the cluster")


async def start_process(
    topology: str,
    node: str,
    addresses: Mapping[str, str],
    data: str,
    *,
    output: IO[bytes] | int,
    bootstrap: str | None = "new",
    environment: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
) -> Process:
    """Start a node of the topology `module:name`; it formats its data directory if that is not formatted yet.

    Args:
        topology: where the topology is declared.
        node: the name of the node.
        addresses: `host:port` of every node, by name: where this node listens and where it dials the others.
        data: the node's own data directory.
        output: where its standard output and error go, as for `subprocess`.
        bootstrap: how it formats, see `coterie run`; None never formats: then the node refuses to start on an
            unformatted directory.
        environment: variables added to the environment of the process.
        options: further options of `coterie run`.

    Returns:
        The process, before the node is up.
    """
    command = module_command("coterie", "run", topology, "--with-stdin")
    command += ["--node", node, "--listen", addresses[node], "--data", data]
    for peer, address in addresses.items():
        if peer != node:
            command += ["--peer", f"{peer}={address}"]
    command += options
    if bootstrap is not None and cluster_in(data) is None:
        command += ["--bootstrap", bootstrap]
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=output,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        env=child_environment(environment),
    )


async def process_end(process: Process) -> int:
    """Wait until a process has ended; return its exit code.

    `Process.wait` waits, in some versions of Python, also until its pipes are closed. A child of the process may have
    inherited them, and live on.
    """
    waiting = asyncio.ensure_future(process.wait())
    try:
        while process.returncode is None:
            await asyncio.wait({waiting}, timeout=POLL_S)
        return process.returncode
    finally:
        waiting.cancel()


async def end_process(process: Process) -> None:
    """Wait until a signalled process has ended; kill it after 10 s."""
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await process_end(process)
    except TimeoutError:
        signal_process(process, signal.SIGKILL)
        await process_end(process)


def signal_process(process: Process, number: signal.Signals) -> None:
    """Send a signal to a child process; no effect if it has ended.

    `Process.send_signal` (and `kill`, `terminate`) would poll the process first. If it has just ended, that takes its
    exit code away from asyncio's child watcher, which then reports "Unknown child process" and code 255.
    """
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


def close_copies() -> None:
    """Close copies of our standard streams that we inherited: uvloop leaves some in each process that it starts.

    They count towards the limit of open files, and our own children would inherit them. Call it in a child process,
    before it starts others: what Python opens itself is not inheritable, and stays.
    """
    streams = {_identity(stream) for stream in (0, 1, 2)}
    for name in os.listdir("/dev/fd"):
        descriptor = int(name)
        with contextlib.suppress(OSError):  # that of the listing is closed already
            if descriptor > 2 and os.get_inheritable(descriptor) and _identity(descriptor) in streams:
                os.close(descriptor)


def _identity(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def cluster_in(data: str) -> str | None:
    """Return the name of the cluster whose data is in a directory; None: it is not (completely) formatted.

    Raises:
        StorageError: it is not a data directory, or it is damaged.
    """
    try:
        return read_meta(RealDisk(), data).cluster
    except NotFormatted:
        return None
