"""One node as a process of its own: `python -m coterie run …`, as `coterie up` and the demo start it.

It runs in a session of its own (Ctrl-C is for the parent alone), with a pipe as its standard input: when the parent is
gone, however it went, the pipe ends, and so does the node.
"""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping
from typing import IO

from coterie.errors import NotFormatted
from coterie.runtime.hosts.real_disk import RealDisk
from coterie.runtime.storage.data_directory import read_meta

__all__ = ["cluster_in", "end_process", "start_process"]

STOP_TIMEOUT_S = 10.0


async def start_process(
    topology: str,
    node: str,
    addresses: Mapping[str, str],
    data: str,
    *,
    output: IO[bytes] | int,
    may_format: bool = True,
    environment: Mapping[str, str] | None = None,
) -> Process:
    """Start a node of the topology `module:name`; it formats its data directory if that holds none yet.

    Args:
        topology: where the topology is declared.
        node: which of its nodes.
        addresses: where it listens and where it dials the others: `host:port` of every node, by name.
        data: the node's own data directory.
        output: where its standard output and error go, as for `subprocess`.
        may_format: False leaves a directory that holds no data as it is: then the node refuses to start.
        environment: what it finds in its environment beside our own.

    Returns:
        The process, before the node is up.
    """
    command = [sys.executable, "-m", "coterie", "run", topology, "--with-stdin"]
    command += ["--node", node, "--listen", addresses[node], "--data", data]
    for peer, address in addresses.items():
        if peer != node:
            command += ["--peer", f"{peer}={address}"]
    if may_format and cluster_in(data) is None:
        command += ["--bootstrap", "new"]
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=output,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        env={**os.environ, **(environment or {})},
    )


async def end_process(process: Process) -> None:
    """Wait until a process that was told to end has done so; by force if it takes too long."""
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def cluster_in(data: str) -> str | None:
    """Return whose data is in a directory; None: nobody's yet, or its formatting was interrupted.

    Raises:
        StorageError: it is no data directory, or a damaged one.
    """
    try:
        return read_meta(RealDisk(), data).cluster
    except NotFormatted:
        return None
