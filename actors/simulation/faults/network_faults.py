"""Faults of the network: weather, resets, holes, and links that are blocked for a while.

A link may be blocked by several faults at once: it opens when the last of them has ended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Protocol, assert_never

from coterie.actors.simulation.faults.fault_timing import Timing
from coterie.protocols.algorithm import NodeId
from coterie.protocols.faults.fault_counts import Firings
from coterie.protocols.faults.kinds.fault_kinds import (
    ANYWHERE,
    Bandwidth,
    Clog,
    Corrupt,
    Delay,
    Flap,
    HalfOpen,
    Link,
    Loss,
    Partition,
    Reset,
    ResetMidFrame,
    kind,
)
from coterie.protocols.simulation.faults.link_faults import broken_links, links_between
from coterie.runtime.hosts.simulation.link_conditions import WeatherLink
from coterie.runtime.hosts.simulation.random_durations import Duration

__all__ = ["FaultyNetwork", "NetworkFaults"]

LOOK_EVERY_S = 0.01
LATER_S = 0.05

Weather = Delay | Loss | Corrupt | Bandwidth
NetworkFault = Weather | Reset | ResetMidFrame | HalfOpen | Clog | Flap


class FaultyNetwork(Protocol):
    """A network whose links can be struck: that of a simulated world, or real proxies.

    Its verbs are those of `VirtualNetwork`, which says what each does.
    """

    def link(self, source: str, target: str, /) -> WeatherLink: ...  # noqa: D102 (as the class says)
    def connections(self) -> list[tuple[str, str]]: ...  # noqa: D102
    def block(self, source: str, target: str, /) -> None: ...  # noqa: D102
    def unblock(self, source: str, target: str, /) -> None: ...  # noqa: D102
    def holds_back(self, source: str, target: str, /) -> bool: ...  # noqa: D102
    def open_hole(self, source: str, target: str, /) -> None: ...  # noqa: D102
    def has_swallowed(self, source: str, target: str, /) -> bool: ...  # noqa: D102
    def close_hole(self, source: str, target: str, /) -> int: ...  # noqa: D102
    def reset(self, source: str, target: str, /) -> None: ...  # noqa: D102
    def heal(self) -> None: ...  # noqa: D102


class NetworkFaults:
    """Strikes links. "*" is every node, and as a source or destination of weather every client too.

    Args:
        network: what is struck.
        nodes: the names of the nodes.
        timing: when faults begin and end.
        firings: what took effect is noted here.
        dialers: returns the clients that there are now.
        is_gone: whether a node is out for good: its links are left alone.
    """

    def __init__(
        self,
        network: FaultyNetwork,
        nodes: Sequence[str],
        timing: Timing,
        firings: Firings,
        *,
        dialers: Callable[[], Sequence[str]],
        is_gone: Callable[[str], bool],
    ) -> None:
        self._network = network
        self._nodes = tuple(NodeId(name) for name in nodes)
        self._dialers = dialers
        self._is_gone = is_gone
        self._timing = timing
        self._firings = firings
        self._blocks: Counter[Link] = Counter()
        self._holes: dict[Link, None] = {}

    def strike(self, fault: NetworkFault) -> None:
        """Carry a fault out."""
        match fault:
            case Delay() | Loss() | Corrupt() | Bandwidth():
                self._turn(fault)
            case Reset():
                self._reset(fault)
            case ResetMidFrame():
                self._cut(fault)
            case HalfOpen():
                self._open_holes(fault)
            case Clog():
                self._clog(fault)
            case Flap():
                self._flap(fault)
            case _:
                assert_never(fault)

    def part(self, fault: Partition, middle: str) -> None:
        """Break the links of a partition around `middle`."""
        links = broken_links(fault.shape, middle, fault.others, self._nodes)
        self._block(links)
        has_hit = self._watch(kind(fault), links, self._network.holds_back)
        self._timing.lasting(fault.duration_s, has_hit, lambda: self._unblock(links))

    def calm(self) -> None:
        """End everything at once."""
        self._blocks.clear()
        self._close_holes(list(self._holes))
        for source, target in self._everywhere(ANYWHERE, ANYWHERE):
            self._network.link(source, target).calm()
        self._network.heal()

    # --- weather ----------------------------------------------------------------------------------------------------

    def _turn(self, fault: Weather) -> None:
        links = [self._network.link(*ends) for ends in self._everywhere(fault.source, fault.destination)]
        name, clear = _weather(fault, links)
        before = sum(link.fired[name] for link in links)

        def has_hit() -> bool:
            return sum(link.fired[name] for link in links) > before

        def stop() -> None:
            self._firings.note(fault.KIND)
            clear()

        self._timing.lasting(fault.duration_s, has_hit, stop)

    def _reset(self, fault: Reset) -> None:
        open_now = set(self._network.connections())
        hit = [ends for ends in self._everywhere(fault.source, fault.destination) if ends in open_now]
        if not hit:
            self._timing.after(LATER_S, lambda: self._reset(fault))
            return
        self._firings.note(fault.KIND)
        for source, target in hit:
            self._network.reset(source, target)

    def _cut(self, fault: ResetMidFrame) -> None:
        links = [self._network.link(*ends) for ends in self._everywhere(fault.source, fault.destination)]
        before = sum(link.fired["cut"] for link in links)
        for link in links:
            link.cuts_next = True
        self._timing.lasting(
            LATER_S,
            lambda: sum(link.fired["cut"] for link in links) > before,
            lambda: self._firings.note(fault.KIND),
        )

    def _open_holes(self, fault: HalfOpen) -> None:
        links = self._living(links_between(fault.source, fault.destination, self._nodes))
        for link in links:
            self._holes[link] = None
            self._network.open_hole(*link)

        has_hit = self._watch(fault.KIND, links, self._network.has_swallowed)
        self._timing.lasting(fault.duration_s, has_hit, lambda: self._close_holes(links))

    def _close_holes(self, links: Iterable[Link]) -> None:
        for link in links:
            if link in self._holes:
                del self._holes[link]
                self._network.close_hole(*link)

    # --- blocked links ----------------------------------------------------------------------------------------------

    def _clog(self, fault: Clog) -> None:
        half_s, links = fault.duration_s / 2, self._living(fault.links)
        opens = [link for link in fault.opens if link in links] or links
        step_s = half_s / len(links)
        for at, link in enumerate(links):
            self._timing.after(at * step_s, partial(self._block, [link]))

        def reopen() -> None:
            for at, link in enumerate(opens):
                self._timing.after(at * step_s, partial(self._unblock, [link]))

        self._timing.lasting(half_s, self._watch(kind(fault), links, self._network.holds_back), reopen)

    def _flap(self, fault: Flap) -> None:
        links = self._living(links_between(fault.source, fault.destination, self._nodes))
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

    def _watch(self, name: str, links: Sequence[Link], is_hit: Callable[[str, str], bool]) -> Callable[[], bool]:
        """Look at `links` from now on until one is hit, which counts as `name`; return what says whether one was."""
        is_noted = False

        def look() -> None:
            nonlocal is_noted
            is_noted = any(is_hit(*link) for link in links)
            if is_noted:
                self._firings.note(name)
            else:
                self._timing.after(LOOK_EVERY_S, look)

        look()
        return lambda: is_noted

    def _block(self, links: Iterable[Link]) -> None:
        for link in links:
            self._blocks[link] += 1
            self._network.block(*link)

    def _unblock(self, links: Iterable[Link]) -> None:
        for link in links:
            self._blocks[link] -= 1
            if self._blocks[link] <= 0:
                del self._blocks[link]
                self._network.unblock(*link)

    # --- where ------------------------------------------------------------------------------------------------------

    def _everywhere(self, source: str, destination: str) -> list[tuple[str, str]]:
        everybody = (*self._nodes, *(NodeId(name) for name in self._dialers()))
        return list(self._living(links_between(source, destination, everybody)))

    def _living(self, links: Sequence[Link]) -> Sequence[Link]:
        """Return those of `links` whose ends are not out for good; if there is none, all such links."""
        gone = [name for name in self._nodes if self._is_gone(name)]
        left = [link for link in links if not any(name in gone for name in link)]
        living = [node for node in self._nodes if node not in gone]
        return left or links_between(ANYWHERE, ANYWHERE, living)


def _weather(fault: Weather, links: Sequence[WeatherLink]) -> tuple[str, Callable[[], None]]:
    """Turn the weather of `links`; return how the links count it, and what ends it if nothing has replaced it."""
    match fault:
        case Delay():
            extra = Duration(fault.delay_s, fault.tail, fault.tail_s)
            return "delayed", _set(links, "extra", extra, None)
        case Loss():
            return "lost", _set(links, "loss", fault.probability, 0.0)
        case Corrupt():
            return "corrupted", _set(links, "corruption", fault.probability, 0.0)
        case Bandwidth():
            return "throttled", _set(links, "bytes_per_s", float(fault.bytes_per_s), None)


def _set(links: Sequence[WeatherLink], what: str, value: object, calm: object) -> Callable[[], None]:
    for link in links:
        setattr(link, what, value)

    def clear() -> None:
        for link in links:
            if getattr(link, what) is value or getattr(link, what) == value:
                setattr(link, what, calm)

    return clear
