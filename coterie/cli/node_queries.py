"""Node queries: asks a cluster's nodes for their reports, which the inspecting commands print."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, TypeVar

from coterie.actors.client import Client
from coterie.actors.groups.group_messages import CodeReport
from coterie.actors.inspection import ActorsReport
from coterie.actors.network_addresses import format_address, parse_address
from coterie.actors.node_report import NODE_REPORT_PATH, NodeReport, ReportNode, no_operator_text
from coterie.cli.command_loop import UNREACHABLE, NameNotFound, NameUncertain
from coterie.cli.output.json_envelope import Code, Problem, problems
from coterie.errors import ActorNotFound, CoterieError, NodeStarting
from coterie.protocols.evolution.revisions import Revision
from coterie.protocols.evolution.schema import Schema
from coterie.runtime.messages.message import Ask
from coterie.runtime.refs import Address
from coterie.runtime.transport.handshake.definite_refusals import advice_on

__all__ = [
    "DEGRADED",
    "NoAnswer",
    "NotAnOperator",
    "ReportByNode",
    "check_group",
    "check_groups",
    "code_schemas",
    "exit_code_of",
    "kinds_of",
    "nodes_expected",
    "query_node",
    "query_nodes",
    "refusals_of",
    "silence",
    "silent_lines",
    "silent_nodes",
    "unlinked",
    "with_silent",
]

R = TypeVar("R")

ASK_TIMEOUT_S = 5.0

STARTING_LOOK_S: Final = 0.1
"""How often a node is asked again that listens already, and has not started yet."""

DEGRADED: Final = 5
"""The exit code if not all nodes answer, or not all is well with those that do."""


ReportByNode = Mapping[str, ActorsReport | CoterieError]
"""The report of each node, or the error in its place."""


class NotAnOperator(CoterieError):
    """The nodes do not report to this client."""

    def __init__(self, client: str) -> None:
        super().__init__(no_operator_text(client))


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
    """Ask a node for a report, again while it is starting; `timeout_s`: how long, together.

    An error is returned, not raised: one silent node must not fail the whole query.

    Raises:
        NotAnOperator: the node does not report to this client.
    """
    clock = client.system.host.clock
    deadline, ref = clock.monotonic() + timeout_s, client.system.at(Address(node, NODE_REPORT_PATH))
    while True:
        try:
            report: R = await ref.ask(request, timeout_s=max(STARTING_LOOK_S, deadline - clock.monotonic()))
        except NodeStarting as error:
            if clock.monotonic() + STARTING_LOOK_S >= deadline:
                return error
            await asyncio.sleep(STARTING_LOOK_S)
        except ActorNotFound as error:  # every node has that actor, once it has started
            raise NotAnOperator(client.system.node) from error
        except CoterieError as error:
            return error
        else:
            return report


async def check_group(client: Client, group: str, timeout_s: float = ASK_TIMEOUT_S) -> None:
    """Check that this client may ask for reports, and that a node that answers runs such a group, if one answers.

    Raises:
        NotAnOperator: the nodes do not report to this client.
        NameNotFound, NameUncertain: as `check_groups`.
    """
    reports = await query_nodes(client, ReportNode(), timeout_s)
    starting = [node for node, report in reports.items() if isinstance(report, NodeStarting)]
    if starting and not any(isinstance(report, NodeReport) for report in reports.values()):
        return  # what is asked of the group waits for those, in its own time
    check_groups(reports, [group])


def silence(answer: object) -> str:
    """Return in words what a node does that has not reported: `does not answer`, or `is starting`."""
    return "is starting" if isinstance(answer, NodeStarting) else "does not answer"


def check_groups(reports: Mapping[str, NodeReport | CoterieError], groups: Iterable[str]) -> None:
    """Check that some node that answers runs each of these groups; the text of an error has those that there are.

    Raises:
        NameNotFound: all nodes answer, and none runs it, or it is of another kind: a pool, for example.
        NameUncertain: no node that answers runs it, and some do not answer.
    """
    answers = [report for report in reports.values() if isinstance(report, NodeReport)]
    silent = [node for node, report in reports.items() if not isinstance(report, NodeReport)]
    known = {name for report in answers for name in report.groups}
    there_are = ", ".join(sorted(known)) or "none"
    for group in groups:
        kinds = kinds_of(reports, group)
        if group in known or not (answers or silent):
            continue
        if kinds:
            raise NameNotFound(f"{group!r} is {kinds}, and no group: the groups are {there_are}")
        if silent:
            raise NameUncertain(
                f"no node that answers runs a group {group!r}: they run {there_are}; {', '.join(silent)} may, and "
                f"{'does' if len(silent) == 1 else 'do'} not answer: see the addresses (--connect)"
            )
        raise NameNotFound(f"there is no group {group!r}: the nodes run {there_are}")


def kinds_of(reports: Mapping[str, NodeReport | CoterieError], name: str) -> str:
    """Return what the nodes run under this name, in words: `a pool`; "" if that is nothing."""
    answers = [report for report in reports.values() if isinstance(report, NodeReport)]
    names_by_kind = {
        "a group": {each for report in answers for each in report.groups},
        "a synod": {each for report in answers for each in report.synods},
        "a pool": {each for report in answers for each in report.pools},
        "a balancer": {each for report in answers for each in report.balancers},
        "an actor": {each for report in answers for each in report.actors},
    }
    return " and ".join(kind for kind, names in names_by_kind.items() if name in names)


def code_schemas(reports: Mapping[str, CodeReport | CoterieError]) -> dict[str, Schema]:
    """Return the schema of each node's code of a group, by node, as far as this release can read it."""
    found = {}
    for node, report in reports.items():
        if isinstance(report, CodeReport) and report.revision:
            try:
                found[node] = Revision.decode(report.revision).schema
            except ValueError:
                continue  # of a later release of coterie
    return found


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


