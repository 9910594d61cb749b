"""`coterie up`: runs all nodes of a topology on this machine, one process each, and restarts a process that ends.

    coterie up shop:topology                          at 127.0.0.1:7401, 7402, …, data in coterie-data/
    coterie up shop:topology --port 0 --data /var/shop

A missing data directory is formatted. Each line of output begins with the node's name. The delay before a restart grows
with each failure in a row. Ctrl-C and SIGTERM stop all nodes in order.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import socket
import time
from asyncio.subprocess import Process
from collections.abc import Mapping
from contextlib import ExitStack, suppress

from coterie.actors.topology import Topology
from coterie.cli.command_loop import TerminatedBySignal, run_async
from coterie.cli.commands.run_command import load_topology
from coterie.node_process import cluster_in, end_process, signal_process, start_process
from coterie.runtime.transport.dial_backoff import DialBackoff

__all__ = ["add_parser", "run"]

FIRST_PORT = 7401
BACKOFF_FIRST_S = 0.2
BACKOFF_MAX_S = 10.0
HEALTHY_S = 10.0
"""A node that ran this long was healthy: its next failure counts as the first."""


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
        help=f"port of the first node; the others follow (default: {FIRST_PORT}; 0: any free ports)",
    )
    parser.add_argument("--data", default="coterie-data", metavar="DIR", help="where the data directories are created")
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
    with suppress(TerminatedBySignal):
        run_async(_run(args.topology, addresses, data))
    return 0


def _check_data(directory: str, topology: Topology) -> None:
    found = cluster_in(directory)
    if found not in (None, topology.name):
        raise ValueError(f"{directory!r} holds data of cluster {found!r}, not of {topology.name!r}: see --data")


def _addresses(topology: Topology, first: int) -> dict[str, str]:
    """Return the address of each node. OSError names an address in use, ValueError a port out of range."""
    if not 0 <= first <= 65536 - len(topology.nodes):
        raise ValueError(
            f"--port {first}: {len(topology.nodes)} ports from there must be in 1 … 65535 (or 0: any free ports)"
        )
    addresses = {}
    with ExitStack() as probes:  # all open at once, so that no free port is given twice
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
    supervisors = [_NodeSupervisor(topology, node, addresses, data[node]) for node in addresses]
    async with asyncio.TaskGroup() as group:
        for supervisor in supervisors:
            group.create_task(supervisor.run())


class _NodeSupervisor:
    """Restarts one node whenever it ends, until cancelled; then stops it in order."""

    def __init__(self, topology: str, node: str, addresses: Mapping[str, str], data: str) -> None:
        self._topology = topology
        self._node = node
        self._addresses = addresses
        self._data = data
        self._backoff = DialBackoff(BACKOFF_FIRST_S, BACKOFF_MAX_S, random.Random())

    async def run(self) -> None:
        while True:
            begun = time.monotonic()
            code = await self._run_once()
            if time.monotonic() - begun >= HEALTHY_S:
                self._backoff.reset()
            wait_s = self._backoff.next_s()
            self._say(f"ended with code {code}: restart in {wait_s:.1f} s")
            await asyncio.sleep(wait_s)

    async def _run_once(self) -> int:
        """Run the node once; return its exit code."""
        pipe = asyncio.subprocess.PIPE
        process = await start_process(self._topology, self._node, self._addresses, self._data, output=pipe)
        try:
            await self._print_output(process)
            return await process.wait()
        except asyncio.CancelledError:
            signal_process(process, signal.SIGTERM)
            ended = asyncio.create_task(end_process(process))
            await self._print_output(process)
            await ended
            raise

    async def _print_output(self, process: Process) -> None:
        assert process.stdout is not None
        while True:
            try:
                line = await process.stdout.readline()
            except ValueError:  # longer than the reader's limit: the line was dropped
                line = b"(line too long to show)"
            if not line:
                return
            self._say(line.decode(errors="replace").rstrip())

    def _say(self, text: str) -> None:
        print(f"{self._node} | {text}", flush=True)
