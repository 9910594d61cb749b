"""Fakes of processes, links and role observer, which record their calls."""

from __future__ import annotations

import asyncio
import random

from coterie.nemesis.role_observer import RoleObserver
from coterie.protocols.faults.kinds.fault_kinds import TargetRole
from coterie.runtime.hosts.simulation.link_conditions import ConditionedLink
from coterie.runtime.hosts.simulation.random_durations import RandomDuration
from coterie.runtime.hosts.virtual.virtual_loop import VirtualLoop

__all__ = ["NODES", "FakeNetwork", "FakeObserver", "FakeProcesses"]

NODES = ("n1", "n2", "n3")


class FakeProcesses:
    """Processes that record the calls, with their times."""

    nodes = NODES

    def __init__(self) -> None:
        self.calls: list[tuple[float, str, str]] = []
        self.code_when_wiped: int | None = 1

    async def start(self, node: str, /) -> None:
        await asyncio.sleep(0)
        self._note("start", node)

    async def kill(self, node: str, /) -> None:
        await asyncio.sleep(0)
        self._note("kill", node)

    def pause(self, node: str, /) -> None:
        self._note("pause", node)

    def resume(self, node: str, /) -> None:
        self._note("resume", node)

    async def start_wiped(self, node: str, /) -> int:
        self._note("start wiped", node)
        if self.code_when_wiped is None:
            raise TimeoutError
        return self.code_when_wiped

    def _note(self, what: str, node: str) -> None:
        self.calls.append((round(asyncio.get_running_loop().time(), 3), what, node))


class FakeNetwork:
    """Links on which something is under way all the time, in every direction."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, str]] = []
        self.is_healed = False
        self.is_busy = True
        clock, ways = VirtualLoop.running().clock, [(a, b) for a in (*NODES, "c1") for b in (*NODES, "c1") if a != b]
        self.links = {way: ConditionedLink(*way, lambda: RandomDuration(0.0), clock, random.Random(1)) for way in ways}

    def send_everywhere(self) -> None:
        """Send something over every link."""
        for link in self.links.values():
            link.delay_s(100)
            list(link.carry(b"something"))

    def link(self, source: str, target: str, /) -> ConditionedLink:
        return self.links[source, target]

    def connections(self) -> list[tuple[str, str]]:
        return list(self.links)

    def block(self, source: str, target: str, /) -> None:
        self.calls.append(("block", source, target))
        self.links[source, target].is_blocked = True

    def unblock(self, source: str, target: str, /) -> None:
        self.calls.append(("unblock", source, target))
        self.links[source, target].is_blocked = False

    def holds_back(self, source: str, target: str, /) -> bool:
        return self.is_busy and self.links[source, target].is_blocked

    def open_black_hole(self, source: str, target: str, /) -> None:
        self.calls.append(("open hole", source, target))
        self.links[source, target].is_black_hole = True

    def has_lost_data(self, source: str, target: str, /) -> bool:
        return self.is_busy and self.links[source, target].is_black_hole

    def close_black_hole(self, source: str, target: str, /) -> int:
        self.calls.append(("close hole", source, target))
        self.links[source, target].is_black_hole = False
        return 1

    def reset(self, source: str, target: str, /) -> None:
        self.calls.append(("reset", source, target))

    def heal(self) -> None:
        self.is_healed = True


class FakeObserver(RoleObserver):
    """Returns the nodes that the test has set for the roles."""

    def __init__(self) -> None:
        self.shown: dict[TargetRole, str] = {}

    async def node_in_role(self, role: TargetRole) -> str | None:
        """Return it."""
        return self.shown.get(role)
