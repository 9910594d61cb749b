"""In the middle of the work a node is killed, and later started again. What was seen of it is data."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import Final, Literal

from coterie.actors.client import Client
from coterie.actors.groups.group_messages import GroupStatus
from coterie.cluster_processes import Cluster
from coterie.demo.coordinator import Coordinator
from coterie.demo.demo_output import Progress, Timeline
from coterie.demo.demo_topology import STORE
from coterie.demo.store_keys import probe_key
from coterie.errors import CommandTimeout, CoterieError

__all__ = ["Disturbance", "Killed", "NotCaughtUp", "Victim", "term_of", "void_reasons"]

Victim = Literal["leader", "follower", "none"]

KILL_AT: Final = 0.4
"""The share of the files that is acknowledged at the kill."""

AWAY_S: Final = 2.0
AWAY_SHARE: Final = 0.2
"""The node is away for this long, or for this share of the files, whichever is over first."""

POLL_S: Final = 0.05
CATCH_UP_TIMEOUT_S: Final = 120.0


class NotCaughtUp(CoterieError):
    """The node that was started again did not reach what was committed before."""


@dataclass(slots=True)
class Killed:
    """One kill: `in_flight` and `acknowledged` are files at that moment, `acknowledged_away` until the restart."""

    node: str
    was_leader: bool
    term: int
    in_flight: int
    acknowledged: int
    failover_ms: float | None = None
    acknowledged_away: int = 0
    catch_up_ms: float | None = None
    caught_up_index: int | None = None


def void_reasons(killed: Killed, last_term: int) -> list[str]:
    """Return why a run with a kill proves nothing, if so."""
    reasons = []
    if killed.in_flight == 0:
        reasons.append("no file was in flight at the kill")
    if killed.acknowledged_away == 0:
        reasons.append("no file was acknowledged between kill and restart")
    if killed.was_leader and last_term <= killed.term:
        reasons.append(f"the leader was killed, but the term ({killed.term}) did not rise")
    return reasons


@dataclass(slots=True)
class Disturbance:
    """Kills one node of a cluster at work, and brings it back."""

    cluster: Cluster
    client: Client
    coordinator: Coordinator
    progress: Progress
    timeline: Timeline
    run: str
    victim: Victim
    killed: Killed | None = field(default=None, init=False)

    async def carry_out(self) -> None:
        """Wait for the middle of the work, kill, measure, restart, wait until the node has caught up.

        Raises:
            NotCaughtUp: it did not in two minutes.
        """
        if self.victim == "none":
            return
        await self.progress.reached(max(1, int(KILL_AT * self.progress.total)))
        killed = await self._kill()
        await self._stay_away(killed)
        await self._restart(killed)

    async def _kill(self) -> Killed:
        node, term, was_leader = await self._choose()
        killed = Killed(node, was_leader, term, len(self.coordinator.in_flight), self.progress.count)
        self.killed = killed
        role, pid = ("leader" if was_leader else "follower"), self.cluster.pid(node)
        began_s = time.monotonic()
        await self.cluster.kill(node)
        self.timeline.say(
            f"KILL -9 of {node}, the {role} in term {term} (pid {pid}): {killed.in_flight} files in flight, "
            f"{killed.acknowledged} acknowledged"
        )
        await self._probe()
        killed.failover_ms = (time.monotonic() - began_s) * 1000
        self.timeline.say(f"first commit after the kill: unavailable for {killed.failover_ms:.0f} ms")
        return killed

    async def _choose(self) -> tuple[str, int, bool]:
        while True:
            statuses = await group_statuses(self.client)
            leaders = [status for status in statuses if status.role == "leader"]
            followers = [status for status in statuses if status.role != "leader"]
            if leaders and followers:
                leader = max(leaders, key=lambda status: status.term)
                is_leader = self.victim == "leader"
                return (leader.node if is_leader else followers[-1].node), leader.term, is_leader
            await asyncio.sleep(POLL_S)

    async def _probe(self) -> None:
        """Commit a command that was sent after the kill: the old leader cannot have answered it."""
        while True:
            with contextlib.suppress(CommandTimeout):
                await self.client.key_value(STORE).increment(probe_key(self.run))
                return

    async def _stay_away(self, killed: Killed) -> None:
        one_more = self.progress.count + 1
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(AWAY_S):
                await self.progress.reached(killed.acknowledged + int(AWAY_SHARE * self.progress.total))
        await self.progress.reached(one_more)

    async def _restart(self, killed: Killed) -> None:
        killed.acknowledged_away = self.progress.count - killed.acknowledged
        goal = max(status.commit_index for status in await group_statuses(self.client))
        self.timeline.say(f"{killed.node} is started again; {killed.acknowledged_away} files were committed without it")
        began_s = time.monotonic()
        await self.cluster.start(killed.node)
        await self._until_applied(killed.node, goal)
        killed.caught_up_index = goal
        killed.catch_up_ms = (time.monotonic() - began_s) * 1000
        self.timeline.say(f"{killed.node} has caught up: entry {goal} is applied, {killed.catch_up_ms:.0f} ms later")

    async def _until_applied(self, node: str, goal: int) -> None:
        try:
            async with asyncio.timeout(CATCH_UP_TIMEOUT_S):
                while await self._applied(node) < goal:  # noqa: ASYNC110 (it happens in another process)
                    await asyncio.sleep(POLL_S)
        except TimeoutError as error:
            raise NotCaughtUp(f"node {node!r} did not reach entry {goal} in {CATCH_UP_TIMEOUT_S:g} s") from error

    async def _applied(self, node: str) -> int:
        return max((each.applied_index for each in await group_statuses(self.client) if each.node == node), default=0)


async def group_statuses(client: Client) -> list[GroupStatus]:
    """Return how the nodes of the store that answer are doing."""
    answers = await client.group(STORE).status()
    return [answer for answer in answers.values() if isinstance(answer, GroupStatus)]


async def term_of(client: Client) -> int:
    """Return the highest term any node of the store is in."""
    return max((status.term for status in await group_statuses(client)), default=0)
