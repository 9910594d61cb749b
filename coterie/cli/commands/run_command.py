r"""`coterie run`: runs one node of a cluster whose topology a Python module declares.

    coterie run shop:topology --node n1 --listen 127.0.0.1:7401 \
        --peer n2=127.0.0.1:7402 --peer n3=127.0.0.1:7403 --data n1 --bootstrap new

`shop:topology` is a `Topology`, or a callable without arguments that returns one, in a module that can be imported
from the working directory (which is looked into last: a module there does not replace one that is installed). The node
runs until SIGTERM or Ctrl-C. Format a new data directory once, with
`--bootstrap new`. A new group starts when one node more than a majority is up (three of three, four of five; with
weighted or grid quorums it may need others, at most all); see `coterie status`.

A topology whose nodes come and go (`nodes=Members(founders=[…])`) takes other nodes, too: they are told where one that
is in the cluster listens, and what they are for.

    coterie run shop:topology --node n4 --listen 10.0.0.4:7401 --join 10.0.0.1:7401 --join 10.0.0.2:7401 \
        --role worker --label zone=b --data n4 --bootstrap join

Such a node ends with exit code 0 when it has left the cluster (`coterie leave`), and with 1 when the cluster has
decided it out, for example because it was not heard. Started again, it joins as a new member.

With certificates, a node starts only with one that is issued to its name (else the exit code is 2), and SIGHUP reads
their files again: links whose certificate does not count any more end.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import gc
import os
import signal
import stat
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from coterie.actors.network_addresses import parse_address
from coterie.actors.node import Node
from coterie.actors.topology import Topology
from coterie.actors.topology.parts import RaftPart, SynodPart
from coterie.cli.command_loop import WRONG_USAGE, TerminatedBySignal, WrongUsage, run_async
from coterie.cli.security_options import SecurityOptions, add_node_security, foreign_certificate, security_of
from coterie.cli.topologies.topology_argument import add_topology, check_node, load_topology
from coterie.node_process import close_copies, left_line, up_line
from coterie.runtime.system import System
from coterie.terminal_output import print_error, print_lines

__all__ = ["add_parser", "run"]

SWITCH_INTERVAL_S = 0.001
"""How long a worker thread may hold the interpreter: the default of 5 ms would delay heartbeats."""

COLLECT_AFTER = 50_000
"""Net allocations between garbage collections: the default of 700 would traverse a large state machine too often."""

END_S = 15.0
"""For so long a node may take to end: the system waits 5 s for its actors, and handing over takes up to 5 s."""

_PORT_ERRORS = (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `run` to the command line."""
    parser = subparsers.add_parser(
        "run",
        help="run one node of a topology",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_topology(parser)
    parser.add_argument("--node", required=True, help="the node to run")
    parser.add_argument("--listen", required=True, metavar="HOST:PORT", help="where to listen (port 0: any free one)")
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        dest="peers",
        metavar="NODE=HOST:PORT",
        help="where another node listens (repeat for each other node)",
    )
    _add_member_options(parser)
    parser.add_argument(
        "--data", metavar="DIR", help="the data directory (default: all data in memory, with a warning)"
    )
    parser.add_argument(
        "--bootstrap",
        choices=["new", "join"],
        help="format the data directory first; only for the first start. new: found the groups; join: they exist "
        "already, and this node waits to be added (coterie raft add, replace)",
    )
    parser.add_argument(
        "--forget-group",
        action="append",
        default=[],
        dest="forget_groups",
        metavar="GROUP",
        help="remove for good what the data directory holds of a group that the topology has no more (may be repeated)",
    )
    parser.add_argument(
        "--cluster", metavar="NAME", help="run it as another cluster: to rehearse a restore (see there)"
    )
    parser.add_argument(
        "--insecure", action="store_true", help="allow listening beyond loopback without authentication"
    )
    add_node_security(parser)
    parser.add_argument("--with-stdin", action="store_true", help="exit when standard input ends (for parent programs)")
    parser.set_defaults(run=run)


def _add_member_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a node of a topology with `Members`."""
    parser.add_argument(
        "--join",
        action="append",
        default=[],
        metavar="HOST:PORT",
        help="where a node of the cluster listens that this one joins; one that answers is enough (may be repeated)",
    )
    parser.add_argument(
        "--role", action="append", default=[], dest="roles", metavar="NAME", help="what it is for (may be repeated)"
    )
    parser.add_argument(
        "--label",
        action="append",
        default=[],
        dest="labels",
        metavar="KEY=VALUE",
        help="what else is known about it, such as zone=b (may be repeated)",
    )
    parser.add_argument(
        "--advertise", metavar="HOST:PORT", help="where the other nodes reach it (default: where it listens)"
    )


def run(args: argparse.Namespace) -> int:
    """Carry out `coterie run`; return the exit code."""
    if args.with_stdin and args.is_whole_process:
        close_copies()
    peers = parse_peers(args.peers)
    _check_options(args, peers)
    topology = load_topology(args.topology)
    if args.cluster is not None:
        topology = topology.with_parts(topology.parts, name=args.cluster)
    check_node("--node", args.node, topology)
    for peer in peers:
        check_node("--peer", peer, topology)
    security = security_of(args)
    foreign = foreign_certificate(security.tls, args.node)
    if foreign is not None:
        print_error(f"coterie: {foreign}")
        return WRONG_USAGE
    _tune_interpreter()
    with suppress(TerminatedBySignal):
        run_async(_run(args, topology, peers, security))
    return 0


def _tune_interpreter() -> None:
    """Shorten pauses of this process: a paused leader is taken for a failed one."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(COLLECT_AFTER, 20, 50)
    gc.freeze()  # imported modules live until the end: collections need not traverse them