def nodes_expected(client: Client, addresses: Collection[str]) -> int:
    """Return how many nodes a client dials: those that it knows by name, and at least as many as its addresses."""
    return max(len(set(addresses)), len(client.known_nodes))


def refusals_of(client: Client, addresses: Collection[str]) -> tuple[str, ...]:
    """Return a sentence for each refusal of this client.

    If it is linked with as many nodes as it dials, those alone that are for good, by one of the `addresses` that it was
    given: there is another cluster, for example.
    """
    latest: Sequence[str] = client.system.remoting.refused_handshakes.latest
    if len(client.nodes) >= nodes_expected(client, addresses):
        given = [format_address(parse_address(address)) for address in addresses]
        latest = [text for text in latest if any(_is_for_good(text, address) for address in given)]
    return tuple(f"this client is refused at {text}" for text in latest)


def _is_for_good(refusal: str, address: str) -> bool:
    at, _, reason = refusal.partition(f"{address}: ")
    return not at and advice_on(reason.partition(":")[0]) is not None


def exit_code_of(reports: Mapping[str, object]) -> int:
    """Return 0 if all nodes have answered, `DEGRADED` if only some have, `UNREACHABLE` if none has."""
    errors = sum(isinstance(report, CoterieError) for report in reports.values())
    if errors == len(reports):
        return UNREACHABLE
    return DEGRADED if errors else 0


def silent_lines(reports: Mapping[str, object]) -> list[str]:
    """Return a line for each node that has not answered."""
    return [f"node {node}: {report}" for node, report in reports.items() if isinstance(report, CoterieError)]


def silent_nodes(reports: Mapping[str, object]) -> list[Problem]:
    """Return an entry of `errors` for each node that has not answered."""
    code = Code.UNREACHABLE if exit_code_of(reports) == UNREACHABLE else Code.DEGRADED
    return problems(code, silent_lines(reports))
