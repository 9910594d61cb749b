"""`ClusterView`: what the nodes of a cluster know of its view, and which of their reports counts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from coterie.actors.client import Client
from coterie.actors.membership.membership_requests import MEMBERSHIP_PATH, ReportView, ViewReport
from coterie.actors.node_report import ReportNode
from coterie.cli.command_loop import NameNotFound
from coterie.cli.node_queries import query_nodes
from coterie.errors import ActorNotFound, CoterieError, NodeUnreachable
from coterie.protocols.membership.members import Member
from coterie.runtime.refs import Address

__all__ = ["NO_VIEW", "ClusterView", "NoView", "cluster_view", "view_answers", "view_of", "with_view"]

T = TypeVar("T")

ASK_TIMEOUT_S: Final = 2.0

NO_VIEW: Final = (
    "this cluster has no view: its topology names its nodes; one whose nodes come and go has "
    "Topology(…, nodes=Members(founders=[…]))"
)


class NoView(CoterieError):
    """The nodes that answer have no view."""

    def __init__(self) -> None:
        super().__init__(NO_VIEW)


@dataclass(frozen=True, slots=True)
class ClusterView:
    """The view of a cluster.

    Attributes:
        report: the one that counts: of the nodes that may act, which the group has confirmed lately, that with the
            newest view; if none may, of all nodes.
        reports: those of all nodes that have answered, by name.
        silent: the error of each node that was asked and has not answered.
    """

    report: ViewReport
    reports: Mapping[str, ViewReport]
    silent: Mapping[str, CoterieError]

    @property
    def is_confirmed(self) -> bool:
        """Whether the report that counts is of a node that may act."""
        return _may_act(self.report)

    def member(self, name: str) -> Member:
        """Return the member of that name. NameNotFound names those that there are."""
        members = self.report.view.members
        found = next((member for member in members if member.name == name), None)
        if found is None:
            names = ", ".join(member.name for member in members) or "none"
            raise NameNotFound(
                f"there is no member {name!r} in view {self.report.view.number}: the members are {names}"
            )
        return found


def _may_act(report: ViewReport) -> bool:
    return report.lease_s > 0


def view_of(answers: Mapping[str, ViewReport | CoterieError]) -> ClusterView | None:
    """Return what the answers say together; None if none is a report."""
    reports = {node: answer for node, answer in answers.items() if isinstance(answer, ViewReport)}
    if not reports:
        return None
    counts = max(reports.values(), key=lambda report: (_may_act(report), report.view.number, report.registry.revision))
    return ClusterView(
        counts, reports, {node: answer for node, answer in answers.items() if isinstance(answer, CoterieError)}
    )


async def view_answers(
    client: Client, nodes: Sequence[str], timeout_s: float = ASK_TIMEOUT_S
) -> dict[str, ViewReport | CoterieError]:
    """Ask these nodes at once: the report of each, or the error in its place."""
    asks = [client.system.at(Address(node, MEMBERSHIP_PATH)).ask(ReportView(), timeout_s=timeout_s) for node in nodes]
    answers: list[ViewReport | BaseException] = await asyncio.gather(*asks, return_exceptions=True)
    found: dict[str, ViewReport | CoterieError] = {}
    for node, answer in zip(nodes, answers, strict=True):
        if not isinstance(answer, ViewReport | CoterieError):
            raise answer
        found[node] = answer
    return found


async def with_view(
    asked: Awaitable[T], client: Client, nodes: Sequence[str], timeout_s: float
) -> tuple[T, ClusterView | None]:
    """Await `asked`, and ask these nodes for the view at the same time; None if they know of none."""
    first, answers = await asyncio.gather(asked, view_answers(client, nodes, timeout_s))
    return first, view_of(answers)


async def cluster_view(client: Client, timeout_s: float = ASK_TIMEOUT_S) -> ClusterView:
    """Return the view of the cluster with whose nodes the client is linked.

    Raises:
        NotAnOperator: the nodes do not report to this client.
        NoView: all nodes that answer have none.
        NodeUnreachable: no node answers.
    """
    await query_nodes(client, ReportNode(), timeout_s)
    answers = await view_answers(client, client.nodes, timeout_s)
    found = view_of(answers)
    if found is not None:
        return found
    if any(isinstance(answer, ActorNotFound) for answer in answers.values()):
        raise NoView
    why = "; ".join(f"{node}: {answer}" for node, answer in answers.items()) or "no node is linked"
    raise NodeUnreachable.at((), why)
