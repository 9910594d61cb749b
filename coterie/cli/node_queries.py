"""Node queries: asks a cluster's nodes for their reports, which the inspecting commands print."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping
from typing import TypeVar

from coterie.actors.client import Client
from coterie.actors.inspection import ActorsReport, ReportActors
from coterie.actors.node_report import NODE_REPORT_PATH
from coterie.errors import CoterieError
from coterie.runtime.messages.message import Ask
from coterie.runtime.refs import Address

__all__ = ["ReportByNode", "as_json", "query_actors", "query_node"]

R = TypeVar("R")

ASK_TIMEOUT_S = 5.0

ReportByNode = Mapping[str, ActorsReport | CoterieError]
"""The report of each node, or the error in its place."""


async def query_actors(client: Client, request: ReportActors) -> ReportByNode:
    """Ask all linked nodes at once for their actors."""
    answers = await asyncio.gather(*(query_node(client, node, request, ASK_TIMEOUT_S) for node in client.nodes))
    return dict(zip(client.nodes, answers, strict=True))


async def query_node(client: Client, node: str, request: Ask[R], timeout_s: float) -> R | CoterieError:
    """Ask a node for a report. An error is returned, not raised: one silent node must not fail the whole query."""
    try:
        report: R = await client.system.at(Address(node, NODE_REPORT_PATH)).ask(request, timeout_s=timeout_s)
    except CoterieError as error:
        return error
    return report


def as_json(reports: ReportByNode) -> dict[str, object]:
    """Return the reports as a JSON object."""
    return {
        node: {"error": str(report)} if isinstance(report, CoterieError) else dataclasses.asdict(report)
        for node, report in reports.items()
    }
