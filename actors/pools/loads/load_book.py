"""`LoadBook`: keeps the latest load report of each target: remote ones as they came with replies, local ones live."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from coterie.actors.pools.loads.load_messages import LOAD_TYPE
from coterie.actors.pools.loads.target_meter import TargetMeter
from coterie.protocols.balancing.load_report import LoadReport
from coterie.runtime.messages.value_codecs import NO_REFS

if TYPE_CHECKING:
    from coterie.runtime.refs import Ref
    from coterie.runtime.remote.link_events import LinkEvent
    from coterie.runtime.system import System

__all__ = ["TARGETS_MAX", "LoadBook"]

TARGETS_MAX: Final = 10_000
"""The most targets of one node whose reports are kept; the report that came first is dropped for the next one."""


class LoadBook:
    """The load reports that one system has received. `system.extension(LoadBook)` returns the system's own.

    A remote target reports with its replies while this node has subscribed to it (`ListWorkers.subscriber`). A local
    one need not: its meter is read. The reports of a node are forgotten when its link ends.
    """

    def __init__(self, system: System) -> None:
        self._system = system
        self._by_node: dict[str, dict[str, tuple[LoadReport, float]]] = {}  # by path: the report, and when it came
        system.remoting.load_listener = self._received
        system.on_link(self._link_changed)

    def latest(self, ref: Ref[Any], *, since: float = -math.inf) -> LoadReport | None:
        """Return the latest report of an actor; None if there is none.

        `since`: the report must not have come earlier (monotonic, s): a target may have stopped reporting, and an old
        report must not count twice. Pass the time of the pick.
        """
        if ref.node == self._system.node:
            cell = self._system.registry.cell_at(ref.path)
            meter = None if cell is None or ref.uid not in (0, cell.ref.uid) else cell.options.meter
            return meter.report() if isinstance(meter, TargetMeter) else None
        report, received_at = self._by_node.get(ref.node, {}).get(ref.path, (None, -math.inf))
        return report if received_at >= since else None

    def __len__(self) -> int:
        return sum(map(len, self._by_node.values()))

    def _received(self, node: str, path: str, values: Sequence[object]) -> None:
        """Keep the report that came with a reply. BadMessage: the values are not those of a `LoadReport`."""
        report = cast(LoadReport, LOAD_TYPE.decode(values, NO_REFS))
        by_path = self._by_node.setdefault(node, {})
        by_path.pop(path, None)  # the latest is the last
        if len(by_path) >= TARGETS_MAX:
            del by_path[next(iter(by_path))]
        by_path[path] = (report, self._system.host.clock.monotonic())

    def _link_changed(self, event: LinkEvent) -> None:
        if event.kind != "up":
            self._by_node.pop(event.node, None)
