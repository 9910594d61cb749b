"""`coterie up`: runs all nodes of a topology on this machine, one process each; restarts those that end or hang.

    coterie up shop:topology                          at 127.0.0.1:7401, 7402, …, data in coterie-data/
    coterie up shop:topology --port 0 --data /var/shop
    coterie up shop:topology --hang-timeout 30 --max-restarts 5 --restart-window 60
    coterie up shop:topology --key-file nodes.key --client-key billing=billing.key
    coterie up shop:topology --tls-certificate {node}.crt --tls-key {node}.key --tls-authority authority.pem

A missing data directory is formatted. Each line of output begins with the node's name. --log-level is that of all
nodes.

A node that was up and hangs (a stopped process, a blocked event loop) is fenced: killed and started again. It hangs if
it has not answered for --hang-timeout seconds, or for 2 s if the failure detectors of most other nodes have declared it
failed. One node is fenced at a time: while it has not answered again, the others wait, for 30 s at most.

The delay before a restart grows with each restart in the window. A node that ends too often, or cannot start with its
code, options and data (exit code 2 of `coterie run`), is given up: the others go on, and the exit code is 1. Ctrl-C and
SIGTERM stop all nodes in order. If a certificate is not issued to its node, no node is started, and the exit code is 2.
With certificates, SIGHUP lets all nodes read their files again.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
from contextlib import ExitStack
from dataclasses import replace
from typing import Final

from coterie.actors.topology import Topology
from coterie.actors.topology.parts import DetectorPart
from coterie.cli.command_loop import WRONG_USAGE, TerminatedBySignal, WrongUsage, run_async
from coterie.cli.log_options import DEFAULT_LEVEL, configure
from coterie.cli.security_options import (
    add_node_security,
    foreign_certificate,
    node_options,
    of_node,
    security_of,
    tls_of,
)
from coterie.cli.topologies.topology_argument import add_topology, load_topology
from coterie.node_process import cluster_in
from coterie.runtime.cells.supervision import Supervision
from coterie.runtime.transport.handshake.identity import CLIENT_SEPARATOR
from coterie.supervision.cluster_supervisor import HANG_TIMEOUT_S, ClusterSupervisor
from coterie.supervision.node_supervisor import RESTARTS
from coterie.terminal_output import print_error, print_lines

__all__ = ["add_parser", "run"]

FIRST_PORT = 7401

OWN_LEVEL: Final = "error"
"""What `up` itself logs if nothing else is asked for: a link with a node that hangs or is killed breaks, and what that
means is said in a line about the node. The nodes log at the usual level."""

GAVE_UP = 1
"""The exit code if a node was given up."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `up` to the command line."""
    parser = subparsers.add_parser(
        "up",
        help="run all nodes of a topology on this machine",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_topology(parser)
    parser.add_argument(
        "--port",
        type=int,
        default=FIRST_PORT,
        help=f"port of the first node; the others follow (default: {FIRST_PORT}; 0: any free ports)",
    )
    parser.add_argument("--data", default="coterie-data", metavar="DIR", help="where the data directories are created")
    parser.add_argument(
        "--hang-timeout",
        type=float,
        default=HANG_TIMEOUT_S,
        metavar="SECONDS",
        help=f"fence a node that has been silent for this long (default: {HANG_TIMEOUT_S:g}; 0: fence none)",
    )
    parser.add_argument(
        "--max-restarts",
        type=int,
        default=RESTARTS.max_restarts,
        metavar="N",
        help=f"give a node up after so many restarts in the window (default: {RESTARTS.max_restarts})",
    )
    parser.add_argument(
        "--restart-window",
        type=float,
        default=RESTARTS.within_s,
        metavar="SECONDS",
        help=f"the window in which restarts count (default: {RESTARTS.within_s:g})",
    )
    add_node_security(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Carry out `coterie up`; return the exit code."""
    if args.log_level == DEFAULT_LEVEL:
        configure(OWN_LEVEL)
    topology = load_topology(args.topology)
    topology.validate()
    data = {node: os.path.join(args.data, node) for node in topology.nodes}
    for directory in data.values():
        _check_data(directory, topology)
    foreign = [text for node in topology.nodes if (text := foreign_certificate(tls_of(of_node(args, node)), node))]
    if foreign:
        for text in foreign:
            print_error(f"coterie: {text}")
        return WRONG_USAGE
    supervisor = _supervisor(args, topology, data)
    try:
        run_async(_run(supervisor, args.data, has_tls=args.tls_certificate is not None))
    except TerminatedBySignal:
        pass
    except KeyboardInterrupt:
        if not supervisor.given_up:
            raise
    return GAVE_UP if supervisor.given_up else 0


def _supervisor(args: argparse.Namespace, topology: Topology, data: dict[str, str]) -> ClusterSupervisor:
    security = security_of(of_node(args, topology.nodes[0]))
    addresses, restarts = _addresses(topology, args.port), _restarts(args)
    try:
        return ClusterSupervisor(
            args.topology,
            topology.name,
            addresses,
            data,
            say=_Output().say,
            restarts=restarts,
            hang_timeout_s=args.hang_timeout,
            options={node: _options(args, node) for node in topology.nodes},
            auth=security.node_auth,
            tls=security.tls,
            name=f"{topology.nodes[0]}{CLIENT_SEPARATOR}up-{os.getpid()}",
        )
    except ValueError as error:
        raise WrongUsage(f"--hang-timeout: {error}") from error


def _options(args: argparse.Namespace, node: str) -> list[str]:
    return ["--log-level", args.log_level, *node_options(of_node(args, node))]


async def _run(supervisor: ClusterSupervisor, data: str, *, has_tls: bool) -> None:
    supervisor.check_limit()
    if has_tls:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, supervisor.hang_up)
    os.makedirs(data, mode=0o700, exist_ok=True)
    await supervisor.run()


def _restarts(args: argparse.Namespace) -> Supervision:
    """Return the budget that the options describe. WrongUsage names the option."""
    try:
        return replace(RESTARTS, max_restarts=args.max_restarts, within_s=args.restart_window)
    except ValueError as error:
        raise WrongUsage(f"--max-restarts, --restart-window: {error}") from error


def _check_data(directory: str, topology: Topology) -> None:
    found = cluster_in(directory)
    if found not in (None, topology.name):
        raise WrongUsage(f"{directory!r} holds data of cluster {found!r}, not of {topology.name!r}: see --data")


def _addresses(topology: Topology, first: int) -> dict[str, str]:
    """Return the address of each node. OSError names an address in use, WrongUsage a port out of range."""
    if not 0 <= first <= 65536 - len(topology.nodes):
        raise WrongUsage(
            f"--port {first}: {len(topology.nodes)} ports from there must be in 1 … 65535 (or 0: any free ports)"
        )
    addresses = {}
    with ExitStack() as probes:  # all open at once, so that no free port is given twice
        for at, node in enumerate(topology.nodes):
            links = probes.enter_context(socket.socket())
            links.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            port = 0 if first == 0 else first + at
            try:
                links.bind(("127.0.0.1", port))
            except OSError as error:
                why = os.strerror(error.errno or 0)
                raise OSError(f"node {node!r} cannot listen on 127.0.0.1:{port}: {why}; see --port") from error
            port = links.getsockname()[1]
            if any(isinstance(part, DetectorPart) for part in topology.parts):
                try:
                    probes.enter_context(socket.socket(type=socket.SOCK_DGRAM)).bind(("127.0.0.1", port))
                except OSError as error:
                    why = f"UDP port {port} is in use (failure detectors send datagrams there)"
                    raise OSError(f"node {node!r} cannot listen on 127.0.0.1:{port}: {why}; see --port") from error
            addresses[node] = f"127.0.0.1:{port}"
    return addresses


class _Output:
    """Prints the lines about the nodes; nothing more once the reader has closed the output."""

    def __init__(self) -> None:
        self._is_closed = False

    def say(self, node: str, text: str) -> None:
        """Print a line. BrokenPipeError at the first one that nobody reads; later ones are dropped."""
        if not self._is_closed:
            try:
                print_lines([f"{node} | {text}"], flush=True)
            except BrokenPipeError:
                self._is_closed = True
                raise
