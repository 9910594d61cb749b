"""`NodeReportActor`: reports the groups, pools and actors of its node, for example to `coterie status`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import assert_never

from coterie.actors.detection.detector_messages import DETECTOR_PATH, MembersReport, ReportMembers
from coterie.actors.inspection import ActorsReport, ReportActors, inspect_actors
from coterie.actors.network_addresses import format_address
from coterie.actors.pools.pool_reports import PoolCallers, PoolsReport, ReportPools
from coterie.runtime.actor import Actor, Later
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.messages.speakers import Speaker
from coterie.runtime.observing.load_monitor import LoadMonitor
from coterie.runtime.refs import Address
from coterie.runtime.transport.handshake.identity import owner_of

__all__ = [
    "NODE_REPORT_PATH",
    "NodeDirectory",
    "NodeReport",
    "NodeReportActor",
    "ReportDirectory",
    "ReportNode",
    "no_operator_text",
]

NODE_REPORT_PATH = "#node"
"""The path of the `NodeReportActor` on every node: no part of a topology can have this name."""


@message(name="node.Report")
class NodeReport:
    """One node: its name and cluster, the names of what it runs by kind, and the peers it is linked to now.

    `nodes`: all nodes of its topology, and those of which its groups have learned. `ended`: the parts whose actor is
    gone for good: its restart budget is spent, or it has stopped itself. `all_groups`: the groups of its topology, on
    whichever nodes they run. `serving`: the nodes on which its topology places anything else, but for the detector.
    """

    node: str
    cluster: str
    groups: tuple[str, ...]
    synods: tuple[str, ...]
    pools: tuple[str, ...]
    links: tuple[str, ...]
    actors: tuple[str, ...] = ()
    balancers: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()
    all_groups: tuple[str, ...] = ()
    serving: tuple[str, ...] = ()


@message(name="node.Directory")
class NodeDirectory:
    """What a node tells any client: where it dials the other nodes, and which groups and singletons there are.

    `address_by_node`: `host:port` by name. `groups`, `singletons`: those of its topology, on whichever nodes they run.
    """

    address_by_node: Mapping[str, str]
    groups: tuple[str, ...]
    singletons: tuple[str, ...] = ()


@message(name="node.ReportDirectory", speaker=Speaker.CLIENT)
class ReportDirectory(Ask[NodeDirectory]):
    """Ask a node for its directory."""


@message(name="node.ReportNode", speaker=Speaker.OPERATOR)
class ReportNode(Ask[NodeReport]):
    """Ask a node for its report."""


def no_operator_text(client: str) -> str:
    """Return the text of the error of a client to which no node reports."""
    owner = owner_of(client)
    return (
        f"client {owner!r} is no operator of this cluster: reports, and changes of groups, are for operators "
        f"(Topology(…, operators=[{owner!r}]) on all nodes), and for the key or certificate of a node"
    )


class NodeReportActor(Actor[ReportNode | ReportDirectory | ReportActors | ReportMembers | ReportPools]):
    """Reports what its node runs, inspects its actors and pools, and passes on what its failure detector reports.

    `nodes`: those of the topology. `all_groups`, `singletons`: also those that run on other nodes only. `serving`: the
    nodes that have other parts than groups and a detector.
    `groups` … `balancers` are the names of the node's parts; `has_detector`: whether it runs a failure detector.
    """

    def __init__(
        self,
        *,
        nodes: tuple[str, ...],
        all_groups: tuple[str, ...],
        serving: tuple[str, ...],
        groups: tuple[str, ...],
        synods: tuple[str, ...],
        pools: tuple[str, ...],
        actors: tuple[str, ...],
        balancers: tuple[str, ...],
        has_detector: bool,
        singletons: tuple[str, ...] = (),
    ) -> None:
        self._nodes = nodes
        self._all_groups = all_groups
        self._serving = serving
        self._groups = groups
        self._synods = synods
        self._pools = pools
        self._actors = actors
        self._balancers = balancers
        self._has_detector = has_detector
        self._singletons = singletons

    def on_start(self) -> None:
        """Start measuring the load of the actors."""
        self._load_monitor = LoadMonitor(self.context.system)

    def on_stop(self) -> None:
        """Stop measuring."""
        self._load_monitor.stop()

    async def receive(
        self, msg: ReportNode | ReportDirectory | ReportActors | ReportMembers | ReportPools, /
    ) -> NodeReport | NodeDirectory | ActorsReport | MembersReport | PoolsReport | None:
        """Return the report that was asked for."""
        match msg:
            case ReportNode():
                return self._node_report()
            case ReportDirectory():
                return self._directory()
            case ReportActors():
                return await inspect_actors(self.context.system, self._load_monitor, msg)
            case ReportMembers():
                return self._members_report(msg)
            case ReportPools():
                return self.context.system.extension(PoolCallers).report(msg)
            case _:
                assert_never(msg)

    def _node_report(self) -> NodeReport:
        system = self.context.system
        links = tuple(sorted(system.remoting.linked_names))
        cluster = system.identity.cluster
        parts = (self._groups, self._synods, self._pools, links, self._actors, self._balancers)
        named = dict.fromkeys((*self._groups, *self._synods, *self._pools, *self._actors, *self._balancers))
        ended = tuple(name for name in named if system.registry.cell_at(name) is None)
        nodes = tuple(dict.fromkeys((*self._nodes, *system.remoting.network().member_addresses)))
        return NodeReport(system.node, cluster, *parts, nodes, ended, self._all_groups, self._serving)

    def _directory(self) -> NodeDirectory:
        members = self.context.system.remoting.network().member_addresses
        addresses = {node: format_address(address) for node, address in members.items()}
        return NodeDirectory(addresses, self._all_groups, self._singletons)

    def _members_report(self, msg: ReportMembers) -> MembersReport | None:
        """Ask the detector, which clients cannot reach; its answer, or its error, becomes the reply."""
        system = self.context.system
        if not self._has_detector:
            return MembersReport(system.node, None, ())
        later = self.context.reply_later(msg)
        asked = system.at(Address(system.node, DETECTOR_PATH)).ask(msg)
        asked.add_done_callback(partial(_pass_on, later))
        return None


def _pass_on(later: Later[MembersReport], asked: asyncio.Future[MembersReport]) -> None:
    if asked.cancelled():
        return
    error = asked.exception()
    if isinstance(error, Exception):
        later.fail(error)
    else:
        later.reply(asked.result())
