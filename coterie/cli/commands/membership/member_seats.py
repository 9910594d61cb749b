"""Seats: says in which Raft groups a member votes, and which voters of the group that holds the view are not up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from coterie.actors.client import Client
from coterie.actors.groups.members.group_members import GroupMembers
from coterie.actors.membership.cluster_nodes import MEMBERSHIP_GROUP
from coterie.actors.node_report import NodeReport, ReportNode
from coterie.cli.node_queries import query_nodes
from coterie.errors import CoterieError
from coterie.protocols.algorithm import NodeId
from coterie.protocols.membership.members import Member
from coterie.protocols.membership.view import View
from coterie.protocols.membership.view_changes import Down
from coterie.protocols.membership.view_decisions import Refused, decide
from coterie.protocols.quorums import Majority

__all__ = ["down_refusal", "groups_of_voter", "view_voters", "voter_lines", "voter_troubles"]

ASK_S: Final = 2.0


def _voters(members: GroupMembers | BaseException) -> tuple[str, ...] | None:
    """Return the names of the voters; None if no leader has told them."""
    if isinstance(members, CoterieError):
        return None
    if isinstance(members, BaseException):
        raise members
    return members.voters if members.leader else None


async def view_voters(client: Client, timeout_s: float = ASK_S) -> tuple[str, ...] | None:
    """Return the voters of the group that holds the view, sorted, as its leader knows them; None if none answers."""
    [members] = await asyncio.gather(
        client.group(MEMBERSHIP_GROUP).members(timeout_s=timeout_s), return_exceptions=True
    )
    return _voters(members)


async def groups_of_voter(client: Client, node: str, timeout_s: float = ASK_S) -> dict[str, bool | None]:
    """Return whether `node` votes in each group that the nodes know, by name; None: no leader of the group answers."""
    reports = await query_nodes(client, ReportNode(), timeout_s)
    told = [report for report in reports.values() if isinstance(report, NodeReport)]
    names = sorted({MEMBERSHIP_GROUP, *(name for report in told for name in (*report.groups, *report.all_groups))})
    asks = (client.group(name).members(timeout_s=timeout_s) for name in names)
    answers = zip(names, await asyncio.gather(*asks, return_exceptions=True), strict=True)
    voters = {name: _voters(answer) for name, answer in answers}
    return {name: None if known is None else node in known for name, known in voters.items()}


def voter_lines(node: str, votes: Mapping[str, bool | None]) -> Iterator[str]:
    """Yield what it means that a node that is out of the view votes in groups, and what to do."""
    names = [name for name, does in votes.items() if does]
    unknown = [name for name, does in votes.items() if does is None]
    if names:
        yield (
            f"{node} is still a voter of {_groups(names)}: it counts there as one that has failed, so that one failure "
            f"less is borne; if it does not come back, remove it:"
        )
        yield from (f"  coterie raft remove {name} {node}" for name in names)
    if unknown:
        yield f"whether {node} votes in {_groups(unknown)} is not known: no leader answers; see `coterie raft members`"


def _groups(names: Sequence[str]) -> str:
    return f"{'group' if len(names) == 1 else 'groups'} {', '.join(names)}"


def voter_troubles(view: View, voters: Sequence[str] | None) -> Iterator[str]:
    """Yield a sentence for each voter of the group that holds the view that is not up in it; None: they are unknown."""
    if not voters or not view.members:
        return
    states: dict[str, str] = {member.name: member.state.value for member in view}
    up = sum(states.get(voter) == "up" for voter in voters)
    spare = up - (len(voters) // 2 + 1)
    borne = f"{spare} more may fail" if spare > 0 else "no further one may fail"
    for voter in voters:
        if (state := states.get(voter, "not in the view")) != "up":
            yield (
                f"group {MEMBERSHIP_GROUP}: voter {voter} is {state}, {up} of {len(voters)} voters are up, and {borne}"
                f": start it again, or remove it (coterie raft remove {MEMBERSHIP_GROUP} {voter})"
            )


def down_refusal(view: View, member: Member, voters: Sequence[str] | None) -> str | None:
    """Return why the group would refuse to take a member down; None if it would not. `voters` None: unknown."""
    group = Majority(tuple(map(NodeId, voters))) if voters else None
    decision = decide(view, Down(member.identity), group=group)
    return decision.reason if isinstance(decision, Refused) else None
