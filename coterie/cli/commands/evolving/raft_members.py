"""`coterie raft members|add|promote|remove|replace`: shows the members of a Raft group, and changes them.

While a change is under way its progress is printed. It ends with the members that the group has then, or with the
reason why it was refused or given up. Each can be repeated: what is done already is not done again, and that is said.
Ctrl-C ends the command, not the change: the last line says what is under way, and how to take it back.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict
from typing import Any, Final

from coterie.actors.groups.group_client import GroupClient
from coterie.actors.groups.group_messages import GroupStatus
from coterie.actors.groups.members.group_members import GroupMembers
from coterie.actors.network_addresses import parse_address
from coterie.cli.cluster_connection import ClusterConnection, add_connect, connection_of
from coterie.cli.command_loop import INTERRUPTED, WrongUsage, run_async
from coterie.cli.node_queries import check_group
from coterie.cli.output.command_output import CommandOutput
from coterie.cli.output.command_parser import add_output
from coterie.cli.output.json_envelope import Code, problems
from coterie.cli.unavailable_group import naming_no_leader

__all__ = ["add_actions", "add_wait"]

Change = Callable[[GroupClient[Any], argparse.Namespace, Callable[[str], None]], Awaitable[GroupMembers]]

WAIT_S: Final = 60.0

STANDS_S: Final = 1.0
"""For so long the leader is asked, after Ctrl-C, what goes on."""

UNAVAILABLE: Final = 1
"""The exit code if no node leads the group, as that of `coterie status`."""

_BACK: Final = {
    "add": "take it back with `coterie raft remove {group} {node}`",
    "promote": "take it back with `coterie raft remove {group} {node}`",
    "remove": "take it back with `coterie raft add {group} {node}`, once it has ended",
    "replace": "repeat the command to wait for its end",
}


def add_actions(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the actions to `coterie raft`."""
    _add_action(actions, "members", _members, "show the members of the group: their stores, roles and addresses")
    add = _add_action(actions, "add", _add, "add a node that was started with --bootstrap join")
    add.add_argument("node", help="its name")
    add.add_argument(
        "--address", metavar="HOST:PORT", help="where it is reached: it is tried (default: where the leader reaches it)"
    )
    add.add_argument("--learner", action="store_true", help="it gets everything, and does not vote")
    promote = _add_action(actions, "promote", _promote, "let a learner vote, once it has caught up")
    promote.add_argument("node", help="its name")
    remove = _add_action(actions, "remove", _remove, "let a node be no member any more")
    remove.add_argument("node", help="its name")
    replace = _add_action(actions, "replace", _replace, "replace a node's lost disk, or change its address")
    replace.add_argument("node", help="its name; it was started with an empty data directory and --bootstrap join")
    replace.add_argument(
        "--store",
        metavar="ID",
        help="how the id of the lost store begins (members); without it the node keeps its disk, and --address changes",
    )
    replace.add_argument(
        "--address", metavar="HOST:PORT", help="where it is reached now: it is tried (default: as before)"
    )


def _add_action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, change: Change, text: str
) -> argparse.ArgumentParser:
    action = actions.add_parser(name, help=text, description=text)
    action.add_argument("group", help="the Raft group")
    if change is not _members:
        add_wait(action, WAIT_S)
    add_connect(action)
    add_output(action)
    action.set_defaults(run=_run, change=change, action=name, stands=None)
    return action


def add_wait(action: argparse.ArgumentParser, default: float, *, text: str = "for how long") -> None:
    """Add `--wait` to an action; `text`: what it says of it."""
    action.add_argument(
        "--wait", type=_seconds, default=default, metavar="SECONDS", help=f"{text} (default: %(default)g)"
    )


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
    if args.change is _replace and args.store is None and args.address is None:
        raise WrongUsage("give --store, the store that is lost, or --address, where the node runs now with its disk")
    try:
        return run_async(_carry_out(connection_of(args), args, args.out))
    except KeyboardInterrupt:
        args.out.fail(INTERRUPTED, _interrupted(args), code=Code.INTERRUPTED)
        return INTERRUPTED


def _interrupted(args: argparse.Namespace) -> str:
    if args.change is _members:
        return "interrupted"
    if args.stands is None:
        return "interrupted before the group was asked: nothing was changed"
    back = _BACK[args.action].format(group=args.group, node=args.node)
    return f"interrupted: {args.stands}; look with `coterie raft members {args.group}`, or {back}"


async def _carry_out(connection: ClusterConnection, args: argparse.Namespace, out: CommandOutput) -> int:
    async with connection.client_of_all() as client:
        await check_group(client, args.group)
        group = client.group(args.group)
        async with naming_no_leader(client, args.group):
            try:
                members: GroupMembers = await args.change(group, args, lambda text: out.say([f"  {text}"]))
            except asyncio.CancelledError:
                args.stands = await _what_stands(group)
                raise
    return _show(args, members, out)


async def _what_stands(group: GroupClient[Any]) -> str:
    """Return what the leader does about the members now, in words."""
    statuses = [each for each in (await group.status(timeout_s=STANDS_S)).values() if isinstance(each, GroupStatus)]
    leader = next((status for status in statuses if status.role == "leader"), None)
    if leader is None:
        return "no leader says whether the change goes on"
    goes_on = leader.change or leader.activity
    return "no change is under way any more" if goes_on is None else f"the group goes on with it ({goes_on})"


def _show(args: argparse.Namespace, members: GroupMembers, out: CommandOutput) -> int:
    data: dict[str, object] = {"group": args.group, "members": [asdict(member) for member in members]}
    lines = list(_lines(args.group, members))
    if args.change is not _members:
        if not members.has_changed:
            lines[:0] = [f"group {args.group!r}: nothing was changed: it is so already"]
        out.show({**data, "changed": members.has_changed}, lines)
        return 0
    data |= {"leader": members.leader, "node": members.node, "index": members.last_index}
    if members.leader is not None:
        out.show(data, lines)
        return 0
    view = f"these are its members as {members.node} knows them at index {members.last_index}"
    text = f"group {args.group!r} has no leader: {view}"
    out.show(data, [text, *lines], verdict="unavailable", errors=problems(Code.UNAVAILABLE, [text]))
    return UNAVAILABLE


def _lines(group: str, members: GroupMembers) -> Iterator[str]:
    yield f"group {group!r}: {len(members)} members"
    yield f"  {'node':<12} {'role':<10} {'store':<34} {'address'}"
    for member in members:
        yield f"  {member.node:<12} {member.role:<10} {member.store or 'not known yet':<34} {member.address or '-'}"


async def _members(group: GroupClient[Any], args: argparse.Namespace, say: Callable[[str], None]) -> GroupMembers:
    del args, say
    return await group.members()


async def _add(group: GroupClient[Any], args: argparse.Namespace, say: Callable[[str], None]) -> GroupMembers:
    return await group.add(args.node, args.address, learner=args.learner, timeout_s=args.wait, on_progress=say)


async def _promote(group: GroupClient[Any], args: argparse.Namespace, say: Callable[[str], None]) -> GroupMembers:
    return await group.promote(args.node, timeout_s=args.wait, on_progress=say)


async def _remove(group: GroupClient[Any], args: argparse.Namespace, say: Callable[[str], None]) -> GroupMembers:
    return await group.remove(args.node, timeout_s=args.wait, on_progress=say)


async def _replace(group: GroupClient[Any], args: argparse.Namespace, say: Callable[[str], None]) -> GroupMembers:
    return await group.replace(args.node, store=args.store, address=args.address, timeout_s=args.wait, on_progress=say)
