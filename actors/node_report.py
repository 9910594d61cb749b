"""`NodeReportActor`: reports the groups, pools and actors that its node runs, for example to `coterie status`."""

from __future__ import annotations

from coterie.actors.inspection import ActorsReport, ReportActors, inspect_actors
from coterie.runtime.actor import Actor
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.observing.load_monitor import LoadMonitor

__all__ = ["NODE_REPORT_PATH", "NodeReport", "NodeReportActor", "ReportNode"]

NODE_REPORT_PATH = "#node"
"""The path of the `NodeReportActor` on every node: no part of a topology can have this name."""


@message(name="node.Report")
class NodeReport:
    """One node: its name and cluster, the names of what it runs by kind, and the peers it is linked to now."""

    node: str
    cluster: str
    groups: tuple[str, ...]
    synods: tuple[str, ...]
    pools: tuple[str, ...]
    links: tuple[str, ...]
    actors: tuple[str, ...] = ()


@message(name="node.ReportNode")
class ReportNode(Ask[NodeReport]):
    """Ask a node for its report."""


class NodeReportActor(Actor[ReportNode | ReportActors]):
    """Reports what its node runs, and inspects its actors. `groups` … `actors` are the names of the node's parts."""

    def __init__(
        self, *, groups: tuple[str, ...], synods: tuple[str, ...], pools: tuple[str, ...], actors: tuple[str, ...]
    ) -> None:
        self._groups = groups
        self._synods = synods
        self._pools = pools
        self._actors = actors

    def on_start(self) -> None:
        """Start measuring the load of the actors."""
        self._load_monitor = LoadMonitor(self.context.system)

    def on_stop(self) -> None:
        """Stop measuring."""
        self._load_monitor.stop()

    async def receive(self, msg: ReportNode | ReportActors, /) -> NodeReport | ActorsReport:
        """Return the report that was asked for."""
        if isinstance(msg, ReportActors):
            return await inspect_actors(self.context.system, self._load_monitor, msg)
        return self._node_report()

    def _node_report(self) -> NodeReport:
        system = self.context.system
        links = tuple(sorted(peer.node for peer in system.links))
        cluster = system.identity.cluster
        return NodeReport(system.node, cluster, self._groups, self._synods, self._pools, links, self._actors)
