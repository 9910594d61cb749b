"""`MemberReports`: asks the nodes of a cluster what they think of each other, with a time limit for each answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from coterie.actors.client import Client
from coterie.actors.detection.detector_messages import MembersReport, ReportMembers
from coterie.actors.node_report import ReportNode
from coterie.cli.member_rows import MembersByNode
from coterie.cli.node_queries import nodes_expected, query_node, refusals_of, unlinked

__all__ = ["MemberReports", "has_detector", "names_in"]


class MemberReports:
    """The reports of the nodes that a client is, or was, linked with.

    Args:
        client: is linked with nodes of the cluster.
        addresses: those that it was given, `host:port`.
    """

    def __init__(self, client: Client, addresses: Sequence[str]) -> None:
        self._client = client
        self._addresses = addresses
        self._linked: set[str] = set()

    @property
    def never_linked(self) -> int:
        """The number of nodes that are dialled and have not answered so far: the names of some may not be known."""
        return max(0, nodes_expected(self._client, self._addresses) - len(self._linked))

    async def collect(self, timeout_s: float, observer: str | None = None) -> MembersByNode:
        """Ask all nodes at once, or only `observer`: the report of each, or the error in its place after `timeout_s`.

        A node whose link is down is asked, too: its error says so.
        """
        self._linked.update(self._client.nodes)
        nodes = sorted(self._linked) if observer is None else [observer]
        asked = (query_node(self._client, node, ReportMembers(), timeout_s) for node in nodes)
        return dict(zip(nodes, await asyncio.gather(*asked), strict=True))

    async def collect_with_troubles(
        self, timeout_s: float, observer: str | None = None
    ) -> tuple[MembersByNode, list[str]]:
        """Return the results of `collect` and `troubles`, which ask at the same time."""
        return await asyncio.gather(self.collect(timeout_s, observer), self.troubles(timeout_s, observer))

    async def troubles(self, timeout_s: float, observer: str | None = None) -> list[str]:
        """Return a sentence for each two nodes without a link (those of `observer` alone), and each refusal.

        All linked nodes are asked at once, as by `collect`.
        """
        nodes = self._client.nodes
        asked = (query_node(self._client, node, ReportNode(), timeout_s) for node in nodes)
        reports = dict(zip(nodes, await asyncio.gather(*asked), strict=True))
        refusals = refusals_of(self._client, self._addresses) if observer is None else ()
        return [*unlinked(reports, observer), *refusals]


def has_detector(reports: MembersByNode) -> bool:
    """Return whether a node that answers has a failure detector."""
    return any(isinstance(report, MembersReport) and report.detector is not None for report in reports.values())


def names_in(reports: MembersByNode) -> list[str]:
    """Return the names of all nodes that were asked or are named in a report, sorted."""
    named = (line.peer for report in reports.values() if isinstance(report, MembersReport) for line in report.members)
    return sorted({*reports, *named})
