"""What a node runs, for whoever wants to look: `coterie status`, `top` and `actors` ask it."""

from __future__ import annotations

from coterie.actors.inspection import ActorsReport, ReportActors, inspect_actors
from coterie.runtime.actor import Actor
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.observing.load_monitor import Lookout

__all__ = ["DIRECTORY", "DirectoryActor", "NodeReport", "ReportNode"]

DIRECTORY = "#node"
"""The path of the directory on every node: no part of a topology can have this name."""


@message(name="node.Report")
class NodeReport:
    """A node: its name and cluster, what it runs by kind, and whom it is linked with now."""

    node: str
    cluster: str
    groups: tuple[str, ...]
    synods: tuple[str, ...]
    pools: tuple[str, ...]
    links: tuple[str, ...]
    actors: tuple[str, ...] = ()


@message(name="node.ReportNode")
class ReportNode(Ask[NodeReport]):
    """Ask a node what it runs."""


class DirectoryActor(Actor[ReportNode | ReportActors]):
    """Knows what its node runs."""

    def __init__(
        self, *, groups: tuple[str, ...], synods: tuple[str, ...], pools: tuple[str, ...], actors: tuple[str, ...]
    ) -> None:
        self._groups = groups
        self._synods = synods
        self._pools = pools
        self._actors = actors

    def on_start(self) -> None:
        """Be ready to look."""
        self._lookout = Lookout(self.context.system)

    def on_stop(self) -> None:
        """Look no more."""
        self._lookout.end()

    async def receive(self, msg: ReportNode | ReportActors, /) -> NodeReport | ActorsReport:
        """Report."""
        if isinstance(msg, ReportActors):
            return await inspect_actors(self.context.system, self._lookout, msg)
        return self._node_report()

    def _node_report(self) -> NodeReport:
        system = self.context.system
        links = tuple(sorted(peer.node for peer in system.links))
        cluster = system.identity.cluster
        return NodeReport(system.node, cluster, self._groups, self._synods, self._pools, links, self._actors)
