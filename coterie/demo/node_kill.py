"""`NodeKill`: kills a demo node that has unfinished work, starts it again, and measures unavailability and recovery."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from dataclasses import dataclass, field
from typing import Final, Literal

from coterie.actors.client import Client
from coterie.actors.groups.group_messages import GroupStatus
from coterie.cluster_processes import ClusterProcesses
from coterie.demo.coordinator import Coordinator
from coterie.demo.demo_output import DemoOutput, DemoProgress
from coterie.demo.demo_topology import STORE
from coterie.demo.store_keys import probe_key
from coterie.errors import CommandTimeout, CoterieError

__all__ = ["KillRecord", "NodeKill", "NotCaughtUp", "Victim", "held_back", "term_of", "void_reasons"]

Victim = Literal["leader", "follower", "none"]

KILL_AT: Final = 0.4
"""The share of the files that is acknowledged when the kill is prepared."""

HELD_BACK: Final = 0.4
"""The share of the files that is not sent before the victim is chosen: the work cannot be over by then."""

DRAIN_TURNS: Final = 10
"""Turns of the loop that read the answers a node sent before it was stopped: all of them wait in the sockets."""

DOWN_TIME_S: Final = 2.0
DOWN_SHARE: Final = 0.2
"""The node is down for this long, or until this share of the files was acknowledged, whichever comes first."""

POLL_S: Final = 0.05
CATCH_UP_TIMEOUT_S: Final = 120.0


class NotCaughtUp(CoterieError):
    """The restarted node did not apply the entries committed before its start in time."""


@dataclass(slots=True)
class KillRecord:
    """One kill, in numbers of files.

    `in_flight`, `acknowledged`: at the kill. `unanswered`: of those in flight, the files that the killed node had been
    sent and had not answered; no answer was on the way. `acknowledged_while_down`: between the kill and the restart.
    """

    node: str
    was_leader: bool
    term: int
    in_flight: int
    unanswered: int
    acknowledged: int
    failover_ms: float | None = None
    acknowledged_while_down: int = 0
    catch_up_ms: float | None = None
    caught_up_index: int | None = None


def void_reasons(killed: KillRecord, last_term: int) -> list[str]:
    """Return why a run with a kill proves nothing, if so."""
    reasons = []
    if killed.in_flight == 0:
        reasons.append("no file was in flight at the kill")
    elif killed.unanswered == 0:
        reasons.append("no file was in flight to the killed node")
    if killed.acknowledged_while_down == 0:
        reasons.append("no file was acknowledged between kill and restart")
    if killed.was_leader and last_term <= killed.term:
        reasons.append(f"the leader was killed, but the term ({killed.term}) did not rise")
    return reasons


def held_back(files: int, victim: Victim) -> int:
    """Return how many of the files, the last ones, the coordinator must not send before it is released."""
    return 0 if victim == "none" else math.ceil(HELD_BACK * files)


@dataclass(slots=True)
class NodeKill:
    """Kills one node of a cluster at work, and starts it again; with `loses_disk` on an empty disk.

    The coordinator holds back a part of the files until the victim is chosen, so that a fast cluster does not run out
    of work meanwhile. Then, right after an acknowledgement, the victim is stopped (SIGSTOP) and the answers that it
    has sent are read: if files are still unanswered, it is killed in this state; else it is continued, and the next
    acknowledgement is the next attempt.
    """

    cluster: ClusterProcesses
    client: Client
    coordinator: Coordinator
    progress: DemoProgress
    output: DemoOutput
    run_id: str
    victim: Victim
    loses_disk: bool = False
    killed: KillRecord | None = field(default=None, init=False)

    async def run(self) -> None:
        """Wait for the middle of the work, kill, measure, restart, wait until the node has caught up.

        Raises:
            NotCaughtUp: it did not in two minutes.
        """
        if self.victim == "none":
            return
        await self.progress.reached(int(KILL_AT * self.progress.total))
        killed = await self._kill()
        await self._wait_while_down(killed)
        await self._restart(killed)

    async def _kill(self) -> KillRecord:
        node, term, was_leader = await self._choose()
        self.coordinator.release()
        unanswered = await self._stop_at_work(node)
        killed = KillRecord(node, was_leader, term, len(self.coordinator.in_flight), unanswered, self.progress.count)
        self.killed = killed
        role, pid = ("leader" if was_leader else "follower"), self.cluster.pid(node)
        began_s = time.monotonic()
        await self.cluster.kill(node)
        self.output.say(
            f"KILL -9 of {node}, the {role} in term {term} (pid {pid}): {killed.in_flight} files in flight, "
            f"{killed.unanswered} of them to it, {killed.acknowledged} acknowledged"
        )
        await self._probe()
        killed.failover_ms = (time.monotonic() - began_s) * 1000
        self.output.say(f"first commit after the kill: unavailable for {killed.failover_ms:.0f} ms")
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

    async def _stop_at_work(self, node: str) -> int:
        """Stop the node while it has unanswered files; return how many. 0: all were acknowledged before."""
        requests = self.coordinator.requests
        while self.progress.count < self.progress.total:
            await self.progress.reached(self.progress.count + 1)
            sent = requests.sent_by_node[node]
            if sent > requests.settled_by_node[node]:
                self.cluster.pause(node)
                for _ in range(DRAIN_TURNS):
                    await asyncio.sleep(0)
                # What was sent in the meantime does not count: the node has not begun it.
                if (unanswered := sent - requests.settled_by_node[node]) > 0:
                    return unanswered
                self.cluster.resume(node)
        return 0

    async def _probe(self) -> None:
        """Commit a command that was sent after the kill: the old leader cannot have answered it."""
        while True:
            with contextlib.suppress(CommandTimeout):
                await self.client.key_value(STORE).increment(probe_key(self.run_id))
                return

    async def _wait_while_down(self, killed: KillRecord) -> None:
        one_more = self.progress.count + 1
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DOWN_TIME_S):
                await self.progress.reached(killed.acknowledged + int(DOWN_SHARE * self.progress.total))
        await self.progress.reached(one_more)

    async def _restart(self, killed: KillRecord) -> None:
        killed.acknowledged_while_down = self.progress.count - killed.acknowledged
        goal = max(status.commit_index for status in await group_statuses(self.client))
        self.output.say(
            f"{killed.node} is started again; {killed.acknowledged_while_down} files were committed without it"
        )
        began_s = time.monotonic()
        if self.loses_disk:
            await self._replace_disk(killed.node)
        else:
            await self.cluster.start(killed.node)
        await self._until_applied(killed.node, goal)
        killed.caught_up_index = goal
        killed.catch_up_ms = (time.monotonic() - began_s) * 1000
        self.output.say(f"{killed.node} has caught up: entry {goal} is applied, {killed.catch_up_ms:.0f} ms later")

    async def _replace_disk(self, node: str) -> None:
        """Start the node with an empty disk, and let that take the place of the lost one in the store's group."""
        group = self.client.group(STORE)
        (lost,) = [member.store for member in await group.members(timeout_s=CATCH_UP_TIMEOUT_S) if member.node == node]
        self.output.say(f"{node} has lost its disk (store {str(lost)[:8]}): it starts with an empty one")
        await self.cluster.start_on_empty_disk(node)
        members = await group.replace(
            node,
            store=str(lost),
            timeout_s=CATCH_UP_TIMEOUT_S,
            on_progress=lambda text: self.output.say(f"  {text}"),
        )
        (found,) = [member for member in members if member.node == node]
        self.output.say(f"{node} is a {found.role} again, with the store {str(found.store)[:8]}")

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
    """Return the status of the store at each node that answers."""
    answers = await client.group(STORE).status()
    return [answer for answer in answers.values() if isinstance(answer, GroupStatus)]


async def term_of(client: Client) -> int:
    """Return the highest term any node of the store is in."""
    return max((status.term for status in await group_statuses(client)), default=0)
