"""`coterie leave` and `coterie down`: have a member of the view decided out, and wait until it is gone."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator
from typing import Final

from coterie.actors.client import Client
from coterie.actors.membership.membership_requests import MEMBERSHIP_PATH, LetLeave, TakeDown
from coterie.cli.cluster_connection import ClusterConnection, add_connect, connection_of
from coterie.cli.command_loop import run_async
from coterie.cli.commands.evolving.raft_members import add_wait
from coterie.cli.commands.membership.member_seats import down_refusal, groups_of_voter, view_voters, voter_lines
from coterie.cli.commands.membership.view_reports import ClusterView, cluster_view
from coterie.cli.node_queries import DEGRADED
from coterie.cli.output.command_output import CommandOutput
from coterie.cli.output.command_parser import add_output
from coterie.cli.output.json_envelope import Code, problems
from coterie.errors import CoterieError, NodeUnreachable
from coterie.protocols.membership.members import Member, MembershipState, short_incarnation
from coterie.protocols.membership.view_decisions import Done, Refused
from coterie.runtime.refs import Address

__all__ = ["add_down", "add_leave", "run"]

WAIT_S: Final = 60.0

ASK_S: Final = 6.0
"""For so long a node is asked to have the change decided: it tries for 5 s itself."""

LOOK_S: Final = 0.5

SAY_S: Final = 2.0
"""After so long, and then as often, the command says what it waits for."""

LEAVE: Final = """\
Lets a member leave the view: it hands over what it holds, and its process ends with exit code 0.

    coterie leave n4 --connect 127.0.0.1:7401,127.0.0.1:7402

The command returns when the member is out of the view; until then it can be repeated. A member without which the group
that holds the view would have no quorum is refused: replace it in that group first (`coterie raft`). A voter of Raft
groups stays one: the command names them, and how to remove it there (`coterie raft remove GROUP n4`). What runs the
process may start it again, and then it joins as a new member; `coterie up` does not.

Exit code: 0 if it is out of the view; 1 if the cluster refuses that, or it is still in after --wait; 3 if there is no
such member; 4 if no node answers.
"""

DOWN: Final = """\
Takes a member down: decides that it is not part of the cluster any more, whether it runs or not.

    coterie down n4 --connect 127.0.0.1:7401            says what that means, or why it would be refused
    coterie down n4 --connect 127.0.0.1:7401 --yes      does it

For a member that does not answer, and that the others have not found to have crashed: a machine that hangs, or one that
only some of them hear. Its process ends as soon as it learns of it, with an error. What it held is free for others once
its lease has ended. A member that can still be reached better leaves: `coterie leave`.

Exit code: 0 if it is out of the view; 1 if the cluster refuses that, or it is still in after --wait; 3 if there is no
such member; 4 if no node answers; 5 without --yes: nothing was changed.
"""


class ChangeRefusedByGroup(CoterieError):
    """The group that holds the view refuses a change; the text is its reason."""


def add_leave(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `leave` to the command line."""
    _add(subparsers, "leave", "let a member leave the view", LEAVE)


