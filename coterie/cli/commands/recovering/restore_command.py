"""`coterie restore`: lets a group begin anew from a backup, in the data directory of one node.

    coterie restore totals.backup --data data/n1 --node n1

The directory is new (then it is formatted), or that of this node, and has no such group. The node must not run. The
group gets another incarnation, and this node is its only member: it goes on where the backup was taken. What is left
of the group as it was cannot mix with it. Clients open new sessions; what they had sent to the group as it was is never
executed in it. Then the other nodes join, with new directories: the command prints how.

The code of the machine is checked when the node starts: if it contradicts the backup, the node refuses to start.
`--cluster` lets another cluster take the group, to rehearse a restore for instance: `coterie run … --cluster` runs it.

Exit code: 1: the backup or the directory cannot be used: nothing was changed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from coterie.actors.recovery.backup_restore import RestoredGroup, restore_backup
from coterie.cli.command_loop import run_async
from coterie.cli.output.command_output import CommandOutput
from coterie.cli.output.command_parser import add_output
from coterie.runtime.hosts.real_disk import RealDisk
from coterie.runtime.hosts.real_host import RealHost

__all__ = ["add_parser", "joining_lines", "restore"]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `restore` to the command line."""
    parser = subparsers.add_parser(
        "restore",
        help="let a group begin anew from a backup, in the data directory of one node",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", help="the backup")
    parser.add_argument("--data", required=True, metavar="DIR", help="the data directory of the node")
    parser.add_argument("--node", required=True, metavar="NAME", help="the node, whose store becomes the only member")
    parser.add_argument("--cluster", metavar="NAME", help="the cluster of the node (default: that of the backup)")
    add_output(parser)
    parser.set_defaults(run=restore)


def restore(args: argparse.Namespace) -> int:
    """Carry out `coterie restore`; return the exit code."""
    return run_async(_restore(args.file, args.data, args.node, args.cluster, args.out))


async def _restore(path: str, data: str, node: str, cluster: str | None, out: CommandOutput) -> int:
    host = RealHost()
    try:
        disk = RealDisk(is_read_only=True)
        restored = await restore_backup(host, path, data, node=node, cluster=cluster, backup_disk=disk)
    finally:
        host.executor.close()
    out.cluster = restored.cluster
    out.show(_facts(data, restored), _lines(data, restored))
    return 0


def _facts(data: str, restored: RestoredGroup) -> dict[str, object]:
    header = restored.backup.header
    return {
        "group": header.group,
        "data": data,
        "node": restored.node,
        "store": restored.store_id,
        "index": header.snapshot.position.index,
        "incarnation": restored.incarnation.hex(),
    }


def _lines(data: str, restored: RestoredGroup) -> Iterator[str]:
    header = restored.backup.header
    group, index = header.group, header.snapshot.position.index
    yield f"group {group!r} begins anew in {data!r}, with the entries up to {index}"
    yield f"  incarnation {restored.incarnation.hex()}, before it {header.incarnation.hex()}"
    yield f"  its only member is node {restored.node}, store {restored.store_id[:8]}"
    yield from joining_lines(group, restored.node, restored.cluster if restored.cluster != header.cluster else None)


def joining_lines(group: str, node: str, cluster: str | None = None) -> Iterator[str]:
    """Yield what is to be done once a group has begun anew on a node; `cluster`: that of the node, if it is another."""
    named = "" if cluster is None else f", and with --cluster {cluster} (coterie run)"
    yield "next:"
    yield "  do the same for the other groups of this node, before it is started"
    yield f"  start node {node} with this data directory, and without --bootstrap{named}"
    yield "  give every other node a new, empty directory, and start it with --bootstrap join, never with new"
    yield f"  then, for each of them: coterie raft add {group} NODE"
    yield f"  never start a node again with a directory that holds group {group!r} as it was"