async def _run(args: argparse.Namespace, topology: Topology, peers: dict[str, str], security: SecurityOptions) -> None:
    with _naming_the_port(args.listen):
        async with topology.start(
            node=args.node,
            listen=args.listen,
            peers=peers,
            join=args.join,
            roles=args.roles,
            labels=parse_labels(args.labels),
            advertise=args.advertise,
            data=args.data,
            bootstrap=args.bootstrap,
            forget_groups=args.forget_groups,
            insecure=args.insecure,
            auth=security.node_auth,
            tls=security.tls,
        ) as node:
            if args.data is None:
                _warn_of_memory(node)
            print_lines([up_line(node.name, topology.name, node.address, os.getpid())], flush=True)
            if security.tls is not None:
                asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, _reload, node.system)
            try:
                await _end(node, has_input=args.with_stdin)
            finally:
                if getattr(args, "is_whole_process", False):
                    _end_in_time(node.name)
                await node.drain()  # clients then wait no election time-out


async def _end(node: Node, *, has_input: bool) -> None:
    """Wait until standard input ends, if that counts, or until the node has left the view; say so."""
    ends = [asyncio.ensure_future(node.ended())]
    if has_input:
        ends.append(asyncio.ensure_future(_input_end()))
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if ends[0].done() and node.system.fault is None:
            print_lines([left_line(node.name, node.topology.name)], flush=True)
    finally:
        for end in ends:
            end.cancel()


def _end_in_time(node: str) -> None:
    """End this process by force if it does not end by itself: by what a handler has begun, it could act on for ever."""
    overdue = threading.Timer(END_S, _end_by_force, (node,))
    overdue.daemon = True
    overdue.start()


def _end_by_force(node: str) -> None:
    others = [thread.name for thread in threading.enumerate() if not thread.daemon]
    what = f"threads that still run: {', '.join(others)}; or a handler that ignores its cancellation"
    print_error(f"coterie: node {node!r} did not end within {END_S:g} s, and is ended by force ({what})")
    os._exit(1)


def _warn_of_memory(node: Node) -> None:
    """Log that the groups of the node are lost with it, if it has any."""
    kept = [
        part.name for part in node.topology.parts if isinstance(part, RaftPart | SynodPart) and node.name in part.nodes
    ]
    if kept:
        advice = "give --data DIR (data=): without it this node forgets them when it ends, and must not start again"
        node.system.log.warning("store.in_memory", groups=", ".join(kept), advice=advice)


def _reload(system: System) -> None:
    try:
        ended = system.reload_certificates()
    except OSError as error:
        system.log.error("certificates.not_reloaded", error=str(error))
    else:
        system.log.warning("certificates.reloaded", links_ended=", ".join(ended) or "none")


async def _input_end() -> None:
    """Wait until standard input ends: a pipe ends when the process at its other end has ended.

    A file, and /dev/null, end at once: they cannot be waited for, and nothing more can come.
    """
    mode = os.fstat(0).st_mode
    if stat.S_ISREG(mode) or (stat.S_ISCHR(mode) and not os.isatty(0)):
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def read() -> None:
        if not os.read(0, 4096):
            ended.set()

    loop.add_reader(0, read)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(0)


@contextmanager
def _naming_the_port(listen: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _PORT_ERRORS and error.filename is None:
            is_datagrams = "UDP" in str(error)  # the only one that says more than the number
            why = error.strerror if is_datagrams else os.strerror(error.errno)
            raise OSError(f"cannot listen on {listen}: {why}") from error
        raise


def _check_options(args: argparse.Namespace, peers: Mapping[str, str]) -> None:
    """Raise WrongUsage for what is wrong whatever the topology is."""
    if args.bootstrap is not None and args.data is None:
        raise WrongUsage(f"--bootstrap {args.bootstrap} formats a data directory: give --data DIR")
    given = [("--listen", args.listen), *((f"--peer {node}", peers[node]) for node in peers)]
    given += [("--join", seed) for seed in args.join]
    given += [] if args.advertise is None else [("--advertise", args.advertise)]
    parse_labels(args.labels)
    if "" in args.roles:
        raise WrongUsage("--role '': a role has a name")
    for option, address in given:
        try:
            parse_address(address)
        except ValueError as error:
            raise WrongUsage(f"{option}: {error}") from error


def parse_labels(texts: Sequence[str]) -> dict[str, str]:
    """Return labels by key from texts `key=value`. WrongUsage names a malformed text or a repeated key."""
    return _pairs("--label", texts, "KEY=VALUE", may_be_empty=True)


def parse_peers(texts: Sequence[str]) -> dict[str, str]:
    """Return addresses by node from texts `node=host:port`. WrongUsage names a malformed text or a repeated node."""
    return _pairs("--peer", texts, "NODE=HOST:PORT", may_be_empty=False)


def _pairs(option: str, texts: Sequence[str], form: str, *, may_be_empty: bool) -> dict[str, str]:
    """Return values by key from the texts of an option. `may_be_empty`: whether a value may."""
    value_by_key: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals and (value or may_be_empty)):
            raise WrongUsage(f"{option} {text!r}: write {form}")
        if key in value_by_key:
            raise WrongUsage(f"{option} {key!r} is given twice")
        value_by_key[key] = value
    return value_by_key