def add_down(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `down` to the command line."""
    parser = _add(subparsers, "down", "decide that a member is not part of the cluster any more", DOWN)
    parser.add_argument("--yes", action="store_true", help="do it; without it, what it means is shown")


def _add(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str, description: str
) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        name, help=text, description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("node", help="the member")
    add_wait(parser, WAIT_S, text="for how long it may take until the member is out of the view")
    add_connect(parser)
    add_output(parser)
    parser.set_defaults(run=run, is_down=name == "down", yes=False)
    return parser


def run(args: argparse.Namespace) -> int:
    """Carry out `coterie leave` or `coterie down`; return the exit code."""
    return run_async(_carry_out(connection_of(args), args, args.out))


async def _carry_out(connection: ClusterConnection, args: argparse.Namespace, out: CommandOutput) -> int:
    async with connection.client_of_all() as client:
        found = await cluster_view(client)
        member = found.member(args.node)
        facts = {"member": member.name, "incarnation": str(member.incarnation)}
        if args.is_down and not args.yes:
            refusal = down_refusal(found.report.view, member, await view_voters(client))
            text = "nothing was changed: to take it down, add --yes"
            if refusal is not None:
                text = f"nothing was changed, and the cluster would refuse it: {refusal}"
            lines = [*(_consequence(member, found) if refusal is None else _who(member)), text]
            out.show({**facts, "changed": False, "refusal": refusal}, lines, errors=problems(Code.DEGRADED, [text]))
            return DEGRADED
        outcome = await _decided(client, found, member, is_down=args.is_down)
        number = await _out(client, member, args.wait, out)
        votes = await groups_of_voter(client, member.name)
    lines = [f"member {member.name} is out of the view, which is number {number} now", *voter_lines(member.name, votes)]
    if not outcome.is_change:
        lines.insert(0, f"it was so already: {outcome.note}")
    votes_in = [name for name, does in votes.items() if does]
    out.show({**facts, "changed": outcome.is_change, "view": number, "votes_in": votes_in}, lines)
    return 0


def _who(member: Member) -> Iterator[str]:
    yield (
        f"member {member.name} at {member.address} is {member.state.value} since view {member.since} "
        f"(incarnation {short_incarnation(member.incarnation)})"
    )


def _consequence(member: Member, found: ClusterView) -> Iterator[str]:
    """Yield what it means to take a member down."""
    report = found.report
    held = [name for name, holder in sorted(report.registry.holders.items()) if holder.member == member.identity]
    provided = sorted({one.service for one in report.registry.services if one.member == member.identity})
    yield from _who(member)
    yield "if it is taken down:"
    yield "  its process ends with an error as soon as it learns of it; once its lease has ended it acts no more anyway"
    if held:
        yield f"  the singletons that it holds begin elsewhere once its lease has ended: {', '.join(held)}"
    if provided:
        yield f"  its services are found no more: {', '.join(provided)}"
    yield "  this life of it never comes back; its process may be started again, and joins as a new member"
    if member.name in found.reports and member.state is MembershipState.UP:
        yield f"  it answers, so that it could leave in order: coterie leave {member.name}"


async def _decided(client: Client, found: ClusterView, member: Member, *, is_down: bool) -> Done:
    """Have the change decided, by the first node that can; asking again changes nothing more.

    Raises:
        ChangeRefusedByGroup: the group refuses it.
        CoterieError: no node could have it decided: the error of the last one.
    """
    request = TakeDown(member.identity) if is_down else LetLeave(member.identity)
    leader = found.report.leader
    nodes = sorted(found.reports, key=lambda node: (node != leader, node == member.name, node))
    failure: CoterieError = NodeUnreachable(member.name, "no node answers")
    for node in nodes:
        try:
            outcome: Done | Refused = await client.system.at(Address(node, MEMBERSHIP_PATH)).ask(
                request, timeout_s=ASK_S
            )
        except CoterieError as error:
            failure = error
            continue
        if isinstance(outcome, Refused):
            raise ChangeRefusedByGroup(f"the cluster refuses: {outcome.reason}")
        return outcome
    raise failure


async def _out(client: Client, member: Member, wait_s: float, out: CommandOutput) -> int:
    """Wait until a member is out of the view; return the number of that view.

    Raises:
        CoterieError: it is still in after `wait_s` seconds.
    """
    clock = client.system.host.clock
    began = said = clock.monotonic()
    while True:
        try:
            found: ClusterView | None = await cluster_view(client)
        except NodeUnreachable:
            found = None
        now = clock.monotonic()
        present = None if found is None else found.report.view.find(member.identity)
        if found is not None and present is None:
            return found.report.view.number
        state = "no node answers" if present is None else f"it is {present.state.value} since view {present.since}"
        if now - began > wait_s:
            raise CoterieError(
                f"member {member.name} is not out of the view after {wait_s:g} s: {state}; the change goes on, "
                f"see `coterie members`"
            )
        if now - said >= SAY_S:
            said = now
            out.say([f"  {member.name}: {state}"])
        await asyncio.sleep(LOOK_S)
