"""`coterie raft`: shows and changes a group: the versions of its code, its leader, its members.

    coterie raft versions totals --connect 127.0.0.1:7401,127.0.0.1:7402
    coterie raft activate totals --connect 127.0.0.1:7401,127.0.0.1:7402
    coterie raft transfer totals --to n2 --connect 127.0.0.1:7401,127.0.0.1:7402
    coterie raft members totals --connect 127.0.0.1:7401
    coterie raft add totals n4 --address 127.0.0.1:7404 --connect 127.0.0.1:7401
    coterie raft remove totals n2 --connect 127.0.0.1:7401
    coterie raft replace totals n3 --store 1683 --connect 127.0.0.1:7401

A group follows one schema and version until a newer one is activated, whatever its nodes run. `activate` makes that of
the leader active, once every voter runs it; it tells which voters do not, or that it is the leader that is behind.

Exit code of `versions`: 1 if no node leads, one is in quarantine or lost what it promised, or two run code that
contradicts each other; 5 if a member does not answer, and all is well with the others.
`transfer` lets the leader hand over, without an election time-out: before its machine is restarted, for instance.

Exit code of `transfer`: 0 if another node leads now, with `--to` that one; else 1, and it is said which node leads.
A node that is added, or whose disk was lost, runs with an empty data directory and `--bootstrap join`. `add` and
`replace` let it catch up, then vote (`add --learner`: it does not vote until `promote`); `replace` names the lost store
by the beginning of its id, which `members` shows; without a store it changes only the address, of a node that moved
with its disk. An address that is given is tried before anything is changed. One change at a time; each prints its
progress, and can be repeated: if all is done already, it says that nothing was changed (`changed` false). Ctrl-C ends
the command, and not the change.
`recover` is for a group that has lost its quorum for good: see `coterie raft recover --help`.

Exit code of `activate`: 0 if the version of the leader's code is active now, also if it was before; else 1.
Exit code of `add`, `promote`, `remove`, `replace`: 0 if the group has these members now; else 1, with the reason.
Exit code of `members`: 1 (unavailable) if no node leads the group: then they are shown as one of the nodes knows them.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from coterie.actors.groups.group_client import TIMEOUT_S
from coterie.actors.groups.group_messages import GroupStatus
from coterie.cli.cluster_connection import ClusterConnection, add_connect, connection_of
from coterie.cli.command_loop import run_async
from coterie.cli.commands.evolving.raft_members import add_actions, add_wait
from coterie.cli.commands.recovering.recover_command import add_action as add_recover
from coterie.cli.inactive_members import explanations
from coterie.cli.node_queries import DEGRADED, check_group, code_schemas, with_silent
from coterie.cli.output.command_output import CommandOutput
from coterie.cli.output.command_parser import add_output
from coterie.cli.output.json_envelope import Code, Problem, problems
from coterie.cli.unavailable_group import naming_no_leader
from coterie.errors import CoterieError
from coterie.protocols.evolution.schema import Schema
from coterie.protocols.evolution.schema_comparison import Verdict, compare

__all__ = ["activate", "add_parser", "transfer", "versions"]

Statuses = Mapping[str, GroupStatus | CoterieError]

EXIT_CODE_BY_VERDICT: Final = {"healthy": 0, "failed": 1, "degraded": DEGRADED}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `raft` to the command line."""
    parser = subparsers.add_parser(
        "raft",
        help="show and change a group: its versions, its leader, its members",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(metavar="action", required=True)
    for name, function, text in (
        ("versions", versions, "show which version is active, and what each node runs"),
        ("activate", activate, "make the version of the leader's code active"),
        ("transfer", transfer, "let the leader hand over to another node"),
    ):
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument("group", help="the Raft group")
        if function is transfer:
            action.add_argument("--to", metavar="NODE", help="who shall lead (default: the node that is furthest)")
            add_wait(action, TIMEOUT_S)
        add_connect(action)
        add_output(action)
        action.set_defaults(run=function)
    add_actions(actions)
    add_recover(actions)


def versions(args: argparse.Namespace) -> int:
    """Carry out `coterie raft versions`; return the exit code."""
    return run_async(_versions(connection_of(args), args.group, args.out))


def activate(args: argparse.Namespace) -> int:
    """Carry out `coterie raft activate`; return the exit code."""
    return run_async(_activate(connection_of(args), args.group, args.out))


def transfer(args: argparse.Namespace) -> int:
    """Carry out `coterie raft transfer`; return the exit code."""
    return run_async(_transfer(connection_of(args), args.group, args.to, args.out, args.wait))


async def _transfer(
    connection: ClusterConnection, group: str, to: str | None, out: CommandOutput, wait_s: float = TIMEOUT_S
) -> int:
    async with connection.client_of_all() as client:
        await check_group(client, group)
        async with naming_no_leader(client, group):
            ended = await client.group(group).transfer(to, timeout_s=wait_s)
    data = {"group": group, "leader": ended.leader, "changed": ended.has_changed}
    if to not in (None, ended.leader):
        text = f"group {group!r}: {ended.leader} leads, not {to}, which was not elected: repeat the command"
        out.show(data, [text], verdict="failed", errors=problems(Code.FAILED, [text]))
        return EXIT_CODE_BY_VERDICT["failed"]
    line = f"group {group!r}: {ended.leader} leads" + ("" if ended.has_changed else " already: nothing was changed")
    out.show(data, [line])
    return 0


async def _versions(connection: ClusterConnection, group: str, out: CommandOutput) -> int:
    async with connection.client_of_all() as client:
        await check_group(client, group)
        handle = client.group(group)
        answers, reports = await handle.status(), await handle.code()
    found = [status for status in answers.values() if isinstance(status, GroupStatus)]
    statuses = with_silent(answers, (member.node for status in found for member in status.members))
    schemas = code_schemas(reports)
    conflicts = list(_conflicts(schemas))
    errors = _errors(statuses, conflicts)
    out.show(
        {"group": group, "nodes": {node: _facts(status) for node, status in statuses.items()}},
        [*_lines(group, statuses, schemas), *(f"  {conflict}" for conflict in conflicts)],
        verdict=_verdict(errors),
        errors=errors,
    )
    return EXIT_CODE_BY_VERDICT[_verdict(errors)]


def _errors(statuses: Statuses, conflicts: Sequence[str]) -> list[Problem]:
    found = [status for status in statuses.values() if isinstance(status, GroupStatus)]
    is_led = any(status.role == "leader" for status in found)
    failures = [] if is_led else ["no node that answers leads the group"]
    failures += [f"{status.node} is in quarantine: {status.quarantine}" for status in found if status.quarantine]
    silent = (f"{node} does not answer: {one}" for node, one in statuses.items() if isinstance(one, CoterieError))
    return problems(Code.FAILED, [*failures, *conflicts]) + problems(Code.DEGRADED, silent)


def _verdict(errors: Sequence[Problem]) -> str:
    codes = {error.code for error in errors}
    return "failed" if Code.FAILED in codes else "degraded" if codes else "healthy"


def _facts(status: GroupStatus | CoterieError) -> object:
    """Return the part of a status that is about code."""
    if isinstance(status, CoterieError):
        return status
    return {
        "role": status.role,
        "code_version": status.code_version,
        "code_schema": status.code_schema,
        "active_version": status.version,
        "active_revision": status.revision,
        "quarantine": status.quarantine,
    }


async def _activate(connection: ClusterConnection, group: str, out: CommandOutput) -> int:
    async with connection.client_of_all() as client:
        await check_group(client, group)
        activated = await client.group(group).activate()
    line = f"group {group!r}: version {activated.version} is active (revision {activated.revision})"
    out.show({"group": group, "version": activated.version, "revision": activated.revision}, [line])
    return 0


def _lines(group: str, statuses: Statuses, schema_by_node: Mapping[str, Schema]) -> Iterator[str]:
    found = {node: status for node, status in statuses.items() if isinstance(status, GroupStatus)}
    leader = next((status for status in found.values() if status.role == "leader"), None)
    if leader is None:
        yield f"group {group!r}: no node that answers leads it"
    elif leader.revision == 0:
        yield f"group {group!r}: its machine has no schema"
    else:
        yield f"group {group!r}: version {leader.version} is active (revision {leader.revision})"
    yield f"  {'node':<12} {'role':<12} {'runs':>6} {'schema':<10} {'active':>6}"
    for node, status in statuses.items():
        if isinstance(status, CoterieError):
            yield f"  {node:<12} {status}"
        else:
            runs, active = status.code_version or "-", status.version or "-"
            yield f"  {node:<12} {status.role:<12} {runs:>6} {status.code_schema[8:16]:<10} {active:>6}"
    for status in found.values():
        reasons = list(explanations(status))
        yield from (f"  {reason}" for reason in reasons)
        if not reasons and leader is not None and status.code_schema != leader.code_schema:
            yield f"  {_difference(status, leader, schema_by_node)}"


def _difference(status: GroupStatus, leader: GroupStatus, schema_by_node: Mapping[str, Schema]) -> str:
    """Return how a node's code differs from the leader's, and which of the two is to be restarted."""
    node, leads = status.node, leader.node
    step = _step(status, leader, schema_by_node)
    if step > 0:
        return (
            f"{node} runs newer code than the leader {leads}: restart {leads} on it; until then it cannot be activated"
        )
    if step < 0:
        return f"{node} runs older code than the leader {leads}: restart {node} on the leader's code, to activate that"
    return f"{node} runs other code than the leader {leads}: all voters must run the same before it can be activated"


def _step(status: GroupStatus, leader: GroupStatus, schema_by_node: Mapping[str, Schema]) -> int:
    """Return 1 if a node's code is newer than the leader's, -1 if it is older, and 0 if that cannot be said."""
    own, led = schema_by_node.get(status.node), schema_by_node.get(leader.node)
    if own is None or led is None:
        return (status.code_version > leader.code_version) - (status.code_version < leader.code_version)
    is_newer = compare(led, own).verdict is Verdict.NEWER
    is_older = compare(own, led).verdict is Verdict.NEWER
    return is_newer - is_older


def _conflicts(schema_by_node: Mapping[str, Schema]) -> Iterator[str]:
    """Yield the nodes whose code is neither newer nor older than that of another one."""
    for (node, schema), (other, others) in itertools.combinations(schema_by_node.items(), 2):
        found = compare(schema, others)
        if found.verdict is Verdict.CONTRADICTS and compare(others, schema).verdict is Verdict.CONTRADICTS:
            same = f"both call themselves version {schema.version}, and " if schema.version == others.version else ""
            yield f"{node} and {other}: {same}contradict each other: {found.contradictions[0]}"
