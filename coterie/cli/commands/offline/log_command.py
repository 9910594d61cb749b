"""`coterie log`: shows what the log in a node's data directory holds, without the node.

    coterie log inspect data/n1
    coterie log inspect data/n1 --group totals --entries 50

Prints the identity of the store, its segments, and of each group the first and last entry, the terms, the register
(term, vote, members, schemas), the snapshots and the last entries. Every byte of the log is checked. Nothing is changed
and nothing is locked: the node may run; then what it writes meanwhile may be missing, and a batch that it is just
writing is counted among the bytes after the last whole batch. The command of an entry is named if its machine is a
StateMachine; what it says cannot be told without the code.

Exit code: 1: the log is damaged (file and byte are named), or there is no store. 3: there is no such group. 5: the
store went back in time, so that its node takes no part.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Final

from coterie.cli.command_loop import NameNotFound
from coterie.cli.commands.offline.log_inspection import (
    InspectedEntry,
    InspectedGroup,
    InspectedStore,
    inspect_store,
    members_text,
)
from coterie.cli.node_queries import DEGRADED
from coterie.cli.output.command_output import CommandOutput
from coterie.cli.output.command_parser import add_output
from coterie.cli.output.json_envelope import Code, problems
from coterie.runtime.storage.data_directory import FORMAT_VERSION

__all__ = ["add_parser", "inspect"]

ENTRIES: Final = 10

EXIT_CODE_BY_VERDICT: Final = {"passed": 0, "failed": 1, "degraded": DEGRADED}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `log` to the command line."""
    parser = subparsers.add_parser(
        "log",
        help="show what the log in a node's data directory holds",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(metavar="action", required=True)
    text = "read the data directory of a node, which may run"
    action = actions.add_parser("inspect", help=text, description=text)
    action.add_argument("directory", help="the data directory of one node")
    action.add_argument("--group", metavar="NAME", help="only this group, by its name in the store")
    action.add_argument(
        "--entries",
        type=_count,
        default=ENTRIES,
        metavar="N",
        help="show the last N entries of each group (default: %(default)s)",
    )
    add_output(action)
    action.set_defaults(run=inspect)


def inspect(args: argparse.Namespace) -> int:
    """Carry out `coterie log inspect`; return the exit code."""
    out: CommandOutput = args.out
    found = inspect_store(args.directory, entries_max=args.entries)
    out.cluster = found.meta.cluster
    if args.group is not None and found.damage is None:
        if args.group not in found.groups:
            there_are = ", ".join(map(repr, found.groups)) or "none"
            raise NameNotFound(f"there is no group {args.group!r} in {args.directory!r}: the groups are {there_are}")
        found.groups = {args.group: found.groups[args.group]}
    failures = [] if found.damage is None else [str(found.damage)]
    losses = [] if found.lost is None else [f"the store went back in time: {found.lost}"]
    verdict = "failed" if failures else "degraded" if losses else "passed"
    out.show(
        _facts(args.directory, found),
        [*_lines(found), *failures, *losses],
        verdict=verdict,
        errors=problems(Code.FAILED, failures) + problems(Code.DEGRADED, losses),
    )
    return EXIT_CODE_BY_VERDICT[verdict]


def _count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise argparse.ArgumentTypeError(f"{count}: it must not be negative")
    return count


def _lines(found: InspectedStore) -> Iterator[str]:
    meta = found.meta
    yield f"store {meta.store_id} of node {meta.node!r} in cluster {meta.cluster!r}, format {FORMAT_VERSION}"
    yield f"  opened {found.generation.partition('/')[0] or '?'} times (generation {found.generation or 'not known'})"
    yield f"  {'segment':>10} {'bytes':>12} {'batches':>8}"
    for segment in found.segments:
        batches = "-" if segment.batches is None else segment.batches
        yield f"  {segment.number:>10} {segment.size_bytes:>12} {batches:>8}"
    if found.torn_bytes:
        yield f"  {found.torn_bytes} bytes follow the last whole batch: being written, or torn by a crash"
    for group in found.groups.values():
        yield from _group_lines(group)


def _group_lines(group: InspectedGroup) -> Iterator[str]:
    state = group.state
    held = f"entries {state.first} … {state.last}" if state.last >= state.first else f"no entry before {state.first}"
    yield f"group {group.name!r}: {held}"
    if state.tags:
        yield f"  terms: {', '.join(f'{term} from {first}' for first, term in state.tags)}"
    yield from _register_lines(group)
    if group.synod is not None:
        acceptor, proposer = group.synod.acceptor, group.synod.proposer
        accepted = "nothing" if acceptor.accepted is None else f"{len(acceptor.accepted.value)} bytes"
        yield f"  synod: promised {acceptor.promised or 'nothing'}, accepted {accepted}, round {proposer.round}"
    elif group.register is None and state.metadata is not None:
        yield f"  metadata of {len(state.metadata)} bytes"
    for name, size_bytes in group.snapshots.items():
        yield f"  snapshot {name}: {size_bytes} bytes"
    if group.entries:
        yield f"  {'index':>10} {'term':>6} {'kind':<10} {'stamp_ms':>10} {'bytes':>8}  content"
        yield from (f"  {_entry_line(entry)}".rstrip() for entry in group.entries)


def _register_lines(group: InspectedGroup) -> Iterator[str]:
    if group.register is None:
        return
    register, facts = group.register, group.register.facts
    yield f"  register: term {register.term}, vote {register.voted_for or 'none'}, base {facts.base.index}"
    yield f"  incarnation: {facts.incarnation.hex() or 'not founded'}"
    for index, membership in facts.memberships:
        yield f"  members from {index} on: {members_text(membership)}"
    for at, revision in group.schemas:
        known = "" if revision is None else f": revision {revision.number}, version {revision.schema.version}"
        committed = "" if at <= facts.committed_schema else " (not known to be committed)"
        yield f"  schema from {at} on{known}{committed}"


def _entry_line(entry: InspectedEntry) -> str:
    kind, stamp_ms = entry.kind or "-", "-" if entry.stamp_ms is None else entry.stamp_ms
    return f"{entry.index:>10} {entry.term:>6} {kind:<10} {stamp_ms:>10} {entry.size_bytes:>8}  {entry.content}"


def _facts(directory: str, found: InspectedStore) -> dict[str, object]:
    meta = found.meta
    return {
        "directory": directory,
        "node": meta.node,
        "store": meta.store_id,
        "format": FORMAT_VERSION,
        "generation": found.generation or None,
        "lost": found.lost,
        "segments": [
            {"number": each.number, "bytes": each.size_bytes, "batches": each.batches} for each in found.segments
        ],
        "torn_bytes": found.torn_bytes,
        "damage": None
        if found.damage is None
        else {"path": found.damage.path, "offset": found.damage.offset, "reason": found.damage.reason},
        "groups": {name: _group_facts(group) for name, group in found.groups.items()},
    }


def _group_facts(group: InspectedGroup) -> dict[str, object]:
    state = group.state
    return {
        "first": state.first,
        "last": state.last,
        "terms": [{"from": first, "term": term} for first, term in state.tags],
        "register": _register_facts(group),
        "snapshots": group.snapshots,
        "entries": [
            {
                "index": entry.index,
                "term": entry.term,
                "kind": entry.kind,
                "stamp_ms": entry.stamp_ms,
                "bytes": entry.size_bytes,
                "content": entry.content,
            }
            for entry in group.entries
        ],
    }


def _register_facts(group: InspectedGroup) -> dict[str, object] | None:
    if group.register is None:
        return None
    register, facts = group.register, group.register.facts
    return {
        "term": register.term,
        "vote": register.voted_for,
        "incarnation": facts.incarnation.hex(),
        "base": {"index": facts.base.index, "term": facts.base.term},
        "memberships": [
            {
                "from": index,
                "members": [
                    {"node": each.node, "store": each.store_id, "role": each.role.value} for each in membership.members
                ],
            }
            for index, membership in facts.memberships
        ],
        "schemas": [
            {
                "from": index,
                "revision": None if revision is None else revision.number,
                "version": None if revision is None else revision.schema.version,
            }
            for index, revision in group.schemas
        ],
        "committed_schema": facts.committed_schema,
    }
