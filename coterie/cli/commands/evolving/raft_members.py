"""`coterie raft members|add|promote|remove|replace`: shows the members of a Raft group, and changes them.

While a change is under way its progress is printed. It ends with the members that the group has then, or with the
reason why it was refused or given up. Each can be repeated: what is done already is not done again.
"""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, Final

from coterie.actors.groups.group_client import GroupClient
from coterie.actors.groups.group_messages import GroupMember
from coterie.actors.network_addresses import parse_address
from coterie.cli.cluster_connection import ClusterConnection, add_connect, connection_of
from coterie.cli.command_loop import WrongUsage, run_async
from coterie.cli.node_queries import check_group
from coterie.cli.output.command_output import CommandOutput
from coterie.cli.output.command_parser import add_output
from coterie.cli.unavailable_group import naming_no_leader

__all__ = ["add_actions"]

Change = Callable[[GroupClient[Any], argparse.Namespace, Callable[[str], None]], Awaitable[tuple[GroupMember, ...]]]

WAIT_S: Final = 60.0


def add_actions(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the actions to `coterie raft`."""
    _add_action(actions, "members", _members, "show the members of the group: their stores, roles and addresses")
    add = _add_action(actions, "add", _add, "add a node that was started with --bootstrap join")
    add.add_argument("node", help="its name")
    add.add_argument(
        "--address", metavar="HOST:PORT", help="where it is reached (default: where the leader reaches it)"
    )
    add.add_argument("--learner", action="store_true", help="it gets everything, and does not vote")
    promote = _add_action(actions, "promote", _promote, "let a learner vote, once it has caught up")
    promote.add_argument("node", help="its name")
    remove = _add_action(actions, "remove", _remove, "let a node be no member any more")
    remove.add_argument("node", help="its name")
    replace = _add_action(actions, "replace", _replace, "let a node's new, empty disk take the place of a lost one")
    replace.add_argument("node", help="its name; it was started with an empty data directory and --bootstrap join")
    replace.add_argument("--store", required=True, metavar="ID", help="how the id of the lost store begins (members)")
    replace.add_argument("--address", metavar="HOST:PORT", help="where it is reached now (default: as before)")


def _add_action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, change: Change, text: str
) -> argparse.ArgumentParser:
    action = actions.add_parser(name, help=text, description=text)
    action.add_argument("group", help="the Raft group")
    if change is not _members:
        action.add_argument(
            "--wait", type=_seconds, default=WAIT_S, metavar="SECONDS", help="for how long (default: %(default)g)"
        )
    add_connect(action)
    add_output(action)
    action.set_defaults(run=_run, change=change)
    return action


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: give seconds, such as 60")
    return value


def _run(args: argparse.Namespace) -> int:
    """Carry out one action; return the exit code."""
    if getattr(args, "address", None) is not None:
        try:
            parse_address(args.address)
        except ValueError as error:
            raise WrongUsage(f"--address: {error}") from error
    return run_async(_carry_out(connection_of(args), args, args.out))


async def _carry_out(connection: ClusterConnection, args: argparse.Namespace, out: CommandOutput) -> int:
    async with connection.client_of_all() as client:
        await check_group(client, args.group)
        async with naming_no_leader(client, args.group):
            members = await args.change(client.group(args.group), args, lambda text: out.say([f"  {text}"]))
    out.show({"group": args.group, "members": [asdict(member) for member in members]}, _lines(args.group, members))
    return 0


def _lines(group: str, members: Sequence[GroupMember]) -> Iterator[str]:
    yield f"group {group!r}: {len(members)} members"
    yield f"  {'node':<12} {'role':<10} {'store':<34} {'address'}"
    for member in members:
        yield f"  {member.node:<12} {member.role:<10} {member.store or 'not known yet':<34} {member.address or '-'}"


async def _members(
    group: GroupClient[Any], args: argparse.Namespace, say: Callable[[str], None]
) -> tuple[GroupMember, ...]:
    del args, say
    return await group.members()


async def _add(
    group: GroupClient[Any], args: argparse.Namespace, say: Callable[[str], None]
) -> tuple[GroupMember, ...]:
    return await group.add(args.node, args.address, learner=args.learner, timeout_s=args.wait, on_progress=say)


async def _promote(
    group: GroupClient[Any], args: argparse.Namespace, say: Callable[[str], None]
) -> tuple[GroupMember, ...]:
    return await group.promote(args.node, timeout_s=args.wait, on_progress=say)


async def _remove(
    group: GroupClient[Any], args: argparse.Namespace, say: Callable[[str], None]
) -> tuple[GroupMember, ...]:
    return await group.remove(args.node, timeout_s=args.wait, on_progress=say)


async def _replace(
    group: GroupClient[Any], args: argparse.Namespace, say: Callable[[str], None]
) -> tuple[GroupMember, ...]:
    return await group.replace(args.node, store=args.store, address=args.address, timeout_s=args.wait, on_progress=say)
