"""`NetworkFaults`: injects faults into network links: delay, loss, corruption, low bandwidth, reset, blocked link.

A link may be blocked by several faults at once; it is unblocked when the last of them has ended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Protocol, assert_never

from coterie.actors.simulation.faults.fault_timing import FaultTiming
from coterie.protocols.algorithm import NodeId
from coterie.protocols.faults.fault_counts import FaultCounts
from coterie.protocols.faults.kinds.fault_kinds import (
    ANYWHERE,
    Bandwidth,
    Clog,
    Corrupt,
    Delay,
    Flap,
    HalfOpen,
    Loss,
    NodePair,
    Partition,
    Reset,
    ResetMidFrame,
    kind,
)
from coterie.protocols.simulation.faults.link_faults import broken_links, links_between
from coterie.runtime.hosts.simulation.link_conditions import ConditionedLink
from coterie.runtime.hosts.simulation.random_durations import RandomDuration

__all__ = ["FaultyNetwork", "NetworkFaults"]

POLL_INTERVAL_S = 0.01
RETRY_INTERVAL_S = 0.05

LinkConditionFault = Delay | Loss | Corrupt | Bandwidth
NetworkFault = LinkConditionFault | Reset | ResetMidFrame | HalfOpen | Clog | Flap


class FaultyNetwork(Protocol):
    """A network into which faults can be injected: that of a simulated world, or real proxies.

    `VirtualNetwork` documents the methods.
    """

    def link(self, source: str, target: str, /) -> ConditionedLink: ...  # noqa: D102 (documented in VirtualNetwork)
    def connections(self) -> list[tuple[str, str]]: ...  # noqa: D102
    def block(self, source: str, target: str, /) -> None: ...  # noqa: D102
    def unblock(self, source: str, target: str, /) -> None: ...  # noqa: D102
    def holds_back(self, source: str, target: str, /) -> bool: ...  # noqa: D102
    def open_black_hole(self, source: str, target: str, /) -> None: ...  # noqa: D102
    def has_lost_data(self, source: str, target: str, /) -> bool: ...  # noqa: D102
    def close_black_hole(self, source: str, target: str, /) -> int: ...  # noqa: D102
    def reset(self, source: str, target: str, /) -> None: ...  # noqa: D102
    def heal(self) -> None: ...  # noqa: D102


class NetworkFaults:
    """Injects faults into links. "*" is every node; in link conditions and resets also every client.

    Args:
        network: to inject faults into.
        nodes: the names of the nodes.
        timing: schedules the end of faults.
        fault_counts: counts the faults that took effect.
        clients: returns the names of the present clients.
        is_gone: returns whether a node is permanently down; its links get no faults.
    """

    def __init__(
        self,
        network: FaultyNetwork,
        nodes: Sequence[str],
        timing: FaultTiming,
        fault_counts: FaultCounts,
        *,
        clients: Callable[[], Sequence[str]],
        is_gone: Callable[[str], bool],
    ) -> None:
        self._network = network
        self._nodes = tuple(NodeId(name) for name in nodes)
        self._clients = clients
        self._is_gone = is_gone
        self._timing = timing
        self._fault_counts = fault_counts
        self._blocks: Counter[NodePair] = Counter()
        self._black_holes: dict[NodePair, None] = {}

    def inject(self, fault: NetworkFault) -> None:
        """Inject a fault."""
        match fault:
            case Delay() | Loss() | Corrupt() | Bandwidth():
                self._set_conditions(fault)
            case Reset():
                self._reset(fault)
            case ResetMidFrame():
                self._cut(fault)
            case HalfOpen():
                self._open_black_holes(fault)
            case Clog():
                self._clog(fault)
            case Flap():
                self._flap(fault)
            case _:
                assert_never(fault)

    def partition(self, fault: Partition, target: str) -> None:
        """Block the links of a partition around `target`."""
        links = broken_links(fault.shape, target, fault.others, self._nodes)
        self._block(links)
        has_hit = self._watch(kind(fault), links, self._network.holds_back)
        self._timing.stop_after(fault.duration_s, has_hit, lambda: self._unblock(links))

    def end_all(self) -> None:
        """End every network fault at once."""
        self._blocks.clear()
        self._close_black_holes(list(self._black_holes))
        for source, target in self._pairs(ANYWHERE, ANYWHERE):
            self._network.link(source, target).clear_conditions()
        self._network.heal()

    # --- link conditions --------------------------------------------------------------------------------------------

    def _set_conditions(self, fault: LinkConditionFault) -> None:
        links = [self._network.link(*ends) for ends in self._pairs(fault.source, fault.destination)]
        name, clear = _apply(fault, links)
        before = sum(link.fired[name] for link in links)

        def has_hit() -> bool:
            return sum(link.fired[name] for link in links) > before

        def stop() -> None:
            self._fault_counts.note(fault.KIND)
            clear()

        self._timing.stop_after(fault.duration_s, has_hit, stop)

    def _reset(self, fault: Reset) -> None:
        open_now = set(self._network.connections())
        hit = [ends for ends in self._pairs(fault.source, fault.destination) if ends in open_now]
        if not hit:
            self._timing.after(RETRY_INTERVAL_S, lambda: self._reset(fault))
            return
        self._fault_counts.note(fault.KIND)
        for source, target in hit:
            self._network.reset(source, target)

    def _cut(self, fault: ResetMidFrame) -> None:
        links = [self._network.link(*ends) for ends in self._pairs(fault.source, fault.destination)]
        before = sum(link.fired["cut"] for link in links)
        for link in links:
            link.cuts_next = True
        self._timing.stop_after(
            RETRY_INTERVAL_S,
            lambda: sum(link.fired["cut"] for link in links) > before,
            lambda: self._fault_counts.note(fault.KIND),
        )

    def _open_black_holes(self, fault: HalfOpen) -> None:
        links = self._usable(links_between(fault.source, fault.destination, self._nodes))
        for link in links:
            self._black_holes[link] = None
            self._network.open_black_hole(*link)

        has_hit = self._watch(fault.KIND, links, self._network.has_lost_data)
        self._timing.stop_after(fault.duration_s, has_hit, lambda: self._close_black_holes(links))

    def _close_black_holes(self, links: Iterable[NodePair]) -> None:
        for link in links:
            if link in self._black_holes:
                del self._black_holes[link]
                self._network.close_black_hole(*link)

    # --- blocked links ----------------------------------------------------------------------------------------------

    def _clog(self, fault: Clog) -> None:
        half_s, links = fault.duration_s / 2, self._usable(fault.links)
        opens = [link for link in fault.opens if link in links] or links
        step_s = half_s / len(links)
        for at, link in enumerate(links):
            self._timing.after(at * step_s, partial(self._block, [link]))

        def reopen() -> None:
            for at, link in enumerate(opens):
                self._timing.after(at * step_s, partial(self._unblock, [link]))

        self._timing.stop_after(half_s, self._watch(kind(fault), links, self._network.holds_back), reopen)

    def _flap(self, fault: Flap) -> None:
        links = self._usable(links_between(fault.source, fault.destination, self._nodes))
        ends_at_s = self._timing.now() + fault.duration_s
        has_hit = self._watch(kind(fault), links, self._network.holds_back)

        def go_down() -> None:
            if self._timing.now() < ends_at_s or not has_hit():
                self._block(links)
                self._timing.after(fault.period_s / 2, go_up)

        def go_up() -> None:
            self._unblock(links)
            self._timing.after(fault.period_s / 2, go_down)

        go_down()

    def _watch(self, name: str, links: Sequence[NodePair], is_hit: Callable[[str, str], bool]) -> Callable[[], bool]:
        """Poll `links` until one is hit, and count that as fault `name`; return a function: was one hit?"""
        was_hit = False

        def poll() -> None:
            nonlocal was_hit
            was_hit = any(is_hit(*link) for link in links)
            if was_hit:
                self._fault_counts.note(name)
            else:
                self._timing.after(POLL_INTERVAL_S, poll)

        poll()
        return lambda: was_hit

    def _block(self, links: Iterable[NodePair]) -> None:
        for link in links:
            self._blocks[link] += 1
            self._network.block(*link)

    def _unblock(self, links: Iterable[NodePair]) -> None:
        for link in links:
            self._blocks[link] -= 1
            if self._blocks[link] <= 0:
                del self._blocks[link]
                self._network.unblock(*link)

    # --- affected links ---------------------------------------------------------------------------------------------

    def _pairs(self, source: str, destination: str) -> list[tuple[str, str]]:
        endpoints = (*self._nodes, *(NodeId(name) for name in self._clients()))
        return list(self._usable(links_between(source, destination, endpoints)))

    def _usable(self, links: Sequence[NodePair]) -> Sequence[NodePair]:
        """Return the `links` without a node that is permanently down; if none is left, all links of the other nodes."""
        gone = [name for name in self._nodes if self._is_gone(name)]
        left = [link for link in links if not any(name in gone for name in link)]
        remaining = [node for node in self._nodes if node not in gone]
        return left or links_between(ANYWHERE, ANYWHERE, remaining)


def _apply(fault: LinkConditionFault, links: Sequence[ConditionedLink]) -> tuple[str, Callable[[], None]]:
    """Set the conditions of `links`; return the name of their counter, and a function that ends the fault.

    It does not change a link whose condition a later fault has replaced.
    """
    match fault:
        case Delay():
            extra = RandomDuration(fault.delay_s, fault.tail, fault.tail_s)
            return "delayed", _set_condition(links, ("extra_delay",), extra, None)
        case Loss():
            return "lost", _set_condition(links, ("loss", "duplication"), fault.probability, 0.0)
        case Corrupt():
            return "corrupted", _set_condition(links, ("corruption",), fault.probability, 0.0)
        case Bandwidth():
            return "throttled", _set_condition(links, ("bytes_per_s",), float(fault.bytes_per_s), None)


def _set_condition(
    links: Sequence[ConditionedLink], names: Sequence[str], value: object, default: object
) -> Callable[[], None]:
    for link in links:
        for name in names:
            setattr(link, name, value)

    def clear() -> None:
        for link in links:
            for name in names:
                if getattr(link, name) is value or getattr(link, name) == value:
                    setattr(link, name, default)

    return clear
