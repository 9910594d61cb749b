"""Node queries: asks a cluster's nodes for their reports, which the inspecting commands print."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from coterie.actors.client import Client
from coterie.actors.inspection import ActorsReport
from coterie.actors.node_report import NODE_REPORT_PATH, NodeReport, ReportNode
from coterie.cli.command_loop import UNREACHABLE, NameNotFound
from coterie.errors import ActorNotFound, CoterieError
from coterie.runtime.messages.message import Ask
from coterie.runtime.refs import Address
from coterie.runtime.transport.handshake.identity import owner_of

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = [
    "DEGRADED",
    "NoAnswer",
    "NotAnOperator",
    "ReportByNode",
    "as_json",
    "check_group",
    "check_groups",
    "exit_code_of",
    "nodes_expected",
    "query_node",
    "query_nodes",
    "refusals_of",
    "unlinked",
    "with_silent",
]

R = TypeVar("R")

ASK_TIMEOUT_S = 5.0

DEGRADED: Final = 5
"""The exit code if not all nodes answer, or not all is well with those that do."""


ReportByNode = Mapping[str, ActorsReport | CoterieError]
"""The report of each node, or the error in its place."""


class NotAnOperator(CoterieError):
    """The nodes do not report to this client."""

    def __init__(self, client: str) -> None:
        owner = owner_of(client)
        super().__init__(
            f"client {owner!r} is no operator of this cluster: reports, and making code active, are for operators "
            f"(Topology(…, operators=[{owner!r}]) on all nodes), and for the key or certificate of a node"
        )


class NoAnswer(CoterieError):
    """There is no link to a node that is known to exist."""

    def __init__(self) -> None:
        super().__init__("no answer: it is down, or no address at which it can be reached is known: see --connect")


async def query_nodes(client: Client, request: Ask[R], timeout_s: float = ASK_TIMEOUT_S) -> dict[str, R | CoterieError]:
    """Ask all nodes of the cluster at once; return the answer of each, or the error in its place.

    Each linked node is also asked which nodes there are: those without a link are in the result, too, by name.
    """
    nodes = client.nodes
    query = _query_linked(client, nodes, request, timeout_s)
    reports: Sequence[object]
    if isinstance(request, ReportNode):
        reports = answers = await query
    else:
        answers, reports = await asyncio.gather(query, _query_linked(client, nodes, ReportNode(), timeout_s))
    known = {node for report in reports if isinstance(report, NodeReport) for node in report.nodes}
    return with_silent(dict(zip(nodes, answers, strict=True)), known)


def with_silent(answers: Mapping[str, R | CoterieError], known: Iterable[str]) -> dict[str, R | CoterieError]:
    """Return the answers, and a `NoAnswer` for each known node that is not among them, in order."""
    return {**answers, **{node: NoAnswer() for node in sorted({*known} - answers.keys())}}


async def _query_linked(
    client: Client, nodes: Sequence[str], request: Ask[R], timeout_s: float
) -> list[R | CoterieError]:
    return await asyncio.gather(*(query_node(client, node, request, timeout_s) for node in nodes))


async def query_node(client: Client, node: str, request: Ask[R], timeout_s: float) -> R | CoterieError:
    """Ask a node for a report. An error is returned, not raised: one silent node must not fail the whole query.

    Raises:
        NotAnOperator: the node does not report to this client.
    """
    try:
        report: R = await client.system.at(Address(node, NODE_REPORT_PATH)).ask(request, timeout_s=timeout_s)
    except ActorNotFound as error:  # every node has that actor
        raise NotAnOperator(client.system.node) from error
    except CoterieError as error:
        return error
    return report


async def check_group(client: Client, group: str) -> None:
    """Check that this client may ask for reports, and that there is such a group, if all nodes say which they run.

    Raises:
        NotAnOperator: the nodes do not report to this client.
        NameNotFound: there is no such group.
    """
    check_groups(await query_nodes(client, ReportNode()), [group])


def check_groups(reports: Mapping[str, NodeReport | CoterieError], groups: Iterable[str]) -> None:
    """Raise NameNotFound if there is no group of one of these names, and all nodes say which they run."""
    known = {name for report in reports.values() if isinstance(report, NodeReport) for name in report.groups}
    for group in groups:
        if group not in known and all(isinstance(report, NodeReport) for report in reports.values()):
            raise NameNotFound(f"there is no group {group!r}: the nodes run {', '.join(sorted(known)) or 'none'}")


def unlinked(reports: Mapping[str, NodeReport | CoterieError], node: str | None = None) -> list[str]:
    """Return a sentence for each two nodes that answer and have no link with each other; `node`: is one of the two.

    A wrong key or certificate locks a node out, and it answers clients all the same; or the network between them fails.
    """
    links = {name: report.links for name, report in reports.items() if isinstance(report, NodeReport)}
    return [
        f"nodes {one} and {other} are not linked with each other: their logs say why"
        for one, other in itertools.combinations(links, 2)
        if node in (None, one, other) and (other not in links[one] or one not in links[other])
    ]


def nodes_expected(client: Client, addresses: int) -> int:
    """Return how many nodes a client dials: those that it knows by name, and at least as many as its addresses."""
    return max(addresses, len(client.known_nodes))


def refusals_of(client: Client, addresses: int) -> tuple[str, ...]:
    """Return a sentence for each refusal of this client; none if it is linked with as many nodes as it dials."""
    if len(client.nodes) >= nodes_expected(client, addresses):
        return ()
    return tuple(f"this client is refused at {text}" for text in client.system.remoting.refused_handshakes.latest)


def exit_code_of(reports: Mapping[str, object]) -> int:
    """Return 0 if all nodes have answered, `DEGRADED` if only some have, `UNREACHABLE` if none has."""
    errors = sum(isinstance(report, CoterieError) for report in reports.values())
    if errors == len(reports):
        return UNREACHABLE
    return DEGRADED if errors else 0


def as_json(reports: Mapping[str, DataclassInstance | CoterieError]) -> dict[str, object]:
    """Return the reports, which are dataclasses, as a JSON object."""
    return {
        node: {"error": str(report)} if isinstance(report, CoterieError) else dataclasses.asdict(report)
        for node, report in reports.items()
    }
