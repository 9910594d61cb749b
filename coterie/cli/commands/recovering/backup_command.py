"""`coterie backup`: writes a backup of one group of a running cluster into a file, and checks such a file.

    coterie backup take totals totals.backup --connect 127.0.0.1:7401,127.0.0.1:7402
    coterie backup verify totals.backup

A backup is of one group: take one of each. It has everything that was acknowledged before the command began: state,
sessions, schema and members. The leader gives it, or another node (`--node`), once a quorum has confirmed its state:
that takes some seconds. The file is written beside its name (`.tmp`), and renamed once it is whole and on the disk.
`verify` reads the file alone, without a cluster. What a backup holds is not encrypted: keep it like the data.

Exit code of `take`: 1: no backup was written. 3: there is no such group or node.
Exit code of `verify`: 1: the file is damaged, cut off, or of another format: the text says where.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final

from coterie.actors.groups.backups.backup_file import BackupContent, examine_backup
from coterie.actors.groups.backups.backup_transfer import BackupProgress
from coterie.cli.cluster_connection import ClusterConnection, add_connect, connection_of
from coterie.cli.command_loop import NameNotFound, run_async
from coterie.cli.commands.offline.log_inspection import members_text
from coterie.cli.node_queries import check_group
from coterie.cli.output.command_output import CommandOutput
from coterie.cli.output.command_parser import add_output
from coterie.protocols.evolution.revisions import Revision
from coterie.runtime.hosts.real_disk import RealDisk

__all__ = ["ProgressLines", "add_parser", "backup_facts", "backup_lines", "take", "verify"]

PROGRESS_S: Final = 2.0
"""After so long something is said about how far a command is, and again after so long."""

_MB: Final = 1_000_000


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `backup` to the command line."""
    parser = subparsers.add_parser(
        "backup",
        help="write a backup of a group into a file, or check one",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(metavar="action", required=True)
    text = "write a backup of one group of a running cluster into a file"
    action = actions.add_parser("take", help=text, description=text)
    action.add_argument("group", help="the Raft group")
    action.add_argument("file", help="the file to write")
    action.add_argument("--node", metavar="NODE", help="the node that gives it (default: the leader)")
    action.add_argument("--force", action="store_true", help="replace the file if there is one")
    add_connect(action)
    add_output(action)
    action.set_defaults(run=take)
    text = "check everything in a backup, and say what it is of"
    action = actions.add_parser("verify", help=text, description=text)
    action.add_argument("file", help="the backup")
    add_output(action)
    action.set_defaults(run=verify)


def take(args: argparse.Namespace) -> int:
    """Carry out `coterie backup take`; return the exit code."""
    return run_async(_take(connection_of(args), args.group, args.file, args.node, args.out, force=args.force))


def verify(args: argparse.Namespace) -> int:
    """Carry out `coterie backup verify`; return the exit code."""
    out: CommandOutput = args.out
    found = examine_backup(RealDisk(is_read_only=True), args.file)
    out.cluster = found.header.cluster
    out.show(backup_facts(args.file, found), backup_lines(args.file, found))
    return 0


async def _take(
    connection: ClusterConnection, group: str, path: str, node: str | None, out: CommandOutput, *, force: bool
) -> int:
    async with connection.client_of_all() as client:
        await check_group(client, group)
        if node is not None and node not in client.known_nodes:
            raise NameNotFound(f"there is no node {node!r}: the nodes are {', '.join(sorted(client.known_nodes))}")
        progress = ProgressLines(out, client.system.host.clock.monotonic)
        taken = await client.group(group).backup(path, node=node, overwrite=force, on_progress=progress.note)
    header = taken.header
    index = header.snapshot.position.index
    out.show(
        {"group": group, "file": path, "node": header.node, "index": index, "bytes": taken.size_bytes}
        | {"digest": taken.digest.hex()},
        [
            f"group {group!r}: entries up to {index}, from node {header.node}: {taken.size_bytes} bytes in {path!r}",
            f"  digest {taken.digest.hex()}",
            "  it is of this group alone: take a backup of each",
        ],
    )
    return 0


class ProgressLines:
    """Says how far a command is, if it takes long.

    Args:
        out: says it.
        monotonic: the clock, s.
    """

    def __init__(self, out: CommandOutput, monotonic: Callable[[], float]) -> None:
        self._out = out
        self._monotonic = monotonic
        self._said_at_s = monotonic()

    def note(self, progress: BackupProgress) -> None:
        """Say it, unless something was said a moment ago."""
        if self._monotonic() - self._said_at_s < PROGRESS_S:
            return
        self._said_at_s = self._monotonic()
        of = f" of {progress.size_bytes / _MB:.1f}" if progress.size_bytes else ""
        done = f": {progress.done_bytes / _MB:.1f}{of} MB" if progress.done_bytes else ""
        self._out.say([f"{progress.step}{done}"])


def backup_lines(path: str, found: BackupContent) -> Iterator[str]:
    """Yield what a backup is of, for people."""
    header, facts = found.header, found.manifest.facts
    snapshot = header.snapshot
    yield f"{path!r} is a whole backup of group {header.group!r} in cluster {header.cluster!r}"
    yield f"  entries up to {snapshot.position.index} (term {snapshot.position.term})"
    yield f"  taken from node {header.node} at {_moment(header.created_at_s)}"
    yield f"  log time {snapshot.stamp_ms / 1000:.3f} s"
    yield f"  incarnation {header.incarnation.hex()}"
    yield f"  members: {members_text(facts.membership)}"
    for index, content in facts.schemas[-1:]:
        yield f"  schema from {index} on{_revision_text(content)}"
    yield f"  {found.size_bytes} bytes: sessions {found.sessions_bytes}, state {found.machine_bytes}"
    yield f"  digest {found.digest.hex()}"


def backup_facts(path: str, found: BackupContent) -> dict[str, object]:
    """Return what a backup is of, for programs."""
    header, facts = found.header, found.manifest.facts
    snapshot, revision = header.snapshot, _revision(facts.schemas[-1][1]) if facts.schemas else None
    return {
        "file": path,
        "group": header.group,
        "node": header.node,
        "incarnation": header.incarnation.hex(),
        "index": snapshot.position.index,
        "term": snapshot.position.term,
        "log_time_ms": snapshot.stamp_ms,
        "created_at": _moment(header.created_at_s),
        "members": [
            {"node": each.node, "store": each.store_id, "role": each.role.value} for each in facts.membership.members
        ],
        "revision": None if revision is None else revision.number,
        "version": None if revision is None else revision.schema.version,
        "bytes": found.size_bytes,
        "sessions_bytes": found.sessions_bytes,
        "state_bytes": found.machine_bytes,
        "digest": found.digest.hex(),
    }


def _revision_text(content: bytes) -> str:
    revision = _revision(content)
    return "" if revision is None else f": revision {revision.number}, version {revision.schema.version}"


def _revision(content: bytes) -> Revision | None:
    try:
        return Revision.decode(content)
    except ValueError:
        return None  # of a later release of coterie


def _moment(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, tz=UTC).isoformat(timespec="seconds")
