"""`coterie up`: all nodes of a topology on this machine, a process each. A node that dies is started again.

    coterie up shop:topology                          at 127.0.0.1:7401, 7402, …, data in coterie-data/
    coterie up shop:topology --port 0 --data /var/shop

A data directory is formatted when it is not there yet. Each line of output has its node's name in front. The second
death in a row waits longer than the first. Ctrl-C and SIGTERM stop all nodes in order.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import socket
import time
from asyncio.subprocess import Process
from collections.abc import Mapping
from contextlib import ExitStack, suppress

from coterie.actors.topology import Topology
from coterie.cli.command_loop import Ended, run_async
from coterie.cli.commands.run_command import load_topology
from coterie.node_process import cluster_in, end_process, start_process
from coterie.runtime.transport.dial_backoff import Backoff

__all__ = ["add_parser", "run"]

FIRST_PORT = 7401
BACKOFF_FIRST_S = 0.2
BACKOFF_MAX_S = 10.0
HEALTHY_S = 10.0
"""A node that lived this long was well: its next death counts as the first."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `up` to the command line."""
    parser = subparsers.add_parser(
        "up",
        help="run all nodes of a topology on this machine",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("topology", metavar="module:topology", help="where the topology is declared")
    parser.add_argument(
        "--port",
        type=int,
        default=FIRST_PORT,
        help=f"of the first node; the others follow (default: {FIRST_PORT}; 0: any)",
    )
    parser.add_argument("--data", default="coterie-data", metavar="DIR", help="where the data directories are made")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Carry out `coterie up`; return the exit code."""
    topology = load_topology(args.topology)
    topology.validate()
    data = {node: os.path.join(args.data, node) for node in topology.nodes}
    for directory in data.values():
        _check_data(directory, topology)
    addresses = _addresses(topology, args.port)
    os.makedirs(args.data, exist_ok=True)
    with suppress(Ended):
        run_async(_run(args.topology, addresses, data))
    return 0


def _check_data(directory: str, topology: Topology) -> None:
    found = cluster_in(directory)
    if found not in (None, topology.name):
        raise ValueError(f"{directory!r} holds data of cluster {found!r}, not of {topology.name!r}: see --data")


def _addresses(topology: Topology, first: int) -> dict[str, str]:
    """Return where each node will listen. OSError names an address that is taken; ValueError a port that is none."""
    if not 0 <= first <= 65536 - len(topology.nodes):
        raise ValueError(f"--port {first}: {len(topology.nodes)} ports from there must be 1 … 65535 (or 0: any)")
    addresses = {}
    with ExitStack() as probes:  # all at once: the same free port is not given twice
        for at, node in enumerate(topology.nodes):
            probe = probes.enter_context(socket.socket())
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            port = 0 if first == 0 else first + at
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                why = os.strerror(error.errno or 0)
                raise OSError(f"node {node!r} cannot listen on 127.0.0.1:{port}: {why}; see --port") from error
            addresses[node] = f"127.0.0.1:{probe.getsockname()[1]}"
    return addresses


async def _run(topology: str, addresses: Mapping[str, str], data: Mapping[str, str]) -> None:
    keepers = [_Keeper(topology, node, addresses, data[node]) for node in addresses]
    async with asyncio.TaskGroup() as group:
        for keeper in keepers:
            group.create_task(keeper.keep())


class _Keeper:
    """Keeps one node alive until cancelled, and then stops it in order."""

    def __init__(self, topology: str, node: str, addresses: Mapping[str, str], data: str) -> None:
        self._topology = topology
        self._node = node
        self._addresses = addresses
        self._data = data
        self._backoff = Backoff(BACKOFF_FIRST_S, BACKOFF_MAX_S, random.Random())

    async def keep(self) -> None:
        while True:
            begun = time.monotonic()
            code = await self._live()
            if time.monotonic() - begun >= HEALTHY_S:
                self._backoff.reset()
            wait_s = self._backoff.next_s()
            self._say(f"ended with code {code}: it starts again in {wait_s:.1f} s")
            await asyncio.sleep(wait_s)

    async def _live(self) -> int:
        """One life of the node; return its exit code."""
        pipe = asyncio.subprocess.PIPE
        process = await start_process(self._topology, self._node, self._addresses, self._data, output=pipe)
        try:
            await self._print_output(process)
            return await process.wait()
        except asyncio.CancelledError:
            if process.returncode is None:
                process.terminate()
            ended = asyncio.create_task(end_process(process))
            await self._print_output(process)
            await ended
            raise

    async def _print_output(self, process: Process) -> None:
        assert process.stdout is not None
        while True:
            try:
                line = await process.stdout.readline()
            except ValueError:  # longer than the reader holds: it has been dropped
                line = b"(a line too long to show)"
            if not line:
                return
            self._say(line.decode(errors="replace").rstrip())

    def _say(self, text: str) -> None:
        print(f"{self._node} | {text}", flush=True)
