"""Node queries: asks a cluster's nodes for their reports, which the inspecting commands print."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

from coterie.actors.client import Client
from coterie.actors.inspection import ActorsReport
from coterie.actors.node_report import NODE_REPORT_PATH
from coterie.errors import CoterieError
from coterie.runtime.messages.message import Ask
from coterie.runtime.refs import Address

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["ReportByNode", "as_json", "query_node", "query_nodes"]

R = TypeVar("R")

ASK_TIMEOUT_S = 5.0

ReportByNode = Mapping[str, ActorsReport | CoterieError]
"""The report of each node, or the error in its place."""


async def query_nodes(client: Client, request: Ask[R], timeout_s: float = ASK_TIMEOUT_S) -> dict[str, R | CoterieError]:
    """Ask all linked nodes at once; return the answer of each, or the error in its place."""
    nodes = client.nodes
    answers = await asyncio.gather(*(query_node(client, node, request, timeout_s) for node in nodes))
    return dict(zip(nodes, answers, strict=True))


async def query_node(client: Client, node: str, request: Ask[R], timeout_s: float) -> R | CoterieError:
    """Ask a node for a report. An error is returned, not raised: one silent node must not fail the whole query."""
    try:
        report: R = await client.system.at(Address(node, NODE_REPORT_PATH)).ask(request, timeout_s=timeout_s)
    except CoterieError as error:
        return error
    return report


def as_json(reports: Mapping[str, DataclassInstance | CoterieError]) -> dict[str, object]:
    """Return the reports, which are dataclasses, as a JSON object."""
    return {
        node: {"error": str(report)} if isinstance(report, CoterieError) else dataclasses.asdict(report)
        for node, report in reports.items()
    }
